"""Every figure prints: the PDF holds the words of the SVG file, in embedded fonts."""

from __future__ import annotations

import re
import zlib

import pytest

from report import bench_studies
from undercoat.errors import RunError
from undercoat.report import export_figures
from undercoat.report.printed import _rules, can_print, printed

needs_matplotlib = pytest.mark.skipif(not can_print(), reason="needs matplotlib")


@needs_matplotlib
def test_every_figure_is_a_pdf_of_its_size_with_fonts_inside(tmp_path, make):
    for folder in (make(tmp_path / "demo", seeds=(0, 1)), bench_studies.sequences(tmp_path / "sequences")):
        for path in export_figures(folder, folder / "figures", pdf=True):
            pdf = path.with_suffix(".pdf").read_bytes()
            assert pdf.startswith(b"%PDF")
            assert b"/FontFile2" in pdf
            width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', path.read_text(encoding="utf-8"))[0]
            box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", pdf)
            assert [float(one) for one in box.groups()] == pytest.approx([float(width), float(height)], abs=0.1)


@pytest.mark.skipif(can_print(), reason="matplotlib is here")
def test_without_matplotlib_a_pdf_is_refused_in_one_sentence(study, tmp_path):
    with pytest.raises(RunError, match="PDF files need matplotlib"):
        export_figures(study, tmp_path / "figures", pdf=True)
    assert not (tmp_path / "figures").exists()


@needs_matplotlib
def test_the_same_figure_is_the_same_file():
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 40"><text x="4" y="20" class="value">0.7</text></svg>'
    )
    assert printed(svg) == printed(svg)
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", printed(svg), flags=re.DOTALL)
    assert any(b"BT" in zlib.decompress(one) for one in streams if one[:1] == b"x")  # text, not outlines


@needs_matplotlib
def test_an_element_that_is_none_of_ours_is_refused():
    with pytest.raises(ValueError, match="'path' of a figure cannot be printed"):
        printed('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0"/></svg>')


def test_colours_are_those_of_the_light_page():
    rules = {(element, classes): style for element, classes, style in _rules()}
    assert rules["", frozenset({"s1"})]["stroke"] == "#0072b2"
    assert rules["", frozenset({"mark", "s1"})]["fill"] == "#0072b2"
    assert rules["line", frozenset({"grid"})]["stroke"] == "#dedbd3"
    assert _rules()[-1][1] >= {"mark"}  # what is marked important comes last
