"""Inspection of a set with known faults."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from undercoat.data.duplicates import Prints, exact_clusters, near_clusters
from undercoat.data.inspection import inspect


def scene(seed, size=96):
    """A smooth random picture: no two seeds look alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)


@pytest.fixture
def report(tmp_path):
    root = tmp_path / "set"
    for number in range(8):
        folder = root / ("train" if number < 6 else "test") / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        scene(number).save(folder / f"{number}.png")
    scene(0).save(root / "test" / "b" / "copy of 0.bmp")
    small = io.BytesIO()
    scene(1).resize((60, 60), Image.Resampling.BICUBIC).save(small, "JPEG", quality=60)
    (root / "test" / "a" / "small 1.jpg").write_bytes(small.getvalue())
    for number in range(3):
        Image.new("RGB", (96, 96), (250, 250, 250 - number)).save(root / "train" / "a" / f"blank {number}.png")
    (root / "train" / "a" / "broken.png").write_bytes(b"nonsense")
    return inspect(root, cache=tmp_path / "cache", progress=False)


def test_counts(report):
    assert report.images == 13
    assert report.splits == {"train": 9, "test": 4}
    assert report.classes == {"a": 8, "b": 5}
    assert report.formats == {"PNG": 11, "BMP": 1, "JPEG": 1}
    assert report.modes == {"RGB": 13}
    assert report.widths_px == (60, 96.0, 96)
    assert (report.suggested_px, report.canvas_px, report.channels, report.dtype) == (96, 96, 3, "uint8")
    assert [key for key, _ in report.skipped] == ["train/a/broken.png"]


def test_duplicates_and_leaks(report):
    assert [set(twins.keys) for twins in report.exact] == [{"test/b/copy of 0.bmp", "train/a/0.png"}]
    assert report.exact[0].labels_differ
    assert [set(twins.keys) for twins in report.near] == [{"test/a/small 1.jpg", "train/b/1.png"}]
    assert report.near_complete
    assert report.leaked_images == 2
    assert {twins.count for twins in report.leaks} == {2}
    assert len(report.leaks) == 2


def test_blank_images_are_flat_not_twins(report):
    assert report.flat_images == 3


def test_json_and_text(report):
    assert json.loads(report.to_json())["leaked_images"] == 2
    text = report.text()
    for words in ("13: train 9, test 4", "copy of 0.bmp", "broken.png: not an image", "2 test or val images"):
        assert words in text


def test_groups_that_cross_splits(tmp_path):
    rows = ["path,split,group"]
    for number, (split, group) in enumerate([("train", "p1"), ("test", "p1"), ("train", "p2"), ("", "p2")]):
        scene(number).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{split},{group}")
    (tmp_path / "set.csv").write_text("\n".join(rows))
    report = inspect(tmp_path / "set.csv", cache=tmp_path / "cache")
    assert report.crossing_groups == ("p1",)
    assert report.groups == 2


def test_deep_images_of_many_bands(tmp_path):
    images = np.random.default_rng(0).normal(size=(5, 32, 32, 13)).astype(np.float32)
    images[4] = images[0]
    np.save(tmp_path / "a.npy", images)
    report = inspect(tmp_path / "a.npy", cache=tmp_path / "cache")
    assert [twins.keys for twins in report.exact] == [("0", "4")]
    assert len(report.mean) == 13


def test_bands_find_what_a_full_comparison_finds():
    rng = np.random.default_rng(0)
    count = 400
    hashes = rng.integers(0, 2**63, count, dtype=np.uint64)
    for row in range(0, count, 4):  # neighbours that differ in 0 to 8 bits
        flips = rng.choice(64, rng.integers(0, 9), replace=False).astype(np.uint64)
        hashes[row + 1] = hashes[row] ^ np.bitwise_or.reduce(np.uint64(1) << flips, initial=np.uint64(0))
    thumbs = np.tile(rng.integers(0, 256, (16, 16, 1), np.uint8), (count, 1, 1, 1))
    prints = Prints(rng.integers(0, 256, (count, 16), np.uint8), hashes, thumbs, np.zeros(count, bool))
    clusters, complete = near_clusters(prints, exact_clusters(prints))
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None])
    assert complete
    for row in range(count):
        assert set(np.flatnonzero(clusters == clusters[row])) == set(np.flatnonzero(distance[row] <= 6))
