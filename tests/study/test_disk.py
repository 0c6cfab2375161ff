"""What a study writes: estimated before it runs, and counted afterwards."""

import io
import shutil

import pytest
from rich.console import Console

from undercoat.cli import main
from undercoat.errors import SpecError
from undercoat.study.disk import Disk, disk_of, shortage
from undercoat.study.plan import make_plan
from undercoat.study.recipe import Recipe
from undercoat.study.study import Study

VALUES = {
    "name": "disk",
    "backbone": "undercoat/alexnet",
    "backbone_arguments": {"stem": "small", "width": "tiny"},
    "defaults": {"data": "sample:digits?limit=24", "size_px": 32, "batch": 8, "steps": 2, "precision": "fp32"},
    "stages": {"one": {"method": "rotnet"}, "two": {"method": "rotnet", "optimiser": {"name": "sgd"}}},
    "arms": {"random": [], "one": ["one"], "both": ["one", "two"]},
    "watch": 0,
    "protocol": {"data": "sample:digits?limit=24", "size_px": 32, "readouts": {"knn": {}}},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study that has not run."""
    folder = tmp_path_factory.mktemp("disk")
    recipe = Recipe.of(VALUES, where="recipe")
    console = Console(file=io.StringIO(), width=200)
    return Study(recipe, out=folder / "out", cache=folder / "cache", console=console, device="cpu")


def test_an_estimate_is_near_what_is_written(study):
    plan = make_plan(
        study.graph(), study.out, device="cpu", console=study.console, measure=False, judges=study.judges()
    )
    assert plan.disk.backbones > 3 * 1_900_000  # three networks of 488,000 numbers
    assert len(plan.disk.checkpoints) == 2
    adam, sgd = plan.disk.checkpoints
    assert adam / sgd == pytest.approx(3 / 2, rel=0.02)  # weights and two means, weights and one
    assert plan.disk.peak(2) == plan.disk.backbones + plan.disk.features + 2 * (adam + sgd)
    assert plan.disk.peak(1) == plan.disk.peak(2) - 2 * sgd
    study.run()
    written = sum(path.stat().st_size for path in (study.out / "stages").rglob("*") if path.is_file())
    assert 0.6 < written / (plan.disk.backbones + plan.disk.features) < 1.2
    assert disk_of(study.graph(), study.out, study.judges()) == Disk(0, 0, ())


def test_a_disk_that_is_too_small_gets_a_sentence(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    large = Disk(backbones=2 * free, features=0, checkpoints=())
    assert "make room, or choose an --out on a larger disk" in shortage(large, tmp_path / "not" / "there")
    assert shortage(Disk(1000, 1000, (1000,)), tmp_path) == ""


def test_a_stated_rate_takes_the_place_of_measuring(study, tmp_path):
    out, console = tmp_path / "none", Console(file=io.StringIO(), width=200)
    plan = make_plan(study.graph(), out, device="cpu", console=console, images_per_second=4)
    assert console.file.getvalue() == ""
    assert plan.images == 32
    assert plan.seconds == 8
    assert plan.seconds_with(2) == 8  # the second coat lies on the first
    with pytest.raises(SpecError, match="images_per_second 0 is no speed"):
        make_plan(study.graph(), out, device="cpu", console=console, images_per_second=0)


def test_a_plan_is_printed_with_its_disk(tmp_path, capsys):
    import yaml

    (tmp_path / "disk.yaml").write_text(yaml.safe_dump({**VALUES, "seeds": [0, 1]}, sort_keys=False))
    arguments = ["--out", str(tmp_path / "out"), "--workers", "2", "--images_per_second", "8"]
    assert main(["study", "plan", str(tmp_path / "disk.yaml"), *arguments]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "about 8 s of training at 8 images/s, 4 s with 2 workers" in printed
    assert "more on disk: backbones and pictures" in printed
