"""Style transfer: nearer to the style in Gram space, the network untouched, the picture a picture."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from undercoat.backbones import build_backbone
from undercoat.cli import main
from undercoat.diagnosis.pictures import open_picture
from undercoat.diagnosis.stylise import StyleSettings, stylise
from undercoat.errors import DataError, RunError, SpecError

SMALL = {"stem": "small", "width": "small"}


def stripes(height=32, width=32):
    wave = torch.arange(width).remainder(4).lt(2).float().expand(height, -1)
    return torch.stack([wave, 1 - wave, torch.zeros(height, width)])


def spots(height=32, width=32):
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return torch.exp(-3 * (x**2 + y**2)).expand(3, -1, -1)


@pytest.fixture
def backbone():
    return build_backbone("undercoat/alexnet", arguments=SMALL).train()


@pytest.mark.parametrize(("optimiser", "factor"), [("lbfgs", 5), ("adam", 2)])
def test_the_result_is_nearer_to_the_style_than_the_content_was(backbone, optimiser, factor):
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    settings = StyleSettings(steps=20, optimiser=optimiser, lr=0.2)
    found = stylise(backbone, spots(), stripes(24, 40), settings=settings)
    assert found.style_before / found.style_after > factor
    assert found.picture.shape == (3, 32, 32)
    assert found.picture.min() >= 0
    assert found.picture.max() <= 1
    assert backbone.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in backbone.parameters())
    assert all(tensor.equal(before[name]) for name, tensor in backbone.state_dict().items())


def test_content_that_weighs_more_is_kept_better(backbone):
    found = [
        stylise(backbone, spots(), stripes(), settings=StyleSettings(steps=15, content_weight=weight)).content_after
        for weight in (0.0, 10.0)
    ]
    assert found[1] < found[0] / 2


def test_smoothness_smooths(backbone):
    pictures = [
        stylise(backbone, spots(), stripes(), settings=StyleSettings(steps=15, smoothness=weight)).picture
        for weight in (0.0, 3.0)
    ]
    rough, smooth = ((picture[..., 1:] - picture[..., :-1]).abs().mean() for picture in pictures)
    assert smooth < rough / 2


def test_the_same_input_gives_the_same_picture(backbone):
    first, second = (stylise(backbone, spots(), stripes(), settings=StyleSettings(steps=4)) for _ in range(2))
    assert first.picture.equal(second.picture)


@pytest.fixture
def files(tmp_path):
    """A wide content and a tall style."""
    for name, picture in (("content.png", spots(24, 48)), ("style.png", stripes(40, 20))):
        pixels = (picture * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path / "content.png", tmp_path / "style.png"


def test_pictures_keep_their_proportions(files):
    assert open_picture(files[0], size_px=32).shape == (3, 16, 32)
    assert open_picture(files[1], size_px=60).shape == (3, 60, 30)
    plain = open_picture(files[0], size_px=48)
    assert (plain - spots(24, 48)).abs().max() < 0.02


def test_command_writes_a_sheet_a_picture_and_the_losses(files, tmp_path, capsys):
    asked = ["--content", files[0], "--style", files[1], "--steps", "3", "--size-px", "32", "--device", "cpu"]
    asked += ["--backbone", "undercoat/alexnet", "--backbone_arguments", '{"stem": "small", "width": "small"}']
    out = tmp_path / "s.png"
    assert main([str(word) for word in ["style", "one=random", *asked, "--out", out]]) == 0
    with Image.open(tmp_path / "s-alone.png") as alone:
        assert alone.size == (32, 16)
        assert np.asarray(alone).std() > 0
    with out.with_suffix(".csv").open() as table:
        measures = [row["measure"] for row in csv.DictReader(table)]
    assert measures == ["style loss", "style loss", "style loss of the content", "style loss", "content loss"]
    assert main([str(word) for word in ["style", "one=random", *asked, "--out", out]]) == 2
    assert "--overwrite" in capsys.readouterr().err
    two = ["style", "random", "random", *asked, "--out", tmp_path / "two.png"]
    assert main([str(word) for word in two]) == 0
    with Image.open(tmp_path / "two.png") as wide, Image.open(out) as narrow:
        assert wide.width > narrow.width


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"layers": ()}, "no layer"),
        ({"steps": 0}, "steps is 0"),
        ({"optimiser": "sgd"}, "neither lbfgs nor adam"),
        ({"content_weight": -1}, "below 0"),
    ],
)
def test_wrong_settings_get_a_sentence(settings, sentence):
    with pytest.raises(SpecError, match=sentence):
        StyleSettings(**settings)


def test_unknown_layers_and_pictures_get_a_sentence(backbone, files, tmp_path):
    with pytest.raises(SpecError, match="no layer 'conv9'"):
        stylise(backbone, spots(), stripes(), settings=StyleSettings(layers=("conv9",)))
    with pytest.raises(DataError, match="no picture"):
        open_picture(tmp_path / "nowhere.png", size_px=32)
    (tmp_path / "broken.png").write_bytes(files[0].read_bytes()[:60])
    with pytest.raises(DataError, match=r"broken.png.*cannot be read as a picture"):
        open_picture(tmp_path / "broken.png", size_px=32)
    with pytest.raises(SpecError, match="out of range"):
        open_picture(files[0], size_px=5)
    bright = torch.full((3, 32, 32), float("nan"))
    with pytest.raises(RunError, match="not finite"):
        stylise(backbone, bright, stripes())
