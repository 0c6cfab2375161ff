"""Tables and differences by command: formats, refusals, and numbers that come back as they were."""

from __future__ import annotations

import csv
import io

import pandas
import pytest

from undercoat.cli import main
from undercoat.records import Record, append
from undercoat.report import table_rows


@pytest.fixture
def study(tmp_path):
    measured = {"readout": "knn", "n": 400}
    rows = [
        Record(arm="base", metric="accuracy", value=0.70, ci_low=0.65, ci_high=0.74, **measured),
        Record(arm="hpt_bn", metric="accuracy", value=1 / 3, ci_low=0.30, ci_high=0.38, **measured),
        Record(arm="hpt_bn", versus="base", metric="accuracy_difference", value=-0.367, ci_low=-0.4, ci_high=-0.3,
               **measured),
    ]  # fmt: skip
    append(tmp_path / "study", rows)
    return tmp_path / "study"


def test_markdown_is_printed_without_a_file(study, capsys):
    assert main(["study", "tables", str(study)]) == 0
    assert "| base | – | 0 | 0.700 | 0.650 … 0.740 | 1 |" in capsys.readouterr().out


def test_the_ending_of_the_file_is_the_format(study, tmp_path, capsys):
    assert main(["study", "tables", str(study), "--out", str(tmp_path / "table.tex")]) == 0
    assert r"hpt\_bn" in (tmp_path / "table.tex").read_text(encoding="utf-8")
    assert main(["study", "tables", str(study), "--out", str(tmp_path / "table.parquet")]) == 0
    back = pandas.read_parquet(tmp_path / "table.parquet")
    assert back["value"].tolist() == [0.70, 1 / 3, -0.367]
    assert "3 rows in" in capsys.readouterr().out


def test_csv_holds_every_number_in_full(study, capsys):
    assert main(["study", "tables", str(study), "--format", "csv"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    rows = table_rows(study)
    assert [float(line["value"]) for line in lines] == [row.value for row in rows]
    assert [line["versus"] for line in lines] == ["", "", "base"]
    assert float(lines[2]["p_holm"]) == rows[2].p_holm


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "parquet"], "cannot be printed"),
        (["--format", "markdown"], "not one of md, latex, csv, parquet"),
        (["--out", "table.doc"], "names no format"),
    ],
)
def test_what_cannot_be_is_one_sentence(study, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert main(["study", "tables", str(study), *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_file_is_replaced_only_when_told_to(study, tmp_path, capsys):
    out = tmp_path / "table.md"
    out.write_text("precious", encoding="utf-8")
    assert main(["study", "tables", str(study), "--out", str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "precious"
    assert main(["study", "tables", str(study), "--out", str(out), "--overwrite"]) == 0
    assert out.read_text(encoding="utf-8").startswith("| arm |")


def test_a_recipe_that_is_not_there_is_one_sentence(study, tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("arms: [random]\nbackbone: timm/resnet18\n", encoding="utf-8")
    assert main(["study", "diff", str(tmp_path / "a.yaml"), "nowhere.yaml"]) == 2
    assert "there is no recipe 'nowhere.yaml'" in capsys.readouterr().err
    assert main(["study", "diff", str(tmp_path / "a.yaml"), str(tmp_path / "a.yaml"), "--json"]) == 0
    assert '"settings": []' in capsys.readouterr().out
