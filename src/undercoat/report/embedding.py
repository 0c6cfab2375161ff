"""Pictures put into the page itself, so that it needs no other file; a missing or broken one becomes a sentence."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from undercoat.report.blocks import note
from undercoat.report.markup import Markup, tag

__all__ = ["WIDEST_PX", "image_tag", "picture"]

WIDEST_PX = 1600  # wider pictures are shrunk, so that the page stays one that can be mailed
BROAD_PX = 480  # wider ones have the page's width to themselves
LEAST_SHARE = 0.75  # of its width; narrower windows move along the picture, so that its captions stay legible


class _Embedded(NamedTuple):
    address: str
    width: int
    height: int


def _embedded(path: Path, widest_px: int) -> _Embedded | None:
    """Return a picture as a data address with its size, or None when it is missing or broken."""
    try:
        with Image.open(path) as opened:
            opened.load()
            shown = opened if opened.width <= widest_px else opened.convert("RGB")
            shown.thumbnail((widest_px, 4 * widest_px))
            out = io.BytesIO()
            shown.save(out, "PNG", optimize=True)
            text = base64.b64encode(out.getvalue()).decode("ascii")
            return _Embedded(f"data:image/png;base64,{text}", shown.width, shown.height)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _img(found: _Embedded, alternative: str, style: str | None = None) -> Markup:
    size = {"width": found.width, "height": found.height}
    return tag("img", src=found.address, alt=alternative, loading="lazy", style=style, **size)


def _missing(path: Path) -> Markup:
    words = "was not written" if not path.exists() else "cannot be opened"
    return note(f"{path.name} {words} for this stage.")


def image_tag(path: Path, alternative: str, *, widest_px: int = WIDEST_PX) -> Markup:
    """Return the picture alone, or a sentence in its place."""
    found = _embedded(path, widest_px)
    return _missing(path) if found is None else _img(found, alternative)


def picture(path: Path, caption: object, alternative: str, *below: object, legible: bool = False) -> Markup:
    """Return a picture with its caption and what stands below it.

    Args:
        path: of the picture.
        caption: above it.
        alternative: the words for those who cannot see it.
        below: more.
        legible: keep a wide one large enough to read what is written in it; a narrow window then scrolls it.
    """
    found = _embedded(path, WIDEST_PX)
    title = tag("figcaption", caption)
    if found is None:
        return tag("figure", title, _missing(path), below)
    if not legible or found.width <= BROAD_PX:
        return tag("figure", title, _img(found, alternative), below)
    image = _img(found, alternative, style=f"min-width: {LEAST_SHARE * found.width:.0f}px")
    frame = tag("div", image, class_="pan", tabindex="0", role="region", aria_label=alternative)
    return tag("figure", title, frame, below, class_="broad")
