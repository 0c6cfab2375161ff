"""Figures as files stand alone, say what the rows say, and replace nobody else's files."""

from __future__ import annotations

import csv
import re
from xml.etree import ElementTree

import pytest

from undercoat.errors import RunError
from undercoat.records import Record, append
from undercoat.report import export_figures, write_report

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["verdict", "arms-k-nn-twemoji", "arms-linear-twemoji", "knn-over-steps", "loss-over-steps", "effective-rank",
         "data-wait"]  # fmt: skip


def lines_of(path):
    with path.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_every_figure_is_an_svg_with_its_numbers_beside_it(tmp_path, make, seeds):
    files = export_figures(make(tmp_path / "demo", seeds=seeds), tmp_path / "figures")
    assert [path.stem for path in files] == NAMES
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(
        f"{name}.{ending}" for name in NAMES for ending in ("csv", "svg")
    )
    for path in files:
        root = ElementTree.parse(path).getroot()
        assert root.tag == f"{SVG}svg"
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert lines_of(path.with_suffix(".csv"))


def test_a_figure_stands_alone_in_light_and_dark(study, tmp_path):
    for path in export_figures(study, tmp_path / "figures"):
        text = path.read_text(encoding="utf-8")
        assert "prefers-color-scheme: dark" in text
        assert "system-ui" in text
        assert "<script" not in text
        assert "url(" not in text
        assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]  # the name of the format itself


def test_nothing_is_drawn_outside_its_card(tmp_path, make):
    for path in export_figures(make(tmp_path / "demo", seeds=(0, 1)), tmp_path / "figures"):
        root = ElementTree.parse(path).getroot()
        width, height = map(float, root.get("viewBox").split()[2:])
        for one in root.iter():
            assert 0 <= float(one.get("x", 0)) <= width
            assert 0 <= float(one.get("cx", 0)) <= width
            assert 0 <= float(one.get("y", 0)) <= height


def test_the_verdict_holds_every_arm_by_both_measures_with_interval_and_difference(study, tmp_path):
    path = export_figures(study, tmp_path / "figures")[0]
    lines = lines_of(path.with_suffix(".csv"))
    assert len(lines) == 12  # five arms and the majority class, by k-NN and linear
    hpt = next(line for line in lines if (line["arm"], line["measure"]) == ("hpt", "k-NN"))
    assert [float(hpt[key]) for key in ("value", "ci_low", "ci_high", "difference", "difference_ci_low")] == [
        0.72, 0.72 - 0.046, 0.72 + 0.044, 0.04, 0.04 - 0.03,
    ]  # fmt: skip
    assert (hpt["n"], hpt["versus"]) == ("382", "base")
    root = ElementTree.parse(path).getroot()
    texts = [one.text for one in root.iter(f"{SVG}text")]
    for said in ("Did each coat help?", "Accuracy on 382 test images of twemoji", "k-NN", "linear probing", "0.720",
                 "▲", "base", "majority class 0.310", "imagenet-lite0 › target (norms)"):  # fmt: skip
        assert said in texts
    whiskers = [one for one in root.iter(f"{SVG}line") if "whisker" in one.get("class", "")]
    assert len(whiskers) == 3 * 10
    assert 680 <= float(root.get("width")) <= 760
    assert 240 <= float(root.get("height")) <= 300


def test_both_panels_share_one_scale(study, tmp_path):
    root = ElementTree.parse(export_figures(study, tmp_path / "figures")[0]).getroot()
    grids = [float(one.get("x1")) for one in root.iter(f"{SVG}line") if one.get("class") == "grid"]
    half = len(grids) // 2
    assert len({round(right - left, 1) for left, right in zip(grids[:half], grids[half:], strict=True)}) == 1


def test_several_seeds_are_drawn_and_said(tmp_path, make):
    path = export_figures(make(tmp_path / "demo", seeds=(0, 1, 2)), tmp_path / "figures")[0]
    text = path.read_text(encoding="utf-8")
    assert "mean of 3 seeds" in text
    assert text.count("mark seed") == 3 * 10
    numbers = lines_of(path.with_name("arms-k-nn-twemoji.csv"))
    hpt = [line for line in numbers if line["arm"] == "hpt"]
    assert [line["seed"] for line in hpt] == ["", "0", "1", "2"]
    assert float(hpt[0]["value"]) == pytest.approx(sum(float(line["value"]) for line in hpt[1:]) / 3)


def test_one_measure_alone_has_the_width_to_itself(tmp_path):
    append(tmp_path, [Record(arm="base", readout="knn", metric="accuracy", value=0.7, n=100)])
    files = export_figures(tmp_path, tmp_path / "figures")
    assert [path.name for path in files] == ["verdict.svg", "arms-k-nn.svg"]
    assert "±" not in files[0].read_text(encoding="utf-8")


def test_data_of_the_same_name_do_not_share_a_file(tmp_path):
    common = {"arm": "base", "readout": "knn", "metric": "accuracy", "n": 100}
    append(tmp_path, [Record(**common, eval="a", eval_data="one/labels.csv", value=0.7),
                      Record(**common, eval="b", eval_data="two/labels.csv", value=0.6)])  # fmt: skip
    files = export_figures(tmp_path, tmp_path / "figures")
    assert [path.stem for path in files] == ["verdict", "arms-k-nn-labels-csv", "arms-k-nn-labels-csv-2"]


def test_figures_of_ours_are_replaced_and_files_of_others_kept(study, tmp_path):
    out = tmp_path / "figures"
    export_figures(study, out)
    export_figures(study, out)
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    for name in ("verdict.svg", "loss-over-steps.csv"):
        other = tmp_path / name
        other.mkdir()
        (other / name).write_text("precious", encoding="utf-8")
        with pytest.raises(RunError, match="no figure of a report, so it is kept"):
            export_figures(study, other)
        assert [path.name for path in other.iterdir()] == [name]
        assert (other / name).read_text(encoding="utf-8") == "precious"


def test_a_folder_that_is_a_file_is_one_sentence(study, tmp_path):
    (tmp_path / "figures").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="is a file"):
        export_figures(study, tmp_path / "figures")


def test_a_study_without_numbers_has_no_verdict_figure(tmp_path, make):
    folder = make(tmp_path / "demo")
    (folder / "records.jsonl").unlink()
    assert [path.stem for path in export_figures(folder, tmp_path / "figures")] == NAMES[4:]


def test_names_from_files_cannot_become_markup(tmp_path):
    append(tmp_path, [Record(arm="<script>&", chain="<b>", readout="knn", metric="accuracy", value=0.7, n=100)])
    for path in export_figures(tmp_path, tmp_path / "figures"):
        assert not list(ElementTree.parse(path).getroot().iter(f"{SVG}script"))


def test_page_and_figures_are_written_in_one_go(study, tmp_path):
    assert write_report(study) == study / "report.html"
    assert not list(study.glob("*.svg"))
    page = write_report(study, out=tmp_path / "page.html", figures=tmp_path / "figures")
    assert page == tmp_path / "page.html"
    assert (tmp_path / "figures" / "verdict.svg").exists()
