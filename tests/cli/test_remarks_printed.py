"""What a study's table leaves out or flatters is said in the terminal too, not only in the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from undercoat.cli import printing


def test_remarks_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.json").write_text(json.dumps({"name": "remarks", "arms": [], "protocols": []}))
    (tmp_path / "notes.json").write_text(json.dumps(["4 of 12 test images were seen"]))
    (tmp_path / "records.jsonl").write_text("")
    printing.study(tmp_path / "report.html")
    assert "4 of 12 test images were seen" in capsys.readouterr().out
