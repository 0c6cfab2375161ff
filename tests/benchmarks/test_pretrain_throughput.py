"""The throughput benchmark runs at tiny sizes and prints what it promises; its numbers are not looked at."""

import json
import math
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "pretrain_throughput.py"
LIGHTLY = find_spec("lightly") is not None


def run(*arguments):
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    without = () if LIGHTLY else ("--without-lightly",)
    done = run("--quick", "--json", "--cache", str(tmp_path_factory.mktemp("cache")), *without)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_prints_the_promised_ratios(printed):
    promised = ["pipeline_over_bare", "over_lightly_fp32", "over_lightly_bf16", "memory_100k_over_1k", "share_of_peak"]
    assert list(printed)[:5] == promised
    for name in promised:
        if name.startswith("over_lightly") and not LIGHTLY:
            assert printed[name] is None
        elif name != "memory_100k_over_1k" or sys.platform == "linux":
            assert math.isfinite(printed[name])
            assert printed[name] > 0


def test_says_where_it_ran_and_what_was_measured(printed):
    assert printed["step_gflop"] > 0
    assert printed["ours_images_per_second"] > 0
    assert printed["machine"].startswith("cpu: ")
    assert {"threads", "torch", "date", "batch", "queue_size", "precision"} <= set(printed)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = spec_from_file_location("pretrain_throughput", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_does_not_keep_numbers_without_meaning(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pretrain_throughput.py", "--quick", "--save"])
    with pytest.raises(SystemExit) as stopped:
        script.main()
    assert stopped.value.code == 2
    assert "--quick gives numbers without meaning" in capsys.readouterr().err


def test_a_saved_row_is_added_and_other_columns_begin_a_new_file(script, tmp_path):
    row = {"ratio": 1.5, "date": "2026-01-02"}
    assert script.save(row, tmp_path) == script.save(row, tmp_path)
    assert (tmp_path / "2026-01-02-pretrain-throughput.csv").read_text().split() == [
        "ratio,date",
        "1.5,2026-01-02",
        "1.5,2026-01-02",
    ]
    other = script.save({**row, "more": 1}, tmp_path)
    assert other.name == "2026-01-02-pretrain-throughput-2.csv"


def test_ratios_compare_each_segment_with_the_two_around_it(script):
    sides = script.Comparison.__new__(script.Comparison)
    sides.setting = script.QUICK
    sides.sides = {"bare": None, "lightly_fp32": None}
    sides.order, sides.seconds = ["bare", "lightly_fp32"], [3.0, 10.0]
    sides.flops, sides.product_rates = 12, [16.0]
    result = sides.result([2.0, 6.0, 4.0])
    assert result["pipeline_over_bare"] == 3.0 / 4.0
    assert result["over_lightly_fp32"] == 10.0 / 5.0
    assert result["over_lightly_bf16"] is None
    assert result["share_of_peak"] == 0.5  # 12 operations × 2 steps / 3 s = 8 a second, of 16
