"""VIPER's masks and xView's chips: what an image shows, pixel for pixel, and faults in a sentence."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.annotated_layouts import scene_pixels, viper, viper_mask, xview, xview_feature
from undercoat.data import list_data, open_data
from undercoat.data.photo_pixels import UnusablePhotoError
from undercoat.data.readers.scene_chips import chip_corners, read_region
from undercoat.data.readers.viper import write_presence
from undercoat.errors import DataError


def viper_truth(sequence, frame):
    return [int(sequence % 2 == 0), 1, frame % 2, 0]  # sky, road, car, rare


class TestViper:
    @pytest.mark.parametrize("coloured", [False, True])
    def test_presence(self, tmp_path, coloured):
        data = open_data(f"viper:{viper(tmp_path / 'set', coloured)}", cache=tmp_path / "cache")
        assert data.classes == ("sky", "road", "car", "rare")  # "unlabeled" does not count
        wanted = [viper_truth(s, f) for count in (5, 2) for s in range(1, count + 1) for f in (1, 2, 3)]
        assert data.labels.tolist() == wanted
        assert data.keys[0] == "train/img/001/001_00010.jpg"
        assert (data.splits[15:] == "test").all()
        assert "3 of the 4 classes of classes.csv occur" in data.notes
        sides = {str(group): {*data.splits[data.groups == group]} for group in data.groups}
        assert all(len(side) == 1 for side in sides.values())
        assert {split for side in sides.values() for split in side} == {"train", "val", "test"}

    def test_a_labelled_test_leaves_val_as_it_is(self, tmp_path):
        root = viper(tmp_path)
        for f in (1, 2, 3):
            viper_mask(root / "test" / "cls" / "001" / f"001_{f * 10:05d}.png", 1, f, coloured=False)
        listing = list_data(f"viper:{root}")
        assert [key.split("/")[0] for key in listing.keys] == listing.splits.tolist()

    def test_palettes_are_numbers_and_all_classes_count_by_default(self, tmp_path):
        root = viper(tmp_path)
        before = list_data(f"viper:{root}").labels
        for path in root.glob("*/cls/*/*.png"):
            mask = Image.open(path)
            mask.putpalette([value % 256 for value in range(768)])
            mask.save(path)
        (root / "classes.csv").rename(tmp_path.parent / "classes.csv")
        assert (list_data(f"viper:{root}").labels == before).all()
        (tmp_path.parent / "classes.csv").unlink()
        (root / "classes.csv").write_text("ID,Name\n0,nothing\n2,sky\n3,road\n20,car\n")
        listing = list_data(f"viper:{root}")
        assert listing.classes == ("nothing", "sky", "road", "car")
        assert (listing.labels[:, 1:] == before[:, :3]).all()

    def test_presence_can_be_written_down(self, tmp_path):
        root = viper(tmp_path)
        before = list_data(f"viper:{root}")
        assert write_presence(root) == root / "presence.csv"
        after = list_data(f"viper:{root}")
        assert (after.labels == before.labels).all()
        assert len(after.notes) == len(before.notes) - 1  # it no longer advises to
        with pytest.raises(DataError, match=r"presence.csv' is there already; give overwrite=True"):
            write_presence(root)
        viper_mask(root / "train" / "cls" / "001" / "001_00020.png", 2, 1, coloured=True)
        with pytest.raises(DataError, match="is of other masks or classes than are there now"):
            list_data(f"viper:{root}")
        viper_mask(root / "train" / "cls" / "001" / "001_00020.png", 2, 1, coloured=False)
        write_presence(root, overwrite=True)
        assert list_data(f"viper:{root}").labels[1].tolist() == viper_truth(2, 1)
        (root / "presence.csv").write_bytes(b"mask\n\xff,\n")
        with pytest.raises(DataError, match="is of other masks or classes"):
            list_data(f"viper:{root}")

    @pytest.mark.parametrize(
        ("table", "hint"),
        [
            (None, "nothing else says what the values of the masks mean"),
            ("id;name\n0;x\n", "has not the columns id and name, but id;name"),
            ("id,name\n", "has not the columns"),
            ("id,name\nx,sky\n", "has a row without whole numbers"),
            ("id,name\n2,sky\n2,road\n", "has class 2 (road) twice"),
            ("id,name,evaluated\n2,sky,0\n3,road,0\n", "has no class that counts; write 1 into 'evaluated'"),
            ("id,name\n2,sky\n", "values that '"),
            ("id,name,red,green,blue\n2,sky,1,2\n", "has a row without whole numbers"),
        ],
    )
    def test_tables_that_do_not_fit(self, tmp_path, table, hint):
        path = viper(tmp_path / "set") / "classes.csv"
        path.unlink() if table is None else path.write_text(table)
        with pytest.raises(DataError) as error:
            list_data(f"viper:{tmp_path / 'set'}")
        assert hint in str(error.value)

    def test_colours_that_do_not_tell_apart(self, tmp_path):
        root = viper(tmp_path, coloured=True)
        text = (root / "classes.csv").read_text()
        (root / "classes.csv").write_text(text + "29,van,0,0,142,1\n")
        with pytest.raises(DataError, match=r"class 29 of .* has the colour \(0, 0, 142\) of another"):
            list_data(f"viper:{root}")
        (root / "classes.csv").write_text("id,name\n2,sky\n")
        with pytest.raises(DataError, match="has no columns red, green and blue"):
            list_data(f"viper:{root}")

    @pytest.mark.parametrize(
        ("change", "hint"),
        [
            (lambda path: Image.new("L", (11, 10), 3).save(path), "has 11 × 10 pixels and its image 12 × 10"),
            (lambda path: path.write_bytes(path.read_bytes()[:60]), "cannot be used: damaged"),
            (lambda path: path.write_text("no mask"), "cannot be used: not an image"),
            (lambda path: path.with_name("001_00099.png").write_bytes(b""), "001_00099.jpg"),
        ],
    )
    def test_masks_that_do_not_fit(self, tmp_path, change, hint):
        change(viper(tmp_path) / "train" / "cls" / "001" / "001_00010.png")
        with pytest.raises(DataError) as error:
            list_data(f"viper:{tmp_path}")
        assert hint in str(error.value)

    def test_a_photograph_is_no_mask(self, tmp_path):
        root = viper(tmp_path)
        for part in ("img", "cls"):
            folder = root / "train" / part / "001"
            pixels = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
            Image.fromarray(pixels).save(folder / ("001_00010.jpg" if part == "img" else "001_00010.png"))
        with pytest.raises(DataError, match="more than 4,096 different values, as a photograph has"):
            list_data(f"viper:{root}")


TIFFS = ({}, {"compression": "deflate"}, {"tile": (256, 256)}, {"rowsperstrip": 100, "compression": "deflate"})


class TestXview:
    @pytest.mark.parametrize("tiff", TIFFS)
    def test_chips_are_the_scene_pixel_for_pixel(self, tmp_path, tiff):
        root = xview(tmp_path / "set", 3, (600, 1100), **tiff)
        data = open_data(f"xview:{root}", size_px=512, cache=tmp_path / "cache")
        assert len(data) == 3 * 2 * 3
        scene = scene_pixels(1, 600, 1100)  # 105.tif comes first
        for chip, (top, left) in enumerate((top, left) for top in (0, 88) for left in (0, 512, 588)):
            assert data.keys[chip] == f"105.tif/{left}-{top}"
            assert (data.batch(np.array([chip]))[0] == scene[top : top + 512, left : left + 512]).all()

    def test_presence_and_names(self, tmp_path):
        root = xview(tmp_path)
        listing = list_data(f"xview:{root}")
        assert listing.classes == ("11", "18")
        assert listing.labels[:4].tolist() == [[0, 1], [0, 0], [0, 0], [1, 0]]  # 105.tif has both
        assert listing.labels[4:8].tolist()[3] == [0, 0]  # 205.tif has no plane
        (root / "xview_class_labels.txt").write_text("11:Fixed-wing Aircraft\n18:Small Car\n\n99:Other\n")
        assert list_data(f"xview:{root}").classes == ("Fixed-wing Aircraft", "Small Car")

    def test_a_box_counts_where_its_centre_lies(self, tmp_path):
        root = xview(tmp_path, 1, (512, 1024))
        boxes = [(18, (502, 0, 522, 10)), (11, (501, 0, 521, 10)), (7, (1000, 0, 1060, 9))]  # at 512, 511 and outside
        features = [xview_feature("5.tif", kind, box) for kind, box in boxes]
        (root / "xView_train.geojson").write_text(json.dumps({"features": features}))
        listing = list_data(f"xview:{root}")
        assert listing.classes == ("11", "18")
        assert listing.labels.tolist() == [[1, 0], [0, 1]]

    @settings(max_examples=6, deadline=None)
    @given(scenes=st.integers(10, 24))
    def test_no_scene_is_on_two_sides(self, tmp_path_factory, scenes):
        listing = list_data(f"xview:{xview(tmp_path_factory.mktemp('set'), scenes, (20, 600))}")
        sides = {}
        for group, split in zip(listing.groups, listing.splits, strict=True):
            assert sides.setdefault(group, split) == split
        assert set(sides.values()) == {"train", "val", "test"}

    def test_scenes_without_boxes_are_unlabelled(self, tmp_path):
        root = xview(tmp_path, 4)
        path = root / "xView_train.geojson"
        content = json.loads(path.read_text())
        content["features"] = [f for f in content["features"] if f["properties"]["image_id"] != "5.tif"]
        path.write_text(json.dumps(content))
        listing = list_data(f"xview:{root}")
        bare = listing.groups == "5.tif"
        assert (listing.labels[bare] == 255).all()
        assert (listing.labels[~bare] <= 1).all()
        assert any(note == "1 scenes have no boxes and stay unlabelled (5.tif)" for note in listing.notes)
        path.write_text('{"features": []}')
        with pytest.raises(DataError, match=r"no scene of .* has a box in"):
            list_data(f"xview:{root}")

    def test_one_scene_of_hundreds_may_be_missing(self, tmp_path):
        root = xview(tmp_path, 120, (40, 50))
        (root / "train_images" / "5.tif").unlink()
        listing = list_data(f"xview:{root}")
        assert listing.skipped == (("5.tif", "has boxes in xView_train.geojson, and is not there"),)
        (root / "train_images" / "105.tif").unlink()
        with pytest.raises(
            DataError, match=r"2 of the 120 images that 'xView_train.geojson' names .*\(105.tif, 5.tif\)"
        ):
            list_data(f"xview:{root}")

    def test_damaged_scenes_are_listed(self, tmp_path):
        root = xview(tmp_path, 3)
        (root / "train_images" / "5.tif").write_bytes(b"II*\0")
        Image.new("RGB", (9, 9)).save(root / "train_images" / "105.tif", "PNG")
        listing = list_data(f"xview:{root}")
        assert set(listing.groups) == {"205.tif"}
        assert [key for key, _ in listing.skipped] == ["105.tif", "5.tif"]
        assert listing.skipped[0][1] == "damaged (a PNG file and no TIFF)"

    @pytest.mark.parametrize(
        ("change", "hint"),
        [
            (lambda text: text[:-40], "is cut off or no JSON"),
            (lambda text: text.replace('"10,20,31,40"', '"10,20,31"', 1), "feature 1 of"),
            (lambda text: text.replace('"type_id"', '"type"', 1), "without 'type_id'"),
            (lambda text: text.replace('"10,20,31,40"', '"nan,20,31,40"', 1), "feature 1 of"),
            (lambda text: text.replace('"type_id": 18', '"type_id": 1e999', 1), "feature 1 of"),
            (lambda text: text.replace('"type_id": 18', '"type_id": 18.5', 1), "feature 1 of"),
            (lambda text: text.replace('"features"', '"feature"', 1), "has no list 'features'"),
            (lambda text: text.replace("5.tif", "x.tif"), "3 of the 3 images that"),
        ],
    )
    def test_mistakes(self, tmp_path, change, hint):
        path = xview(tmp_path, 3, (20, 30)) / "xView_train.geojson"
        path.write_text(change(path.read_text()))
        with pytest.raises(DataError) as error:
            list_data(f"xview:{tmp_path}")
        assert hint in str(error.value)

    def test_a_table_of_names_as_windows_saves_it(self, tmp_path):
        path = xview(tmp_path, 10, (40, 60)) / "xview_class_labels.txt"
        path.write_bytes(b"\xef\xbb\xbf11:Plane\r\n18:Small Car\r\n")
        assert list_data(f"xview:{tmp_path}").classes == ("Plane", "Small Car")
        path.write_text("11:Car\n18:Car\n")
        with pytest.raises(DataError, match=r"line 2 of .* has the name 'Car' once more"):
            list_data(f"xview:{tmp_path}")

    def test_names_that_are_no_names(self, tmp_path):
        (xview(tmp_path, 1, (20, 30)) / "xview_class_labels.txt").write_text("eleven\n")
        with pytest.raises(DataError, match=r"line 1 of .*is not like '11:Name'"):
            list_data(f"xview:{tmp_path}")

    def test_a_limit_and_photographs_of_it(self, tmp_path):
        root = xview(tmp_path / "set", 10)
        data = open_data(f"xview:{root}?limit=3&split=train", size_px=32, cache=tmp_path / "cache")
        assert len(data) == 3


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 3000), side=st.integers(1, 600))
def test_chips_cover_a_scene(length, side):
    corners = chip_corners(length, side)
    assert corners[0] == 0
    assert corners[-1] == max(0, length - side)
    assert all(0 < after - before <= side for before, after in pairwise(corners))


@settings(max_examples=15, deadline=None)
@given(data=st.data(), tiff=st.sampled_from(TIFFS), bands=st.sampled_from([1, 3, 5]), kind=st.sampled_from("BH"))
def test_a_region_is_a_slice(tmp_path_factory, data, tiff, bands, kind):
    import tifffile

    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    pixels = np.random.default_rng(0).integers(0, 250, (333, 290, bands)).astype(kind)
    if bands == 1:
        tifffile.imwrite(path, pixels[:, :, 0], photometric="minisblack", **tiff)
    else:
        tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="contig", **tiff)
    left, top = data.draw(st.integers(0, 289)), data.draw(st.integers(0, 332))
    width, height = data.draw(st.integers(1, 290 - left)), data.draw(st.integers(1, 333 - top))
    with path.open("rb") as stream:
        found = read_region(stream, left, top, width, height)
    assert found.dtype == pixels.dtype
    assert (found == pixels[top : top + height, left : left + width]).all()


@pytest.mark.parametrize(("bands", "dtype"), [(1, np.uint8), (1, np.uint16), (3, np.uint16), (8, np.uint16)])
def test_scenes_of_other_depths_and_bands(tmp_path, bands, dtype):
    import tifffile

    root = xview(tmp_path / "set", 2, (20, 30))
    pixels = np.random.default_rng(1).integers(0, 250, (600, 512, bands)).astype(dtype)
    for name in ("5.tif", "105.tif"):
        stored = {"photometric": "minisblack"} | ({"planarconfig": "contig"} if bands > 1 else {})
        tifffile.imwrite(root / "train_images" / name, pixels if bands > 1 else pixels[:, :, 0], **stored)
    data = open_data(f"xview:{root}", size_px=512, cache=tmp_path / "cache")
    assert data.images.shape == (4, 512, 512, bands)
    assert data.images.dtype == dtype
    assert (data.batch(np.array([3]))[0] == pixels[88:]).all()


def test_bands_apart_are_refused(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 20, 20), np.uint8), photometric="rgb", planarconfig="separate")
    with (tmp_path / "a.tif").open("rb") as stream, pytest.raises(UnusablePhotoError, match="one after the other"):
        read_region(stream, 0, 0, 5, 5)
