"""Whole runs through the real command line."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits

from undercoat import load_backbone, records
from undercoat.cli import main


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Two hundred handwritten digits with labels, as one NumPy file."""
    images, labels = load_digits(return_X_y=True)
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    pixels = (images[:200].reshape(-1, 8, 8) * 15).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    np.savez(path, images=pixels, labels=labels[:200])
    return str(path)


RUN = [
    "pretrain", "--backbone", "resnet10t", "--batch", "16", "--size_px", "32",
    "--checkpoint_every", "2", "--log_every", "1", "--device", "cpu", "--seed", "3",
]  # fmt: skip


def start(*arguments, **kwargs):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "undercoat", *map(str, arguments)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, **kwargs,
    )  # fmt: skip


def wait_for_step(folder, step, process, seconds=120):
    deadline = time.monotonic() + seconds
    log = folder / "log.jsonl"
    while time.monotonic() < deadline:
        if log.exists() and f'"step": {step},' in log.read_text():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("the run did not get there")


def finish(process):
    out, err = process.communicate(timeout=180)
    return process.returncode, out, err


def test_killed_and_resumed_is_bitwise_the_uninterrupted_run(digits, tmp_path):
    run = [*RUN, "--data", digits, "--steps", "12", "--cache", tmp_path / "cache"]
    assert finish(start(*run, "--out", tmp_path / "whole"))[0] == 0
    killed = start(*run, "--out", tmp_path / "killed")
    wait_for_step(tmp_path / "killed", 5, killed)
    killed.send_signal(signal.SIGKILL)
    assert finish(killed)[0] == -signal.SIGKILL
    assert not (tmp_path / "killed" / "done.json").exists()
    code, _, err = finish(start("resume", tmp_path / "killed"))
    assert code == 0, err
    whole, resumed = ((tmp_path / name / "backbone.safetensors").read_bytes() for name in ("whole", "killed"))
    assert whole == resumed
    steps = [json.loads(line)["step"] for line in (tmp_path / "killed" / "log.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 13))


def test_ctrl_c_finishes_the_step_saves_and_says_how_to_go_on(digits, tmp_path):
    process = start(*RUN, "--data", digits, "--steps", "200", "--checkpoint_every", "100", "--out", tmp_path / "run")
    wait_for_step(tmp_path / "run", 3, process)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130
    assert "stopped and saved after step" in err
    assert f"undercoat resume {tmp_path / 'run'}" in err
    assert "Traceback" not in err
    assert (tmp_path / "run" / "checkpoint.pt").exists()


def test_two_processes_run_the_same_command(digits, tmp_path):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "-m",
        "undercoat",
        *RUN,
        "--data",
        digits,
    ]
    # few log lines and more steps that are watched: all processes must still meet at the same ones
    command += ["--steps", "3", "--log_every", "50", "--out", str(tmp_path / "run"), "--labels", digits]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["world"] == 2
    assert done.stdout.count("import undercoat") == 1
    assert load_backbone(tmp_path / "run").dim == 512


@pytest.mark.slow
def test_clusters_of_two_processes_are_those_of_one(tmp_path):
    """Features of the whole set are shared out, clustered once and sent to all."""
    losses = []
    for world in ("1", "2"):
        out = tmp_path / f"of {world}"
        network = ["--backbone", "undercoat/alexnet", "--backbone_arguments", "{stem: small, norm: none, width: small}"]
        task = [
            "--data",
            "sample:noto",
            "--size_px",
            "32",
            "--method",
            "deep_cluster",
            "--steps",
            "12",
            "--batch",
            "64",
        ]
        task += ["--method_arguments", "{clusters: 20, epochs_between: 1}", "--precision", "fp32", "--device", "cpu"]
        launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", world, "-m", "undercoat"]
        command = [*launch, "pretrain", *task, *network, "--log_every", "1", "--out", str(out)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)
        assert done.returncode == 0, done.stderr
        losses.append([json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()])
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


@pytest.mark.slow
def test_slurm_tasks_train_together(digits, tmp_path):
    tasks = []
    for number in ("0", "1"):
        slurm = {"JOB_ID": "77", "JOB_NAME": "train", "NTASKS": "2", "NTASKS_PER_NODE": "2", "NODELIST": "127.0.0.1"}
        slurm |= {"PROCID": number, "LOCALID": number, "NODEID": "0", "NNODES": "1"}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **{f"SLURM_{key}": value for key, value in slurm.items()}}
        command = [sys.executable, "-m", "undercoat", *RUN, "--data", digits, "--steps", "2", "--out", tmp_path / "run"]
        tasks.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment))
    errors = [task.communicate(timeout=240)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], errors
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["world"] == 2


RECIPE = {
    "name": "tiny",
    "backbone": "timm/resnet10t",
    "defaults": {"batch": 16, "size_px": 32, "steps": 2},
    "arms": {
        "random": [],
        "target": ["target"],
        "chain": [
            "source",
            {"use": "target", "train": "norm"},
            {"use": "target", "train": "statistics", "steps": None},
        ],
    },
    "seeds": [0, 1],
    "watch": 2,
}


@pytest.fixture(scope="module")
def study(digits, tmp_path_factory):
    """A finished study of three arms, a chain of three coats among them."""
    folder = tmp_path_factory.mktemp("study")
    recipe = {**RECIPE, "stages": {"source": {"data": digits}, "target": {"data": digits, "seed": 5}}}
    recipe["protocol"] = {"data": digits, "size_px": 32, "readouts": {"knn": {}}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    assert main(["study", "run", str(folder / "tiny.yaml"), "--out", str(folder / "out"), "--device", "cpu"]) == 0
    return folder


def test_a_study_measures_every_arm_with_n_and_interval(study):
    rows = [row for row in records.read(study / "out") if row.split == "test" and not row.versus]
    assert {(row.arm, row.seed) for row in rows} == {
        ("random", 0), ("random", 1), ("random", -1), ("target", 0), ("chain", 0), ("chain", 1), ("chain", -1),
        ("majority class", 0),
    }  # fmt: skip
    for row in rows:
        assert row.n > 0
        assert 0 <= row.ci_low <= row.value <= row.ci_high <= 1
        assert row.interval
    chain = next(row for row in rows if row.arm == "chain")
    assert chain.chain == "source:moco_v2>target:moco_v2(norms)>target:batch statistics"
    assert chain.steps == 4
    assert chain.images_seen == 64


def test_differences_are_paired_and_named(study):
    rows = {(row.arm, row.versus): row for row in records.read(study / "out") if row.versus}
    assert {("target", "random"), ("chain", "random"), ("chain", "target")} == rows.keys()
    assert all(row.ci_low <= row.value <= row.ci_high for row in rows.values())


def test_running_again_repeats_nothing(study, capsys):
    before = {path: path.stat().st_mtime_ns for path in (study / "out" / "stages").rglob("backbone.safetensors")}
    rows = records.read(study / "out")
    assert main(["study", "run", str(study / "tiny.yaml"), "--out", str(study / "out"), "--device", "cpu"]) == 0
    assert "finished before" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert records.read(study / "out") == rows


def test_shared_coats_are_laid_once(study):
    folders = list((study / "out" / "stages").iterdir())
    # random × 2 seeds, target (its own seed) once, source × 2, norms × 2, statistics × 2
    assert len(folders) == 9


def test_plan_status_show_list_and_records(study, capsys, tmp_path):
    out = str(study / "out")
    assert main(["study", "plan", str(study / "tiny.yaml"), "--out", out, "--measure=false"]) == 0
    planned = capsys.readouterr().out
    assert "9 coats" in planned
    assert "0 steps and 0 images to go" in planned
    assert main(["study", "status", out]) == 0
    assert "9 of 9 coats finished, nobody is at work" in capsys.readouterr().out
    assert main(["study", "status", out, "--json"]) == 0
    assert [coat["state"] for coat in json.loads(capsys.readouterr().out)["coats"]] == ["finished"] * 9
    assert main(["study", "status", out, "--watch"]) == 0
    assert capsys.readouterr().out.count("9 of 9 coats") == 1
    assert main(["show", out]) == 0
    assert "chain" in capsys.readouterr().out
    assert main(["show", f"{out}/chain"]) == 0
    assert "undercoat.load_backbone" in capsys.readouterr().out
    assert load_backbone(f"{out}/chain").dim == 512
    assert main(["records", out, str(tmp_path / "all.csv")]) == 0
    assert main(["records", out, str(tmp_path / "all.parquet")]) == 0
    assert (tmp_path / "all.csv").read_text().count("\n") == 1 + len(records.read(study / "out"))


def test_the_report_lies_there(study):
    page = (study / "out" / "report.html").read_text(encoding="utf-8")
    assert "chain" in page
    assert "<svg" in page


def test_a_run_is_evaluated_beside_random_and_base(digits, tmp_path, capsys):
    first = [
        *RUN,
        "--data",
        digits,
        "--steps",
        "2",
        "--cache",
        str(tmp_path / "cache"),
        "--out",
        str(tmp_path / "first"),
    ]
    assert main(first) == 0
    second = [
        *RUN,
        "--data",
        digits,
        "--steps",
        "2",
        "--cache",
        str(tmp_path / "cache"),
        "--init",
        str(tmp_path / "first"),
    ]
    assert main([*second, "--out", str(tmp_path / "second")]) == 0
    assert main(["evaluate", str(tmp_path / "second"), "--data", digits, "--readout", "knn", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert all(arm in printed for arm in ("random", "base", "second", "majority class", "Verdict"))
    assert main(["report", str(tmp_path / "second")]) == 0
    assert (tmp_path / "second" / "report.html").exists()


@pytest.mark.parametrize("what", ["methods", "backbones", "readouts", "measures", "augmentations", "data", "init"])
def test_everything_known_can_be_listed(what, capsys):
    assert main(["list", what, "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert known
    assert main(["list", what, "--filter", next(iter(known))]) == 0
    assert next(iter(known)) in capsys.readouterr().out
