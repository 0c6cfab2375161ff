"""One structure of the arms, and its three written forms."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from rich.console import Console

from undercoat.records import Record
from undercoat.report import Arm, arms_of, arms_table, summary_table, to_csv, to_latex, to_markdown
from undercoat.report.estimates import Measure, difference, estimate, measures, null_estimate

KNN = Measure("knn", "accuracy", "twemoji")


def test_arms_keep_their_order_and_the_majority_class_comes_last(rows):
    table = arms_table(rows([0]), arms_of(rows([0])))
    assert [row.name for row in table.rows] == ["random", "base", "target", "hpt_bn", "hpt", "majority class"]
    assert table.names() == ["k-NN", "linear"]
    assert table.references == ("base", "random")


def test_cells_hold_the_rows_own_numbers(rows):
    row = arms_table(rows([0]), arms_of(rows([0]))).rows[4]
    assert (row.steps, row.images_seen, row.coats) == (150, 19_200, ("imagenet-lite0", "target: moco_v2"))
    knn = row.values[0]
    assert (knn.value, knn.n) == (0.72, 382)
    assert (knn.low, knn.high) == pytest.approx((0.674, 0.764))
    assert row.differences[0][0].value == pytest.approx(0.04)
    assert row.differences[0][1] is None  # hpt was not compared with random


def test_over_seeds_the_mean_and_the_sample_standard_deviation_stand():
    values = {0: 0.70, 1: 0.72, 2: 0.77}
    common = {"readout": "knn", "metric": "accuracy", "eval_data": "twemoji", "n": 9, "ci_low": 0.0, "ci_high": 1.0}
    found = estimate([Record(arm="hpt", value=v, seed=s, **common) for s, v in values.items()], "hpt", KNN)
    assert found.value == pytest.approx(0.73)
    assert found.std == pytest.approx((((0.03**2) + (0.01**2) + (0.04**2)) / 2) ** 0.5)
    assert found.low is None  # no row gives an interval for the mean


def test_a_difference_turned_round_changes_sign_and_ends():
    row = Record(
        arm="a", versus="b", readout="knn", metric="accuracy_difference", value=0.1, n=5, ci_low=0.02, ci_high=0.3
    )
    turned = difference([row], "b", "a", Measure("knn", "accuracy", ""))
    assert (turned.value, turned.low, turned.high) == (-0.1, -0.3, -0.02)
    assert turned.direction == -1


def test_only_clean_final_test_rows_with_all_labels_count():
    good = Record(arm="a", readout="knn", metric="accuracy", value=0.5, n=5, labels=100)
    others = [
        replace(good, labels=10, value=0.1),
        replace(good, layer="early", value=0.2),
        replace(good, shift="fog", severity=2, value=0.3),
        replace(good, split="monitor", value=0.4),
        replace(good, value=float("nan"), seed=3),
    ]
    assert estimate([*others, good], "a", Measure("knn", "accuracy", "")).value == 0.5


@pytest.mark.parametrize("readout", ["-", "knn", "majority"])
def test_the_null_is_found_however_its_readout_is_called(readout):
    null = Record(arm="majority class", readout=readout, metric="accuracy", value=0.3, n=5, labels=77)
    assert null_estimate([null], Measure("knn", "accuracy", "")).value == 0.3


def test_several_test_sets_name_their_columns():
    rows = [
        Record(arm="a", readout="knn", metric="accuracy", value=0.5, n=5, eval_data=data)
        for data in ("noto", "twemoji")
    ]
    assert arms_table(rows, [Arm("a")]).names() == ["k-NN on noto", "k-NN on twemoji"]
    assert [one.eval_data for one in measures(rows)] == ["noto", "twemoji"]


def test_markdown_escapes_bars():
    table = arms_table([], [Arm("a|b", ("x | y",))])
    lines = to_markdown(table).splitlines()
    assert lines[2] == r"| a\|b | x \| y | – | – |"
    assert {line.replace(r"\|", "").count("|") for line in lines} == {5}


def test_latex_escapes_special_characters_and_has_one_column_a_cell(rows):
    text = to_latex(arms_table(rows([0]), arms_of(rows([0]))))
    assert r"hpt\_bn" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    columns = text.splitlines()[0].removeprefix(r"\begin{tabular}{").removesuffix("}")
    assert {line.count(" & ") + 1 for line in body} == {len(columns)}
    assert text.isascii()


def test_csv_gives_back_the_numbers_exactly(rows):
    table = arms_table(rows([0]), arms_of(rows([0])))
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    found = next(one for one in lines if (one["arm"], one["readout"], one["versus"]) == ("hpt", "knn", "base"))
    assert (float(found["value"]), float(found["ci_low"])) == (0.04, 0.04 - 0.03)


def test_the_terminal_table_shows_every_arm_and_takes_names_as_text(rows):
    arms = arms_of(rows([0]))
    console = Console(width=160, file=io.StringIO())
    console.print(summary_table(arms_table(rows([0]), [*arms, Arm("[bold]odd[/bold]")])))
    text = console.file.getvalue()
    for word in ("random", "hpt_bn", "0.720 ±.046", "+0.040 ▲", "+0.012 ≈", "−0.210 ▼", "majority class", "[bold]odd"):
        assert word in text
