"""A method's own pictures, saved while it trained: what it made of the images, the latest large, earlier ones small."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from undercoat.report.blocks import more
from undercoat.report.curves import Coat, coats_of
from undercoat.report.embedding import image_tag, picture
from undercoat.report.folder import Found, Stage
from undercoat.report.markup import Markup, tag
from undercoat.report.wording import listed

__all__ = ["method_pictures"]

FILE = re.compile(r"(?P<name>.+)-(?P<step>\d{1,12})\.png")
EARLIER_PX = 800  # earlier pictures are shown smaller; the files are there to look at


def method_pictures(found: Found) -> list[Markup]:
    """One figure for each coat and picture; of several seeds the first that has any."""
    return [figure for coat in coats_of(found) for figure in _of_coat(coat)]


def _of_coat(coat: Coat) -> list[Markup]:
    for seed, stage in coat.stages:
        if saved := _saved(stage):
            several = f", seed {seed}" if len(coat.stages) > 1 else ""
            return [_figure(f"{coat.name}{several}", stage, name, steps) for name, steps in saved.items()]
    return []


def _saved(stage: Stage) -> dict[str, dict[int, Path]]:
    """The pictures in a stage's folder: name → step → file, in the order of their titles, then by name."""
    found: dict[str, dict[int, Path]] = {}
    for path in sorted(stage.path.glob("pictures/*.png")):
        if parts := FILE.fullmatch(path.name):
            found.setdefault(parts["name"], {})[int(parts["step"])] = path
    order = [name for name in stage.titles if name in found]
    return {name: dict(sorted(found[name].items())) for name in dict.fromkeys([*order, *found])}


def _figure(who: str, stage: Stage, name: str, steps: dict[int, Path]) -> Markup:
    title = stage.titles.get(name)
    said = title.rstrip(".") if isinstance(title, str) and title else name.replace("-", " ")
    last = max(steps)
    earlier = _unlike_the_next(steps)
    unchanged = "" if earlier or len(steps) == 1 else f" The same since step {min(steps):,}."
    caption = [tag("strong", who), f" · {said}", tag("small", f" Step {last:,}.{unchanged}")]
    return picture(
        steps[last], caption, f"{who}: {said}, at step {last:,}.", _earlier(who, said, earlier), legible=True
    )


def _unlike_the_next(steps: dict[int, Path]) -> dict[int, Path]:
    """Earlier pictures that something changed after: what stayed the same is shown once, at its last step."""
    contents = {step: _content(path) for step, path in steps.items()}
    order = sorted(steps)
    return {step: steps[step] for step, after in pairwise(order) if contents[step] != contents[after]}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return str(path).encode()


def _earlier(who: str, said: str, steps: dict[int, Path]) -> Markup | None:
    if not steps:
        return None
    items = [
        tag(
            "li",
            tag("p", f"Step {step:,}", class_="small"),
            image_tag(path, f"{who}: {said}, at step {step:,}.", widest_px=EARLIER_PX),
        )
        for step, path in reversed(steps.items())
    ]
    words = f"Earlier: step{'s' if len(steps) > 1 else ''} {listed([f'{step:,}' for step in steps])}"
    return more(words, tag("ul", items, class_="earlier"))
