"""The benchmark of all methods runs at tiny sizes; its numbers are not looked at."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "methods.py"


def test_it_prints_a_ratio_for_each_method_asked_for(tmp_path):
    arguments = ["--quick", "--json", "--rounds", "1", "--cache", str(tmp_path), "--only", "rotnet", "supervised"]
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["method"] for row in rows] == ["rotnet", "supervised"]
    assert all(row["pipeline_over_bare"] > 0 for row in rows)
