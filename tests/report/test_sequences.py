"""The figure of sequences: every arm above the coats that it is made of."""

from __future__ import annotations

import json

import pytest

from report import bench_studies
from undercoat.report import Arm, load
from undercoat.report.sequences import sequence_drawings, sequence_of

B, S, T = "imagenet-lite0", "source: moco_v2", "target: moco_v2"


@pytest.fixture
def folder(tmp_path):
    return bench_studies.sequences(tmp_path / "sequences")


def arms(*chains):
    return [Arm(str(place), chain) for place, chain in enumerate(chains)]


def test_parts_of_one_order_are_a_sequence():
    seven = arms((B,), (S,), (T,), (B, S), (S, T), (B, T), (B, S, T))
    assert sequence_of(seven) == (B, "source", "target")
    assert sequence_of([Arm("random"), *seven]) == (B, "source", "target")


@pytest.mark.parametrize(
    "chains",
    [
        [(), (B,), (T,), (B, T)],  # the usual study: two coats
        [(B,), (S,), (B, S, T), (T, S)],  # another order
        [(B,), (B, S, T), (B, S, T)],  # too few different parts
        [(B,), (S,), (T,), (B, S)],  # nothing has them all
    ],
)
def test_other_studies_are_none(chains):
    assert sequence_of(arms(*chains)) == ()


def test_values_and_coats_are_those_of_the_rows(folder):
    drawing = sequence_drawings(load(folder))[0]
    means = {row[0]: row for row in drawing.data if row[2] is None}
    pooled = {row.arm: row for row in load(folder).rows if row.readout == "knn" and row.seed == -1}
    assert list(means) == ["B", "S", "T", "B+S", "S+T", "B+T", "B+S+T"]
    assert all(means[name][3:6] == (row.value, row.ci_low, row.ci_high) for name, row in pooled.items())
    block = drawing.block
    assert block.count('class="dot"') == 1 + 1 + 1 + 2 + 2 + 2 + 3
    assert block.count('class="dot none"') == 7 * 3 - 12
    assert "B+S+T: k-NN accuracy" in block
    assert "The majority class scores 0.310." in drawing.remark


def test_norms_alone_are_hollow_and_missing_arms_named(folder):
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    study["arms"][-1]["coats"][-1] += " (norms)"
    study["arms"].append({"name": "later", "coats": [B], "stages": {"0": ["x"]}})
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    drawing = sequence_drawings(load(folder))[0]
    assert drawing.block.count('class="dot part"') == 1
    assert "Not measured: later." in drawing.remark
