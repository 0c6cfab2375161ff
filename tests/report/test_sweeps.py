"""Figures over the axes of a study: what is drawn is what the rows say, at the right place, with its seeds."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from report import bench_studies
from undercoat.records import Record, append
from undercoat.report import build, export_figures, load, write_report
from undercoat.report.marks import STYLES
from undercoat.report.speed_ups import convergences, convergences_text
from undercoat.report.sweep_figures import sweep_drawings
from undercoat.report.sweeps import sweeps

SVG = "{http://www.w3.org/2000/svg}"


def lines_of(path):
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


@pytest.fixture
def steps(tmp_path):
    return bench_studies.separability(tmp_path / "steps")


def test_arms_become_lines_and_untouched_ones_levels(steps):
    (sweep,) = sweeps(load(steps))
    assert (sweep.name, sweep.labels, sweep.numbers) == (
        "steps",
        ("50", "500", "5000", "50000"),
        (50, 500, 5000, 50_000),
    )
    assert [line.name for line in sweep.lines] == ["target", "hpt"]
    assert [line.name for line in sweep.levels] == ["random", "base"]
    assert [spot.arm.name for spot in sweep.lines[1].spots] == [f"hpt[steps={one}]" for one in (50, 500, 5000, 50_000)]
    assert len({line.style for line in [*sweep.lines, *sweep.levels]}) == 4


def test_one_figure_for_each_readout_with_the_values_of_the_rows(steps):
    found = load(steps)
    drawings = sweep_drawings(found)
    assert [one.stem for one in drawings] == ["axis-steps-k-nn-twemoji", "axis-steps-linear-twemoji"]
    pooled = {row.arm: row for row in found.rows if row.readout == "knn" and row.seed == -1}
    data = [dict(zip(drawings[0].columns, row, strict=True)) for row in drawings[0].data]
    means = [row for row in data if row["seeds"] == 3]
    assert len(means) == 2 * 4 + 2
    for row in means:
        name = f"{row['arm']}[steps={row['label']}]" if row["axis"] else row["arm"]
        assert (row["value"], row["ci_low"], row["ci_high"]) == (
            pooled[name].value, pooled[name].ci_low, pooled[name].ci_high,
        )  # fmt: skip
        assert row["number"] == (float(row["label"]) if row["axis"] else None)
    assert len(data) == len(means) * 4  # the mean and its three seeds


def test_budgets_stand_at_even_distances_on_the_log_axis_under_their_own_numbers(steps, tmp_path):
    path = next(p for p in export_figures(steps, tmp_path / "figures") if p.stem == "axis-steps-k-nn-twemoji")
    root = ElementTree.parse(path).getroot()
    texts = {one.text: float(one.get("x")) for one in root.iter(f"{SVG}text")}
    places = [texts[tick] for tick in ("50", "500", "5k", "50k")]
    gaps = [right - left for left, right in pairwise(places)]
    assert gaps == pytest.approx([gaps[0]] * 3, abs=0.2)
    tips = [one.text for one in root.iter(f"{SVG}title")]
    hpt = next(tip for tip in tips if tip.startswith("hpt, steps 500:"))
    for said in ("k-NN accuracy", "95 % interval", "n = 400", "3 seeds", "(0: ", "1: ", "2: "):
        assert said in hpt
    assert any(tip.startswith("base: k-NN accuracy") for tip in tips)


def test_an_arm_without_all_seeds_is_hollow_and_named(tmp_path):
    folder = bench_studies.separability(tmp_path / "part", missing="hpt[steps=500]")
    drawing = sweep_drawings(load(folder))[0]
    assert "hpt[steps=500] (1 of 3 seeds)" in drawing.remark
    assert drawing.block.count("mark s3 open") == 1
    page = build(folder).read_text(encoding="utf-8")
    assert "only one seed of 3 has all budgets, so no interval" in page
    assert "1 of 3 seeds" in page
    assert "Not all seeds are there yet: hpt[steps=500] (1 of 3 seeds)." in page


def test_what_was_not_measured_yet_is_said(steps):
    path = steps / "records.jsonl"
    rows = [
        line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["arm"] != "hpt[steps=50]"
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert "Not measured yet: hpt[steps=50]." in sweep_drawings(load(steps))[0].remark


def test_label_curves_take_each_protocol_and_the_verdict_the_one_with_the_most_labels(tmp_path):
    found = load(bench_studies.few_labels(tmp_path / "labels"))
    (sweep,) = sweeps(found)
    assert sweep.labels == ("50", "200", "all")
    assert sweep.numbers == (50, 200, 1500)  # as many as the rows say were used
    assert [line.name for line in sweep.lines] == ["random", "base", "hpt"]
    assert {row.labels for row in found.rows if row.readout == "knn"} == {1500}
    assert len(found.every_row) > len(found.rows)
    drawing = sweep_drawings(found)[0]
    values = [row[5] for row in drawing.data if row[0] == "hpt" and row[4] is None]
    assert values == sorted(values)
    assert len(values) == 3


def test_percentages_are_numbers_and_other_names_are_not(tmp_path):
    folder = bench_studies.augmentation(tmp_path / "names")
    assert sweeps(load(folder))[0].numbers == ()
    text = (folder / "study.json").read_text(encoding="utf-8")
    for name, share in zip(bench_studies.AUGMENTATIONS, ("1%", "5%", "10 %", "50%", "100%"), strict=True):
        text = text.replace(f'.augmentation": "{name}"', f'.augmentation": "{share}"')
        text = text.replace(f'"{name}"', f'"{share}"')
    (folder / "study.json").write_text(text, encoding="utf-8")
    (sweep,) = sweeps(load(folder))
    assert (sweep.numbers, sweep.unit) == ((1, 5, 10, 50, 100), "%")


def test_changes_are_counted_from_each_arms_own_first_value(tmp_path):
    found = load(bench_studies.augmentation(tmp_path / "augmentation"))
    drawing = next(one for one in sweep_drawings(found) if "change" in one.stem)
    values = {(row.arm, row.seed): row.value for row in found.rows if row.readout == "knn"}
    for name, _, label, change, low, high, n, _ in drawing.data:
        own = [
            values[f"{name}[augmentation={label}]", seed] - values[f"{name}[augmentation=full]", seed]
            for seed in (0, 1, 2)
        ]
        assert change == pytest.approx(sum(own) / 3)
        assert low < change < high
        assert n == bench_studies.IMAGES
    assert len(drawing.data) == 2 * 4
    assert "base" not in drawing.table[0]


def test_a_recorded_paired_difference_comes_before_one_over_seeds(tmp_path):
    folder = bench_studies.augmentation(tmp_path / "augmentation")
    row = Record(arm="hpt[augmentation=no grey]", versus="hpt[augmentation=full]", readout="knn", seed=-1, n=400,
                 metric="accuracy_difference", value=-0.011, ci_low=-0.02, ci_high=-0.002,
                 eval_data="sample:twemoji")  # fmt: skip
    append(folder, [row])
    drawing = next(one for one in sweep_drawings(load(folder)) if "change-k-nn" in one.stem)
    assert ("hpt", "augmentation", "no grey", -0.011, -0.02, -0.002) in [one[:6] for one in drawing.data]


def test_every_name_on_the_axis_is_written(tmp_path):
    folder = bench_studies.augmentation(tmp_path / "augmentation")
    text = (folder / "study.json").read_text(encoding="utf-8").replace("no jitter", "without any colour jitter")
    (folder / "study.json").write_text(text, encoding="utf-8")
    drawing = sweep_drawings(load(folder))[0]
    for said in (">without<", ">any colour<", ">jitter<", ">crop+blur<", ">no grey<"):
        assert said in drawing.block


def test_the_speed_up_is_that_of_the_means(steps):
    knn, linear = convergences(load(steps))
    assert (knn.slow, knn.fast, knn.measure.readout, linear.measure.readout) == ("target", "hpt", "knn", "linear")
    best = next(row for row in load(steps).rows if (row.arm, row.readout) == ("target[steps=50000]", "knn"))
    assert knn.found.level == pytest.approx(best.value)  # the first row is the mean over seeds
    assert 50 < knn.found.ratio < 130  # invented so that the level is crossed at about 600 of 50,000 steps
    assert "hpt reached the best k-NN value of target on twemoji" in str(knn)
    assert "95 % interval over 3 seeds" in str(knn)
    page = build(steps).read_text(encoding="utf-8")
    assert "How much sooner?" in page
    assert convergences_text(load(steps))[0] == f"- {knn}"


@pytest.mark.parametrize(
    ("lift", "factor", "said"),
    [(-0.5, "never reached", "hpt never reached"), (0.3, "at least 1,000×", "its smallest budget, 50 steps already")],
)
def test_never_and_at_once_are_outcomes_of_their_own(steps, lift, factor, said):
    found = load(steps)
    rows = [replace(row, value=row.value + lift) if row.arm.startswith("hpt") else row for row in found.rows]
    knn = convergences(replace(found, rows=rows, every_row=rows))[0]
    assert (knn.factor, said in str(knn)) == (factor, True)


def test_arms_that_are_there_without_a_step_are_named(steps):
    found = load(steps)
    rows = [replace(row, value=0.9) if row.arm == "base" else row for row in found.rows]
    assert "base lies above it without any" in str(convergences(replace(found, rows=rows, every_row=rows))[0])


def test_a_speed_up_without_all_budgets_is_provisional(steps):
    found = load(steps)
    assert "provisional" not in str(convergences(found)[0])
    rows = [row for row in found.rows if row.arm != "target[steps=50000]"]
    knn = convergences(replace(found, rows=rows, every_row=rows))[0]
    assert str(knn).endswith("; provisional, for target[steps=50000] is not there yet.")


def test_values_of_arms_with_axes_of_their_own_stand_in_order(steps):
    study = json.loads((steps / "study.json").read_text(encoding="utf-8"))
    own = {"target": ["500", "50000"], "hpt": ["50", "5000"]}
    study["arms"] = [
        {**arm, "labels": {f"stages.{arm['arm']}.steps": label for label in arm["labels"].values()}}
        for arm in study["arms"]
        if not arm["labels"] or {*arm["labels"].values()} <= {*own[arm["arm"]]}
    ]
    study["axes"] = [{"path": f"stages.{name}.steps", "name": "steps", "labels": one} for name, one in own.items()]
    (steps / "study.json").write_text(json.dumps(study), encoding="utf-8")
    (sweep,) = sweeps(load(steps))
    assert sweep.labels == ("50", "500", "5000", "50000")
    places = {line.name: [sweep.labels[spot.place] for spot in line.spots] for line in sweep.lines}
    assert places == own


@pytest.fixture
def two_axes(tmp_path):
    return load(bench_studies.two_axes(tmp_path / "two"))


def test_of_two_axes_lines_hold_one_place_of_the_other(two_axes):
    for sweep in sweeps(two_axes):
        for line in sweep.lines:
            others = {tuple(v for k, v in spot.arm.labels.items() if k not in sweep.paths) for spot in line.spots}
            assert len(others) == 1
            assert len({spot.place for spot in line.spots}) == len(line.spots)


def test_speed_is_compared_at_the_same_place_of_the_other_axis(two_axes):
    pairs = {(one.slow, one.fast) for one in convergences(two_axes)}
    assert pairs == {
        (f"target[augmentation={one}]", f"hpt[augmentation={one}]") for one in ("full", "crop only")
    }  # fmt: skip


def test_a_line_over_a_value_without_a_run_says_so(two_axes, steps):
    said = "Lines pass straight over values without a measurement: hpt[augmentation=crop only] (500)."
    assert said in sweep_drawings(two_axes)[0].remark
    assert "pass straight" not in sweep_drawings(load(steps))[0].remark


def test_no_two_lines_of_a_figure_look_alike(two_axes):
    for drawing in sweep_drawings(two_axes):
        styles = [style % STYLES for _, style in drawing.lines]
        assert len(set(styles)) == len(styles) <= STYLES


def test_changes_of_one_seed_have_no_bands_and_say_nothing_of_them(tmp_path):
    found = load(bench_studies.augmentation(tmp_path / "one", seeds=(0,)))
    drawing = next(one for one in sweep_drawings(found) if "change" in one.stem)
    assert all(row[4] is None for row in drawing.data)
    assert "Bands" not in drawing.remark


def test_budgets_of_a_coat_below_another_are_not_compared(steps):
    text = (steps / "study.json").read_text(encoding="utf-8")
    (steps / "study.json").write_text(text.replace("stages.target.steps", "stages.source.steps"), encoding="utf-8")
    assert convergences(load(steps)) == []
    assert len(sweep_drawings(load(steps))) == 2


def test_an_experiment_leaves_its_figures_in_its_folder_and_others_do_not(steps, study):
    write_report(steps)
    assert (steps / "figures" / "axis-steps-k-nn-twemoji.svg").exists()
    write_report(study)
    assert not (study / "figures").exists()


@pytest.mark.parametrize(
    "axes", ["none", 3, [{"path": "x"}], [{"path": "x", "labels": "50"}], [3], [{"labels": ["1", "2"]}]]
)
def test_damaged_axes_are_no_axes(steps, axes):
    study = json.loads((steps / "study.json").read_text(encoding="utf-8")) | {"axes": axes, "protocols": axes}
    (steps / "study.json").write_text(json.dumps(study), encoding="utf-8")
    assert sweep_drawings(load(steps)) == []
