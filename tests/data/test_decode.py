"""Every format and mode becomes the canvas that it should."""

import io

import numpy as np
import pytest
from PIL import Image

from undercoat.data import open_data
from undercoat.data.decode import CanvasFormat, decode, to_canvas
from undercoat.data.headers import peek, suggest_size_px

RGB = CanvasFormat(32, 3, "uint8")
GREY = CanvasFormat(32, 1, "uint8")


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.fixture
def ramp():
    """A 32 × 32 colour ramp: red grows to the right, green downwards."""
    x, y = np.meshgrid(np.arange(32), np.arange(32))
    return np.stack([x * 8, y * 8, np.full_like(x, 40)], axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("PPM", {}, 0),
        ("JPEG", {"quality": 98, "subsampling": 0}, 6),
        ("WEBP", {"quality": 98}, 12),
    ],
)
def test_formats(ramp, kind, options, tolerance):
    data = encoded(Image.fromarray(ramp), kind, **options)
    canvas = decode(data, RGB)
    assert (peek(io.BytesIO(data)).format, peek(io.BytesIO(data)).channels) == (kind, 3)
    assert np.abs(canvas.pixels.astype(int) - ramp).max() <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_as_pillow_understands_it(orientation):
    from PIL import ImageOps

    pixels = np.random.default_rng(0).integers(80, 170, (16, 24, 3), np.uint8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, "TIFF", exif=exif) if orientation % 2 else encoded(image, "PNG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    canvas = decode(data, RGB)
    assert (canvas.width, canvas.height) == upright.size
    expected = np.asarray(upright.resize((32, 32), Image.Resampling.BICUBIC))
    assert np.abs(canvas.pixels.astype(int) - expected).max() <= 2


def test_exif_orientation_of_16_bit_images():
    pixels = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 60
    exif = Image.Exif()
    exif[0x0112] = 6
    canvas = decode(encoded(Image.fromarray(pixels), "PNG", exif=exif), CanvasFormat(32, 1, "uint16"))
    assert np.array_equal(canvas.pixels[:, :, 0], np.rot90(pixels, -1))


def test_transparency_lies_on_white():
    clear = np.zeros((32, 32, 4), np.uint8)
    clear[:16] = (200, 0, 0, 255)
    clear[16:24] = (0, 0, 0, 128)
    pixels = decode(encoded(Image.fromarray(clear)), RGB).pixels
    assert pixels[0, 0].tolist() == [200, 0, 0]
    assert np.abs(pixels[20, 0].astype(int) - 127).max() <= 1
    assert pixels[31, 0].tolist() == [255, 255, 255]


def test_grey_with_alpha_stays_grey():
    image = Image.merge("LA", [Image.new("L", (32, 32), 50), Image.new("L", (32, 32), 0)])
    data = encoded(image)
    assert peek(io.BytesIO(data)).channels == 1
    assert decode(data, GREY).pixels.tolist() == np.full((32, 32, 1), 255).tolist()


def test_palette_with_transparency():
    image = Image.new("P", (32, 32), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(1, (0, 0, 32, 16))
    canvas = decode(encoded(image, transparency=0), RGB).pixels
    assert canvas[0, 0].tolist() == [200, 100, 50]
    assert canvas[31, 0].tolist() == [255, 255, 255]


def test_grey_palette_is_grey():
    image = Image.new("P", (32, 32), 1)
    image.putpalette([0, 0, 0, 77, 77, 77])
    data = encoded(image)
    assert peek(io.BytesIO(data)).channels == 1
    assert np.unique(decode(data, GREY).pixels).tolist() == [77]


def test_one_bit():
    image = Image.fromarray(np.eye(32, dtype=bool))
    assert image.mode == "1"
    assert np.array_equal(decode(encoded(image), GREY).pixels[:, :, 0], np.eye(32) * 255)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_print_and_video_colours(mode):
    image = Image.new("RGB", (32, 32), (200, 100, 50)).convert(mode)
    pixels = decode(encoded(image, "TIFF" if mode == "CMYK" else "JPEG"), RGB).pixels
    assert np.abs(pixels[5, 5].astype(int) - [200, 100, 50]).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_exact(kind):
    pixels = np.random.default_rng(1).integers(0, 65536, (32, 32)).astype(np.uint16)
    data = encoded(Image.fromarray(pixels), kind)
    assert peek(io.BytesIO(data)).dtype == "uint16"
    assert np.array_equal(decode(data, CanvasFormat(32, 1, "uint16")).pixels[:, :, 0], pixels)


def test_big_endian_16_bit_tiff(tmp_path):
    import tifffile

    pixels = np.random.default_rng(2).integers(0, 65536, (32, 32)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "big.tif", pixels, byteorder=">")
    canvas = decode((tmp_path / "big.tif").read_bytes(), CanvasFormat(32, 1, "uint16"))
    assert np.array_equal(canvas.pixels[:, :, 0], pixels)


def test_float_tiff_with_holes():
    pixels = np.linspace(-5, 5, 32 * 32, dtype=np.float32).reshape(32, 32)
    pixels[3, 3] = np.nan
    data = encoded(Image.fromarray(pixels), "TIFF")
    canvas = decode(data, CanvasFormat(32, 1, "float32")).pixels[:, :, 0]
    pixels[3, 3] = -5
    assert np.array_equal(canvas, pixels)


@pytest.mark.parametrize("planar", [False, True])
def test_tiff_of_thirteen_bands(tmp_path, planar):
    import tifffile

    pixels = np.random.default_rng(3).integers(0, 4000, (40, 36, 13)).astype(np.uint16)
    stored = np.moveaxis(pixels, -1, 0) if planar else pixels
    config = "separate" if planar else "contig"
    tifffile.imwrite(tmp_path / "b.tif", stored, photometric="minisblack", planarconfig=config)
    canvases = open_data(tmp_path / "b.tif", cache=tmp_path / "cache", size_px=36)
    assert canvases.images.shape == (1, 36, 36, 13)
    assert np.isclose(canvases.aspect[0], 36 / 40)
    means = np.asarray(canvases.images).mean(axis=(0, 1, 2))
    assert np.abs(means - pixels.mean(axis=(0, 1))).max() < 10


def test_mixed_depths_meet_at_16_bits(tmp_path):
    Image.new("L", (32, 32), 255).save(tmp_path / "a.png")
    Image.fromarray(np.full((32, 32), 1000, np.uint16)).save(tmp_path / "b.png")
    canvases = open_data(tmp_path, cache=tmp_path / "cache")
    assert canvases.images.dtype == np.uint16
    assert [int(image.max()) for image in canvases.images] == [65535, 1000]
    assert canvases.high == 65535.0


def test_mixed_colours_meet_at_three_channels(tmp_path):
    Image.new("L", (32, 32), 9).save(tmp_path / "a.png")
    Image.new("RGB", (32, 32), (1, 2, 3)).save(tmp_path / "b.png")
    canvases = open_data(tmp_path, cache=tmp_path / "cache")
    assert np.asarray(canvases.images)[:, 0, 0].tolist() == [[9, 9, 9], [1, 2, 3]]


def test_an_image_of_other_bands_is_listed(tmp_path):
    import tifffile

    for name, bands in (("a", 5), ("b", 5), ("c", 7)):
        pixels = np.ones((32, 32, bands), np.uint8)
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric="minisblack", planarconfig="contig")
    canvases = open_data(tmp_path, cache=tmp_path / "cache")
    assert canvases.channels == 5
    assert canvases.skipped == (("c.tif", "has 7 channels where most of the set have 5"),)


def test_shrinking_is_antialiased():
    """A fine chessboard becomes even grey, by every path: JPEG at reduced scale, 8-bit, deep."""
    board = ((np.add.outer(np.arange(512), np.arange(512)) % 2) * 255).astype(np.uint8)
    paths = [
        decode(encoded(Image.fromarray(board)), GREY).pixels,
        decode(encoded(Image.fromarray(board), "JPEG", quality=95), GREY).pixels,
        to_canvas(board[:, :, None], GREY),
        to_canvas(board[:, :, None].astype(np.float32), CanvasFormat(32, 1, "float32")),
    ]
    for pixels in paths:
        assert np.abs(pixels.astype(float) - 127.5).max() < 3


def test_reduced_jpeg_equals_the_full_one():
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).resize((640, 480), Image.BICUBIC)
    data = encoded(smooth, "JPEG", quality=95)
    full = np.asarray(Image.open(io.BytesIO(data)).resize((64, 64), Image.BICUBIC)).astype(int)
    assert np.abs(decode(data, CanvasFormat(64, 3, "uint8")).pixels - full).max() <= 6


@pytest.mark.parametrize(
    ("shape", "size"), [((28, 28), 32), ((100, 80), 96), ((3000, 2000), 256), ((8, 8), 32), ((64, 64), 64)]
)
def test_suggested_size(shape, size):
    assert suggest_size_px(np.array([shape[1]]), np.array([shape[0]])) == size
