"""A study keeps the names of the few images whose labels it used, and takes them again."""

import io

import numpy as np
import pytest
from rich.console import Console

from undercoat.backbones import build_backbone
from undercoat.errors import DataError
from undercoat.evaluation import Protocol
from undercoat.evaluation.label_list import read_label_list
from undercoat.interop import save_backbone
from undercoat.study.graph import DataShelf
from undercoat.study.judge import Judge


@pytest.fixture
def judged(tmp_path):
    labels = np.arange(48) % 3
    images = np.random.default_rng(0).integers(0, 256, (48, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=labels, split=np.repeat(["train", "test"], [36, 12]))
    save_backbone(build_backbone("timm/test_resnet", seed=0), tmp_path / "arm")

    def run(out, **labels):
        settings = {"data": str(tmp_path / "set.npz"), "size_px": 16, "readouts": {"knn": {"k": 1}}}
        judge = Judge(
            Protocol.of(settings | labels, where="protocol"),
            DataShelf(cache=tmp_path / "cache", progress=False), tmp_path / out, "cpu",
        )  # fmt: skip
        about = {"arm": "arm", "seed": 0}
        return judge.evaluate_folder(tmp_path / "arm", about, stage="s", console=Console(file=io.StringIO()))

    return run


def test_few_labels_are_listed_and_the_list_gives_the_same_numbers(judged, tmp_path):
    assert not list((tmp_path / "arm").glob("labels-*"))
    judged("all")
    assert not (tmp_path / "all").exists()
    found = judged("few", labels_limit="25%")
    (listed,) = (tmp_path / "few").glob("labels-*.txt")
    assert listed.name == f"labels-{found.rows[0].eval}.txt"
    assert len(read_label_list(listed)) == found.rows[0].labels == 9
    again = judged("again", labels_from=str(listed))
    assert np.array_equal(again.predictions["knn"].scores, found.predictions["knn"].scores)


def test_labels_that_do_not_exist_stop_before_anything_is_read(judged, tmp_path):
    with pytest.raises(DataError, match="give at most 36"):
        judged("few", labels_limit=37)
    assert not (tmp_path / "few").exists()
