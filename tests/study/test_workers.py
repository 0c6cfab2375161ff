"""One worker, two, one that is killed and one that fails: the same weights, and every other branch goes on."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from rich.console import Console

from undercoat import records
from undercoat.cli import main
from undercoat.errors import RunError, SpecError
from undercoat.study.crew import check_workers, environment_of, threads_each
from undercoat.study.folder import copy_finished, joined
from undercoat.study.recipe import Recipe
from undercoat.study.status import status_of
from undercoat.study.study import Study

VALUES = {
    "name": "tiny",
    "backbone": "undercoat/alexnet",
    "backbone_arguments": {"stem": "small", "width": "tiny"},
    "defaults": {
        **{"data": "sample:digits?limit=40", "size_px": 32, "batch": 8, "steps": 6, "precision": "fp32"},
        **{"log_every": 1, "checkpoint_every": 2},
    },
    "stages": {"source": {"method": "rotnet"}, "target": {"method": "simclr"}},
    "arms": {"random": [], "target": ["target"], "both": ["source", "target"]},
    "watch": 0,
    "protocol": {"data": "sample:digits?limit=40", "size_px": 32, "readouts": {"knn": {}}},
}


def study(out, **changes):
    console = Console(file=io.StringIO(), width=200)
    recipe = Recipe.of({**VALUES, **changes}, where="recipe")
    return Study(recipe, out=out, console=console, cache=out.parent / "cache", device="cpu")


def weights(out):
    return {path.parent.name: path.read_bytes() for path in out.glob("stages/*/backbone.safetensors")}


def values(out):
    return {row.key: row.value for row in records.read(out)}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The study as one worker runs it, without a break."""
    out = tmp_path_factory.mktemp("studies") / "alone"
    run = start(out)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    return out


def start(out, *arguments, recipe=VALUES):
    """Start ``undercoat study run`` as a person would, in a process group of its own."""
    file = out.parent / f"{out.name}.yaml"
    file.write_text(yaml.safe_dump(recipe, sort_keys=False))
    command = [sys.executable, "-m", "undercoat", "study", "run", file, "--out", out, "--device", "cpu"]
    command += ["--cache", out.parent / "cache", *arguments]
    pipe = subprocess.PIPE
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # the bits of a sum depend on how many share it
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, env=one_thread)


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "this took too long"
        time.sleep(0.02)
    return found


def holder_of_a_started_coat(out):
    """The process that lays a coat which has a checkpoint and is not finished."""
    for checkpoint in out.glob("stages/*/checkpoint.pt"):
        hold = out / ".holds" / checkpoint.parent.name
        if hold.exists() and not (checkpoint.parent / "done.json").exists() and (text := hold.read_text()):
            return json.loads(text)["process"]
    return None


def test_two_workers_one_of_which_is_killed_lay_what_one_lays(alone):
    out = alone.parent / "two"
    run = start(out, "--workers", "2")
    victim = wait_for(lambda: out.exists() and holder_of_a_started_coat(out))
    os.kill(victim, signal.SIGKILL)
    printed, said = run.communicate(timeout=200)
    assert run.returncode == 0, said
    assert "1 | coat" in said
    assert "2 | coat" in said
    assert weights(out) == weights(alone)
    assert values(out) == values(alone)
    assert said.count("reading out target") == 1
    assert f"report   {out / 'report.html'}" in printed
    assert list((out / ".holds").iterdir()) == []


def test_a_coat_that_fails_stops_nothing_but_what_lies_on_it(alone, tmp_path, capsys):
    broken = {**VALUES["stages"], "source": {"method": "rotnet", "optimiser": {"lr": 1e30, "clip_norm": None}}}
    one = study(tmp_path / "broken", stages=broken)
    with pytest.raises(RunError, match=r"1 of 4 coats failed: source:rotnet seed 0 \(.*is nan.*1 behind"):
        one.run()
    found = {(coat.chain, coat.state) for coat in status_of(one.out).coats}
    assert ("source: rotnet", "failed") in found
    assert ("source: rotnet>target: simclr", "waiting") in found
    assert {row.arm for row in records.read(one.out) if row.split == "test"} == {"random", "target", "majority class"}
    assert set(weights(alone).items()) > set(weights(one.out).items())  # what is not broken is the same
    page = (one.out / "report.html").read_text("utf-8")
    assert "2 of 4 coats" in page
    assert main(["study", "status", str(one.out)]) == 0
    shown = capsys.readouterr().out
    assert "failed: source: rotnet  seed 0: " in shown
    assert max(map(len, shown.split("\nfailed")[0].splitlines())) <= 80


def test_what_is_finished_can_be_judged_before_the_rest(alone, tmp_path):
    one = study(tmp_path / "part")
    target = next(
        digest for digest, coat in one.graph().coats.items() if one.graph().readable(digest) == "target:simclr"
    )
    for digest in (next(iter(one.graph().coats)), target):
        copy_finished(digest, alone, one.out)
    report = one.run(only_judge=True)
    assert {row.arm for row in records.read(one.out) if row.split == "test"} == {"random", "target", "majority class"}
    assert "Unfinished: 2 of 4 coats" in report.read_text("utf-8")
    assert "Unfinished: 2 of 4 coats" in (one.out / "summary.md").read_text("utf-8")
    assert study(one.out).run() == report
    assert values(one.out) == values(alone)
    assert "Unfinished" not in report.read_text("utf-8")


def test_another_recipe_is_refused_while_one_runs(tmp_path):
    out = tmp_path / "study"
    with joined(out, "one recipe".replace(" ", "-")) as first:
        assert first
        with joined(out, "one-recipe") as also_first:
            assert not also_first
        with pytest.raises(RunError, match=f"process {os.getpid()} is working on another recipe"):
            study(out).run()
    assert not (out / "stages").exists()


@pytest.mark.parametrize(("workers", "sentence"), [(0, "less than one"), (-1, "less than one"), (9999, "give at most")])
def test_a_number_of_workers_that_cannot_be(workers, sentence, tmp_path):
    with pytest.raises(SpecError, match=sentence):
        check_workers(workers)
    with pytest.raises(SpecError, match=sentence):
        study(tmp_path / "none").run(workers=workers)
    assert list(tmp_path.iterdir()) == []


def test_cores_and_gpus_are_shared_out():
    assert threads_each(4, cores=16, asked=16) == 4
    assert threads_each(4, cores=16, asked=1) == 1  # as OMP_NUM_THREADS says
    assert threads_each(9, cores=4, asked=4) == 1
    gpus = [environment_of(number, threads=1, gpus=["4", "7"])["CUDA_VISIBLE_DEVICES"] for number in (1, 2, 3)]
    assert gpus == ["4", "7", "4"]


@pytest.mark.slow
def test_a_second_terminal_joins_in(alone):
    out = alone.parent / "joined"
    longer = {**VALUES, "seeds": [0, 1, 2]}
    first = start(out, recipe=longer)
    wait_for(lambda: (out / "study.json").exists())
    second = start(out, recipe=longer)
    said = [run.communicate(timeout=300)[1] for run in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], said
    assert "joining as worker 2" in said[1]
    assert sum(text.count("reading out target  seed 0") for text in said) == 1
    assert weights(alone).items() <= weights(out).items()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_reaches_all_workers(alone, number):
    out = alone.parent / f"stopped-{number}"
    longer = {**VALUES, "defaults": {**VALUES["defaults"], "steps": 400}}
    run = start(out, "--workers", "2", recipe=longer)
    wait_for(lambda: out.exists() and holder_of_a_started_coat(out))
    if number == signal.SIGINT:
        os.killpg(run.pid, number)  # as a terminal does
    else:
        os.kill(run.pid, number)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in said
    assert list((out / ".holds").iterdir()) == []
    assert {coat.state for coat in status_of(out).coats} >= {"unfinished"}
