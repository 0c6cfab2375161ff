"""Tables for papers: the numbers of the rows, escaped and rounded for reading, in full for analysis."""

from __future__ import annotations

import re
from statistics import mean, stdev

import pytest

from report import bench_studies
from undercoat.report import caveats, load, table_rows, tables_latex, tables_markdown
from undercoat.report.differences import adjusted, looks_text, paired_differences


@pytest.fixture
def three(tmp_path, make):
    return make(tmp_path / "three", seeds=(0, 1, 2))


def test_arms_hold_mean_std_interval_and_seeds(three):
    row = next(row for row in table_rows(three) if (row.kind, row.arm, row.readout) == ("arm", "hpt", "knn"))
    single = [0.72, 0.728, 0.736]
    assert row.value == pytest.approx(mean(single))
    assert row.std == pytest.approx(stdev(single))
    assert (row.seeds, row.planned, row.unfinished) == (3, 3, "")
    assert (row.ci_low, row.ci_high) == pytest.approx((mean(single) - 0.05, mean(single) + 0.04))
    assert "| hpt | imagenet-lite0 > target: moco_v2 | 150 | 0.728 ± 0.008 | 0.678 … 0.768 |" in tables_markdown(three)


def test_every_difference_has_p_and_holm_by_all_of_them(three):
    rows = [row for row in table_rows(three) if row.kind == "difference"]
    assert len(rows) == 12
    assert all(row.p <= row.p_holm <= 1 for row in rows)
    for row in rows:
        assert (row.p < 0.05) == (row.ci_low > 0 or row.ci_high < 0)
    smallest = min(rows, key=lambda row: row.p)
    assert smallest.p_holm == pytest.approx(12 * smallest.p)


def test_many_looks_are_paid_for_in_words(three):
    found = load(three)
    said = looks_text(paired_differences(found.rows, found.arms))
    assert said.startswith("12 differences were measured: at 95 % about 0.6 of so many would look real by chance.")
    real = [one for one in adjusted(paired_differences(found.rows, found.arms)) if one.found.direction]
    stay = [one for one in real if one.stands]
    assert f"{len(real)} do; with Holm's correction for all 12, {len(stay)} stay: " in said
    assert "hpt − target (k-NN)" in said
    assert said in caveats(found.rows, found.arms)
    assert said in tables_markdown(three)


def test_one_look_needs_no_correction(three):
    found = load(three)
    assert looks_text(paired_differences(found.rows, found.arms)[:1]) == ""


def test_latex_escapes_names_and_has_booktabs_rules(three):
    text = tables_latex(three)
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2
    assert r"hpt\_bn & imagenet-lite0 $>$ target: moco\_v2 (norms)" in text
    for line in text.splitlines():
        if line.startswith("%"):
            continue
        assert not re.search(r"(?<!\\)[%#_]", line)
        assert line.isascii()


def test_unfinished_arms_are_marked_and_not_averaged_silently(tmp_path):
    folder = bench_studies.separability(tmp_path / "part", missing="hpt[steps=500]")
    text = tables_markdown(folder)
    line = next(line for line in text.splitlines() if line.startswith("| hpt[steps=500] "))
    assert line.endswith("| 1 of 3 |")
    assert "*" in line
    assert "* not all seeds are there yet." in text
    row = next(row for row in table_rows(folder) if row.arm == "hpt[steps=500]")
    assert (row.seeds, row.planned, row.family) == (1, 3, "hpt")


def test_an_arm_whose_weights_are_the_same_for_every_seed_is_not_unfinished(tmp_path, make):
    folder = make(tmp_path / "study", seeds=(0, 1))
    text = (folder / "study.json").read_text(encoding="utf-8").replace('"base1', '"base0')
    (folder / "study.json").write_text(text, encoding="utf-8")
    lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not ('"arm": "base"' in line and '"seed": 1' in line)]
    (folder / "records.jsonl").write_text("".join(kept), encoding="utf-8")
    row = next(row for row in table_rows(folder) if row.arm == "base" and row.kind == "arm")
    assert (row.seeds, row.planned, row.unfinished) == (1, 1, "")


def test_each_protocol_has_its_own_lines(tmp_path):
    rows = table_rows(bench_studies.few_labels(tmp_path / "labels"))
    hpt = [row for row in rows if (row.arm, row.readout) == ("hpt", "knn")]
    assert [(row.protocol, row.labels) for row in hpt] == [
        ("labels_limit=50", 50), ("labels_limit=200", 200), ("labels_limit=None", 1500),
    ]  # fmt: skip
    assert hpt[0].value < hpt[1].value < hpt[2].value
    assert "| hpt | labels_limit=50 |" in tables_markdown(tmp_path / "labels")
