"""Layers of networks on the same images: alike with themselves, and with nothing in common after a shuffle."""

import csv

import pytest

from undercoat.backbones import build_backbone
from undercoat.cli import main
from undercoat.data import open_data
from undercoat.diagnosis.networks import Network
from undercoat.diagnosis.similarity import compare_layers, layer_grams, similarity
from undercoat.errors import DataError, SpecError
from undercoat.evaluation import EvaluationView
from undercoat.functional.similarity import linear_cka

SMALL = {"stem": "small", "width": "small"}
VIEW = EvaluationView(size_px=32)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return open_data("sample:digits", cache=tmp_path_factory.mktemp("cache"), progress=False)


def network(label, seed):
    return Network(label, build_backbone("undercoat/alexnet", arguments=SMALL, seed=seed).eval())


def test_a_network_is_like_itself_and_like_nothing_when_images_are_shuffled(digits):
    rows = compare_layers(
        [network("a", 0), network("b", 0), network("c", 1)], digits.take(range(40)), ["conv1", "conv4"], view=VIEW
    )
    same = [row for row in rows if (row.first, row.second) == ("a", "b")]
    assert [row.layer for row in same] == ["conv1", "conv4"]
    for row in same:
        assert row.value == pytest.approx(1)
        assert (row.low, row.high) == pytest.approx((1, 1))
    for row in rows:
        assert row.low <= row.value <= row.high + 1e-9
        assert row.null == pytest.approx(0, abs=0.1)
        assert row.null_high < row.low


def test_grams_are_those_of_the_pooled_maps(digits):
    few, net = digits.take(range(8)), network("a", 0).backbone
    found = layer_grams(net, few, ["conv5"], view=VIEW, batch=3)["conv5"]
    whole = layer_grams(net, few, ["conv5"], view=VIEW, batch=8)["conv5"]
    assert found.shape == (8, 8)
    assert (found - whole).abs().max() < 1e-3 * whole.abs().max()
    assert linear_cka(found, found) == pytest.approx(1)


def test_command_writes_one_row_a_layer_and_pair(tmp_path, capsys):
    out = tmp_path / "s.csv"
    words = ["--data", "sample:digits", "--images", "20", "--cache", str(tmp_path), "--out", str(out)]
    arguments = ["--backbone", "undercoat/alexnet", "--backbone_arguments", '{"stem": "small"}', "--size-px", "24"]
    assert main(["similarity", "a=random", "b=random", *words, *arguments]) == 0
    assert "linear CKA" in capsys.readouterr().out
    with out.open() as table:
        rows = list(csv.DictReader(table))
    assert [row["layer"] for row in rows if row["measure"] == "linear CKA"] == [f"conv{i}" for i in range(1, 6)]
    assert main(["similarity", "a=random", "b=random", *words, *arguments]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_a_layer_that_is_named_twice_is_measured_once(tmp_path):
    asked = {"data": "sample:digits", "images": 10, "size_px": 24, "cache": tmp_path, "out": tmp_path / "s.csv"}
    found = similarity(["random", "random"], layers="conv1, conv1", backbone="timm/test_resnet", **asked)
    assert [row.layer for row in found.findings if row.measure == "linear CKA"] == ["conv1"]


def test_wrong_questions_get_a_sentence(tmp_path):
    asked = {"data": "sample:digits", "out": tmp_path / "s.csv", "backbone": "timm/test_resnet", "cache": tmp_path}
    with pytest.raises(SpecError, match="there is one"):
        similarity(["random"], **asked)
    with pytest.raises(SpecError, match="layers is empty"):
        similarity(["random", "random"], layers=",", **asked)
    with pytest.raises(SpecError, match="size_px is 0"):
        similarity(["random", "random"], size_px=0, **asked)
    with pytest.raises(SpecError, match="no layer 'conv9'"):
        similarity(["random", "random"], layers="conv9", **asked)
    with pytest.raises(DataError, match="9 images say nothing"):
        similarity(["random", "random"], images=9, **asked)
