"""The page holds everything, asks nothing of anyone, and survives whatever lies in the folder."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
import yaml
from PIL import Image

from undercoat.errors import RunError
from undercoat.records import Record, append
from undercoat.report import build, load

VOID = {"br", "hr", "img", "link", "meta"}


class Page(HTMLParser):
    """Every element with its attributes, checking that elements nest."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["script"], ["style"]):
            self.text.append(data)

    @property
    def words(self):
        return " ".join("".join(self.text).split())

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def page_of(folder):
    return Page(build(folder).read_text(encoding="utf-8"))


def test_all_parts_are_there_in_order(study):
    page = page_of(study)
    assert [attrs["id"] for attrs in page.all("section")] == [
        "verdict",
        "arms",
        "figures",
        "pictures",
        "health",
        "repeat",
    ]
    assert len(page.all("h1")) == 1


def test_nothing_points_outside(study):
    text = build(study).read_text(encoding="utf-8")
    page = Page(text)
    for _, attrs in page.elements:
        for name in ("src", "href", "srcset", "action", "poster", "data", "xlink:href"):
            assert name not in attrs or attrs[name].startswith(("data:", "#")), attrs
    assert not re.search(r"https?:|//[a-z]+\.|url\(|@import|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", text)
    policy = next(attrs for attrs in page.all("meta") if attrs.get("http-equiv") == "Content-Security-Policy")
    assert (
        policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    )


def test_every_picture_and_chart_has_words_and_ids_are_unique(study):
    page = page_of(study)
    assert all(attrs["alt"] for attrs in page.all("img"))
    charts = [attrs for attrs in page.all("svg") if attrs.get("class") == "chart"]
    assert len(charts) == 6  # two of arms, k-NN, loss, effective rank, data-wait
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in charts)
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for attrs in page.all("a")} <= set(ids)
    assert page.all("html")[0]["lang"] == "en"


def test_each_figure_has_its_numbers(study):
    words = page_of(study).words
    assert words.count("Numbers of this figure") == 6
    assert "0.674 … 0.764" in words  # the interval of hpt
    assert "target, step 150: k-NN accuracy 0.5700, seed 0, n = 228" in words


def test_pictures_are_embedded_once_each(study):
    sources = [attrs["src"] for attrs in page_of(study).all("img")]
    assert len(sources) == 3  # views, the same for all three arms; neighbours before and after
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_coats_that_saw_other_views_show_their_own(study):
    views = next((study / "stages").glob("hpt0*/views.png"))
    Image.new("RGB", (64, 32), "red").save(views)
    page = page_of(study)
    assert len(page.all("img")) == 4
    assert "target and hpt_bn · sample:twemoji, moco_v2 · the same views" in page.words


def test_how_to_repeat_it_is_complete(study):
    words = page_of(study).words
    for said in ("undercoat demo", "load_backbone", "shorter than the 1,524 images", "temperature: 0.2", "2.13.0"):
        assert said in words


def test_a_backbone_of_timm_can_be_loaded_without_us(study):
    folder = next((study / "stages").glob("hpt0*"))
    about = {"name": "timm/tf_efficientnet_lite0", "channels": 1, "arguments": {}}
    (folder / "backbone.json").write_text(json.dumps(about), encoding="utf-8")
    words = page_of(study).words
    assert f"undercoat.load_backbone({str(study / 'hpt')!r})" in words
    assert "timm.create_model('tf_efficientnet_lite0', num_classes=0, in_chans=1, checkpoint_path=" in words


def test_alarms_are_told_in_words_with_their_step(study):
    assert "Step 15: the features use few directions; lower the learning rate" in page_of(study).words


def test_over_seeds_means_bands_and_single_seeds_are_drawn(tmp_path, make):
    text = build(make(tmp_path / "three", seeds=(0, 1, 2))).read_text(encoding="utf-8")
    assert 'class="band s' in text
    assert text.count('class="mark seed s0"') == 6  # three seeds, two readouts
    assert "± 0.008, 3 seeds" in text
    assert "3 seeds were run" in text


def test_unfinished_and_missing_stages_are_named(tmp_path, make):
    folder = make(tmp_path / "demo", unfinished=("hpt_bn",))
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    study["arms"].append({"name": "later", "coats": ["x"], "stages": {"0": ["feed0000beef"]}})
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    words = page_of(folder).words
    assert "hpt_bn, seed 0: unfinished: stopped or still running at step 60 of 150." in words
    assert "feed0000beef (in later), seed 0: not started." in words
    assert "Not measured: hpt_bn" in words
    assert "Not measured yet: hpt_bn and later." in words


NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_names_from_files_cannot_become_markup(tmp_path, make):
    folder = make(tmp_path / "demo")
    for path in [*folder.rglob("*.json"), *folder.rglob("*.jsonl"), *folder.rglob("*.yaml")]:
        text = path.read_text(encoding="utf-8")
        load_, dump = (yaml.safe_load, yaml.safe_dump) if path.suffix == ".yaml" else (json.loads, json.dumps)
        lines = text.splitlines() if path.suffix == ".jsonl" else [text]
        poisoned = [dump(_poison(load_(line))) for line in lines]
        path.write_text("\n".join(poisoned) + "\n", encoding="utf-8")
    plain, page = page_of(make(tmp_path / "plain")), page_of(folder)
    for name in ("script", "img"):
        assert len(page.all(name)) <= len(plain.all(name))
    assert not [attrs for _, attrs in page.elements if any(key.startswith("on") for key in attrs)]
    assert "<script>alert(1)</script>" in page.words  # shown as the text that it is


def _poison(value):
    """Add markup to every text except the words that our own code looks for."""
    kept = {"accuracy", "accuracy_difference", "test", "monitor", "clean", "final", "knn", "linear", "pretrain", "init"}
    if isinstance(value, dict):
        return {key: _poison(one) if key not in {"stage", "stages"} else one for key, one in value.items()}
    if isinstance(value, list):
        return [_poison(one) for one in value]
    return value + NASTY if isinstance(value, str) and value not in kept else value


@pytest.mark.parametrize(
    "name",
    ["study.json", "study.yaml", "records.jsonl", "stage.yaml", "log.jsonl", "auto.json", "views.png", "neighbours.png",
     "neighbours.json", "environment.json", "done.json"],
)  # fmt: skip
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "wrong type"])
def test_a_missing_or_damaged_file_is_a_sentence_not_a_crash(study, name, damage):
    for path in study.rglob(name):
        path.unlink()
        if damage != "missing":
            path.write_bytes({"empty": b"", "garbage": b"\xff\x00{[:\n- ]\n", "wrong type": b"17\n"}[damage])
    page = page_of(study)
    assert len(page.all("section")) == 6


def test_a_line_that_a_kill_cut_off_is_ignored(study):
    for path in study.rglob("*.jsonl"):
        with path.open("a", encoding="utf-8") as out:
            out.write('{"step": 151, "loss": 4.')
    assert load(study).notes == []


def test_damaged_lines_are_counted(study):
    with next((study / "stages").glob("hpt0*/log.jsonl")).open("a", encoding="utf-8") as out:
        out.write("nonsense\n[1]\n")
    assert "2 damaged lines of log.jsonl" in page_of(study).words


def test_values_that_are_no_numbers_are_left_out(study):
    with next((study / "stages").glob("hpt0*/log.jsonl")).open("a", encoding="utf-8") as out:
        out.write('{"step": 155, "loss": NaN, "alarm": null, "data_wait": "much"}\n')
    assert "nan" not in re.sub(r"base64,[\w+/=]*", "", build(study).read_text(encoding="utf-8")).lower()


def test_rows_in_stage_folders_count_and_repeated_ones_only_once(study):
    rows = load(study).rows
    for folder in (study / "stages").glob("*"):
        append(folder, [row for row in rows if row.stage == folder.name])
    assert load(study).rows == rows


def test_rows_that_contradict_each_other_are_reported(study):
    rows = load(study).rows
    changed = Record(**{**vars(rows[0]), "value": 0.99})
    append(next((study / "stages").glob("hpt0*")), [changed])
    found = load(study)
    assert found.rows[0].value == rows[0].value
    assert "1 records contradict" in found.notes[0]


def test_a_single_run_is_reported_with_its_baselines(tmp_path, make):
    demo = make(tmp_path / "demo")
    stages = demo / "stages"
    run = tmp_path / "scans"
    next(stages.glob("hpt0*")).rename(run)
    (run / "baselines").mkdir()
    next(stages.glob("base0*")).rename(run / "baselines" / "base")
    for path, digest in ((run, "d1"), (run / "baselines" / "base", "d0")):
        spec = yaml.safe_load((path / "stage.yaml").read_text(encoding="utf-8")) | {"digest": digest}
        (path / "stage.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    assert "Nothing was measured on test images yet" in page_of(run).words
    common = {"readout": "knn", "metric": "accuracy", "n": 40}
    append(run, [
        Record(arm="base", stage="d0", chain="imagenet-lite0", value=0.5, **common),
        Record(arm="scans", stage="d1", chain="imagenet-lite0>target: moco_v2", value=0.6, **common),
        Record(arm="scans", versus="base", readout="knn", metric="accuracy_difference", n=40, value=0.1,
               ci_low=0.02, ci_high=0.2),
    ])  # fmt: skip
    words = page_of(run).words
    assert "the target coat over the base (scans) helped k-NN by +0.100" in words
    assert "Before · base" in words
    assert "After · scans" in words


def test_records_alone_are_enough(tmp_path):
    append(tmp_path, [Record(arm="base", readout="knn", metric="accuracy", value=0.7, n=100)])
    assert "0.700" in page_of(tmp_path).words


def test_an_empty_or_missing_folder_is_one_sentence(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunError, match="nothing to report; ") as caught:
            build(folder)
        assert "\n" not in str(caught.value)


def test_the_page_is_replaced_whole_and_other_files_are_kept(study, tmp_path):
    assert build(study) == study / "report.html"
    build(study)
    assert not list(study.glob(".report*"))
    precious = tmp_path / "weights.pt"
    precious.write_text("precious", encoding="utf-8")
    with pytest.raises(RunError, match="no HTML file"):
        build(study, precious)
    assert precious.read_text(encoding="utf-8") == "precious"
    assert build(study, tmp_path / "new" / "out.html").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(study, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="cannot be written"):
        build(study, tmp_path / "file" / "report.html")


def test_a_report_needs_neither_torch_nor_matplotlib():
    import subprocess
    import sys

    code = "import sys, undercoat.report; print([m for m in ('torch', 'matplotlib', 'sklearn') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
