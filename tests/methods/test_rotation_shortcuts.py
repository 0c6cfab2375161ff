"""Noise has no way up: a network that tells turned noise from upright noise reads a trace of the turning.

A small network learns on fresh noise which of a method's inputs it was given, and is scored on other noise. With
the default settings it must stay at chance; with each protection switched off it must not, or the test proves nothing.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from networks import tiny_backbone
from undercoat.augment import augmentation
from undercoat.augment.batch import Batch
from undercoat.functional.draws import Draws
from undercoat.functional.rotation import rotate
from undercoat.methods.rotation_contrast import RotationContrast
from undercoat.methods.rotnet import RotNet

BATCH, CANVAS_PX, SIZE_PX = 48, 24, 20
QUICK = {"steps": 60, "scored": 8}
THOROUGH = {"steps": 150, "scored": 30}
LONG = {"steps": 300, "scored": 30}


def noise(step, views=1, aspect=1.0):
    """Canvases of noise, fresh in every step, through the same pipeline that training uses."""
    canvases = np.random.default_rng(step).integers(0, 256, (BATCH, CANVAS_PX, CANVAS_PX, 3), dtype=np.uint8)
    index = np.arange(step * BATCH, (step + 1) * BATCH)
    draws = Draws(seed=0, epoch=np.zeros(BATCH, dtype=np.int64), index=index)
    recipe = augmentation("crop_flip", size_px=SIZE_PX)
    made = recipe.views(torch.as_tensor(canvases), np.full(BATCH, aspect), draws, number=views)
    return Batch(made, torch.as_tensor(index), draws, step)


def probe(inputs, *, steps, scored, views=1, aspect=1.0, seed=0):
    """Train a network to say which of ``inputs(batch)`` an image is; return its accuracy on other noise, and chance."""
    kinds = len(inputs(noise(0, views)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Conv2d(3, 12, 5), nn.ReLU(), nn.Conv2d(12, 12, 3, stride=2), nn.ReLU()]
        net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(108, kinds))
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    kind, right = torch.arange(kinds).repeat_interleave(BATCH), []
    for step in range(steps + scored):
        logits = net(4 * (torch.cat(inputs(noise(step, views, aspect))) - 0.5))
        if step < steps:
            optimiser.zero_grad()
            cross_entropy(logits, kind).backward()
            optimiser.step()
        else:
            right.append((logits.argmax(1) == kind).float().mean().item())
    return float(np.mean(right)), 1 / kinds


def band(chance, scored):
    """Four standard deviations of guessing: an image's several copies may be right together, so images are counted."""
    return 4 * math.sqrt(chance * (1 - chance) / (scored * BATCH))


def contrast(**settings):
    return RotationContrast(tiny_backbone(), **settings).inputs


def rotnet(**settings):
    return RotNet(tiny_backbone(), **settings).inputs


def test_a_quick_probe_finds_one_sided_resampling_and_no_trace_by_default():
    leaking, _ = probe(contrast(resample="second"), **QUICK)
    safe, chance = probe(contrast(), **QUICK)
    assert leaking > 0.8
    assert abs(safe - chance) < band(chance, QUICK["scored"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{"theta": 30.0}, {"theta": 45.0}, {"theta": 90.0}, {"theta": 180.0}, {"theta": -1.0}, {"theta_at": "random"}],
    ids=str,
)
@pytest.mark.parametrize("views", [1, 2])
def test_rotation_contrast_leaves_no_trace_of_the_angle(settings, views):
    inputs = contrast(views=("same", "independent")[views - 1], **settings)
    accuracy, chance = probe(inputs, views=views, **THOROUGH)
    assert abs(accuracy - chance) < band(chance, THOROUGH["scored"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{"fill": "zero"}, {"fill": "mean"}, {"resample": "second"}, {"theta_at": "random", "resample": "second"}],
    ids=str,
)
def test_each_protection_of_rotation_contrast_is_needed(settings):
    accuracy, _ = probe(contrast(**settings), **LONG)
    assert accuracy > 0.8


@pytest.mark.slow
def test_reflected_corners_can_be_told_too_if_not_so_well():
    accuracy, chance = probe(contrast(fill="reflect"), **LONG)
    assert accuracy > chance + band(chance, LONG["scored"])


@pytest.mark.slow
def test_turning_one_view_by_half_and_the_other_by_minus_half_is_no_protection():
    # both are equally blurred, but in patterns that mirror each other: why there is a round kernel
    def halves(batch):
        return [rotate(batch.views[0], degrees) for degrees in (-15.0, 15.0)]

    accuracy, _ = probe(halves, **THOROUGH)
    assert accuracy > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("rotations", [2, 3, 4, 8])
def test_rotnet_leaves_no_trace_of_the_angle(rotations):
    accuracy, chance = probe(rotnet(rotations=rotations), **THOROUGH)
    assert abs(accuracy - chance) < band(chance, THOROUGH["scored"])


@pytest.mark.slow
def test_each_protection_of_rotnet_is_needed():
    corners, _ = probe(rotnet(rotations=3, fill="zero", resample="turned"), **THOROUGH)
    assert corners > 0.8
    blur, chance = probe(rotnet(rotations=3, resample="turned"), **THOROUGH)
    assert blur > chance + 0.2  # 0° is known; 120° and 240° are blurred alike


@pytest.mark.slow
def test_squeezed_originals_give_the_axis_away():
    # a limit that the docstring tells of: what is wide is stretched back along one axis, and blurred by it
    accuracy, chance = probe(rotnet(), aspect=2.0, **THOROUGH)
    assert chance + 0.15 < accuracy < 0.55
