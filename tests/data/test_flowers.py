"""Flowers-102: numbered pictures and two .mat files."""

import numpy as np
import pytest
from scipy.io import savemat

from data.published_layouts import flowers
from undercoat.data import list_data, open_data
from undercoat.errors import DataError


def test_the_published_splits_and_labels(tmp_path):
    data = open_data(f"flowers:{flowers(tmp_path / 'set')}", cache=tmp_path / "cache")
    assert data.classes == ("1", "2", "3")
    assert data.labels.tolist() == [0, 1, 2] * 4
    assert data.splits.tolist() == ["train"] * 3 + ["val"] * 3 + ["test"] * 6
    assert (data.keys[0], data.keys[-1]) == ("jpg/image_00001.jpg", "jpg/image_00012.jpg")
    assert np.abs(data.batch(np.arange(12))[:, 0, 0, 0] - 10.0 * np.arange(1, 13)).max() <= 2  # JPEG
    assert data.notes == ("3 of the 102 classes",)


def test_class_2_stays_2_where_class_1_is_missing(tmp_path):
    root = flowers(tmp_path)
    savemat(root / "imagelabels.mat", {"labels": np.array([[2, 3] * 6], np.uint8)})
    listing = list_data(f"flowers:{root}")
    assert (listing.classes, listing.labels[:2].tolist()) == (("2", "3"), [0, 1])


def test_pictures_in_no_split_are_left_out(tmp_path):
    root = flowers(tmp_path)
    savemat(root / "setid.mat", {"trnid": [[1, 2]], "valid": [[3]], "tstid": [[12]]})
    listing = list_data(f"flowers:{root}")
    assert listing.splits.tolist() == ["train", "train", "val", "test"]
    assert listing.notes[-1] == "left out, as they are in no split: 8 of 12 pictures"


def without(name):
    return lambda root: (root / name).unlink()


def mat(name, **values):
    return lambda root: savemat(root / name, values)


def garbage(root):
    (root / "setid.mat").write_bytes(b"MATLAB 5.0 MAT-file, cut off")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (without("setid.mat"), r"set.setid.mat' is not there; flowers wants jpg/, imagelabels.mat and setid.mat"),
        (without("jpg/image_00007.jpg"), r"1 of the 12 images that '.*imagelabels.mat' names .*image_00007.jpg"),
        (garbage, "setid.mat' is no MATLAB file that can be read"),
        (mat("setid.mat", trnid=[[1]], valid=[[2]]), "has no row of whole numbers 'tstid'"),
        (mat("setid.mat", trnid=[[1]], valid=[[2]], tstid=[[13]]), "has picture 13 in tstid, and .* has 12 labels"),
        (mat("setid.mat", trnid=[[0]], valid=[[2]], tstid=[[3]]), "has picture 0 in trnid"),
        (mat("setid.mat", trnid=[[1]], valid=[[2]], tstid=[[2]]), "has picture 2 in tstid and in another split"),
        (mat("imagelabels.mat", labels=[[0.5] * 12]), "has no row of whole numbers 'labels'"),
        (mat("imagelabels.mat", labels=[[0, 1] * 6]), "a class below 1"),
    ],
)
def test_half_a_set_is_refused_in_one_sentence(harm, said, tmp_path):
    root = flowers(tmp_path / "set")
    harm(root)
    with pytest.raises(DataError, match=said):
        list_data(f"flowers:{root}")
