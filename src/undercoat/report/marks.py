"""Shapes, dashes and legends: each arm keeps one style number throughout the page.

Colours come from the style sheet by class ``s0``, ``s1``, …; shape and dash repeat them, so that nothing
hangs on colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from undercoat.report.markup import Markup, tag

__all__ = ["DASHES", "STYLES", "legend", "marker"]

STYLES = 7
DASHES = ("1.5 3", None, "7 3", "10 3 2 3", None, "4 3", "2 2")
SHAPES = ("circle", "square", "triangle", "diamond", "triangle-down", "circle-open", "square-open")


def marker(style: int, x: float, y: float, size: float = 4.5, tip: str | None = None, hollow: bool = False) -> Markup:
    """The shape of a style, centred at (x, y), with what hovering over it says."""
    said = None if tip is None else tag("title", tip)
    shape = SHAPES[style % STYLES]
    classes = f"mark s{style % STYLES}{' open' if hollow or shape.endswith('open') else ''}"
    if shape.startswith("circle"):
        return tag("circle", said, class_=classes, cx=f"{x:.1f}", cy=f"{y:.1f}", r=size)
    if shape.startswith("square"):
        side = size * 1.8
        place = {"x": f"{x - side / 2:.1f}", "y": f"{y - side / 2:.1f}", "width": side, "height": side}
        return tag("rect", said, class_=classes, **place)
    corners = {
        "triangle": ((0, -1.25), (1.15, 0.85), (-1.15, 0.85)),
        "triangle-down": ((0, 1.25), (1.15, -0.85), (-1.15, -0.85)),
        "diamond": ((0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)),
    }[shape]
    points = " ".join(f"{x + across * size:.1f},{y + down * size:.1f}" for across, down in corners)
    return tag("polygon", said, class_=classes, points=points)


def legend(entries: Sequence[tuple[str, int]], *, lines: bool) -> Markup:
    """Name each style, with its shape and, for lines, its dash."""
    items = []
    for name, style in entries:
        dash = DASHES[style % STYLES]
        stroke = {"x1": 1, "y1": 7, "x2": 29, "y2": 7}
        line = tag("line", class_=f"line s{style % STYLES}", stroke_dasharray=dash, **stroke) if lines else None
        drawn = tag("svg", line, marker(style, 15, 7, 4), width=30, height=14, aria_hidden="true", viewBox="0 0 30 14")
        items.append(tag("li", drawn, name))
    return tag("ul", items, class_="legend")
