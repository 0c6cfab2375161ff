"""What a spec names and what readers make of it."""

import gzip
import os
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

from undercoat.data import READERS, SAMPLES, list_data, open_data
from undercoat.data.address import parse_address
from undercoat.errors import DataError, SpecError


def picture(path, value=100, size=(12, 10), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)
    return path


def found(listing):
    return list(listing.keys)


def test_every_reader_says_what_it_reads():
    assert all(reader.__doc__ and reader.__doc__.endswith(".") for reader in READERS.values())


def test_address_options():
    address = parse_address("some/folder?split=Training,val&low=-200&high=1200", tuple(READERS))
    assert (address.source, address.splits, address.low, address.high) == (
        "some/folder",
        ("train", "val"),
        -200.0,
        1200.0,
    )


def test_a_path_that_exists_is_taken_as_it_stands(tmp_path):
    odd = tmp_path / "what?split=x"
    picture(odd / "a.png")
    assert found(list_data(odd)) == ["a.png"]


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("sampel:noto", "did you mean 'sample'"),
        ("sample:notto", "did you mean 'noto'"),
        ("sample:noto?splt=train", "did you mean 'split'"),
        ("sample:noto?split=trian", "did you mean 'train'"),
        ("sample:noto?low=dark", "is no number"),
        ("", "names no data"),
        ("sample:noto?split=", "has no value"),
    ],
)
def test_bad_specs_say_what_to_write(spec, hint):
    with pytest.raises(SpecError, match=hint):
        list_data(spec)


def test_missing_path_names_its_neighbour(tmp_path):
    picture(tmp_path / "scans" / "a.png")
    with pytest.raises(DataError, match=r"did you mean '.*scans'"):
        list_data(tmp_path / "scan")
    with pytest.raises(DataError, match="did you mean 'sample:twemoji'"):
        list_data(tmp_path / "nowhere" / "twemoji")


@pytest.mark.parametrize("name", [name for name in SAMPLES])
def test_sample_cards_are_true(name, tmp_path):
    listing = list_data(f"sample:{name}")
    card = SAMPLES[name]
    assert len(listing) == card.images
    assert len(listing.classes) == card.classes
    assert set(listing.splits.tolist()) - {""} == set(card.splits)
    assert not any("mask" in key for key in listing.keys)
    assert listing.skipped == ()


def test_splits_and_classes_from_folders(tmp_path):
    for name in ("training/köter hund/1.png", "training/cat/2.png", "validation/cat/x/3.png", "test/cat/4.png"):
        picture(tmp_path / name)
    listing = list_data(tmp_path)
    assert found(listing) == [
        "test/cat/4.png",
        "training/cat/2.png",
        "training/köter hund/1.png",
        "validation/cat/x/3.png",
    ]
    assert listing.splits.tolist() == ["test", "train", "train", "val"]
    assert listing.classes == ("cat", "köter hund")
    assert listing.labels.tolist() == [0, 0, 1, 0]


def test_a_class_may_be_called_train(tmp_path):
    for name in ("bus/1.png", "train/2.png", "car/3.png", "4.png"):
        picture(tmp_path / name)
    listing = list_data(tmp_path)
    assert listing.classes == ("bus", "car", "train")
    assert set(listing.splits.tolist()) == {""}
    assert listing.labels.tolist() == [-1, 0, 1, 2]


def test_one_class_folder_is_no_label(tmp_path):
    picture(tmp_path / "train" / "all" / "1.png")
    listing = list_data(tmp_path)
    assert listing.labels is None
    assert listing.splits.tolist() == ["train"]


def test_litter_is_ignored_and_other_files_are_listed(tmp_path):
    picture(tmp_path / "a.png")
    for name in (".DS_Store", "._a.png", "Thumbs.db", "__MACOSX/a.png", ".git/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("hello")
    listing = list_data(tmp_path)
    assert found(listing) == ["a.png"]
    assert listing.skipped == (("notes.txt", "not an image (.txt)"),)


def test_masks_beside_images_are_no_images(tmp_path):
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "masks" / "a.png")
    listing = list_data(tmp_path)
    assert found(listing) == ["images/a.png"]
    assert "masks" in listing.notes[0]


def test_links_in_a_loop_end(tmp_path):
    picture(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nothing.png")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    picture(outside / "2.png")
    (tmp_path / "b").symlink_to(outside)
    listing = list_data(tmp_path)
    assert found(listing) == ["a/1.png", "b/2.png"]
    assert [key for key, _ in listing.skipped] == ["a/gone.png", "a/loop"]


def test_a_name_that_is_no_unicode(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(name, "wb") as out:
        Image.new("L", (8, 8)).save(out, "PNG")
    canvases = open_data(tmp_path, cache=tmp_path / "cache")
    assert list(canvases.keys) == ["caf\\xe9.png"]


def test_a_reader_can_be_named(tmp_path):
    picture(tmp_path / "a.png")
    assert list_data(f"folder:{tmp_path}").reader == "folder"
    with pytest.raises(DataError, match="does not exist"):
        list_data(f"csv:{tmp_path}/none.csv")
    with pytest.raises(DataError, match="cannot be read as csv"):
        list_data(f"csv:{tmp_path}")


def test_empty_folder(tmp_path):
    with pytest.raises(DataError, match="is empty"):
        list_data(tmp_path)


def test_one_picture(tmp_path):
    assert found(list_data(picture(tmp_path / "a.png"))) == ["a.png"]


def test_unknown_kind_of_file(tmp_path):
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(DataError, match="no kind of file"):
        list_data(tmp_path / "a.doc")


class TestTable:
    def write(self, folder, text, encoding="utf-8"):
        file = folder / "set.csv"
        file.write_bytes(text.encode(encoding))
        return file

    def test_all_columns(self, tmp_path):
        picture(tmp_path / "scans" / "a, b.png")
        picture(tmp_path / "scans" / "c.png")
        text = 'Path,label,split,group\r\n"scans/a, b.png",x|y,train,p1\r\nscans/c.png,,test,p2\r\nscans/d.png,y,,\r\n'
        listing = list_data(self.write(tmp_path, text, "utf-8-sig"))
        assert found(listing) == ["scans/a, b.png", "scans/c.png"]
        assert listing.classes == ("x", "y")
        assert listing.labels.tolist() == [[1, 1], [255, 255]]
        assert listing.splits.tolist() == ["train", "test"]
        assert listing.groups.tolist() == ["p1", "p2"]
        assert listing.skipped == (("scans/d.png", "cannot be read (No such file or directory)"),)

    def test_numbers_sort_as_numbers(self, tmp_path):
        rows = "".join(f"{picture(tmp_path / f'{n}.png').name},{n}\n" for n in (10, 9))
        assert list_data(self.write(tmp_path, "path,label\n" + rows)).classes == ("9", "10")

    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ("file,label\na.png,x\n", "no column 'path'"),
            ("path,labell\na.png,x\n", "did you mean 'label'"),
            ("path,age\na.png,3\n", "'_age' would be passed over"),
            ("path;label\na.png;x\n", "save it with commas"),
            ("path,label\na.png,x\na.png,y\n", "lines 2 and 3"),
            ("path,label\na.png,x\n./a.png,y\n", "'./a.png' stands on lines 2 and 3"),
            ("path,label\na.png,nan\n", "line 2 .* has the label 'nan', which stands for a missing value"),
            ("path,group\na.png,NaN\n", "line 2 .* has the group 'nan'"),
            ("path\na\0.png\n", "none is there"),
            ("path,label\na.png,x,y\n", "line 2 .* has not 2 fields"),
            ("path,label\na.png\n", "line 2 .* has not 2 fields"),
            ("path,label\n,x\n", "line 2 .* has no path"),
            ("path,split\na.png,trian\n", "did you mean 'train'"),
            ("path\nb.png\n", "none is there"),
            ("path,path\na.png,a.png\n", "twice"),
            ("", "no column 'path'"),
        ],
    )
    def test_mistakes(self, tmp_path, text, hint):
        picture(tmp_path / "a.png")
        with pytest.raises(DataError, match=hint):
            list_data(self.write(tmp_path, text))

    def test_columns_to_pass_over(self, tmp_path):
        picture(tmp_path / "a.png")
        assert len(list_data(self.write(tmp_path, "path,_age\na.png,3\n"))) == 1

    def test_not_utf8(self, tmp_path):
        with pytest.raises(DataError, match="not UTF-8"):
            list_data(self.write(tmp_path, "path\ncafé.png\n", "latin-1"))


def write_idx(path, values):
    codes = {"uint8": 0x08, "int16": 0x0B, "float32": 0x0D}
    head = bytes([0, 0, codes[values.dtype.name], values.ndim]) + np.array(values.shape, ">u4").tobytes()
    data = head + values.astype(values.dtype.newbyteorder(">")).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


class TestIdx:
    def test_round_trip_of_a_whole_set(self, tmp_path):
        rng = np.random.default_rng(0)
        raw = tmp_path / "FashionMNIST" / "raw"
        train, test = (rng.integers(0, 256, (n, 32, 32), np.uint8) for n in (5, 3))
        write_idx(raw / "train-images-idx3-ubyte.gz", train)
        write_idx(raw / "train-labels-idx1-ubyte.gz", np.array([0, 1, 9, 1, 0], np.uint8))
        write_idx(raw / "t10k-images-idx3-ubyte", test)
        write_idx(raw / "t10k-labels-idx1-ubyte", np.array([9, 9, 0], np.uint8))
        canvases = open_data(tmp_path, cache=tmp_path / "cache")
        assert np.array_equal(canvases.images[:, :, :, 0], np.concatenate([train, test]))
        assert canvases.splits.tolist() == ["train"] * 5 + ["test"] * 3
        assert canvases.classes == ("0", "1", "9")
        assert canvases.labels.tolist() == [0, 1, 2, 1, 0, 2, 2, 0]
        assert canvases.keys[5] == "test/0"

    def test_single_file_without_labels(self, tmp_path):
        write_idx(tmp_path / "x-images-idx3-ubyte", np.zeros((2, 8, 8), np.int16))
        listing = list_data(tmp_path / "x-images-idx3-ubyte")
        assert listing.labels is None
        assert "no labels" in listing.notes[0]

    def test_cut_off_file(self, tmp_path):
        path = tmp_path / "train-images-idx3-ubyte"
        write_idx(path, np.zeros((4, 8, 8), np.uint8))
        path.write_bytes(path.read_bytes()[:-70])
        with pytest.raises(DataError, match="cut off after 2 of 4"):
            open_data(path, cache=tmp_path / "cache")
        assert not list((tmp_path / "cache").glob(".building*"))

    def test_wrong_labels(self, tmp_path):
        write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((4, 8, 8), np.uint8))
        write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(3, np.uint8))
        with pytest.raises(DataError, match="3 labels for 4 images"):
            list_data(tmp_path)

    def test_not_idx(self, tmp_path):
        (tmp_path / "train-images-idx3-ubyte").write_bytes(b"hello world")
        with pytest.raises(DataError, match="no IDX file"):
            list_data(tmp_path)


class TestArrays:
    def test_thirteen_bands_of_16_bits(self, tmp_path):
        images = np.random.default_rng(0).integers(0, 4000, (3, 32, 32, 13)).astype(np.uint16)
        np.save(tmp_path / "bands.npy", images)
        canvases = open_data(tmp_path / "bands.npy", cache=tmp_path / "cache")
        assert np.array_equal(canvases.images, images)
        assert (canvases.low, canvases.high) == (0.0, 4095.0)
        assert np.allclose(canvases.mean, images.mean(axis=(0, 1, 2)) / 4095)
        assert np.allclose(canvases.std, images.std(axis=(0, 1, 2)) / 4095)

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_npz_with_everything(self, tmp_path, order):
        images = np.asarray(np.random.default_rng(0).normal(size=(4, 32, 32)), np.float64, order=order)
        np.savez_compressed(
            tmp_path / "a.npz",
            images=images,
            labels=np.array([1, 0, -1, 1]),
            split=np.array(["train", "train", "val", "testing"]),
            group=np.array([7, 7, 8, 9]),
            classes=np.array(["no", "yes"]),
        )
        canvases = open_data(tmp_path / "a.npz", cache=tmp_path / "cache")
        assert canvases.images.dtype == np.float32
        assert np.allclose(canvases.images[..., 0], images)
        assert np.isclose(canvases.low, images.min())
        assert np.isclose(canvases.high, images.max())
        assert canvases.classes == ("no", "yes")
        assert canvases.labels.tolist() == [1, 0, -1, 1]
        assert canvases.splits.tolist() == ["train", "train", "val", "test"]
        assert canvases.groups.tolist() == ["7", "7", "8", "9"]

    def test_range_from_the_spec(self, tmp_path):
        np.save(tmp_path / "ct.npy", np.linspace(-1000, 3000, 2 * 8 * 8).reshape(2, 8, 8).astype(np.int16))
        plain = open_data(tmp_path / "ct.npy", cache=tmp_path / "cache", size_px=8)
        ranged = open_data(f"{tmp_path}/ct.npy?low=-200&high=1200", cache=tmp_path / "cache", size_px=8)
        assert (ranged.low, ranged.high) == (-200.0, 1200.0)
        assert np.isclose(ranged.mean[0], (np.asarray(ranged.images).mean() + 200) / 1400, atol=1e-5)
        assert ranged.digest != plain.digest

    def test_truth_values_are_black_and_white(self, tmp_path):
        np.save(tmp_path / "b.npy", np.eye(32, dtype=bool)[None])
        canvases = open_data(tmp_path / "b.npy", cache=tmp_path / "cache")
        assert np.array_equal(canvases.images[0, :, :, 0], np.eye(32, dtype=np.uint8) * 255)

    def test_multi_label_rows(self, tmp_path):
        np.savez(tmp_path / "m.npz", images=np.zeros((2, 8, 8), np.uint8), labels=np.array([[0, 1, 1], [1, 0, 0]]))
        listing = list_data(tmp_path / "m.npz")
        assert listing.labels.dtype == np.uint8
        assert listing.labels.tolist() == [[0, 1, 1], [1, 0, 0]]

    @pytest.mark.parametrize(
        ("arrays", "hint"),
        [
            ({"image": np.zeros((2, 8, 8), np.uint8)}, "did you mean 'images'"),
            ({"labels": np.zeros(2, int)}, "no array 'images'"),
            ({"images": np.zeros((2, 8, 8), np.uint8), "labels": np.zeros(3, int)}, "3 entries for 2 images"),
            ({"images": np.zeros((2, 8), np.uint8)}, "give \\(N, H, W\\)"),
            ({"images": np.zeros((2, 3, 32, 32), np.uint8)}, "channels last"),
            ({"images": np.zeros((2, 8, 8), complex)}, "no numbers that make images"),
            ({"images": np.zeros((2, 8, 8), np.uint8), "labels": np.array([[2, 0], [0, 1]])}, "0 and 1"),
        ],
    )
    def test_mistakes(self, tmp_path, arrays, hint):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(DataError, match=hint):
            list_data(tmp_path / "a.npz")

    def test_pickles_are_refused(self, tmp_path):
        np.savez(tmp_path / "a.npz", images=np.zeros((1, 8, 8), np.uint8), labels=np.array([{}], object))
        with pytest.raises(DataError, match="cannot be read"):
            list_data(tmp_path / "a.npz")

    def test_not_numpy(self, tmp_path):
        (tmp_path / "a.npy").write_bytes(b"hello")
        with pytest.raises(DataError, match="cannot be read as a NumPy file"):
            list_data(tmp_path / "a.npy")


class TestZip:
    def test_like_a_folder(self, tmp_path):
        picture(tmp_path / "a.png")
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for name in ("pets/train/cat/1.png", "pets/train/dog/2.png", "pets/test/dog/3.png", "__MACOSX/._1.png"):
                archive.write(tmp_path / "a.png", name)
            archive.writestr("pets/readme.md", "hello")
        canvases = open_data(tmp_path / "set.zip", cache=tmp_path / "cache")
        assert list(canvases.keys) == ["pets/test/dog/3.png", "pets/train/cat/1.png", "pets/train/dog/2.png"]
        assert canvases.splits.tolist() == ["test", "train", "train"]
        assert canvases.classes == ("cat", "dog")
        assert canvases.skipped == (("pets/readme.md", "not an image (.md)"),)

    def test_damaged(self, tmp_path):
        for names, hint in (
            (("train/a/1.png", "train/a/1.png"), "two files called 'train/a/1.png'"),
            (("train\\a\\1.png", "train\\b\\1.png"), "its classes would be lost"),
        ):
            with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
                warnings.simplefilter("ignore")  # zipfile warns of a name that is there already
                for name in names:
                    archive.writestr(name, b"")
            with pytest.raises(DataError, match=hint):
                list_data(tmp_path / "b.zip")
        (tmp_path / "a.zip").write_bytes(b"PK\3\4 no zip")
        with pytest.raises(DataError, match="cannot be opened as a zip"):
            list_data(tmp_path / "a.zip")


def test_labels_need_no_second_decoding(tmp_path):
    picture(tmp_path / "a.png", 10)
    picture(tmp_path / "b.png", 20)
    (tmp_path / "set.csv").write_text("path,label\na.png,x\nb.png,y\n")
    first = open_data(tmp_path / "set.csv", cache=tmp_path / "cache")
    (tmp_path / "set.csv").write_text("path,label\na.png,y\nb.png,y\n")
    for name in ("a.png", "b.png"):
        (tmp_path / name).chmod(0)
    second = open_data(tmp_path / "set.csv", cache=tmp_path / "cache")
    assert second.labels.tolist() == [0, 0]
    assert second.digest == first.digest


def test_joined_sets_are_one_after_the_other_with_classes_of_one_name_made_one(tmp_path):
    for name, colour, classes in (("a", 10, ("cat", "dog")), ("b", 200, ("dog", "emu"))):
        for position, kind in enumerate(classes):
            folder = tmp_path / name / "train" / kind
            folder.mkdir(parents=True)
            Image.new("L", (9, 9), colour + position).save(folder / "x.png")
    both = open_data(f"folder:{tmp_path}/a+folder:{tmp_path}/b?split=train", cache=tmp_path / "cache", progress=False)
    assert both.classes == ("cat", "dog", "emu")
    assert both.labels.tolist() == [0, 1, 1, 2]
    assert [int(both.images[row, 0, 0, 0]) for row in range(4)] == [10, 11, 200, 201]
    assert len(set(both.keys)) == 4
    assert set(both.splits) == {"train"}


def test_joining_refuses_arrays_and_ranges_in_a_sentence(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(DataError, match="only image files can be joined"):
        open_data(f"arrays:{tmp_path}/x.npy+sample:noto", cache=tmp_path / "cache", progress=False)
    with pytest.raises(SpecError, match="sets low or high of a part"):
        open_data("sample:noto?low=0+sample:openmoji", cache=tmp_path / "cache", progress=False)
