"""HTML and SVG built from Python values, where text is escaped unless it was built here.

Paths, arm names, class names and labels come from people's files, so nothing reaches the page as it is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

__all__ = ["Markup", "join", "tag", "trusted"]

VOID = frozenset({"br", "hr", "img", "link", "meta"})
# Characters that no HTML document may hold, not even as an entity.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Markup(str):
    """Text that is safe to put into the page as it is."""

    __slots__ = ()


def trusted(text: str) -> Markup:
    """Mark text of our own (the style sheet, the script) as safe; never anything read from a run."""
    return Markup(text)


def _safe(value: object) -> str:
    if isinstance(value, Markup):
        return value
    if value is None:
        return ""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "".join(_safe(item) for item in value)
    return html.escape(FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(value)), quote=True)


def join(*children: object) -> Markup:
    """Concatenate children; text is escaped, `None` is skipped, lists are flattened.

    Example:
        >>> join("a < b", None, [tag("b", "c")])
        'a &lt; b<b>c</b>'
    """
    return Markup(_safe(children))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """One element: ``tag("p", "text", class_="note", data_tip="…")``.

    A trailing underscore of an attribute is dropped and inner ones become hyphens; `None` and `False` leave
    the attribute out, `True` writes it without a value.

    Example:
        >>> tag("p", "<script>", class_="note", hidden=True)
        '<p class="note" hidden>&lt;script&gt;</p>'
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        written = key.rstrip("_").replace("_", "-")
        parts.append(written if value is True else f'{written}="{_safe(value)}"')
    start = f"<{' '.join(parts)}>"
    return Markup(start if name in VOID else f"{start}{_safe(children)}</{name}>")
