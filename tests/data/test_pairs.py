"""Folders of images with masks: how files find each other, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from undercoat.data import list_data, open_data
from undercoat.errors import DataError, SpecError


def image(path, size=(12, 10), value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 50, 50)).save(path)


def mask(path, size=(12, 10), on=255, mode="L"):
    """Left half off, right half on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((size[1], size[0]), np.uint16 if mode == "I;16" else np.uint8)
    values[:, size[0] // 2 :] = on
    Image.fromarray(values).save(path)


@pytest.fixture
def opened(tmp_path):
    def open_(options="", size_px=16):
        return open_data(f"pairs:{tmp_path}/set{options}", cache=tmp_path / "cache", size_px=size_px, progress=False)

    return open_


def half(side=16):
    return np.repeat([[0] * (side // 2) + [1] * (side // 2)], side, axis=0)


def test_folders_of_images_and_masks_meet_by_stem(tmp_path, opened):
    root = tmp_path / "set"
    for split, name in (("train", "a b"), ("train", "ü"), ("test", "c")):
        image(root / split / "images" / f"{name}.jpg")
        mask(root / split / "masks" / f"{name}.png")
    (root / "notes.txt").write_text("hello")
    found = opened()
    assert list(found.keys) == ["test/images/c.jpg", "train/images/a b.jpg", "train/images/ü.jpg"]
    assert found.splits.tolist() == ["test", "train", "train"]
    assert found.labels is None
    assert found.mask_classes == ("background", "foreground")
    assert np.array_equal(found.mask_batch(np.arange(3)), np.repeat(half()[None], 3, axis=0))
    assert ("notes.txt", "not an image (.txt)") in found.skipped
    assert "masks of 0 and 255 are read as two classes: above 127 is marked" in found.notes
    assert not found.masks.flags.writeable


def test_splits_and_classes_may_lie_below_and_masks_beside(tmp_path, opened):
    root = tmp_path / "set"
    for name in ("images/train/benign/1", "images/train/malignant/1", "images/val/benign/2"):
        image(root / f"{name}.png")
        mask(root / f"{name.replace('images', 'masks')}_mask.png")
    found = opened()
    assert found.classes == ("benign", "malignant")
    assert found.splits.tolist() == ["train", "train", "val"]
    beside = tmp_path / "beside"
    image(beside / "x.png"), mask(beside / "x_mask.png")
    assert list(list_data(f"pairs:{beside}").keys) == ["x.png"]


def test_folders_can_be_named_and_palettes_are_class_numbers(tmp_path, opened):
    root = tmp_path / "set"
    image(root / "JPEGImages" / "a.jpg")
    values = np.array([[0, 1, 2, 255]] * 4, np.uint8)
    palette = Image.fromarray(values).convert("P")
    palette.putdata(values.ravel().tolist())
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 753 + [224, 224, 192])
    (root / "SegmentationClass").mkdir()
    palette.save(root / "SegmentationClass" / "a.png")
    image(root / "JPEGImages" / "a.jpg", size=(4, 4))
    found = opened("?images=JPEGImages&masks=SegmentationClass", size_px=8)
    assert found.mask_classes == ("background", "class 1", "class 2")
    assert found.masks[0, 0].tolist() == [0, 0, 1, 1, 2, 2, 255, 255]
    (root / "classes.txt").write_text("sky\nbird\nboat\n", encoding="utf-8")
    assert opened("?images=JPEGImages&masks=SegmentationClass", size_px=8).mask_classes == ("sky", "bird", "boat")


def test_a_table_gives_groups_and_splits(tmp_path, opened):
    root = tmp_path / "set"
    for name in "ab":
        image(root / "images" / f"{name}.png"), mask(root / "masks" / f"{name}.png")
    (root / "images.csv").write_text("path,group,split\nimages/b.png,anna,test\nimages/a.png,ben,train\n")
    found = opened()
    assert found.groups.tolist() == ["ben", "anna"]
    assert found.splits.tolist() == ["train", "test"]
    image(root / "images" / "c.png"), mask(root / "masks" / "c.png")
    with pytest.raises(DataError, match=r"says nothing of 1 of 3 images \(images/c\.png\)"):
        opened()


def test_greys_need_a_threshold_which_the_notes_name(tmp_path, opened):
    root = tmp_path / "set"
    image(root / "images" / "a.png")
    ramp = np.tile(np.linspace(0, 250, 12).astype(np.uint8), (10, 1))
    (root / "masks").mkdir()
    Image.fromarray(ramp).save(root / "masks" / "a.png")
    with pytest.raises(DataError, match="neither two nor class numbers below 64; name a threshold") as caught:
        opened()
    assert "\n" not in str(caught.value)
    found = opened("?threshold=120")
    assert "masks: values above 120 are marked" in found.notes
    assert np.array_equal(found.masks[0], half())
    assert opened("?threshold=200").mask_digest != found.mask_digest
    assert opened("?threshold=200").digest == found.digest  # of the images alone


def test_deep_greys_are_cut_in_their_own_unit(tmp_path, opened):
    root = tmp_path / "set"
    image(root / "images" / "a.png"), mask(root / "masks" / "a.png", on=4000, mode="I;16")
    with pytest.raises(DataError, match=r"hold greys, not class numbers \(images/a\.png: 0 … 4000\)"):
        opened()
    assert np.array_equal(opened("?threshold=1000").masks[0], half())


def test_what_cannot_be_paired_is_one_sentence(tmp_path, opened):
    root = tmp_path / "set"
    root.mkdir()
    cases = []

    def refused(pattern):
        with pytest.raises(DataError, match=pattern) as caught:
            opened()
        cases.append(str(caught.value))

    refused("holds no image in a folder 'images'")
    for number in range(5):
        image(root / "images" / f"{number}.png")
    mask(root / "masks" / "0.png")
    refused(r"4 of 5 images .* have no mask \(images/1\.png, images/2\.png, images/3\.png and 1 more\)")
    for number in range(1, 5):
        mask(root / "masks" / f"{number}.png", size=(10, 12) if number > 2 else (12, 10))
    refused(r"2 of 5 masks .* have another size than their image \(images/3\.png: 10 × 12 beside 12 × 10, ")
    for number in range(5):
        mask(root / "masks" / f"{number}.png", on=0)
    refused("marks anything: all 5 are empty")
    (root / "masks" / "2.png").write_bytes(b"no picture")
    refused(r"1 of 5 masks .* cannot be read \(images/2\.png: not an image")
    Image.new("RGB", (12, 10), (255, 0, 0)).save(root / "masks" / "2.png")
    refused("it is in colour; save class numbers in one channel")
    mask(root / "masks" / "2_mask.png")
    refused("1 images .* have several masks")
    (root / "masks" / "2_mask.png").unlink()
    image(root / "images" / "2.jpg")
    refused("differ in their ending alone")
    assert all("\n" not in sentence for sentence in cases)


def test_masks_without_an_image_are_listed(tmp_path, opened):
    root = tmp_path / "set"
    image(root / "images" / "a.png"), mask(root / "masks" / "a.png"), mask(root / "masks" / "b.png")
    image(root / "preview.png")
    assert set(opened().skipped) == {
        ("masks/b.png", "a mask without its image"),
        ("preview.png", "in no folder 'images' or 'masks'"),
    }


def test_options_of_masks_are_for_pairs(tmp_path):
    with pytest.raises(SpecError, match="is for pairs of images and masks"):
        list_data("sample:noto?threshold=3")
    with pytest.raises(SpecError, match="did you mean 'threshold'"):
        list_data("sample:noto?treshold=3")
    (tmp_path / "a.csv").write_text("path\n")
    with pytest.raises(DataError, match="is no folder"):
        list_data(f"pairs:{tmp_path / 'a.csv'}")


def test_a_changed_mask_is_read_again(tmp_path, opened):
    root = tmp_path / "set"
    image(root / "images" / "a.png"), mask(root / "masks" / "a.png")
    before = opened()
    mask(root / "masks" / "a.png", on=1)
    values = np.zeros((10, 12), np.uint8)
    values[0] = 1
    Image.fromarray(values).save(root / "masks" / "a.png")
    after = opened()
    assert after.digest == before.digest
    assert after.mask_digest != before.mask_digest
    assert after.masks.mean() < before.masks.mean()
