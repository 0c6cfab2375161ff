"""The clustering benchmark runs at a tiny size and prints what it promises; its seconds are not looked at."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "clustering.py"


def test_prints_the_promised_seconds_first():
    arguments = ["--json", "--images", "600", "--clusters", "10"]
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert list(printed)[:2] == ["seconds_4096", "seconds_512"]
    assert printed["smallest_cluster_4096"] >= 1
    for dim in (4096, 512):  # as tight clusters as scikit-learn's, whose rows and starts are other ones
        assert 0 < printed[f"spread_{dim}"] < 1.2 * printed[f"sklearn_spread_{dim}"]
