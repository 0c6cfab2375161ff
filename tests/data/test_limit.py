"""``?limit=``: class shares, nesting, composition with splits, joined sets and arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from undercoat.data import list_data, open_data
from undercoat.data.limiting import limited
from undercoat.data.listing import FilePaths, Listing
from undercoat.data.names import Names
from undercoat.errors import DataError, SpecError


def listing_of(labels, splits=None):
    labels = np.asarray(labels)
    names = Names.of(f"{i}.png" for i in range(len(labels)))
    return Listing(
        name="made",
        reader="folder",
        keys=names,
        source=FilePaths(None, names),
        stamp="s",
        classes=tuple(str(value) for value in range(int(labels.max()) + 1)),
        labels=labels,
        splits=np.array(splits if splits is not None else [""] * len(labels)),
        groups=np.zeros(len(labels), "<U1"),
    )


def sainte_lague(sizes, seats):
    """Seats one by one to the largest quotient n / (2 s + 1): the textbook's way."""
    given = np.zeros(len(sizes), int)
    for _ in range(seats):
        given[np.argmax(np.array(sizes) / (2 * given + 1))] += 1
    return given


def test_every_class_has_the_share_of_the_apportionment():
    sizes = [401, 211, 97, 13]  # primes: no ties
    small = limited(listing_of(np.repeat(range(4), sizes)), 100)
    assert np.bincount(small.labels).tolist() == sainte_lague(sizes, 100).tolist()
    balanced = limited(listing_of(np.repeat(range(10), 50)), 70)
    assert np.bincount(balanced.labels).tolist() == [7] * 10


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(1, 60), st.integers(1, 60))
def test_choices_are_nested(sizes, first, second):
    listing = listing_of(np.repeat(range(len(sizes)), sizes))
    low, high = sorted((first, second))
    assert set(limited(listing, low).keys) <= set(limited(listing, high).keys)
    assert len(limited(listing, low)) == min(low, sum(sizes))


def test_a_choice_is_fixed_and_another_seed_chooses_others():
    listing = listing_of(np.repeat([0, 1], 100))
    one, again, other = limited(listing, 20), limited(listing, 20), limited(listing, 20, seed=1)
    assert list(one.keys) == list(again.keys) != list(other.keys)
    assert [int(key[:-4]) for key in one.keys] == sorted(int(key[:-4]) for key in one.keys)
    assert one.stamp == again.stamp not in (listing.stamp, other.stamp)


def test_the_limit_is_of_each_split_and_small_splits_stay_whole():
    listing = listing_of(np.arange(100) % 2, ["train"] * 90 + ["test"] * 10)
    small = limited(listing, 30)
    assert {split: int((small.splits == split).sum()) for split in ("train", "test")} == {"train": 30, "test": 10}
    assert small.notes == ("limited to 30 images a split (there are 10 in test, 90 in train)",)
    assert limited(listing, 90) is listing


def test_several_labels_count_for_the_rarest_and_none_is_a_class_of_its_own():
    labels = np.zeros((80, 2), np.uint8)
    labels[:, 0] = 1  # all have the common label, 20 the rare one too, and 20 have nothing
    labels[:20, 1] = 1
    labels[60:] = 255
    names = Names.of(map(str, range(80)))
    listing = Listing(
        name="made",
        reader="arrays",
        keys=names,
        source=FilePaths(None, names),
        stamp="s",
        classes=("common", "rare"),
        labels=labels,
        splits=np.zeros(80, "<U5"),
        groups=np.zeros(80, "<U1"),
    )
    small = limited(listing, 40).labels
    assert [int((small[:, 1] == value).sum()) for value in (0, 1, 255)] == [20, 10, 10]


def test_files_are_chosen_before_they_are_decoded(tmp_path):
    for name, value in (("a", 10), ("b", 200)):
        for number in range(6):
            path = tmp_path / "set" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), value + number).save(path)
    data = open_data(f"folder:{tmp_path / 'set'}?limit=4", cache=tmp_path / "cache")
    assert len(data) == len(data.images) == 4
    assert data.labels.tolist() == [0, 0, 1, 1]
    values = [int(key[2]) + (10 if key[0] == "a" else 200) for key in data.keys]
    assert data.batch(np.arange(4))[:, 0, 0, 0].tolist() == values


def test_rows_of_an_array_keep_their_images_and_labels(tmp_path):
    images = np.arange(50, dtype=np.uint8)[:, None, None] + np.zeros((1, 8, 8), np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(50) % 5, split=["train"] * 30 + ["test"] * 20)
    data = open_data(f"{tmp_path / 'set.npz'}?split=train&limit=10", cache=tmp_path / "cache")
    assert len(data) == 10
    assert data.batch(np.arange(10))[:, 0, 0, 0].tolist() == [int(key) for key in data.keys]
    assert data.labels.tolist() == [int(key) % 5 for key in data.keys]
    assert np.bincount(data.labels).tolist() == [2] * 5
    with pytest.raises(DataError, match="has no split 'val'"):
        open_data(f"{tmp_path / 'set.npz'}?split=val&limit=10", cache=tmp_path / "cache")


def test_the_parts_of_a_joined_set_have_limits_of_their_own():
    joined = list_data("sample:noto?split=train&limit=20+sample:openmoji?split=test&limit=30")
    assert joined.splits.tolist() == ["train"] * 20 + ["test"] * 30


@pytest.mark.parametrize("value", ["0", "-3", "2.5", "many", "1e3", "²"])
def test_a_limit_that_is_no_count_is_refused(value):
    with pytest.raises(SpecError, match="no count of images; write a whole number"):
        list_data(f"sample:digits?limit={value}")
