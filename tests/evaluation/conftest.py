"""Small labelled canvases: a flat colour for each class, with noise, which any backbone can tell apart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from undercoat.backbones.backbone import Backbone
from undercoat.data.canvases import Canvases

COLOURS = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [200, 200, 60]])


def coloured(count, *, classes=3, seed=0, size_px=8, noise=40.0, multi_label=False, channels=3):
    """Make canvases whose class (or first class) is a colour."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    plain = COLOURS[labels][:, None, None, :channels]
    images = np.clip(plain + rng.normal(0, noise, (count, size_px, size_px, channels)), 0, 255).astype(np.uint8)
    several = np.eye(classes, dtype=np.uint8)[labels]
    several[:, 0] |= (labels == 1).astype(np.uint8)
    return Canvases(
        name="coloured",
        digest=f"digest-{seed}-{count}",
        images=images,
        low=0.0,
        high=255.0,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        aspect=np.ones(count, dtype=np.float32),
        keys=[f"{seed}/{i:04d}.png" for i in range(count)],
        classes=tuple(["red", "green", "blue", "yellow"][:classes]),
        labels=several if multi_label else labels.astype(np.int64),
        splits=np.full(count, ""),
        groups=np.full(count, ""),
        rows=np.arange(count),
        skipped=(),
        folder=Path(),
    )


class Trunk(nn.Module):
    """Batch norm, dropout and pooling: everything that behaves differently while training."""

    def __init__(self, dim=12):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first = nn.Conv2d(3, dim, 3)
        self.norm = nn.BatchNorm2d(dim)
        self.drop = nn.Dropout(0.5)
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        return self.drop(torch.relu(self.norm(self.first(images)))).mean(dim=(2, 3))


@pytest.fixture
def backbone():
    return Backbone(Trunk(), name="test/small", dim=12, channels=3, mean=[0.5] * 3, std=[0.25] * 3)


@pytest.fixture
def make():
    """Return the maker of canvases."""
    return coloured
