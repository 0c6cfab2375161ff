"""A claim holds, fails or cannot be told, by where the intervals of its paired differences lie."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from undercoat.records import Record, append
from undercoat.report.claims import claims_section, claims_text, judge_claims
from undercoat.report.folder import load
from undercoat.report.page import build


def row(low, high, *, arm="a", versus="b", layer="final", readout="linear", seed=-1):
    return Record(
        arm=arm, versus=versus, layer=layer, readout=readout, seed=seed, metric="accuracy_difference",
        value=(low + high) / 2, ci_low=low, ci_high=high, n=100,
    )  # fmt: skip


def verdict(expect, rows, margin=0.0, **more):
    claim = {"says": "a and b", "expect": expect, "margin": margin, "pairs": [["a", "b"]], **more}
    return judge_claims([claim], rows)[0].verdict


@pytest.mark.parametrize(
    ("expect", "margin", "low", "high", "said"),
    [
        ("higher", 0.0, 0.01, 0.05, "holds"),
        ("higher", 0.0, -0.01, 0.05, "cannot tell"),
        ("higher", 0.0, -0.05, -0.01, "fails"),
        ("higher", 0.02, 0.01, 0.05, "cannot tell"),
        ("higher", 0.02, 0.001, 0.015, "fails"),  # it is higher, but by less than was claimed
        ("lower", 0.0, -0.05, -0.01, "holds"),
        ("lower", 0.0, 0.01, 0.05, "fails"),
        ("lower", 0.02, -0.05, -0.03, "holds"),
        ("alike", 0.02, -0.01, 0.015, "holds"),
        ("alike", 0.02, -0.01, 0.025, "cannot tell"),
        ("alike", 0.02, 0.03, 0.05, "fails"),
        ("alike", 0.02, -0.05, -0.03, "fails"),
    ],
)
def test_where_the_interval_lies_decides(expect, margin, low, high, said):
    assert verdict(expect, [row(low, high)], margin) == said


def test_what_is_higher_one_way_is_lower_the_other_way():
    for low, high in ((0.01, 0.05), (-0.02, 0.01), (-0.3, -0.1)):
        assert verdict("higher", [row(low, high)]) == verdict("lower", [row(-high, -low)])


def test_a_claim_about_every_layer_needs_every_layer():
    good, open_, bad = row(0.1, 0.2, layer="conv1"), row(-0.1, 0.2, layer="conv2"), row(-0.2, -0.1, layer="conv3")
    assert verdict("higher", [good]) == "holds"
    assert verdict("higher", [good, open_]) == "cannot tell"
    assert verdict("higher", [good, open_, bad]) == "fails"
    assert verdict("higher", [good, open_, bad], layers=["conv1"]) == "holds"


def test_what_was_not_measured_cannot_be_told():
    assert verdict("higher", []) == "cannot tell"
    assert verdict("higher", [row(0.1, 0.2, layer="conv1")], layers=["conv1", "conv5"]) == "cannot tell"
    assert verdict("higher", [row(0.1, 0.2, arm="b", versus="a")]) == "cannot tell"


def test_every_measure_is_a_part_of_its_own():
    accuracy = row(0.1, 0.2)
    auroc = replace(row(-0.2, -0.1), metric="auroc_difference")
    assert verdict("higher", [accuracy, auroc]) == "fails"
    assert verdict("higher", [auroc, accuracy]) == "fails"


def test_the_row_over_all_seeds_speaks_for_its_seeds():
    assert verdict("higher", [row(-0.1, 0.3, seed=0), row(0.1, 0.2, seed=-1)]) == "holds"


def test_page_and_text_say_the_same_and_escape_the_claim(tmp_path):
    claim = {"says": "<b>a</b> beats b", "expect": "higher", "pairs": [["a", "b"]], "layers": ["conv1", "conv2"]}
    append(tmp_path, [row(0.1, 0.2, layer="conv1"), row(-0.1, 0.2, layer="conv2")])
    (tmp_path / "study.json").write_text(json.dumps({"name": "s", "arms": [], "claims": [claim]}), "utf-8")
    found = load(tmp_path)
    text = "\n".join(claims_text(found))
    assert "**cannot tell** (of 2 comparisons 1 holds, 1 cannot tell; expected: higher)" in text
    assert "| a − b | conv1 | linear | +0.150 | +0.100 … +0.200 | holds |" in text
    page = build(tmp_path).read_text("utf-8")
    assert "&lt;b&gt;a&lt;/b&gt; beats b" in page
    assert "<b>a</b>" not in page
    assert 'href="#claims"' in page


def test_a_study_without_claims_has_no_such_part(tmp_path):
    append(tmp_path, [row(0.1, 0.2)])
    assert claims_section(load(tmp_path)) is None
    assert claims_text(load(tmp_path)) == []
    assert 'href="#claims"' not in build(tmp_path).read_text("utf-8")
