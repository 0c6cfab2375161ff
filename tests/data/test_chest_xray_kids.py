"""Chest X-rays of children: labels by folder and by name, one child on one side."""

import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from data.published_layouts import XRAYS, chest_xray_kids
from undercoat.data import list_data, open_data
from undercoat.data.readers.chest_xray_kids import child_of
from undercoat.errors import DataError, SpecError

COUNT = sum(map(len, XRAYS.values()))


def test_folders_are_the_classes_and_the_published_test_stays(tmp_path):
    data = open_data(f"chest_xray_kids:{chest_xray_kids(tmp_path / 'set')}", cache=tmp_path / "cache")
    assert data.classes == ("NORMAL", "PNEUMONIA")
    assert (len(data), data.channels) == (COUNT, 1)
    assert [key for key, split in zip(data.keys, data.splits, strict=True) if split == "test"] == [
        f"test/{folder}/{name}" for folder in ("NORMAL", "PNEUMONIA") for name in sorted(XRAYS[f"test/{folder}"])
    ]
    assert data.labels.tolist() == [int("PNEUMONIA" in key) for key in data.keys]


def test_causes_come_from_the_names(tmp_path):
    listing = list_data(f"chest_xray_kids:{chest_xray_kids(tmp_path)}?labels=causes")
    assert listing.classes == ("NORMAL", "BACTERIA", "VIRUS")
    assert np.bincount(listing.labels).tolist() == [14, 13, 9]
    assert all(("virus" in key) == (label == 2) for key, label in zip(listing.keys, listing.labels, strict=True))
    assert listing.splits.tolist() == list_data(f"chest_xray_kids:{tmp_path}").splits.tolist()
    with pytest.raises(SpecError, match=r"'cause' is no set of labels .* did you mean 'causes'"):
        list_data(f"chest_xray_kids:{tmp_path}?labels=cause")


def test_a_fifth_of_train_is_val_and_no_child_is_on_both_sides(tmp_path):
    listing = list_data(f"chest_xray_kids:{chest_xray_kids(tmp_path)}")
    children = {split: set(listing.groups[listing.splits == split].tolist()) for split in ("train", "val")}
    assert min(map(len, children.values())) > 0
    assert not children["train"] & children["val"]
    assert 0.1 <= Counter(listing.splits.tolist())["val"] / 32 <= 0.3
    assert listing.notes[-1].startswith(
        "the split is Undercoat's own (80% train, 20% val of the published train, drawn"
    )


def test_the_copy_on_kaggle_is_the_same_set(tmp_path):
    listing = list_data(f"chest_xray_kids:{chest_xray_kids(tmp_path, kaggle=True)}")
    assert len(listing) == COUNT + 2  # the second copy inside is passed over
    assert listing.notes[0] == "the 2 pictures of val/ are taken back to train, as published"
    assert (listing.splits == "val").sum() > 2


def test_the_split_does_not_hang_on_which_copy_it_is(tmp_path):
    chest_xray_kids(tmp_path / "kaggle", kaggle=True)
    shutil.copytree(tmp_path / "kaggle", tmp_path / "published")
    base = tmp_path / "published" / "chest_xray"
    for folder in ("NORMAL", "PNEUMONIA"):
        for file in (base / "val" / folder).iterdir():
            file.rename(base / "train" / folder / file.name)
    shutil.rmtree(base / "val")
    one, other = (list_data(f"chest_xray_kids:{tmp_path / name}") for name in ("kaggle", "published"))
    assert one.splits.tolist() == other.splits.tolist()
    assert [key.rsplit("/", 1)[-1] for key in one.keys] == [key.rsplit("/", 1)[-1] for key in other.keys]


def test_a_val_that_is_large_enough_is_kept(tmp_path):
    root = chest_xray_kids(tmp_path)
    for i in range(100):
        path = root / "chest_xray" / "val" / ("NORMAL", "PNEUMONIA")[i % 2] / f"person{2000 + i}_virus_{i}.jpeg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(path, "JPEG")
    listing = list_data(f"chest_xray_kids:{root}")
    assert Counter(listing.splits.tolist()) == {"train": 32, "val": 100, "test": 4}
    assert not any("own" in note for note in listing.notes)


def test_children_of_train_and_test_are_counted_in_a_note(tmp_path):
    listing = list_data(f"chest_xray_kids:{chest_xray_kids(tmp_path)}")
    assert "numbers of children that occur in train and in test, as published: 1 (person1)" in listing.notes


@pytest.mark.parametrize(
    ("name", "child"),
    [
        ("train/PNEUMONIA/person1000_virus_1681.jpeg", "person1000"),
        ("IM-0666-0001-0002.jpeg", "im-0666"),
        ("NORMAL2-IM-1427-0001.jpeg", "normal2-im-1427"),
        ("BACTERIA-1008087-0001.jpeg", "1008087"),
        ("NORMAL-1003233-0001.jpeg", "1003233"),
        ("x-ray of person1_bacteria.jpeg", ""),
    ],
)
def test_names_of_children(name, child):
    assert child_of(name) == child


def without_a_folder(base):
    shutil.rmtree(base / "test" / "NORMAL")


def empty_folder(base):
    for file in (base / "train" / "PNEUMONIA").iterdir():
        file.unlink()


def another_folder(base):
    (base / "train" / "COVID").mkdir()
    shutil.copy(base / "train" / "NORMAL" / "IM-0115-0001.jpeg", base / "train" / "COVID" / "a.jpeg")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (
            without_a_folder,
            r"test.NORMAL' is not there; chest_xray_kids wants train/ and test/, each with NORMAL/",
        ),
        (empty_folder, "train.PNEUMONIA' is empty; unpack the set again"),
        (another_folder, "holds COVID beside NORMAL and PNEUMONIA"),
        (shutil.rmtree, "train.NORMAL' is not there"),
    ],
)
def test_half_a_set_is_refused_in_one_sentence(harm, said, tmp_path):
    root = chest_xray_kids(tmp_path)
    harm(root / "chest_xray")
    with pytest.raises(DataError, match=said):
        list_data(f"chest_xray_kids:{root}")


def test_a_name_without_cause_is_refused_only_where_causes_are_asked_for(tmp_path):
    base = chest_xray_kids(tmp_path) / "chest_xray"
    (base / "train" / "PNEUMONIA" / "person1_bacteria_1.jpeg").rename(base / "train" / "PNEUMONIA" / "scan.jpeg")
    listing = list_data(f"chest_xray_kids:{base}")
    assert any(note == "pictures whose names tell no child, so that each stands alone: 1" for note in listing.notes)
    with pytest.raises(DataError, match=r"name neither bacteria nor virus \(train/PNEUMONIA/scan.jpeg\)"):
        list_data(f"chest_xray_kids:{base}?labels=causes")
