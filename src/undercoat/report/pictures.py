"""What the network saw: its augmented views, and nearest neighbours before and after the coats."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from undercoat.report.blocks import more, note, numbers, section
from undercoat.report.curves import Coat, coats_of
from undercoat.report.folder import Found, Stage
from undercoat.report.markup import Markup, tag
from undercoat.report.wording import count, fraction, listed, number

__all__ = ["pictures_section"]

WIDEST_PX = 1600  # wider pictures are shrunk, so that the page stays one that can be mailed
AFTER = ("hpt", "hpt_bn", "target")
BEFORE = ("base", "random")


def _embedded(path: Path) -> tuple[str, int, int] | None:
    """Return a picture as a data address with its size, or None when it is missing or broken."""
    try:
        with Image.open(path) as opened:
            opened.load()
            picture = opened if opened.width <= WIDEST_PX else opened.convert("RGB")
            picture.thumbnail((WIDEST_PX, 4 * WIDEST_PX))
            out = io.BytesIO()
            picture.save(out, "PNG", optimize=True)
            text = base64.b64encode(out.getvalue()).decode("ascii")
            return f"data:image/png;base64,{text}", picture.width, picture.height
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _picture(path: Path, caption: object, alternative: str, *below: object) -> Markup:
    found = _embedded(path)
    if found is None:
        words = "was not written" if not path.exists() else "cannot be opened"
        return tag("figure", tag("figcaption", caption), note(f"{path.name} {words} for this stage."))
    address, width, height = found
    image = tag("img", src=address, alt=alternative, width=width, height=height, loading="lazy")
    return tag("figure", tag("figcaption", caption), image, below)


def _views(found: Found) -> list[Markup]:
    """One grid per coat; coats that were fed the very same views share one."""
    grids: dict[object, list[tuple[Coat, Stage]]] = {}
    for coat in coats_of(found):
        there = [stage for _, stage in coat.stages if (stage.path / "views.png").exists()]
        stage = there[0] if there else coat.stages[0][1]
        content = _bytes(stage.path / "views.png") if there else coat.name
        grids.setdefault(content, []).append((coat, stage))
    return [_grid(shared) for shared in grids.values()]


def _grid(shared: list[tuple[Coat, Stage]]) -> Markup:
    names, stage = listed([coat.name for coat, _ in shared]), shared[0][1]
    what = f"{stage.spec.get('data', 'unknown data')}, {stage.spec.get('method', 'unknown method')}"
    caption = [tag("strong", names), f" · {what}" + (" · the same views" if len(shared) > 1 else "")]
    alternative = f"A grid of augmented views exactly as they were fed to the network for {names}."
    return _picture(stage.path / "views.png", caption, alternative)


def _bytes(path: Path) -> object:
    try:
        return path.read_bytes()
    except OSError:
        return path


def _last_with_neighbours(found: Found, names: Sequence[str]) -> tuple[str, Stage] | None:
    arms = {arm.name: arm for arm in found.arms}
    for name in names:
        for _, chain in sorted(arms[name].stages.items()) if name in arms else ():
            for digest in reversed(chain):
                stage = found.stages[digest]
                if (stage.path / "neighbours.png").exists():
                    return name, stage
    return None


def _queries(stage: Stage) -> list[dict[str, Any]]:
    queries = stage.neighbours.get("queries")
    return [query for query in queries if isinstance(query, dict)] if isinstance(queries, list) else []


def _neighbours_of(query: dict[str, Any]) -> list[dict[str, Any]]:
    there = query.get("neighbours")
    return [one for one in there if isinstance(one, dict)] if isinstance(there, list) else []


def _share(stage: Stage) -> str:
    known = [one["same_class"] for query in _queries(stage) for one in _neighbours_of(query) if "same_class" in one]
    known = [same for same in known if isinstance(same, bool)]
    if not known:
        return ""
    same = sum(known)
    return (
        f"{same} of {len(known)} neighbours have the query's class ({fraction(same / len(known))}): "
        "these are underlined long and blue, others short and orange."
    )


def _neighbour_table(stage: Stage) -> Markup | None:
    rows = []
    for query in _queries(stage):
        for rank, one in enumerate(_neighbours_of(query), start=1):
            same = {"True": "yes", "False": "no"}.get(str(one.get("same_class")), "–")
            near = fraction(number(one.get("similarity")))
            rows.append([query.get("key", "–"), count(rank), one.get("key", "–"), near, same])
    head = ["query", "rank", "neighbour", "cosine similarity", "same class"]
    return more("Their names and similarities", numbers("Nearest neighbours", head, rows)) if rows else None


def _neighbour_card(moment: str, chosen: tuple[str, Stage] | None) -> Markup:
    if chosen is None:
        return tag("figure", note(f"{moment}: no picture of nearest neighbours was written."))
    name, stage = chosen
    alternative = f"Nearest neighbours by the features of {name}; each row is a query and its nearest images. "
    caption = [tag("strong", moment), f" · {name}"]
    share = _share(stage)
    said = tag("p", share, class_="small") if share else None
    picture = stage.path / "neighbours.png"
    return _picture(picture, caption, alternative + share, said, _neighbour_table(stage))


def pictures_section(found: Found) -> Markup:
    """Views per trained coat; neighbours before (base or random) and after the coats, side by side."""
    views = _views(found) or [note("No stage was trained, so there are no augmented views.")]
    others = [arm.name for arm in reversed(found.arms) if arm.name not in {*AFTER, *BEFORE}]
    before = _last_with_neighbours(found, BEFORE)
    after = _last_with_neighbours(found, [*AFTER, *others])
    if before is None and after is None:
        neighbours: object = note("No nearest neighbours were written, so before and after cannot be compared.")
    else:
        neighbours = tag("div", _neighbour_card("Before", before), _neighbour_card("After", after), class_="grid")
    return section(
        "pictures",
        "What the network saw",
        tag("h3", "Augmented views, as fed to it"),
        tag("div", views, class_="grid pictures"),
        tag("h3", "Nearest neighbours, before and after"),
        neighbours,
    )
