"""One offline HTML file: everything is inside it, and it asks nothing of any other host."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from undercoat.errors import RunError
from undercoat.report.claims import claims_section
from undercoat.report.figures import figures_section
from undercoat.report.folder import Found, load
from undercoat.report.health import health_section
from undercoat.report.markup import Markup, join, tag, trusted
from undercoat.report.pictures import pictures_section
from undercoat.report.repeat import repeat_section
from undercoat.report.summary import arms_section, verdict_section
from undercoat.report.writing import own_file, write

__all__ = ["build", "render"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
PARTS = {
    "verdict": "Verdict",
    "claims": "Claims",
    "arms": "Arms",
    "figures": "Figures",
    "pictures": "What it saw",
    "health": "Health",
    "repeat": "How to repeat it",
}


def _head(found: Found) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", **{"http-equiv": "Content-Security-Policy"}, content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content="undercoat"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{found.name}: did each coat help?"),
        tag("style", own_file("charts.css"), own_file("report.css")),
    )


def _moment(text: object) -> str:
    """Write a time as people read it; anything else as it is."""
    try:
        return f"{datetime.fromisoformat(str(text)).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return str(text)


def _header(found: Found) -> Markup:
    created = found.study.get("created")
    seeds = found.study.get("seeds")
    said = [f"made {_moment(created)}" if created else "", f"{len(found.arms)} arms" if found.arms else ""]
    if isinstance(seeds, list) and seeds:
        said.append(f"seed{'s' if len(seeds) > 1 else ''} {', '.join(str(seed) for seed in seeds)}")
    said.append(f"report written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    parts = {anchor: title for anchor, title in PARTS.items() if anchor != "claims" or found.study.get("claims")}
    links = [tag("li", tag("a", title, href=f"#{anchor}")) for anchor, title in parts.items()]
    return tag(
        "header",
        tag("a", "Skip to the verdict", href="#verdict", class_="skip"),
        tag("p", "Undercoat report", class_="over"),
        tag("h1", found.name),
        tag("p", " · ".join(part for part in said if part), class_="small"),
        tag("p", tag("strong", found.unfinished)) if found.unfinished else "",
        tag("nav", tag("ul", links), aria_label="Parts of this report"),
    )


def render(found: Found) -> str:
    """Return the whole page as text."""
    parts = (
        verdict_section,
        claims_section,
        arms_section,
        figures_section,
        pictures_section,
        health_section,
        repeat_section,
    )
    main = tag("main", [part(found) for part in parts])
    foot = tag("footer", tag("p", f"From the files in {found.folder}. Nothing in this page was measured again."))
    tip = tag("div", id="tip", role="status", aria_live="polite", hidden=True)
    body = tag("body", _header(found), main, foot, tip, tag("script", own_file("report.js")))
    return join(trusted("<!doctype html>\n"), tag("html", _head(found), body, lang="en"), "\n")


def build(folder: Path | str, out: Path | str | None = None) -> Path:
    """Write the report of a study or run as one HTML file that needs no network.

    Args:
        folder: a study folder, or the folder of a single run; unfinished ones too.
        out: the file to write, ``folder/report.html`` by default; an earlier report there is replaced.

    Returns:
        The path of the file.

    Raises:
        RunError: when the folder is missing or holds nothing to report, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> from undercoat.records import Record, append
        >>> folder = tempfile.mkdtemp()
        >>> _ = append(folder, [Record(arm="base", readout="knn", metric="accuracy", value=0.7, n=100)])
        >>> build(folder).name
        'report.html'
    """
    source = Path(folder)
    path = Path(out) if out is not None else source / "report.html"
    if path.is_dir():
        path = path / "report.html"
    if path.exists() and path.suffix.lower() not in {".html", ".htm"}:
        raise RunError(f"'{path}' is there already and no HTML file, so it is kept; give a name that ends in .html")
    write(path, render(load(source)), instead="another file with --out")
    return path
