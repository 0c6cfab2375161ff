"""The scattering transform: its formula's shapes, a plain twin, kymatio, and what the theory promises."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from undercoat.functional.scattering import number_of_paths, scattering


@pytest.fixture(scope="module")
def photos():
    """Two photographs of 64 px, in 0..1: (2, 3, 64, 64)."""
    folder = Path(skimage.data.__file__).parent
    images = [Image.open(folder / name).convert("RGB").resize((64, 64)) for name in ("astronaut.png", "coffee.png")]
    return torch.tensor(np.stack(images)).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize(("scales", "size", "paths", "side"), [(2, 32, 81, 8), (3, 224, 217, 28), (1, 33, 9, 16)])
def test_paths_and_sizes_are_those_of_the_paper(scales, size, paths, side):
    assert number_of_paths(scales) == 1 + 8 * scales + 64 * scales * (scales - 1) // 2 == paths
    assert scattering(torch.rand(1, 2, size, size), scales=scales).shape == (1, 2, paths, side, side)


def gabor(size, sigma, angle, centre, slant):
    """A Gaussian times a wave, on a torus, written out in space."""
    rows, columns = (np.arange(-2 * n, 3 * n) for n in size)
    r, c = np.meshgrid(rows, columns, indexing="ij")
    along, beside = r * np.cos(angle) + c * np.sin(angle), c * np.cos(angle) - r * np.sin(angle)
    wave = np.exp(-(along**2 + (slant * beside) ** 2) / (2 * sigma**2) + 1j * centre * along)
    wave = wave.reshape(5, size[0], 5, size[1]).sum(axis=(0, 2)) * slant / (2 * np.pi * sigma**2)
    return np.roll(wave, (2 * size[0], 2 * size[1]), axis=(0, 1))


def convolved(image, kernel):
    return np.fft.ifft2(np.fft.fft2(image) * np.fft.fft2(kernel))


def test_the_first_order_is_that_of_plain_convolutions():
    """At full resolution, where the transform works on coarser grids: exact at scale 0, near it at scale 1."""
    image = np.random.default_rng(0).random((20, 24))
    found = scattering(torch.tensor(image)[None, None], scales=2)[0, 0].numpy()
    padded = np.pad(image, 4, mode="reflect")
    blur = gabor(padded.shape, 1.6, 0.0, 0.0, 1.0)
    inside = (slice(4, -4, 4), slice(4, -4, 4))
    assert np.allclose(found[0], convolved(padded, blur).real[inside], atol=1e-5)
    for path in range(16):
        scale, angle = path // 8, (3 - path % 8) * np.pi / 8
        sigma, centre = 0.8 * 2**scale, 0.75 * np.pi / 2**scale
        wave, envelope = gabor(padded.shape, sigma, angle, centre, 0.5), gabor(padded.shape, sigma, angle, 0.0, 0.5)
        wavelet = wave - envelope * wave.sum() / envelope.sum()
        expected = convolved(np.abs(convolved(padded, wavelet)), blur).real[inside]
        assert np.allclose(found[1 + path], expected, atol=1e-5 if scale == 0 else 0.04 * expected.max()), path


@pytest.mark.parametrize(("scales", "height", "width"), [(1, 16, 24), (2, 32, 32), (3, 33, 47), (4, 40, 48), (2, 7, 9)])
def test_it_is_kymatios(scales, height, width):
    theirs = kymatio_2d()
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    expected = theirs(scales, (height, width))(images)
    # kymatio takes 3.1415 for π where it normalises filters: 3e-5 of difference
    assert torch.allclose(scattering(images, scales=scales), expected, rtol=1e-4, atol=1e-6)


def kymatio_2d():
    """kymatio's own transform, or a skipped test.

    ``import kymatio`` fails beside SciPy 1.15 and later, for its three-dimensional part imports what SciPy dropped. Its
    two-dimensional part does not need that, so it is imported below a stand-in for the outermost package.
    """
    found = find_spec("kymatio")
    if found is None:
        pytest.skip("kymatio is not installed")
    stand_in = ModuleType("kymatio_in_two_dimensions")
    stand_in.__path__ = list(found.submodule_search_locations)
    sys.modules[stand_in.__name__] = stand_in
    try:
        transform = import_module(f"{stand_in.__name__}.scattering2d.frontend.torch_frontend").ScatteringTorch2D
        backend = import_module(f"{stand_in.__name__}.scattering2d.backend.torch_backend").backend
    finally:
        for name in [name for name in sys.modules if name.startswith(stand_in.__name__)]:
            del sys.modules[name]
    return lambda scales, shape: transform(scales, shape, backend=backend)


def test_small_shifts_hardly_change_it(photos):
    moved = torch.roll(photos, (1, 1), dims=(2, 3))
    inside = (..., slice(1, -1), slice(1, -1))  # what is rolled over the border is another image there

    def change(a, b):
        return ((a - b).norm() / (a - a.mean()).norm()).item()

    pixels = change(photos, moved)
    found = [change(scattering(photos, scales=j)[inside], scattering(moved, scales=j)[inside]) for j in (2, 3)]
    assert found[0] < pixels / 3
    assert found[1] < found[0]


def test_it_brings_images_no_further_apart(photos):
    """Contraction (Bruna & Mallat 2013, section 2.2), each output standing for 4^J pixels."""
    noise = torch.randn(photos.shape, generator=torch.Generator().manual_seed(0))
    for a, b in [(photos[:1], photos[1:]), (photos, photos + 0.1 * noise), (photos, 0 * photos)]:
        for scales in (1, 2, 3):
            apart = (scattering(a, scales=scales) - scattering(b, scales=scales)).norm() * 2**scales
            assert apart <= (a - b).norm()


def test_brightness_goes_into_the_average_alone():
    flat = scattering(torch.full((1, 1, 32, 32), 0.7), scales=2)[0, 0]
    assert torch.allclose(flat[0], torch.tensor(0.7), atol=1e-5)
    assert flat[1:].abs().max() < 1e-5


def test_a_quarter_turn_of_the_image_turns_the_angles(photos):
    turned, plain = (scattering(x, scales=1).mean(dim=(3, 4)) for x in (torch.rot90(photos, 1, (2, 3)), photos))
    order = [1 + (angle + 4) % 8 for angle in range(8)]
    assert torch.allclose(turned[:, :, 1:], plain[:, :, order], rtol=0.03)
    assert not torch.allclose(turned[:, :, 1:], plain[:, :, 1:], rtol=0.1)


def test_precision_around_it_and_portions_do_not_matter(photos, monkeypatch):
    plain = scattering(photos, scales=2)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        assert torch.equal(scattering(photos, scales=2), plain)
    monkeypatch.setattr("undercoat.functional.scattering._AT_ONCE", 1)
    assert torch.allclose(scattering(photos, scales=2), plain, atol=1e-6)


def test_filters_made_in_inference_mode_can_be_differentiated_through():
    with torch.inference_mode():
        scattering(torch.rand(1, 1, 18, 18), scales=2)
    image = torch.rand(1, 1, 18, 18, requires_grad=True)
    scattering(image, scales=2).sum().backward()
    assert torch.isfinite(image.grad).all()
    flat = torch.zeros(1, 1, 18, 18, requires_grad=True)
    scattering(flat, scales=2).sum().backward()
    assert torch.isfinite(flat.grad).all()  # the modulus has no slope at 0


def test_images_smaller_than_the_average_are_refused():
    with pytest.raises(ValueError, match="needs images of 8 px or more"):
        scattering(torch.rand(1, 1, 7, 32), scales=3)
