"""Write a page for each method into docs/methods/, from its code: docstring, signature, presets, one step of it.

    python docs/make_method_pages.py            write what is not current
    python docs/make_method_pages.py --check    name it, and end with 1

Hand-written are only docs/methods/guide.yaml (kind, batch, when to use) and the words around. Numbers come from
docs/results/methods.csv, which is the ``summary.csv`` of a study with one arm for each method; without that file the
pages have none.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from method_pages.results import measured
from method_pages.writing import index, page

from undercoat.methods import METHODS

DOCS = Path(__file__).parent
PAGES, RESULTS, GUIDE = DOCS / "methods", DOCS / "results" / "methods.csv", DOCS / "methods" / "guide.yaml"


def pages() -> dict[Path, str]:
    """Every file with what it should hold."""
    guide = yaml.safe_load(GUIDE.read_text(encoding="utf-8"))
    for name in METHODS:
        if name not in guide:
            raise SystemExit(
                f"{GUIDE} has no entry for {name!r}, so its page cannot be written; add one like the others"
            )
    rows, how = measured(RESULTS), RESULTS.with_suffix(".md").exists()
    made = {PAGES / f"{name}.md": page(name, guide[name], rows.get(name, []), how=how) for name in METHODS}
    links = ", ".join(f"[{guide[name]['title']}](methods/{name}.md)" for name in METHODS)
    front, start = DOCS / "index.md", "- [Methods](methods/index.md)"
    lines = front.read_text(encoding="utf-8").splitlines()
    lines = [f"{start}: {links}" if line.startswith(start) else line for line in lines]
    return made | {PAGES / "index.md": index(guide, rows), front: "\n".join(lines) + "\n"}


def main(arguments: list[str]) -> int:
    """Write or check."""
    made = pages()
    wrong = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    left = sorted(set(PAGES.glob("*.md")) - set(made))
    if "--check" in arguments:
        for path in (*wrong, *left):
            print(f"{path.relative_to(DOCS.parent)} is not current; run python docs/make_method_pages.py")
        return 1 if wrong or left else 0
    for path in wrong:
        path.write_text(made[path], encoding="utf-8")
    for path in left:
        path.unlink()
    print(f"{len(wrong)} pages written, {len(left)} removed, {len(made) - len(wrong)} were current")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
