"""ImageNet as it is published and as Kaggle packs it, and the ways in which its val folder is broken."""

import shutil

import numpy as np
import pytest
from PIL import Image

from data.layouts import SYNSETS, VAL, imagenet_kaggle, imagenet_kit, imagenet_train, imagenet_val, picture
from undercoat.data import list_data, open_data
from undercoat.errors import DataError
from undercoat.evaluation.splitting import train_and_test


def in_classes(root):
    imagenet_val(imagenet_train(root) / "val", in_classes=True)
    return root


def flat_with_kit(root):
    imagenet_kit(imagenet_train(root) / "ILSVRC2012_devkit_t12" / "data")
    imagenet_val(root / "val")
    return root


def flat_with_files_beside(root):
    imagenet_kit(imagenet_train(root))
    imagenet_val(root / "val")
    return root


FORMS = [in_classes, flat_with_kit, flat_with_files_beside, imagenet_kaggle]


@pytest.mark.parametrize("make", FORMS)
def test_every_form_has_the_same_labels(make, tmp_path):
    listing = list_data(f"imagenet:{make(tmp_path / 'set')}")
    assert listing.classes == SYNSETS
    assert listing.splits.tolist() == ["train"] * 12 + ["test"] * 8
    assert listing.labels[:12].tolist() == np.repeat(range(4), 3).tolist()
    found = {key.rsplit("/", 1)[-1]: label for key, label in zip(listing.keys, listing.labels, strict=True)}
    assert [found[f"ILSVRC2012_val_{i + 1:08d}.JPEG"] for i in range(8)] == list(VAL)
    assert listing.notes == (
        "4 of the 1,000 classes",
        "val is what results are published on, so it is the split 'test' here",
    )


def test_every_form_has_one_digest(tmp_path):
    opened = [open_data(f"imagenet:{make(tmp_path / make.__name__)}", cache=tmp_path / "cache") for make in FORMS]
    assert len({data.digest for data in opened}) == 1
    data = opened[0]
    assert set(data.keys) == {f"train/{n}/{n}_{10026 + i}.JPEG" for n in SYNSETS for i in range(3)} | {
        f"val/{SYNSETS[VAL[i]]}/ILSVRC2012_val_{i + 1:08d}.JPEG" for i in range(8)
    }
    key = f"val/{SYNSETS[VAL[2]]}/ILSVRC2012_val_00000003.JPEG"
    row = np.array([list(data.keys).index(key)])
    assert data.batch(row)[0, 0, 0, 0] == np.asarray(Image.open(tmp_path / "in_classes" / key))[0, 0, 0]


def test_evaluation_tests_on_val(tmp_path):
    data = open_data(f"imagenet:{in_classes(tmp_path / 'set')}", cache=tmp_path / "cache")
    train, test = train_and_test(data, test_fraction=0.2, seed=0)
    assert (len(train), len(test)) == (12, 8)
    assert all(key.startswith("val/") for key in test.keys)


def test_train_alone_is_a_set_and_kit_can_lie_above(tmp_path):
    imagenet_train(tmp_path)
    assert list_data(f"imagenet:{tmp_path}").notes[-1] == "there is no val/, which results are published on"
    base = imagenet_kaggle(tmp_path / "kaggle") / "ILSVRC" / "Data" / "CLS-LOC"
    assert len(list_data(f"imagenet:{base}")) == 20


def test_a_subset_of_the_classes_leaves_the_rest_of_val_out(tmp_path):
    root = in_classes(tmp_path)
    shutil.rmtree(root / "train" / SYNSETS[1])
    listing = list_data(f"imagenet:{root}")
    assert listing.classes == (SYNSETS[0], *SYNSETS[2:])
    assert len(listing) == 9 + 6
    assert "2 images of val are of classes that train has not" in listing.notes


def gone(root):
    shutil.rmtree(root / "val" / SYNSETS[3])


def renamed(root):
    for number, synset in enumerate(SYNSETS):
        (root / "val" / synset).rename(root / "val" / f"{number}")


def emptied(root):
    for file in (root / "val" / SYNSETS[0]).iterdir():
        file.unlink()


def mixed(root):
    picture(root / "val" / "ILSVRC2012_val_00000099.JPEG")


def flat(root):
    shutil.rmtree(root / "val")
    imagenet_val(root / "val")


def packed(root):
    flat(root)
    (root / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(b"")


def without_meta(root):
    flat(root)
    (imagenet_kit(root) / "meta.mat").unlink()


def damaged_meta(root):
    flat(root)
    (imagenet_kit(root) / "meta.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))


def short_truth(root):
    flat(root)
    truth = imagenet_kit(root) / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text("".join(truth.read_text().splitlines(keepends=True)[:6]))


def wrong_truth(root):
    flat(root)
    (imagenet_kit(root) / "ILSVRC2012_validation_ground_truth.txt").write_text("77\n" * 8)


def words_for_truth(root):
    flat(root)
    (imagenet_kit(root) / "ILSVRC2012_validation_ground_truth.txt").write_text("tench\n" * 8)


def other_table(root):
    flat(root)
    (root / "LOC_val_solution.csv").write_bytes(b"image;label\n\xff;1\n")


def archives(root):
    (root / "train" / "n02119789.tar").write_bytes(b"")


def foreign(root):
    picture(root / "train" / "cats" / "a.JPEG")


def loose(root):
    picture(root / "train" / "a.JPEG")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (gone, r"only 3 of the 4 classes of train \(no n03063599\)"),
        (renamed, r"only 0 of the 4 classes of train \(no n01440764, .* and 1 more; there are 0, 1, 2 and 1 more\)"),
        (emptied, r"only 3 of the 4 classes of train \(no n01440764\)"),
        (mixed, "1 images beside its class folders"),
        (flat, r"is flat and nothing says .* LOC_val_solution.csv .* meta.mat"),
        (packed, r"unpack ILSVRC2012_devkit_t12.tar.gz"),
        (without_meta, "no meta.mat"),
        (damaged_meta, "is no meta.mat of ILSVRC-2012"),
        (short_truth, "2 images of .* have no class in ILSVRC2012_validation_ground_truth.txt .*val_00000007"),
        (wrong_truth, "class 77, which meta.mat has not"),
        (words_for_truth, "a line that is no whole number"),
        (other_table, "does not begin with ImageId,PredictionString"),
        (archives, r"holds archives \(n02119789.tar\); unpack each"),
        (foreign, "holds cats beside class folders"),
        (loose, "holds images in no folder"),
    ],
)
def test_broken_sets_are_told_in_a_sentence(harm, said, tmp_path):
    harm(in_classes(tmp_path / "set"))
    with pytest.raises(DataError, match=said):
        list_data(f"imagenet:{tmp_path / 'set'}")


def test_what_is_no_imagenet(tmp_path):
    picture(tmp_path / "cats" / "a.jpg")
    with pytest.raises(DataError, match="has no folder train/"):
        list_data(f"imagenet:{tmp_path}")
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="is empty"):
        list_data(f"imagenet:{tmp_path}")
    with pytest.raises(DataError, match="does not exist"):
        list_data(f"imagenet:{tmp_path / 'nowhere'}")


def test_broken_files_are_skipped_and_change_of_a_label_file_changes_the_stamp(tmp_path):
    root = flat_with_kit(tmp_path)
    before = list_data(f"imagenet:{root}").stamp
    truth = root / "ILSVRC2012_devkit_t12" / "data" / "ILSVRC2012_validation_ground_truth.txt"
    truth.write_text(truth.read_text() + "\n")
    (root / "train" / SYNSETS[0] / "notes.txt").write_text("x")
    listing = list_data(f"imagenet:{root}")
    assert listing.stamp != before
    assert listing.skipped == ((f"train/{SYNSETS[0]}/notes.txt", "not an image (.txt)"),)
