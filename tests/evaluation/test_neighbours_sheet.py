import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from undercoat.evaluation import SheetLayout, neighbours_sheet


def features_of(canvases):
    return canvases.batch(np.arange(len(canvases))).reshape(len(canvases), -1).astype(np.float32)


@pytest.fixture
def parts(make):
    train, test = make(60), make(12, seed=1)
    return (train, features_of(train)), (test, features_of(test))


def test_sheet_and_list_say_the_same(parts, tmp_path):
    train, test = parts
    path = neighbours_sheet(train, test, tmp_path / "stage", layout=SheetLayout(queries=6, neighbours=4, tile_px=48))
    about = json.loads(path.with_suffix(".json").read_text())["queries"]
    assert len(about) == 6
    assert len({query["label"] for query in about[:3]}) == 3  # one of each class first
    for query in about:
        similarities = [neighbour["similarity"] for neighbour in query["neighbours"]]
        assert similarities == sorted(similarities, reverse=True)
        for neighbour in query["neighbours"]:
            assert neighbour["same_class"] == (neighbour["label"] == query["label"])
    with Image.open(path) as sheet:
        assert sheet.mode == "RGB"
        assert sheet.width == 5 * 48 + 48 // 6
        assert sheet.height % 6 == 0


def test_the_neighbours_are_the_nearest(parts, tmp_path):
    (train, bank), (test, queries) = parts
    path = neighbours_sheet((train, bank), (test, queries), tmp_path)
    about = json.loads(path.with_suffix(".json").read_text())["queries"]
    keys = list(test.keys)
    for query in about:
        row = queries[keys.index(query["key"])]
        cosine = bank @ row / np.linalg.norm(bank, axis=1) / np.linalg.norm(row)
        expected = [train.keys[i] for i in np.argsort(-cosine)[:5]]
        assert [neighbour["key"] for neighbour in query["neighbours"]] == expected


def test_every_stage_shows_the_same_queries(parts, tmp_path):
    (train, bank), (test, queries) = parts
    paths = [
        neighbours_sheet((train, bank * sign), (test, queries), tmp_path / name) for name, sign in (("a", 1), ("b", -1))
    ]
    asked = [[query["key"] for query in json.loads(p.with_suffix(".json").read_text())["queries"]] for p in paths]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("kind", ["unlabelled", "several labels", "grey", "wide", "sixteen bits", "few"])
def test_every_kind_of_data_has_a_sheet(kind, make, tmp_path):
    train, test = (
        make(20, seed=s, multi_label=kind == "several labels", channels=1 if kind == "grey" else 3) for s in (0, 1)
    )
    if kind == "unlabelled":
        train, test = train.without_labels(), test.without_labels()
    elif kind == "wide":
        test = replace(test, aspect=np.full(20, 4.0, dtype=np.float32))
    elif kind == "sixteen bits":
        test = replace(test, images=test.images.astype(np.uint16) * 257, high=65535.0)
    elif kind == "few":
        train, test = train.take(np.arange(2)), test.take(np.arange(1))
    path = neighbours_sheet((train, features_of(train)), (test, features_of(test)), tmp_path)
    about = json.loads(path.with_suffix(".json").read_text())["queries"]
    with Image.open(path) as sheet:
        assert sheet.width > sheet.height / 8
    if kind == "unlabelled":
        assert about[0]["neighbours"][0]["same_class"] is None
    if kind == "few":
        assert [len(query["neighbours"]) for query in about] == [2]


def test_tiles_keep_the_colour_of_the_image(parts, tmp_path):
    (train, bank), (test, queries) = parts
    path = neighbours_sheet((train, bank), (test, queries), tmp_path, layout=SheetLayout(queries=3))
    about = json.loads(path.with_suffix(".json").read_text())["queries"]
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet).reshape(3, -1, sheet.width, 3)
    for strip, query in zip(pixels, about, strict=True):
        colour = strip[8:88, 8:88].mean(axis=(0, 1))
        assert colour.argmax() == ("red", "green", "blue").index(query["label"])
