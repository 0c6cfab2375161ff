"""RESISC-45 and UC Merced: class folders, split lists and the split of our own."""

import shutil
from collections import Counter

import numpy as np
import pytest

from data.layouts import picture
from data.published_layouts import AERIAL, LAND, resisc, uc_merced
from undercoat.data import list_data, open_data
from undercoat.errors import DataError

SETS = {"resisc": resisc, "uc_merced": uc_merced}


@pytest.mark.parametrize(("reader", "classes"), [("resisc", AERIAL), ("uc_merced", LAND)])
def test_the_lists_are_followed(reader, classes, tmp_path):
    listing = list_data(f"{reader}:{SETS[reader](tmp_path)}")
    assert listing.classes == classes
    assert listing.labels.tolist() == np.repeat([0, 1, 2], 5).tolist()
    assert listing.splits.tolist() == ["train", "train", "train", "val", "test"] * 3
    assert listing.skipped == ()
    assert not any("own" in note for note in listing.notes)


def test_pixels_of_tiffs_that_are_a_few_pixels_short(tmp_path):
    data = open_data(f"uc_merced:{uc_merced(tmp_path / 'set')}", cache=tmp_path / "cache")
    assert data.batch(np.arange(15))[:, 0, 0].tolist() == [[i, 2 * i, 3 * i] for i in range(15)]
    assert data.aspect[1] == pytest.approx(16 / 14)
    assert data.keys[1] == "agricultural/agricultural01.tif"


@pytest.mark.parametrize("inside", ["", "NWPU-RESISC45"])
def test_the_lists_may_lie_beside_or_above_the_images(inside, tmp_path):
    root = resisc(tmp_path)
    assert len(list_data(f"resisc:{root / inside}")) == 15
    for part in ("train", "val", "test"):
        (root / f"resisc45-{part}.txt").rename(root / "NWPU-RESISC45" / f"resisc45-{part}.txt")
    listing = list_data(f"resisc:{root / inside}")
    assert Counter(listing.splits.tolist()) == {"train": 9, "val": 3, "test": 3}
    assert listing.skipped == ()  # the lists are no foreign files


def test_lists_of_other_endings_name_the_same_images(tmp_path):
    root = uc_merced(tmp_path)
    text = (root / "uc_merced-train.txt").read_text()
    (root / "uc_merced-train.txt").write_text(text.replace(".tif", ".png"))
    assert Counter(list_data(f"uc_merced:{root}").splits.tolist())["train"] == 9


@pytest.mark.parametrize("reader", list(SETS))
def test_without_lists_the_split_is_our_own_and_says_so(reader, tmp_path):
    listing = list_data(f"{reader}:{SETS[reader](tmp_path / 'a', images=10, lists=False)}")
    for number in range(3):
        assert Counter(listing.splits[listing.labels == number].tolist()) == {"train": 6, "val": 2, "test": 2}
    assert listing.notes[-1] == (
        "the split is Undercoat's own (60% train, 20% val, 20% test of the whole set, drawn class by class, seed 0)"
    )
    again = list_data(f"{reader}:{SETS[reader](tmp_path / 'b', images=10, lists=False)}")
    assert again.splits.tolist() == listing.splits.tolist()


def test_images_in_no_list_are_left_out(tmp_path):
    root = resisc(tmp_path)
    picture(root / "NWPU-RESISC45" / "beach" / "beach_900.jpg")
    listing = list_data(f"resisc:{root}")
    assert (len(listing), listing.skipped) == (15, (("beach/beach_900.jpg", "in none of the split lists"),))
    assert listing.notes[-1] == "left out, as they are in none of the split lists: 1 of 16 images"


def without_images(root):
    for i in (1, 2, 3, 4):
        (root / "NWPU-RESISC45" / "beach" / f"beach_00{i}.jpg").unlink()


def without_a_class(root):
    for file in (root / "NWPU-RESISC45" / "airplane").iterdir():
        file.unlink()


def without_a_list(root):
    (root / "resisc45-val.txt").unlink()


def list_that_overlaps(root):
    with (root / "resisc45-test.txt").open("a") as file:
        file.write("airplane_001.jpg\n")


def empty_list(root):
    (root / "resisc45-test.txt").write_text("\n")


def image_in_a_second_class(root):
    picture(root / "NWPU-RESISC45" / "beach" / "airplane_001.jpg")


def image_beside_the_folders(root):
    picture(root / "NWPU-RESISC45" / "airplane_001.jpg")


def one_class(root):
    for name in AERIAL[1:]:
        shutil.rmtree(root / "NWPU-RESISC45" / name)


def no_folders(root):
    shutil.rmtree(root / "NWPU-RESISC45")
    picture(root / "airplane_001.jpg")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (without_images, r"3 of the 9 images that '.*resisc45-train.txt' names are not there \(beach_001.jpg, beach"),
        (without_a_class, r"class folders without images \(airplane\); unpack RESISC-45 again"),
        (without_a_list, r"has resisc45-test.txt, resisc45-train.txt and not resisc45-val.txt; put all three"),
        (list_that_overlaps, r"resisc45-test.txt' names images of another split too \(airplane_001.jpg\)"),
        (empty_list, r"resisc45-test.txt' is empty"),
        (image_in_a_second_class, "has 'airplane/airplane_001.jpg' and 'beach/airplane_001.jpg', which are one image"),
        (image_beside_the_folders, r"images in no class folder, or deeper \(airplane_001.jpg\)"),
        (one_class, "has images of one class only; RESISC-45 has 45"),
        (no_folders, "holds no class folders, so it is no RESISC-45 as published"),
    ],
)
def test_half_a_set_is_refused_in_one_sentence(harm, said, tmp_path):
    root = resisc(tmp_path / "set")
    harm(root)
    with pytest.raises(DataError, match=said):
        list_data(f"resisc:{root}")


def test_a_converted_copy_beside_the_original_is_refused_without_lists_too(tmp_path):
    root = resisc(tmp_path / "set", lists=False)
    picture(root / "NWPU-RESISC45" / "beach" / "airplane_001.jpg")  # another picture, for all that is known
    assert len(list_data(f"resisc:{root}")) == 16
    picture(root / "NWPU-RESISC45" / "beach" / "beach_001.png")
    with pytest.raises(DataError, match=r"has 'beach/beach_001.jpg' and 'beach/beach_001.png', which are one image"):
        list_data(f"resisc:{root}")
