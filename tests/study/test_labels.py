"""Labels enter training in one place only, and never those of images that a number is reported on."""

from dataclasses import replace

import numpy as np
import pytest

from undercoat.data import open_data
from undercoat.errors import DataError
from undercoat.study.expansion import Leaf
from undercoat.study.graph import DataShelf, build_graph, labelled_images, pretraining_images
from undercoat.study.stage import Stage


@pytest.fixture
def table(tmp_path):
    labels = np.array([0, 1, -1] * 8)
    splits = np.array(["train"] * 12 + ["val"] * 6 + ["test"] * 6)
    images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=labels, split=splits)
    return open_data(str(tmp_path / "set.npz"), size_px=16, cache=tmp_path / "cache", progress=False)


def test_supervised_sees_labelled_training_images_only(table):
    seen = labelled_images(table)
    assert set(seen.splits) == {"train"}
    assert seen.labels.min() >= 0
    assert len(seen) == 8
    assert pretraining_images(table).labels is None


def test_the_digest_covers_the_labels(table):
    other = replace(table, labels=np.roll(table.labels, 3) * 1)
    swapped = replace(table, labels=np.where(table.labels >= 0, 1 - table.labels, -1))
    digests = {labelled_images(one).digest for one in (table, swapped)}
    assert len(digests) == 2
    assert labelled_images(other).digest == labelled_images(table).digest  # rolled by a period: the same labels
    assert pretraining_images(table).digest == pretraining_images(swapped).digest


def test_data_without_test_images_is_refused(table):
    with pytest.raises(DataError, match="names no test images"):
        labelled_images(replace(table, splits=np.full(24, "")))


def test_data_without_labels_outside_test_is_refused(table):
    with pytest.raises(DataError, match="no labelled image outside"):
        labelled_images(replace(table, labels=np.where(table.splits == "test", table.labels, -1)))


def test_a_graph_hands_labels_to_supervised_alone(table, tmp_path):
    shelf = DataShelf(cache=tmp_path / "cache", progress=False)
    stages = [
        Stage(data=str(tmp_path / "set.npz"), method=method, steps=1, init="random", backbone="timm/test_resnet")
        for method in ("supervised", "moco_v2")
    ]
    graph = build_graph([Leaf(stage.method, 0, (stage,)) for stage in stages], shelf, tmp_path / "out", device="cpu")
    supervised, blind = (graph.coats[route.coats[0]] for route in graph.routes)
    assert supervised.stage.method_arguments["classes"] == 2
    assert blind.data.labels is None
