"""Markup is escaped, scales are exact, and what a chart draws can be read back from its SVG."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undercoat.report.charts import Axes, Point, Reference, Series, line_chart
from undercoat.report.dots import Dot, dot_chart
from undercoat.report.marks import DASHES, SHAPES, STYLES
from undercoat.report.markup import join, tag
from undercoat.report.scales import Scale, linear_ticks, log_ticks


def parse(svg):
    return ElementTree.fromstring(str(svg))  # raises on anything that is not well formed


@given(st.text(), st.text())
def test_text_and_attributes_come_back_as_they_were(text, attribute):
    element = parse(tag("p", text, title=attribute))
    clean = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

    def shown(value):
        return re.sub("\r\n?", "\n", clean.sub("�", value))

    if "￾" not in text + attribute and "￿" not in text + attribute:  # no XML, though harmless in HTML
        assert (element.text or "") == shown(text)
        assert re.sub(r"\s", " ", element.get("title")) == re.sub(r"\s", " ", shown(attribute))


def test_markup_of_our_own_is_not_escaped_twice():
    assert join("<", tag("b", "&"), [tag("i"), None]) == "&lt;<b>&amp;</b><i></i>"


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_linear_ticks_are_round_even_and_inside(low, width):
    high = low + width
    ticks = linear_ticks(low, high)
    assert 1 <= len(ticks) <= 12
    room = 1e-6 * max(abs(low), abs(high), 1)
    assert all(low - room <= tick <= high + room for tick in ticks)
    assert ticks == sorted(set(ticks))


def test_log_ticks_of_one_decade_and_of_many():
    assert log_ticks(1, 100) == [1, 2, 5, 10, 20, 50, 100]
    assert log_ticks(1, 100_000) == [1, 10, 100, 1000, 10_000, 100_000]


def test_scales_are_exact_at_their_ends_and_in_the_middle():
    line = Scale(low=0, high=2, start_px=10, end_px=110)
    assert [line(value) for value in (0, 1, 2)] == [10, 60, 110]
    log = Scale(low=1, high=100, start_px=0, end_px=100, log=True)
    assert [log(value) for value in (1, 10, 100)] == pytest.approx([0, 50, 100])


def test_zero_has_a_place_of_its_own_on_a_log_axis():
    log = Scale(low=1, high=100, start_px=0, end_px=100, log=True, zero=True)
    assert log(0) == 0
    assert log(1) == pytest.approx(100 * 0.5 / 2.5)
    assert log.ticks()[0] == 0


def test_styles_differ_in_shape_and_neighbours_in_dash():
    assert len(set(SHAPES)) == STYLES
    assert all(one != other for one, other in pairwise(DASHES))


def _curve():
    values = [(10, 0.5), (100, 0.6), (1000, 0.8)]
    return Series("hpt", 4, tuple(Point(x, y, y - 0.1, y + 0.1, f"tip {x}") for x, y in values))


def test_a_line_goes_through_its_points_in_proportion():
    root = parse(line_chart("t", "d", [_curve()], Axes(x="step", y="k-NN", log_x=True)).svg)
    line = next(one for one in root.iter("polyline"))
    (x0, y0), (x1, y1), (x2, y2) = (map(float, pair.split(",")) for pair in line.get("points").split())
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11)
    assert (y0 - y2) / (y0 - y1) == pytest.approx(3, rel=0.01)
    assert len([one for one in root.iter("polygon") if "band" in one.get("class")]) == 1
    assert [one.text for one in root.iter("title")][1:] == ["tip 10", "tip 100", "tip 1000"]


def test_one_seed_draws_no_band():
    flat = Series("one", 0, (Point(1, 0.5, 0.5, 0.5, "a"), Point(2, 0.6, 0.6, 0.6, "b")))
    root = parse(line_chart("t", "d", [flat], Axes(x="step", y="")).svg)
    assert not [one for one in root.iter("polygon") if "band" in one.get("class")]


def test_dots_stand_inside_their_whiskers_and_the_reference_is_named():
    dots = [
        Dot("a", 0, 0.5, 0.4, 0.6, ((0.45, "s0"), (0.55, "s1")), "tip a"),
        Dot("b", 1, 0.7, None, None, (), "tip b"),
    ]
    root = parse(dot_chart("t", "d", dots, Reference("majority class", 0.3), Axes(x="accuracy", y="")).svg)
    whisker = next(one for one in root.iter("line") if "whisker" in one.get("class"))
    mark = next(one for one in root.iter("circle") if one.get("class") == "mark s0")
    low, high = float(whisker.get("x1")), float(whisker.get("x2"))
    assert float(mark.get("cx")) == pytest.approx((low + high) / 2, abs=0.1)
    assert "majority class 0.300" in [one.text for one in root.iter("text")]
    assert len([one for one in root.iter("circle") if "seed" in one.get("class")]) == 2


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_single_point_can_be_drawn(value):
    one = Series("a", 0, (Point(0, value, value, value, "only"),))
    svg = line_chart("t", "d", [one], Axes(x="step", y="", log_x=True)).svg
    numbers = [float(text) for text in re.findall(r'(?:cx|cy|x1|y1)="(-?[\d.]+|nan|inf)"', svg)]
    assert all(math.isfinite(number) for number in numbers)


def test_labels_in_a_chart_are_escaped():
    root = parse(dot_chart("<b>", "&", [Dot("<script>", 0, 0.5, 0.4, 0.6, (), "<i>")], None, Axes(x="<x>", y="")).svg)
    assert not list(root.iter("script"))
