"""What the network saw: what entered it, what its method made of that, nearest neighbours before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from undercoat.report.blocks import more, note, numbers, section
from undercoat.report.curves import Coat, coats_of
from undercoat.report.embedding import picture
from undercoat.report.folder import Found, Stage
from undercoat.report.markup import Markup, tag
from undercoat.report.method_pictures import method_pictures
from undercoat.report.wording import count, fraction, listed, number

__all__ = ["pictures_section"]

AFTER = ("hpt", "hpt_bn", "target")
BEFORE = ("base", "random")


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
    alternative = f"Images, one a row, and beside each what of it entered the network for {names}."
    return picture(stage.path / "views.png", caption, alternative)


def _methods(found: Found) -> list[Markup] | None:
    """The methods' own pictures; nothing where none draws any."""
    shown = method_pictures(found)
    title = tag("h3", "What each method did with them")
    return [title, tag("div", shown, class_="grid pictures")] if shown else None


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
    return picture(stage.path / "neighbours.png", caption, alternative + share, said, _neighbour_table(stage))


def pictures_section(found: Found) -> Markup:
    """Views and the method's own pictures per trained coat; neighbours before (base or random) and after the coats."""
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
        tag("h3", "Images, and what of them entered it"),
        tag("div", views, class_="grid pictures"),
        _methods(found),
        tag("h3", "Nearest neighbours, before and after"),
        neighbours,
    )
