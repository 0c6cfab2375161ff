"""Run the single-image studies, compare the networks, and write docs/results/single_image.md with its figures.

    python docs/make_single_image_results.py --probe PLACE_OF_FASHION_MNIST

Studies that are finished in runs/ are not run again; the page is made from their records, so nothing in it is typed in.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from single_image_results.analyses import make_pictures
from single_image_results.studies import STUDIES, finished, run
from single_image_results.writing import page

DOCS = Path(__file__).parent


def main() -> None:
    """Do what the module says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--probe", required=True, help="folder with the IDX files of Fashion-MNIST")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the studies lie or are run")
    parser.add_argument(
        "--only", default=",".join(STUDIES), help="names of studies to run, comma between them; '' for none"
    )
    parser.add_argument("--out", type=Path, default=DOCS, help="where results/ and images/ lie")
    given = parser.parse_args()
    for name in filter(None, given.only.split(",")):
        run(name, given.runs, probe=given.probe)
    studies = finished(given.runs)
    written, pictures = given.out / "results" / "single_image.md", given.out / "images" / "single_image"
    for folder in (written.parent, pictures):
        folder.mkdir(parents=True, exist_ok=True)
    analyses = make_pictures(given.runs, pictures, probe=given.probe)
    written.write_text(page(studies, analyses, pictures), encoding="utf-8")
    print(f"wrote {written}")


if __name__ == "__main__":
    main()
