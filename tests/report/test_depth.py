"""Figures over layers and over source images show the rows' own numbers, in the order of the network."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from undercoat.records import Record, append
from undercoat.report.arms import Arm
from undercoat.report.depth import depth_drawings, layer_order, source_drawings
from undercoat.report.estimates import measures
from undercoat.report.export import export_figures
from undercoat.report.folder import load
from undercoat.report.layer_tables import layers_text
from undercoat.report.verdict import findings

LAYERS = ("conv1", "conv2", "conv3")


@pytest.fixture
def study(tmp_path):
    arms, rows = [], []
    for arm, sources in (("random", None), ("rotnet 1", 1), ("rotnet 10", 10)):
        digest = arm.replace(" ", "").ljust(12, "x")
        stage = tmp_path / "stages" / digest
        stage.mkdir(parents=True)
        kind = {"kind": "init"} if sources is None else {"kind": "pretrain", "sources": sources, "method": "rotnet"}
        (stage / "stage.yaml").write_text(yaml.safe_dump({"digest": digest, "name": arm, **kind}), "utf-8")
        arms.append({"name": arm, "coats": [arm], "stages": {"0": [digest]}})
        for place, layer in enumerate(LAYERS):
            value = 0.5 + 0.01 * place + 0.001 * (sources or 0)
            rows.append(
                Record(arm=arm, stage=digest, readout="linear", layer=layer, metric="accuracy", value=value,
                       ci_low=value - 0.02, ci_high=value + 0.02, n=100, eval_data="sample:digits")
            )  # fmt: skip
    append(tmp_path, rows)
    (tmp_path / "study.json").write_text(json.dumps({"name": "s", "arms": arms, "seeds": [0]}), "utf-8")
    return load(tmp_path)


def test_layers_keep_the_order_in_which_they_were_read(study):
    assert layer_order(study.rows) == list(LAYERS)


def test_each_number_of_sources_has_a_figure_with_the_untrained_arm_in_it(study):
    drawn = depth_drawings(study)
    assert [one.chart.title for one in drawn] == [
        "Linear over layers, digits, N = 1", "Linear over layers, digits, N = 10",
    ]  # fmt: skip
    first = [line for line in drawn[0].data if line[0] == "rotnet 1"]
    assert [line[1] for line in first] == list(LAYERS)
    assert [line[2] for line in first] == pytest.approx([0.501, 0.511, 0.521])
    assert {line[0] for line in drawn[1].data} == {"random", "rotnet 10"}
    for layer in LAYERS:
        assert layer in str(drawn[0].chart.svg)


def test_features_and_layers_of_few_arms_are_left_to_the_table(study):
    features = [replace(row, layer="final", value=0.1) for row in study.rows if row.layer == "conv3"]
    own = replace(study.rows[0], arm="scattering", stage="", layer="scattering1")
    drawn = depth_drawings(replace(study, rows=[*study.rows, *features, own], arms=[*study.arms, Arm("scattering")]))
    assert {line[1] for one in drawn for line in one.data} == set(LAYERS)
    assert "Other layers: scattering." in drawn[0].remark


def test_a_line_for_each_layer_over_the_number_of_source_images(study):
    (drawn,) = source_drawings(study)
    conv3 = [line for line in drawn.data if line[0] == "conv3"]
    assert [(line[1], round(line[2], 3)) for line in conv3] == [(1, 0.521), (10, 0.530)]


def test_the_figures_are_among_the_files(study, tmp_path):
    names = [path.name for path in export_figures(study.folder, tmp_path / "out")]
    assert {"layers-linear-digits-n1.svg", "layers-linear-digits-n10.svg", "sources-rotnet-linear-digits.svg"} <= {
        *names
    }


def test_a_study_of_the_last_layer_alone_has_no_such_figure(tmp_path):
    append(tmp_path, [Record(arm="a", readout="knn", metric="accuracy", value=0.5, n=9)])
    found = load(tmp_path)
    assert depth_drawings(found) == source_drawings(found) == []


def test_a_table_of_arms_by_layers_with_the_spread_over_seeds(study):
    again = [replace(row, seed=1, value=row.value + 0.02) for row in study.rows]
    lines = layers_text(replace(study, rows=[*study.rows, *again]))
    assert lines[0] == "Linear on digits by layer, n = 100, mean ± standard deviation over 2 seeds:"
    assert lines[2] == "| arm | conv1 | conv2 | conv3 |"
    assert lines[4] == "| random | 0.510 ±.014 | 0.520 ±.014 | 0.530 ±.014 |"


def test_without_the_features_the_verdict_is_about_the_last_layer_and_says_so(study):
    assert [measure.name for measure in measures(study.rows)] == ["linear at conv3"]
    difference = replace(
        study.rows[-1], versus="random", metric="accuracy_difference", value=0.05, ci_low=0.01, ci_high=0.09
    )
    assert "helped linear probing at conv3 by +0.050" in findings([*study.rows, difference], study.arms)[0]


def test_with_the_features_the_verdict_is_about_them(study):
    features = [replace(row, layer="final") for row in study.rows if row.layer == "conv3"]
    assert [measure.name for measure in measures([*study.rows, *features])] == ["linear"]
