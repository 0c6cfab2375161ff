"""Places205 and Places365 in class folders and as file lists."""

import shutil

import numpy as np
import pytest

from data.layouts import SCENES, picture, places205, places365_easy, places365_lists, scene
from undercoat.data import list_data, open_data
from undercoat.errors import DataError

NAMES = tuple(scene(number) for number in range(4))


def nested(root):
    """The class folders in folders of one letter."""
    base = places365_easy(root) / "places365_standard"
    for part in ("train", "val"):
        for number, name in enumerate(SCENES):
            (base / part / name[1:]).parent.mkdir(parents=True, exist_ok=True)
            (base / part / scene(number)).rename(base / part / name[1:])
    return base


def with_torchvision_names(root):
    return places365_lists(root, train="data_256_standard")


FORMS = [places365_easy, nested, places365_lists, with_torchvision_names]


@pytest.mark.parametrize("make", FORMS)
def test_places365_in_every_form(make, tmp_path):
    data = open_data(f"places:{make(tmp_path / 'set')}", cache=tmp_path / "cache")
    assert data.classes == NAMES
    assert data.splits.tolist() == ["train"] * 12 + ["test"] * 4
    assert data.labels.tolist() == [*np.repeat(range(4), 3).tolist(), 0, 1, 2, 3]
    assert [data.keys[0], data.keys[15]] == [
        "train/airfield/00000001.jpg",
        "val/zen_garden/Places365_val_00000004.jpg",
    ]
    values = [10 * number + i for number in range(4) for i in range(3)] + [200, 201, 202, 203]
    assert np.abs(data.batch(np.arange(16))[:, 0, 0, 0] - np.array(values)).max() <= 2  # JPEG
    assert data.notes[-1] == "val is what results are published on, so it is the split 'test' here"


def test_all_forms_have_one_digest(tmp_path):
    opened = [open_data(f"places:{make(tmp_path / make.__name__)}", cache=tmp_path / "cache") for make in FORMS]
    assert len({data.digest for data in opened}) == 1


def test_places205_lists(tmp_path):
    listing = list_data(f"places:{places205(tmp_path)}")
    assert listing.classes == NAMES
    assert listing.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0, 1, 2, 3]
    assert listing.splits.tolist() == ["train"] * 8 + ["test"] * 4
    assert listing.keys[8] == "val/airfield/gsun_02.jpg"
    assert listing.notes[0] == "4 classes, and Places has 205 or 365"


def test_the_published_order_of_classes_is_kept(tmp_path):
    root = places365_lists(tmp_path)
    turned = dict(enumerate(reversed(range(4))))
    for name in ("places365_train_standard.txt", "places365_val.txt", "categories_places365.txt"):
        lines = [line.rsplit(" ", 1) for line in (root / name).read_text().splitlines()]
        (root / name).write_text("".join(f"{path} {turned[int(number)]}\n" for path, number in lines))
    assert list_data(f"places:{root}").classes == NAMES[::-1]
    (root / "categories_places365.txt").unlink()
    assert list_data(f"places:{root}").classes == NAMES[::-1]  # by the folders of the training images


def test_a_list_of_categories_orders_class_folders_too(tmp_path):
    root = places365_easy(tmp_path)
    (root / "categories_places365.txt").write_text("".join(f"{SCENES[3 - n]} {n}\n" for n in range(4)))
    listing = list_data(f"places:{root}")
    assert listing.classes == NAMES[::-1]
    assert listing.labels[0] == 3  # airfield comes first on disk
    (root / "categories_places365.txt").write_text(f"{SCENES[0]} 0\n")
    with pytest.raises(DataError, match=r"categories_places365.txt does not name \(apartment_building-outdoor, bow_"):
        list_data(f"places:{root}")


def without_val_images(root):
    shutil.rmtree(root / "val_256")


def without_train_images(root):
    shutil.rmtree(root / "data_256")
    (root / "data_256").mkdir()


def val_of_fewer_classes(root):
    lines = (root / "places365_val.txt").read_text().splitlines(keepends=True)
    (root / "places365_val.txt").write_text("".join(lines[:3]))


def list_without_numbers(root):
    (root / "places365_val.txt").write_text("Places365_val_00000001.jpg\n")


def list_with_an_endless_number(root):
    (root / "places365_val.txt").write_text(f"Places365_val_00000001.jpg {'1' * 5000}\n")


def empty_list(root):
    (root / "places365_train_standard.txt").write_text("\n")


def number_without_name(root):
    with (root / "places365_val.txt").open("a") as file:
        file.write("Places365_val_00000005.jpg 9\n")


def class_of_two_names(root):
    with (root / "places365_train_standard.txt").open("a") as file:
        file.write("/b/bow_window/indoor/00000001.jpg 0\n")


def two_classes_of_one_name(root):
    (root / "categories_places365.txt").unlink()
    with (root / "places365_train_standard.txt").open("a") as file:
        file.write("/b/airfield/00000001.jpg 9\n")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (without_val_images, "has places365_val.txt and none of its images; unpack them to val_256 or val_large"),
        (without_train_images, "none of the 12 images of .*places365_train_standard.txt.* is in .*data_256"),
        (val_of_fewer_classes, r"only 3 of the 4 classes of train \(no zen_garden\)"),
        (list_without_numbers, "line 1 of .*places365_val.txt.* is no path with a number"),
        (list_with_an_endless_number, "line 1 of .*places365_val.txt.* is no path with a number"),
        (empty_list, "is empty"),
        (number_without_name, "class 9, which has no name"),
        (class_of_two_names, "class 0 in .* has images in airfield and in bow_window-indoor"),
        (two_classes_of_one_name, "classes 0 and 9 in .*places365_train_standard.txt.* are both airfield"),
    ],
)
def test_broken_lists(harm, said, tmp_path):
    harm(places365_lists(tmp_path / "set"))
    with pytest.raises(DataError, match=said):
        list_data(f"places:{tmp_path / 'set'}")


def test_images_that_are_listed_and_not_there_are_skipped(tmp_path):
    root = places365_lists(tmp_path)
    (root / "data_256" / "a" / "airfield" / "00000002.jpg").unlink()
    listing = list_data(f"places:{root}")
    assert len(listing) == 15
    assert listing.skipped == (("data_256/a/airfield/00000002.jpg", "listed, and not there"),)


def test_what_is_no_places(tmp_path):
    picture(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="holds no Places: neither folders train/ and val/"):
        list_data(f"places:{tmp_path}")
    picture(tmp_path / "train" / "a.jpg")
    with pytest.raises(DataError, match="images in no class folder"):
        list_data(f"places:{tmp_path}")
