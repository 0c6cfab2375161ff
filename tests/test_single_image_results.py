"""The page of the single-image study holds the records' numbers and the claims' verdicts, and says what is missing."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from undercoat.records import Record, append
from undercoat.report import load

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def results(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    import single_image_results.analyses as analyses
    import single_image_results.writing as writing

    yield writing, analyses
    for name in [name for name in sys.modules if name.startswith("single_image_results")]:
        del sys.modules[name]


@pytest.fixture
def photo_study(tmp_path):
    stage = tmp_path / "stages" / "rotnet000001"
    stage.mkdir(parents=True)
    values = {"digest": stage.name, "name": "rotnet", "kind": "pretrain", "sources": 1, "method": "rotnet"}
    (stage / "stage.yaml").write_text(yaml.safe_dump(values), "utf-8")
    arms = [{"name": "rotnet photo", "coats": ["rotnet: rotnet"], "stages": {"0": [stage.name]}}]
    pair = [["rotnet photo", "random"]]
    claims = [{"says": "It helps", "expect": "higher", "margin": 0, "pairs": pair, "layers": [], "readouts": []}]
    (tmp_path / "study.json").write_text(
        json.dumps({"name": "photo", "arms": arms, "seeds": [0], "claims": claims}), "utf-8"
    )
    known = {"arm": "rotnet photo", "stage": stage.name, "readout": "linear", "n": 100, "eval_data": "x"}
    rows = []
    for layer, gain in (("conv1", 0.03), ("conv2", 0.05)):
        rows.append(Record(**known, layer=layer, metric="accuracy", value=0.6 + gain, ci_low=0.5, ci_high=0.7))
        rows.append(
            Record(**known, layer=layer, versus="random", metric="accuracy_difference", value=gain,
                   ci_low=gain - 0.01, ci_high=gain + 0.01)
        )  # fmt: skip
    append(tmp_path, rows)
    return load(tmp_path)


def test_the_page_has_the_numbers_the_verdicts_and_what_is_missing(results, photo_study, tmp_path):
    writing, analyses = results
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    text = writing.page(
        {"photo": photo_study}, analyses.Analyses(richness=[("photo", "motorcycle", 7.7, 0.3)]), pictures
    )
    assert "| It helps | **holds** | of 2 comparisons 2 holds; differences +0.030 … +0.050 | photo |" in text
    assert "| rotnet photo | 0.630 | 0.650 |" in text
    assert text.count("This study was not run.") == 4
    assert "| photo | `photo:motorcycle` | 7.70 | 0.300 |" in text
    for name in [line.split("images/single_image/")[1].rstrip(")") for line in text.splitlines() if "![" in line]:
        assert (pictures / name).exists(), name
