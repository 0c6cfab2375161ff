"""Run the HPT studies and write docs/results/hpt.md with its figures.

    python docs/make_hpt_results.py --fashion PLACE_OF_FASHION_MNIST --heads FOLDER_OF_ONE_HEAD,FOLDER_OF_ANOTHER

Studies that are finished in runs/ are not run again; the page is made from their records, so nothing in it is typed in.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hpt_results.brain import write_table
from hpt_results.studies import STUDIES, finished, run
from hpt_results.writing import page

DOCS = Path(__file__).parent


def main() -> None:
    """Do what the module says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fashion", required=True, help="folder with the IDX files of Fashion-MNIST")
    parser.add_argument(
        "--heads", required=True, help="two folders with slices under images/, comma between them: train, test"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the studies lie or are run")
    parser.add_argument(
        "--only", default=",".join(STUDIES), help="names of studies to run, comma between them; '' for none"
    )
    parser.add_argument("--out", type=Path, default=DOCS, help="where results/ and images/ lie")
    parser.add_argument("--workers", type=int, default=2, help="processes that lay coats side by side")
    parser.add_argument("--no-page", action="store_true", help="run only")
    given = parser.parse_args()
    learned, asked = map(Path, given.heads.split(","))
    brain = write_table(learned, asked, given.runs / "hpt-brain.csv")
    for name in filter(None, given.only.split(",")):
        run(name, given.runs, {"fashion": given.fashion, "brain": str(brain)}, given.workers)
    if given.no_page:
        return
    written, pictures = given.out / "results" / "hpt.md", given.out / "images" / "hpt"
    for folder in (written.parent, pictures):
        folder.mkdir(parents=True, exist_ok=True)
    written.write_text(page(finished(given.runs), pictures), encoding="utf-8")
    print(f"wrote {written}")


if __name__ == "__main__":
    main()
