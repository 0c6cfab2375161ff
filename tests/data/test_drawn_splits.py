"""Splits of our own: shares, groups, and what is left alone."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from undercoat.data import list_data
from undercoat.data.readers.complete import stamps_of_all
from undercoat.data.readers.drawn_splits import with_drawn_splits
from undercoat.errors import DataError


@pytest.fixture(scope="module")
def digits():
    return list_data("sample:digits")


def test_each_class_gets_its_share(digits):
    whole = replace(digits, splits=np.zeros(len(digits), "<U5"))
    cut = with_drawn_splits(whole, {"train": 0.6, "val": 0.2, "test": 0.2})
    for number in range(10):
        counts = Counter(cut.splits[cut.labels == number].tolist())
        size = sum(counts.values())
        assert all(
            abs(counts[name] - share * size) < 1 for name, share in (("train", 0.6), ("val", 0.2), ("test", 0.2))
        )


def test_the_published_test_is_left_alone(digits):
    splits = np.array(["test", "train", "train"] * 599, "<U5")
    cut = with_drawn_splits(replace(digits, splits=splits), {"val": 0.2}, of="train")
    assert ((cut.splits == "test") == (splits == "test")).all()
    assert Counter(cut.splits.tolist()) == {"test": 599, "train": 958, "val": 240}
    assert (digits.splits == list_data("sample:digits").splits).all()  # the listing itself is not changed


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_two_sides(digits, seed):
    groups = np.random.default_rng(seed).integers(0, 300, len(digits)).astype("<U8")
    groups[:50] = ""  # images that stand alone
    whole = replace(digits, splits=np.full(len(digits), "train", "<U5"), groups=groups)
    cut = with_drawn_splits(whole, {"val": 0.2}, of="train")
    sides = [set(groups[(cut.splits == name) & (groups != "")].tolist()) for name in ("train", "val")]
    assert not sides[0] & sides[1]
    assert 0.18 < (cut.splits == "val").mean() < 0.22
    assert cut.notes[-1].endswith("drawn class by class, no group on two sides, seed 0)")


def test_files_that_a_list_names_have_to_be_there(tmp_path):
    (tmp_path / "a b.png").write_bytes(b"12345")
    (stamp,) = stamps_of_all(tmp_path, ["a b.png"], "list.txt", "fetch it")
    assert stamp.startswith("5 ")
    with pytest.raises(DataError, match=r"4 of the 5 images that 'list.txt' .* \(0, 1, 2 and 1 more\); fetch it$"):
        stamps_of_all(tmp_path, ["a b.png", "0", "1", "2", "null\0byte"], "list.txt", "fetch it")
