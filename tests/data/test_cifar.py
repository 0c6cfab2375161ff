"""CIFAR-10 and CIFAR-100 in every form that is published, and what happens to broken and harmful files."""

import os
import pickle
import shutil
import tarfile
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.layouts import (
    CIFAR10,
    cifar10_binary,
    cifar10_python,
    cifar100_binary,
    cifar100_python,
    cifar_pixels,
    pack,
    python2,
    python3,
)
from undercoat.data import list_data, open_data
from undercoat.data.readers.pickles import read_pickle
from undercoat.errors import DataError, SpecError


def test_the_written_meta_is_as_long_as_the_published_one(tmp_path):
    # 158 bytes is the size of the published batches.meta: the test's writer and cPickle agree
    assert (cifar10_python(tmp_path) / "batches.meta").stat().st_size == 158


@pytest.mark.parametrize("make", [cifar10_python, cifar10_binary])
def test_cifar10_splits_labels_and_pixels(make, tmp_path):
    listing = list_data(make(tmp_path / "set"))
    assert listing.reader == "cifar"
    assert listing.classes == CIFAR10
    assert listing.splits.tolist() == ["train"] * 20 + ["test"] * 4
    assert listing.labels.tolist() == [(batch + i) % 10 for batch in range(6) for i in range(4)]
    assert list(listing.keys)[::4] == [*(f"data_batch_{n}/0" for n in range(1, 6)), "test_batch/0"]
    assert listing.notes[1] == "24 images, and 60,000 are published"
    data = open_data(tmp_path / "set", size_px=32, cache=tmp_path / "cache")
    planes = cifar_pixels(5, 4).reshape(4, 3, 32, 32)
    assert (data.batch(np.arange(20, 24)) == planes.transpose(0, 2, 3, 1)).all()


@pytest.mark.parametrize("make", [cifar100_python, cifar100_binary])
def test_cifar100_fine_and_coarse_labels(make, tmp_path):
    make(tmp_path / "set")
    fine, coarse = list_data(tmp_path / "set"), list_data(f"cifar:{tmp_path / 'set'}?labels=coarse")
    assert (fine.classes[7], len(fine.classes)) == ("fine_07", 100)
    assert fine.labels.tolist() == list(range(100)) * 2
    assert (coarse.classes[7], len(coarse.classes)) == ("coarse_07", 20)
    assert coarse.labels.tolist() == [i % 20 for i in range(100)] * 2
    assert fine.stamp == coarse.stamp  # the images are the same
    assert fine.splits.tolist() == ["train"] * 100 + ["test"] * 100


def test_all_forms_are_the_same_images(tmp_path):
    folder = cifar10_python(tmp_path / "cifar-10-batches-py")
    forms = [
        folder,
        cifar10_binary(tmp_path / "bin" / "cifar-10-batches-bin").parent,
        pack(folder, tmp_path / "cifar-10-python.tar.gz"),
        pack(cifar10_binary(tmp_path / "cifar-10-batches-bin"), tmp_path / "cifar-10-binary.tar.gz"),
        cifar10_python(tmp_path / "again", dump=python3(2)),
        cifar10_python(tmp_path / "again5", dump=python3(5)),
    ]
    opened = [open_data(form, cache=tmp_path / "cache") for form in forms]
    assert len({data.digest for data in opened}) == 1
    assert all((data.labels == opened[0].labels).all() and data.classes == CIFAR10 for data in opened)
    assert open_data(f"{forms[2]}?split=test&limit=3", cache=tmp_path / "cache").labels.size == 3


def test_two_sets_in_one_folder_are_not_guessed_between(tmp_path):
    cifar10_python(tmp_path / "cifar-10-batches-py")
    assert len(list_data(tmp_path)) == 24
    cifar100_binary(tmp_path / "cifar-100-binary")
    with pytest.raises(DataError, match=r"several sets \(cifar-10-batches-py, cifar-100-binary\)"):
        list_data(tmp_path)


def test_folders_called_train_and_test_are_no_cifar(tmp_path):
    for name in ("train", "test", "meta"):
        (tmp_path / name).write_text("notes")
    with pytest.raises(DataError, match="holds no CIFAR"):
        list_data(f"cifar:{tmp_path}")
    with pytest.raises(DataError, match="holds no image"):
        list_data(tmp_path)


@pytest.mark.parametrize(
    ("make", "gone", "said"),
    [
        (cifar10_python, ["test_batch"], "part of CIFAR-10, python version: test_batch is missing"),
        (cifar10_binary, ["data_batch_2.bin", "test_batch.bin"], "data_batch_2.bin, test_batch.bin are missing"),
        (cifar100_python, ["test"], "part of CIFAR-100, python version: test is missing"),
        (cifar100_python, ["meta"], "meta is missing"),
        (cifar100_binary, ["fine_label_names.txt"], "fine_label_names.txt is missing"),
    ],
)
def test_half_a_set_names_what_is_missing(make, gone, said, tmp_path):
    folder = make(tmp_path / "set")
    for name in gone:
        (folder / name).unlink()
    with pytest.raises(DataError, match=said):
        list_data(folder)
    for error in (f"cifar:{tmp_path / 'nowhere'}", f"cifar:{tmp_path}"):
        with pytest.raises(DataError, match=r"does not exist|holds no CIFAR"):
            list_data(error)


def test_files_that_are_cut_off(tmp_path):
    binary, python = cifar10_binary(tmp_path / "bin"), cifar10_python(tmp_path / "py")
    archive = pack(python, tmp_path / "cifar-10-python.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-20_000])
    for path, said in (
        (binary / "data_batch_3.bin", "not a whole number of records"),
        (python / "test_batch", "cut off"),
    ):
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(DataError, match=said):
            list_data(path.parent)
    with pytest.raises(DataError, match="no tar archive, or it is cut off"):
        list_data(archive)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_a_damaged_archive_is_told_in_one_line(tmp_path, suffix):
    archive = tmp_path / f"cifar-10-python.tar.{suffix}"
    with tarfile.open(archive, f"w:{suffix}") as file:
        file.add(cifar10_python(tmp_path / "py"), "cifar-10-batches-py")
    whole = archive.read_bytes()
    archive.write_bytes(whole[:99] + bytes(900) + whole[999:])
    with pytest.raises(DataError) as error:
        list_data(archive)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({b"data": cifar_pixels(0, 4)[:, :100]}, "has no array 'data' of images"),
        ({b"labels": [1, 2, 3]}, "has 3 labels for 4 images"),
        ({b"labels": [1, 2, 3, 10]}, "label 10, and there are 10 classes"),
        ({b"labels": [b"cat"] * 4}, "no list 'labels' of whole numbers"),
        ({b"data": b"pixels"}, "has no array 'data'"),
    ],
)
def test_content_that_does_not_fit(changed, said, tmp_path):
    folder = cifar10_python(tmp_path)
    content = {b"labels": [1, 2, 3, 4], b"data": cifar_pixels(0, 4)} | changed
    (folder / "data_batch_1").write_bytes(python2(content))
    with pytest.raises(DataError, match=said):
        list_data(folder)


def test_label_sets_that_are_not_there(tmp_path):
    folder = cifar10_binary(tmp_path / "set")
    with pytest.raises(SpecError, match="'coarse' is no set of labels of CIFAR-10"):
        list_data(f"cifar:{folder}?labels=coarse")
    with pytest.raises(SpecError, match="folder has one set of labels"):
        list_data(f"folder:{folder}?labels=coarse")
    with pytest.raises(SpecError, match="did you mean 'coarse'"):
        list_data(f"cifar:{cifar100_binary(tmp_path / 'other')}?labels=course")


class Harm:
    """Pickled, a call of any function with any arguments."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def harmful(tmp_path):
    sign = str(tmp_path / "it ran")
    yield Harm(os.mkdir, sign)
    yield Harm(exec, f"open({sign!r}, 'w')")
    yield Harm(eval, f"open({sign!r}, 'w')")
    yield Harm(getattr, "text", "encode")
    yield Harm(np.load, sign)
    yield Harm(shutil.rmtree, sign)
    yield np.array([Harm(os.mkdir, sign)], dtype=object)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_nothing_in_a_pickle_is_run(protocol, tmp_path):
    folder = cifar100_python(tmp_path / "set", count=2)
    for thing in harmful(tmp_path):
        for content in ({"data": thing}, thing, {"data": [thing]}):
            (folder / "train").write_bytes(pickle.dumps(content, protocol=protocol))
            with pytest.raises(DataError, match=r"asks for .* was not opened|is no pickle|no array|no dictionary"):
                list_data(f"cifar:{folder}")
    assert os.listdir(tmp_path) == ["set"]


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_damaged_pickles_are_read_or_refused(data):
    whole = python2({b"labels": [1, 2], b"data": cifar_pixels(0, 2)[:, :9], b"filenames": [b"a.png", b"b.png"]})
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + data.draw(st.binary(max_size=6)) + whole[place + data.draw(st.integers(0, 6)) :]
    found = {}
    with suppress(DataError):
        found = read_pickle(damaged, "train")
    assert all(isinstance(key, str) for key in found)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02cnumpy\nndarray\n(K\x01" + b"J\xff\xff\xff\x7f" * 2 + b"tR.",  # a huge array, made directly
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n}X\x08\x00\x00\x00__code__K\x01sb.",  # a changed function
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\nK\x00\x85U\x01btR.",  # of another kind
        b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b".",  # a terabyte is announced
        b"\x80\x02Nr\xff\xff\xff\xff.",  # a memo of 4 billion places
        b"\x80\x02\x82\x01.",  # an extension
        b"P1\n.",  # something persistent
        b"(" * 100_000,
        b"",
        b"\x80\x02]q\x01h\x01a.",  # a list that contains itself
    ],
)
def test_crooked_programs_end_in_a_sentence(program):
    with pytest.raises(DataError, match="'train'"):
        read_pickle(program, "train")


def test_no_memory_is_set_aside_for_bytes_that_are_only_announced():
    tracemalloc.start()
    with pytest.raises(DataError, match="cut off"):
        read_pickle(b"\x80\x05\x96" + (1 << 28).to_bytes(8, "little") + b"ab.", "train")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
