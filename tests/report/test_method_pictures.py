"""A method's own pictures: the last one large, earlier ones on request, nothing trusted, nothing that crashes."""

from __future__ import annotations

import json
import re

import pytest
from PIL import Image

from undercoat.report import build

TITLE = "Puzzles as laid, & <b>put together</b>."


@pytest.fixture
def folder(study):
    """The pictures' folder of one coat, with three pictures of different colour."""
    place = next((study / "stages").glob("target0*")) / "pictures"
    place.mkdir()
    for step, colour in ((1, "red"), (20, "green"), (150, "blue")):
        Image.new("RGB", (64, 32), colour).save(place / f"puzzles-{step:07d}.png")
    (place / "titles.json").write_text(json.dumps({"puzzles": TITLE}), encoding="utf-8")
    return place


def page_of(folder):
    return build(folder.parents[2]).read_text(encoding="utf-8")


def alternatives(page):
    return [alt for alt in re.findall(r'<img[^>]* alt="([^"]*)"', page) if "Puzzles" in alt or "puzzles" in alt]


def test_the_last_stands_first_and_the_earlier_ones_open_on_request(folder):
    page = page_of(folder)
    said = "target: Puzzles as laid, &amp; &lt;b&gt;put together&lt;/b&gt;, at step"
    assert alternatives(page) == [f"{said} {step}." for step in (150, 20, 1)]
    assert "Earlier: steps 1 and 20" in page
    assert page.index("What each method did with them") < page.index(f"{said} 150") < page.index("Earlier: steps")
    assert "<b>put" not in page


def test_pictures_that_stayed_the_same_are_shown_once(folder):
    for step in (1, 20):
        Image.new("RGB", (64, 32), "blue").save(folder / f"puzzles-{step:07d}.png")
    page = page_of(folder)
    assert len(alternatives(page)) == 1
    assert "Step 150. The same since step 1." in page


def test_wide_pictures_keep_their_captions_legible(folder):
    Image.new("RGB", (1000, 32)).save(folder / "puzzles-0000150.png")
    page = page_of(folder)
    assert 'class="broad"' in page
    assert "min-width: 750px" in page


def test_titles_order_the_pictures_and_a_name_stands_in_for_a_missing_one(folder):
    (folder / "titles.json").write_text(json.dumps({"z": "Z first", "puzzles": 7}), encoding="utf-8")
    Image.new("RGB", (8, 8)).save(folder / "z-0000150.png")
    Image.new("RGB", (8, 8)).save(folder / "a-b-0000150.png")
    page = page_of(folder)
    assert page.index("Z first") < page.index("target: puzzles, at step 150") < page.index("target: a b, at step 150")


def test_names_of_files_are_not_trusted(folder):
    Image.new("RGB", (8, 8)).save(folder / '"><script>alert(1)<-0000003.png')
    Image.new("RGB", (8, 8)).save(folder / "no-step.png")
    page = page_of(folder)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;" in page
    assert "no step" not in page


@pytest.mark.parametrize("damage", [b"", b"\x89PNG\r\n\x1a\n", b"garbage"])
def test_a_broken_picture_is_a_sentence(folder, damage):
    (folder / "puzzles-0000150.png").write_bytes(damage)
    page = page_of(folder)
    assert "puzzles-0000150.png cannot be opened for this stage." in page
    assert len(alternatives(page)) == 2


@pytest.mark.parametrize("damage", [b"", b"\xff\x00{[", b"[17]", None])
def test_broken_titles_are_a_sentence_at_most(folder, damage):
    path = folder / "titles.json"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    assert len(alternatives(page_of(folder))) == 3


def test_a_folder_in_place_of_a_picture_is_no_crash(folder):
    (folder / "puzzles-0000150.png").unlink()
    (folder / "puzzles-0000150.png").mkdir()
    assert "cannot be opened" in page_of(folder)
