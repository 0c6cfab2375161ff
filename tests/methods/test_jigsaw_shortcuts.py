"""Noise has no parts to recognise: whoever solves its puzzles has found a shortcut."""

import math

import numpy as np
import torch
from torch import nn

from undercoat.augment.batch import Batch
from undercoat.backbones import Backbone
from undercoat.functional.draws import Draws
from undercoat.methods.jigsaw import Jigsaw

SIDE, BATCH, STEPS, ORDERS = 36, 32, 60, 12


def white(count, seed):
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def lit_from_a_corner(count, seed):
    """Noise on a slope of brightness that is the same in all images, as a lamp beside a scanner gives."""
    slope = torch.linspace(0.0, 0.5, SIDE)
    return 0.3 * white(count, seed) + slope[:, None] * 0.9 + slope[None, :] * 0.3


def fringed(count, seed):
    """Grey noise as a lens shows it: red and blue are pushed outwards from the middle by a pixel."""
    grey = torch.rand(count, 1, SIDE + 2, SIDE + 2, generator=torch.Generator().manual_seed(seed))
    axis = torch.arange(SIDE)
    inwards = 1 + axis - (axis > 2 * SIDE // 3).long() + (axis < SIDE // 3).long()
    pushed = grey[:, :, inwards[:, None], inwards[None, :]]
    return torch.cat([pushed, grey[:, :, 1:-1, 1:-1], pushed], dim=1)


def batch_of(images, step):
    index = np.arange(step * BATCH, step * BATCH + len(images))
    draws = Draws(seed=0, epoch=np.zeros(len(images), np.int64), index=index)
    return Batch((images,), torch.as_tensor(index.copy()), draws, step)


def small_backbone():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [
            nn.Conv2d(3, 16, 3),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ]
        trunk = nn.Sequential(*layers)
    return Backbone(trunk, name="", dim=16, channels=3, mean=[0.5] * 3, std=[0.3] * 3)


def accuracy_on_fresh_noise(images, **settings):
    """Train on images that never come twice and return the accuracy on 1,024 new ones."""
    method = Jigsaw(small_backbone(), permutations=ORDERS, tile_px=8, **settings)
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    for step in range(STEPS):
        loss = method(batch_of(images(BATCH, step), step))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return method(batch_of(images(1024, STEPS), STEPS))["accuracy"].item()


CHANCE = 1 / ORDERS
BAND = 4 * math.sqrt(CHANCE * (1 - CHANCE) / 1024)  # a fair coin leaves it once in 16,000 tries


def test_white_noise_stays_at_chance():
    assert abs(accuracy_on_fresh_noise(white) - CHANCE) < BAND


def test_brightness_tells_the_place_unless_tiles_are_standardised():
    assert accuracy_on_fresh_noise(lit_from_a_corner, normalise_tiles=False) > 0.5
    assert abs(accuracy_on_fresh_noise(lit_from_a_corner) - CHANCE) < BAND


def test_colour_fringes_tell_the_place_unless_channels_are_shifted():
    assert accuracy_on_fresh_noise(fringed) > 0.5
    assert accuracy_on_fresh_noise(fringed, channel_shift_px=2) < CHANCE + BAND
