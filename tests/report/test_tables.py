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
from undercoat.report.tables import value_text
from undercoat.report.wording import signed

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


def test_a_pooled_row_gives_the_mean_over_seeds_its_interval(rows):
    found = estimate(rows([0, 1, 2]), "hpt", KNN)
    assert (found.value, found.low, found.high) == pytest.approx((0.728, 0.678, 0.768))
    assert found.std == pytest.approx(0.008)
    assert list(found.seeds) == [0, 1, 2]
    assert value_text(found) == "0.728 ±.050"


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


def printed(table, width):
    console = Console(width=width, file=io.StringIO())
    console.print(summary_table(table))
    return console.file.getvalue()


def test_the_terminal_table_shows_every_arm_and_takes_names_as_text(rows):
    arms = arms_of(rows([0]))
    text = printed(arms_table(rows([0]), [*arms, Arm("[bold]odd[/bold]")]), 160)
    for word in ("random", "hpt_bn", "0.720 ±.046", "+0.040 ▲", "+0.012 ≈", "−0.210 ▼", "majority class", "[bold]odd"):
        assert word in text
    assert "imagenet-lite0 > target: moco_v2 (norms)" in text
    assert "n = 382 test images; ± is half the 95 % interval" in text
    assert "− base: paired difference, ▲ better  ▼ worse  ≈ within the noise" in text


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
@pytest.mark.parametrize("width", [50, 60, 80, 100, 120, 200])
def test_the_terminal_table_fits_and_cuts_no_number_off(rows, width, seeds):
    text = printed(arms_table(rows(seeds), arms_of(rows(seeds))), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    table = arms_table(rows(seeds), arms_of(rows(seeds)))
    for row in table.rows:
        for value in row.values:
            assert value_text(value) in text
    assert ("mean of 3 seeds" in " ".join(text.split())) == (len(seeds) == 3)
    assert ("> target: moco_v2 (norms)" in text) == (width >= 100)
    assert ("images" in text.split("random")[0]) == (width in (80, 120, 200))


def test_at_eighty_columns_an_arm_takes_one_line(rows):
    text = printed(arms_table(rows([0, 1]), arms_of(rows([0, 1]))), 80)
    assert len(text.splitlines()) == 2 + 6 + 2
    assert "n = 382 test images, mean of 2 seeds; ± is half the 95 % interval" in text


def test_measures_that_do_not_fit_beside_each_other_stand_below(rows):
    more = [replace(row, eval_data="noto", n=200) for row in rows([0])]
    table = arms_table([*rows([0]), *more], arms_of(rows([0])))
    text = printed(table, 80)
    assert text.count("hpt_bn") == 2
    assert "n = 200 test images of noto, 382 test images of twemoji; ± is half" in text
    assert printed(table, 200).count("hpt_bn") == 1


def test_long_arm_names_are_folded_not_cut():
    name = "base_source_target[steps=5000, lr=0.003]"
    row = Record(arm=name, readout="knn", metric="accuracy", value=0.5, n=9)
    lines = printed(arms_table([row], arms_of([row])), 40).splitlines()[1:5]
    assert [line[:14].rstrip() for line in lines] == ["base_source_ta", "rget", "[steps=5000, l", "r=0.003]"]
    assert "0.500" in lines[0]
    assert "base_source_target   " in printed(arms_table([row], arms_of([row])), 80)


def test_a_table_of_nothing_is_a_sentence():
    assert printed(arms_table([], []), 80) == "No arm was measured yet.\n"


def test_a_difference_that_is_rounding_error_reads_as_zero() -> None:
    assert signed(0.1 + 0.2 - 0.3) == signed(-5e-18) == "0.000"
    assert signed(-1e-6) == "−0.000001"
