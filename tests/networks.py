"""Small networks for tests: quick, and of a known kind."""

import torch
from torch import nn

from undercoat.backbones import Backbone


def tiny_backbone(*, norm: bool = False, channels: int = 3, seed: int = 0) -> Backbone:
    """Two convolutions to 16 features; with or without batch norm."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Conv2d(channels, 8, 3, stride=2, padding=1)]
        layers += [nn.BatchNorm2d(8)] if norm else []
        layers += [nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU()]
        trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Backbone(trunk, name="", dim=16, channels=channels, mean=[0.5] * channels, std=[0.25] * channels)
