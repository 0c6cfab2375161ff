"""Status from files: states, who lays what, speeds and times in closed form, and a table that fits 80 columns."""

import io
import json
import os
import time

import pytest
import yaml
from rich.console import Console

from undercoat.study.holds import take
from undercoat.study.makespan import makespan
from undercoat.study.status import status_of
from undercoat.study.status_table import duration, status_table, watch

CHAIN = ["source: rotnet", "target: simclr"]


@pytest.fixture
def out(tmp_path):
    """A study of a chain of two coats with three seeds, of which nothing is laid; 8 images a step."""
    coats, arms = {}, {}
    for seed in range(3):
        source, target = f"s{seed}", f"t{seed}"
        for digest, parent, steps in ((source, "", 100), (target, source, 50)):
            chain = ">".join(CHAIN[: 1 if digest == source else 2])
            coats[digest] = {"chain": chain, "seed": seed, "parent": parent, "batch": 8, "steps": steps}
            coats[digest]["pace"] = digest[0]
        arms[str(seed)] = [source, target]
    study = {"name": "made up", "seeds": [0, 1, 2], "arms": [{"name": "both", "coats": CHAIN, "stages": arms}]}
    (tmp_path / "study.json").write_text(json.dumps(study))
    (tmp_path / "coats.json").write_text(json.dumps(coats))
    return tmp_path


def lay(out, digest, *, step, seconds_a_step=0.5, done=False, error=None):
    """Write what a coat that has come this far leaves, with a log line every ten steps."""
    folder = out / "stages" / digest
    folder.mkdir(parents=True)
    (folder / "stage.yaml").write_text(yaml.safe_dump({"digest": digest, "steps": 100, "batch": 8}))
    speed = 8 / seconds_a_step
    lines = [{"step": at, "loss": 1.0, "images_per_second": speed} for at in range(10, step + 1, 10)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if done:
        (folder / "done.json").write_text("{}")
    if error:
        (folder / "failed.json").write_text(json.dumps({"error": error, "fault": False}))


def coats(out):
    return {coat.digest: coat for coat in status_of(out).coats}


def drawn(out, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(status_table(status_of(out)))
    return console.file.getvalue()


def test_seeds_in_the_same_state_share_a_line(out):
    lines = [line.split() for line in drawn(out).splitlines()]
    assert lines[1] == ["source:", "rotnet", "0–2", "not", "started", "0/100", "–", "?"]
    assert lines[2] == ["target:", "simclr", "0–2", "waiting", "0/50", "–", "?"]
    assert lines[3][:4] == ["0", "of", "6", "coats"]


def test_every_state(out):
    lay(out, "s0", step=100, done=True)
    lay(out, "s1", step=40)
    lay(out, "s2", step=10, error="the loss of step 11 is nan")
    lay(out, "t0", step=20)
    with take(out / ".holds" / "worker-4", worker=4), take(out / ".holds" / "t0", worker=4):
        found = coats(out)
        text = drawn(out)
    states = {digest: coat.state for digest, coat in found.items()}
    assert states == {
        **{"s0": "finished", "s1": "unfinished", "s2": "failed"},
        **{"t0": "running", "t1": "waiting", "t2": "waiting"},
    }
    assert (found["t0"].worker, found["t0"].process) == (4, os.getpid())
    assert found["t0"].images_per_second == 16
    assert "running (worker 4)" in text
    assert "failed: source: rotnet>" not in text
    assert "failed: source: rotnet  seed 2: the loss of step 11 is nan" in text
    assert "1 of 6 coats finished, 1 worker at work" in text
    assert max(map(len, text.splitlines())) <= 80
    assert coats(out)["t0"].state == "unfinished"  # the worker has gone


def test_what_is_left_follows_from_steps_and_their_seconds(out):
    lay(out, "s0", step=100, seconds_a_step=0.5, done=True)
    found = coats(out)
    assert found["s0"].seconds_left == 0
    assert found["s1"].seconds_left == pytest.approx(50)  # a sibling's pace
    assert found["t0"].seconds_left is None  # nobody has laid one like it
    assert status_of(out).seconds_left is None
    lay(out, "t0", step=10, seconds_a_step=2.0)
    assert coats(out)["t0"].seconds_left == pytest.approx(80)
    # one worker: 80 of t0, 50 + 100 of each other seed
    assert status_of(out).seconds_left == pytest.approx(80 + 2 * 150)
    with take(out / ".holds" / "worker-1"), take(out / ".holds" / "worker-2", worker=2):
        # s1 beside t0 to 50, then t1 to 150; s2 from 80, where t0 ends, to 130, and t2 to 230
        assert status_of(out).seconds_left == pytest.approx(230)


def test_time_since_the_last_line_counts_as_work(out):
    lay(out, "s0", step=50)
    log = out / "stages" / "s0" / "log.jsonl"
    os.utime(log, (time.time() - 10, time.time() - 10))
    with take(out / ".holds" / "s0"):
        assert coats(out)["s0"].seconds_left == pytest.approx(25 - 10, abs=0.5)
    assert coats(out)["s0"].seconds_left == pytest.approx(25)


def test_watching_ends_with_the_study(out):
    for digest in ("s0", "s1", "s2", "t0", "t1", "t2"):
        lay(out, digest, step=10, done=True)
    console = Console(file=io.StringIO(), width=80)
    watch(out, console)
    assert "6 of 6 coats finished, nobody is at work" in console.file.getvalue()


def test_a_chain_of_long_names_fits(out):
    path = out / "coats.json"
    path.write_text(path.read_text().replace("rotnet", "a_method_with_a_very_long_name (norms and the first layer)"))
    lay(out, "s1", step=50)
    assert max(map(len, drawn(out).splitlines())) <= 80


@pytest.mark.parametrize(
    ("workers", "expected"),
    [(1, 44), (2, 23), (3, 21), (9, 21)],
)
def test_the_time_of_several_workers(workers, expected):
    seconds = {"base": 10, "long": 11, "short": 8, "other": 15}  # long and short lie on base
    parents = {"base": "", "long": "base", "short": "base", "other": ""}
    assert makespan(seconds, parents, workers=workers) == expected


def test_nothing_takes_no_time():
    assert makespan({}, {}) == 0
    assert duration(0) == "0 s"
    assert duration(3600) == "1 h"
