"""Figures as PDF, for papers: the same drawing as in the SVG file, in light colours, with fonts embedded."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree

from undercoat.report.writing import own_file

__all__ = ["can_print", "printed"]

Style = dict[str, str]


def can_print() -> bool:
    """Whether matplotlib is there, which draws PDF files (``pip install matplotlib``)."""
    return find_spec("matplotlib") is not None


def printed(svg: str) -> bytes:
    """Draw one of our SVG figures as a PDF of one page.

    One pixel is one point; the card around the figure is left out, the background is white. Text stays text, in
    embedded TrueType fonts, as publishers ask for.

    Args:
        svg: what `standalone` or `framed` wrote; other SVG files hold elements that are not known here.

    Returns:
        The file.

    Raises:
        ImportError: without matplotlib.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    root = ElementTree.fromstring(svg)
    width, height = (float(part) for part in root.get("viewBox", "0 0 1 1").split()[2:])
    with rc_context({"pdf.fonttype": 42, "font.family": ["DejaVu Sans"]}):
        figure = Figure(figsize=(width / 72, height / 72), facecolor="white")
        page = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        page.set_axis_off()
        page.set_xlim(0, width)
        page.set_ylim(height, 0)
        for place, (element, style, x, y) in enumerate(_elements(root, {}, 0.0, 0.0)):
            for drawn in _artists(element, style, x, y):
                drawn.set_zorder(place)
                page.add_artist(drawn)
        out = io.BytesIO()
        about = {"Title": root.get("aria-label", "").partition(". ")[0], "Creator": "undercoat", "CreationDate": None}
        canvas: Any = FigureCanvasPdf(figure)  # its methods have no types
        canvas.print_pdf(out, metadata=about)
    return out.getvalue()


@cache
def _rules() -> list[tuple[str, frozenset[str], Style]]:
    """The light half of our style sheet, as (element, classes, settings), the strongest last."""
    text = re.sub(r"/\*.*?\*/|@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", own_file("charts.css"), flags=re.DOTALL)
    colours: dict[str, str] = {}
    rules = []
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", text):
        settings: Style = dict(re.findall(r"([\w-]+)\s*:\s*([^;]+?)\s*(?:!important\s*)?(?:;|$)", body))
        strength = 10 * ("!important" in body)
        colours |= {key: value for key, value in settings.items() if key.startswith("--")}
        filled: Style = {
            key: colours.get(text.removeprefix("var(").rstrip(")"), text) for key, text in settings.items()
        }
        for one in selector.split(","):
            last = one.split()[-1] if one.split() else ""
            element, *classes = last.split(".")
            if not last.startswith(":"):
                rules.append((len(classes) + strength, element, frozenset(classes), filled))
    return [(element, classes, style) for _, element, classes, style in sorted(rules, key=lambda rule: rule[0])]


def _elements(
    parent: ElementTree.Element, above: Mapping[str, str], x: float, y: float
) -> Iterator[tuple[ElementTree.Element, Style, float, float]]:
    """Everything that is drawn, in order, with its style and how far it is moved."""
    rules = _rules()
    stack = [(child, dict(above), x, y) for child in reversed(list(parent))]
    while stack:
        element, style, left, top = stack.pop()
        name = element.tag.rpartition("}")[2]
        style = style | {key: value for key, value in element.attrib.items() if key == "stroke-dasharray"}
        if name == "g":
            moved = re.match(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", element.get("transform", ""))
            left, top = (left + float(moved[1]), top + float(moved[2])) if moved else (left, top)
            stack += [(child, style, left, top) for child in reversed(list(element))]
            continue
        classes = set(element.get("class", "").split())
        if name in ("title", "desc", "style") or "card" in classes:
            continue
        for kind, needed, settings in rules:
            if kind in ("", name) and needed <= classes and (kind or needed):
                style = style | settings
        yield element, style, left, top


def _artists(element: ElementTree.Element, style: Style, x: float, y: float) -> list[Any]:
    from matplotlib import patches
    from matplotlib.lines import Line2D

    name = element.tag.rpartition("}")[2]
    at = {key: float(value) for key, value in element.attrib.items() if re.fullmatch(r"-?[\d.]+", value)}
    if name == "text":
        return [_text(element, style, x + at["x"], y + at["y"])]
    if name == "line":
        return [Line2D([x + at["x1"], x + at["x2"]], [y + at["y1"], y + at["y2"]], **_stroke(style))]
    if name in ("polyline", "polygon"):
        pairs = [one.split(",") for one in element.get("points", "").split()]
        points = [(x + float(across), y + float(down)) for across, down in pairs]
        if name == "polyline":
            return [Line2D(*zip(*points, strict=True), **_stroke(style))]
        return [patches.Polygon(points, closed=True, **_filled(style))]
    if name == "circle":
        return [patches.Circle((x + at["cx"], y + at["cy"]), at["r"], **_filled(style))] if at["r"] else []
    if name == "rect":
        box = (x + at["x"], y + at["y"]), at["width"], at["height"]
        return [patches.Rectangle(*box, **_filled(style))] if at["width"] and at["height"] else []
    raise ValueError(f"element {name!r} of a figure cannot be printed; it is none of ours")


def _dashes(style: Style) -> Any:
    lengths = [float(one) for one in re.findall(r"[\d.]+", style.get("stroke-dasharray", ""))]
    width = float(style.get("stroke-width", 1))
    return (0, tuple(one / width for one in lengths)) if lengths else "solid"


def _stroke(style: Style) -> dict[str, Any]:
    width = float(style.get("stroke-width", 1))
    about = {"color": style.get("stroke", "black"), "linewidth": width, "linestyle": _dashes(style)}
    return about | {"alpha": float(style.get("opacity", 1)), "solid_capstyle": "butt", "dash_capstyle": "butt"}


def _filled(style: Style) -> dict[str, Any]:
    opacity = float(style.get("opacity", 1))
    edge = style.get("stroke", "none") if opacity == 1 else "none"  # it would be laid over the area, and show
    about = {"facecolor": style.get("fill", "black"), "edgecolor": edge}
    return about | {"linewidth": float(style.get("stroke-width", 1)), "alpha": opacity}


def _text(element: ElementTree.Element, style: Style, x: float, y: float) -> Any:
    from matplotlib.patheffects import withStroke
    from matplotlib.text import Text

    side = {"start": "left", "middle": "center", "end": "right"}[element.get("text-anchor", "start")]
    size = float(style.get("font-size", "12px").removesuffix("px"))
    weight = "bold" if float(style.get("font-weight", 400)) >= 600 else "normal"
    about: dict[str, Any] = {"color": style.get("fill", "black"), "fontsize": size * 0.94, "fontweight": weight}
    about |= {"ha": side, "va": "baseline", "parse_math": False}  # 0.94: DejaVu runs wide
    drawn = Text(x, y, "".join(element.itertext()), **about)
    if "halo" in element.get("class", ""):
        drawn.set_path_effects([withStroke(linewidth=3, foreground="white")])
    return drawn
