"""A chart as an SVG file of its own: style inside, light and dark, readable as a picture in a README."""

from __future__ import annotations

import textwrap

from undercoat.report.charts import Chart, line, write
from undercoat.report.drawing import Drawing
from undercoat.report.marks import DASHES, STYLES, marker
from undercoat.report.markup import Markup, join, tag, trusted
from undercoat.report.writing import own_file

__all__ = ["OURS", "framed", "standalone"]

OURS = 'data-generator="undercoat"'  # tells our files from others, which are not replaced
FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif'
MARGIN, HEAD, LINE = 16.0, 26.0, 15.0
LETTER = 5.7  # width of an average letter of the small print, in its 11 px
ENLARGED = 1.2  # drawn for a column of the page; as a picture it may be larger


def standalone(drawing: Drawing) -> str:
    """Return the file: title, chart, legend and remark on a card."""
    chart = drawing.chart
    width = chart.width + 2 * MARGIN
    title = write(MARGIN, MARGIN + 10, chart.title, "title", "start")
    body = tag("g", chart.body, transform=f"translate({MARGIN:g} {MARGIN + HEAD - 6:g})")
    y = MARGIN + HEAD + chart.height + 6
    legend, y = _legend(drawing.lines, y, chart.width)
    small = textwrap.wrap(drawing.remark, int(chart.width / LETTER))
    texts = [write(MARGIN, y + LINE * index, text, "fine", "start") for index, text in enumerate(small)]
    return framed(
        Chart(chart.title, chart.description, y + LINE * len(small) + 2, join(title, body, legend, texts), width),
        ENLARGED,
    )


def framed(chart: Chart, enlarged: float = 1.0) -> str:
    """Put a chart that fills its box on a card with the style that it needs."""
    width, height = f"{chart.width:g}", f"{chart.height:g}"
    style = join(own_file("charts.css"), trusted(f".chart {{ font-family: {FONTS}; }}\n"))
    card = tag("rect", class_="card", x=0.5, y=0.5, width=chart.width - 1, height=chart.height - 1, rx=10)
    box = {"viewBox": f"0 0 {width} {height}", "aria-label": f"{chart.title}. {chart.description}"}
    size = {"width": f"{chart.width * enlarged:.0f}", "height": f"{chart.height * enlarged:.0f}"}
    own = {"xmlns": "http://www.w3.org/2000/svg", "data-generator": "undercoat"}
    head = [tag("title", chart.title), tag("desc", chart.description), tag("style", style)]
    return join(tag("svg", head, card, chart.body, class_="chart", role="img", **own, **size, **box), "\n")


def _legend(lines: tuple[tuple[str, int], ...], y: float, width: float) -> tuple[list[Markup], float]:
    """Name each line, as many beside each other as there is room for; returns where the next text stands."""
    parts: list[Markup] = []
    x = MARGIN
    for name, style in lines:
        needed = 34 + LETTER * 1.08 * len(name) + 14
        if x > MARGIN and x + needed > MARGIN + width:
            x, y = MARGIN, y + LINE + 3
        stroke = tag("g", line(x, y, x + 28, y, f"line s{style % STYLES}"), stroke_dasharray=DASHES[style % STYLES])
        parts += [stroke, marker(style, x + 14, y, 4), write(x + 34, y + 4, name, "tick", "start")]
        x += needed
    return parts, y + (LINE + 9 if lines else 4)
