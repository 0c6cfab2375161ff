"""DomainNet: one domain with its two lists, and which version it is of."""

import shutil
from collections import Counter

import numpy as np
import pytest

from data.published_layouts import CLASSES, domainnet
from undercoat.data import list_data, open_data
from undercoat.data.readers.domainnet import VERSIONS, _notes
from undercoat.errors import DataError


def test_lists_beside_the_domain(tmp_path):
    data = open_data(f"domainnet:{domainnet(tmp_path / 'set')}", cache=tmp_path / "cache")
    assert data.classes == CLASSES  # in the published order of numbers, not of names
    assert Counter(data.splits.tolist()) == {"train": 12, "val": 3, "test": 6}
    for number in range(3):
        assert Counter(data.splits[data.labels == number].tolist()) == {"train": 4, "val": 1, "test": 2}
    assert data.keys[0] == "sketch/aircraft_carrier/sketch_001 1 (copy).jpg"  # spaces in file names
    values = [20 * number + i for number in range(3) for i in range(5)] + [
        20 * number + i for number in range(3) for i in (5, 6)
    ]
    assert np.abs(data.batch(np.arange(21))[:, 0, 0, 0] - np.array(values)).max() <= 2
    assert "21 images; published are 70,386 (original version) and 69,128 (cleaned)" in data.notes


@pytest.mark.parametrize("place", ["sketch", "txt", "splits"])
def test_lists_elsewhere(place, tmp_path):
    folder = domainnet(tmp_path)
    (tmp_path / place).mkdir(exist_ok=True)
    for part in ("train", "test"):
        (tmp_path / f"sketch_{part}.txt").rename(tmp_path / place / f"sketch_{part}.txt")
    assert len(list_data(f"domainnet:{folder}")) == 21


def test_the_folder_above_is_enough_for_one_domain(tmp_path):
    domainnet(tmp_path)
    assert len(list_data(f"domainnet:{tmp_path}")) == 21
    domainnet(tmp_path, "clipart")
    with pytest.raises(DataError, match=r"holds several domains \(clipart, sketch\); give .* domainnet:.*sketch"):
        list_data(f"domainnet:{tmp_path}")


def test_a_class_of_test_that_train_has_not_is_kept(tmp_path):
    listing = list_data(f"domainnet:{domainnet(tmp_path, untaught=True)}")
    assert listing.classes == CLASSES
    assert np.bincount(listing.labels[listing.splits == "test"]).tolist() == [2, 2, 2]
    assert "test has classes that train has not (The_Eiffel_Tower)" in listing.notes


@pytest.mark.parametrize(("domain", "counts"), list(VERSIONS.items()))
def test_versions_are_told_apart_by_their_counts(domain, counts):
    for version, count in zip(("original", "cleaned"), counts, strict=True):
        lines = {"train": [(f"{domain}/a/{i}.jpg", 0) for i in range(count - 1)], "test": [(f"{domain}/a/x.jpg", 0)]}
        note = _notes(domain, lines, {0: "a"})[0]
        assert note.startswith(f"the {version} version") or (domain == "quickdraw" and "same in the original" in note)
        assert f"{count:,}" in note


def without_a_list(root):
    (root / "sketch_test.txt").unlink()


def without_lists(root):
    without_a_list(root)
    (root / "sketch_train.txt").unlink()


def without_images(root):
    for folder in CLASSES[:2]:
        shutil.rmtree(root / "sketch" / folder)


def lists_of_two_versions(root):
    with (root / "sketch_test.txt").open("a") as file:
        file.write("sketch/alarm_clock/sketch_002_000002.png 2\n")


def image_in_both_lists(root):
    with (root / "sketch_test.txt").open("a") as file:
        file.write("sketch/alarm_clock/sketch_002_000002.png 1\n")


def lists_of_another_domain(root):
    shutil.copy(root / "sketch_train.txt", root / "clipart_train.txt")
    text = (root / "sketch_train.txt").read_text()
    (root / "sketch_train.txt").write_text(text.replace("sketch/", "clipart/"))


def path_that_leaves_the_set(root):
    (root / "sketch_train.txt").write_text("sketch/../secret.jpg 0\n")


def cut_off(root):
    (root / "sketch_train.txt").write_text("sketch/aircraft_carrier/sketch_001\n")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (without_a_list, "sketch_test.txt' is not there; domainnet wants both lists of a domain"),
        (without_lists, "has no sketch_train.txt and sketch_test.txt in it or beside it"),
        (without_images, r"14 of the 21 images that .* names are not there \(sketch/aircraft_carrier/.* and 11 more\)"),
        (lists_of_two_versions, "sketch_test.txt' gives number 2 to alarm_clock, and elsewhere number 1 is"),
        (image_in_both_lists, "name 1 images twice"),
        (lists_of_another_domain, r"is no path sketch/CLASS/IMAGE; take the lists of sketch"),
        (path_that_leaves_the_set, "is no path sketch/CLASS/IMAGE"),
        (cut_off, "is no path with a number"),
    ],
)
def test_half_a_set_is_refused_in_one_sentence(harm, said, tmp_path):
    domainnet(tmp_path)
    harm(tmp_path)
    with pytest.raises(DataError, match=said):
        list_data(f"domainnet:{tmp_path / 'sketch'}")


def test_what_is_no_domain(tmp_path):
    (tmp_path / "doodles").mkdir()
    with pytest.raises(DataError, match=r"doodles' is no folder of a domain of DomainNet; give .* such as domainnet:"):
        list_data(f"domainnet:{tmp_path / 'doodles'}")
