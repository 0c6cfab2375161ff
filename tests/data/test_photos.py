"""Source photos: every kind of pixel, sizes beyond memory, and what shows nothing."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from undercoat.data import open_data
from undercoat.data.photo_pixels import photo_size
from undercoat.data.pyramid import fill_levels, level_sides, pack, pyramid
from undercoat.data.readers.photo import PHOTOS, read_photo
from undercoat.errors import DataError


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)


def photo_of(path, tmp_path):
    """The photo as patches see it."""
    return open_data(f"patches:{path}?n=3&size=8", cache=tmp_path / "cache", progress=False).images.photos.pixels(0)


def refusal(path, tmp_path):
    with pytest.raises(DataError) as error:
        photo_of(path, tmp_path)
    return str(error.value)


# --- kinds of pixels


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "P", "1", "LA", "RGBA"])
def test_every_mode_becomes_red_green_blue(tmp_path, pixels, mode):
    path = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    image = Image.fromarray(pixels).convert(mode)
    image.save(path)
    assert (photo_of(path, tmp_path) == np.asarray(image.convert("RGB"))).all()


def test_sixteen_bits_keep_their_range(tmp_path, pixels):
    grey = pixels[:, :, 0]
    for name, values in (("16.png", grey.astype(np.uint16) * 257), ("12.png", grey.astype(np.uint16) * 16)):
        Image.fromarray(values).save(tmp_path / name)
        found = photo_of(tmp_path / name, tmp_path)
        assert np.abs(found[:, :, 1].astype(int) - grey).max() <= 1


def test_a_turned_camera_is_seen_upright(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    Image.fromarray(pixels).save(tmp_path / "photo.png", exif=exif)
    assert (photo_of(tmp_path / "photo.png", tmp_path) == np.rot90(pixels, -1)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_tiff_is_seen_upright(tmp_path, pixels, orientation):
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "photo.tif", pixels, photometric="rgb", extratags=[tag])
    with Image.open(tmp_path / "photo.tif") as image:
        upright = np.asarray(image)  # Pillow turns TIFFs as it loads them
    assert (photo_of(tmp_path / "photo.tif", tmp_path) == upright).all()


def test_transparent_parts_are_white(tmp_path, pixels):
    alpha = np.full((50, 70, 1), 255, np.uint8)
    alpha[:20] = 0
    Image.fromarray(np.concatenate([pixels, alpha], axis=2)).save(tmp_path / "photo.png")
    found = photo_of(tmp_path / "photo.png", tmp_path)
    assert (found[:20] == 255).all()
    assert (found[20:] == pixels[20:]).all()


# --- what shows nothing


def test_photos_that_show_nothing_are_refused(tmp_path, pixels):
    cases = {
        "transparent.png": (
            np.concatenate([pixels, np.zeros((50, 70, 1), np.uint8)], axis=2),
            "transparent throughout",
        ),
        "thin.png": (pixels[:, :1], "1 × 50 pixels, less than 8 a side"),
        "flat.png": (np.full((50, 70, 3), 9, np.uint8), "of one colour"),
    }
    for name, (values, said) in cases.items():
        Image.fromarray(values).save(tmp_path / name)
        sentence = refusal(tmp_path / name, tmp_path)
        assert said in sentence
        assert sentence.endswith("give another photo")


def test_no_image_is_refused(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"not a picture")
    assert "photo.jpg" in refusal(tmp_path / "photo.jpg", tmp_path)


@pytest.mark.parametrize("name", PHOTOS)
def test_a_named_photo_has_the_size_that_is_said_of_it(name):
    with read_photo(name).source.open(0) as stream:
        width, height = photo_size(stream)
    assert PHOTOS[name].title.endswith(f"{width} × {height}")


# --- photos that are too large to decode at once


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)


LAYOUTS = {
    "tiles": {"tile": (16, 32), "compression": "deflate"},
    "strips": {"rowsperstrip": 7, "compression": "deflate"},
    "plain": {},
    "big-endian": {"byteorder": ">", "bigtiff": True, "tile": (16, 16)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bits", [8, 16])
def test_tiffs_of_any_size_are_read_by_region(tmp_path, pixels, small_limit, layout, bits):
    values = pixels if bits == 8 else pixels.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "photo.tif", values, photometric="rgb", **LAYOUTS[layout])
    assert (photo_of(tmp_path / "photo.tif", tmp_path) == pixels).all()


def test_regions_of_grey_and_of_transparency(tmp_path, pixels, small_limit):
    grey, alpha = pixels[:, :, 0], np.full((50, 70), 255, np.uint8)
    alpha[:16, :16] = 0
    tifffile.imwrite(tmp_path / "grey.tif", grey, photometric="minisblack", tile=(16, 16))
    assert (photo_of(tmp_path / "grey.tif", tmp_path) == grey[:, :, None]).all()
    tifffile.imwrite(tmp_path / "negative.tif", grey, photometric="miniswhite", tile=(16, 16))
    assert (photo_of(tmp_path / "negative.tif", tmp_path) == 255 - grey[:, :, None]).all()
    given = {"photometric": "rgb", "tile": (16, 16), "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "alpha.tif", np.dstack([pixels, alpha]), **given)
    found = photo_of(tmp_path / "alpha.tif", tmp_path)
    assert (found[:16, :16] == 255).all()
    assert (found[16:] == pixels[16:]).all()
    tifffile.imwrite(tmp_path / "nothing.tif", np.dstack([pixels, 0 * alpha]), **given)
    assert "transparent throughout" in refusal(tmp_path / "nothing.tif", tmp_path)


def test_other_formats_above_the_limit_name_the_way_out(tmp_path, pixels, small_limit):
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    assert "save it as a tiled TIFF, which is read by region" in refusal(tmp_path / "photo.png", tmp_path)
    planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
    tifffile.imwrite(tmp_path / "photo.tif", planes, photometric="rgb", planarconfig="separate", tile=(16, 16))
    assert "save it as a tiled TIFF" in refusal(tmp_path / "photo.tif", tmp_path)


# --- the pyramid


def test_levels_are_means_of_two_by_two():
    values = np.arange(16 * 3, dtype=np.uint8).reshape(4, 4, 3)
    texels, levels = pyramid([values])
    start = int(levels.start[0, 1])
    half = texels[start : start + 4].view(np.uint8).reshape(2, 2, 4)[:, :, :3]
    exact = values.reshape(2, 2, 2, 2, 3).astype(float).mean(axis=(1, 3))
    assert (half == np.floor(exact + 0.5)).all()


def test_a_last_row_without_a_partner_stands_for_itself():
    values = np.zeros((3, 5, 3), np.uint8)
    values[2], values[:, 4] = 100, 200
    texels, levels = pyramid([values])
    assert level_sides(5, 3) == [(5, 3), (3, 2)]
    half = texels[15:].view(np.uint8).reshape(2, 3, 4)[:, :, 0]
    assert half.tolist() == [[0, 0, 200], [100, 100, 200]]
    assert levels.count.tolist() == [2]


def test_bands_make_the_same_levels(monkeypatch):
    values = np.random.default_rng(1).integers(0, 256, (61, 83, 3), np.uint8)
    whole, _ = pyramid([values])
    monkeypatch.setattr("undercoat.data.pyramid.BAND_PIXELS", 400)
    banded = np.empty_like(whole)
    banded[: 61 * 83] = pack(values).ravel()
    fill_levels(banded, 83, 61)
    assert (banded == whole).all()


def test_photos_lie_one_after_the_other():
    generator = np.random.default_rng(2)
    photos = [generator.integers(0, 256, (height, width, 3), np.uint8) for height, width in ((9, 30), (40, 8), (2, 2))]
    texels, levels = pyramid(photos)
    for row, photo in enumerate(photos):
        alone, own = pyramid([photo])
        start = int(levels.start[row, 0])
        assert (texels[start : start + len(alone)] == alone).all()
        assert levels.count[row] == own.count[0]
