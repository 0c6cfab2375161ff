"""Gradients on maps of one pixel are those of float32, also in bfloat16."""

import copy

import pytest
import torch
from torch import nn

from undercoat.backbones import build_backbone
from undercoat.backbones.strided import guard_strided_convolutions


@pytest.mark.parametrize("size", [1, 2])
def test_the_gradient_in_bfloat16_is_that_of_float32(size):
    for seed in range(4):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Conv2d(64, 128, 3, stride=2, padding=1, bias=False))
        guard_strided_convolutions(net)
        images = torch.randn(16, 64, size, size)
        gradients = []
        for dtype in (torch.float32, torch.bfloat16):
            junk = [torch.full((128, 64, 3, 3), 1e30) for _ in range(3)]  # what freed memory may hold
            del junk
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
                loss = net(images).float().square().sum()
            (gradient,) = torch.autograd.grad(loss, list(net.parameters()))
            gradients.append(gradient)
        assert torch.allclose(*gradients, atol=0.02 * gradients[0].abs().max().item())


def test_a_backbone_is_guarded_and_can_be_copied():
    backbone = copy.deepcopy(build_backbone("timm/resnet18"))
    names = [type(part).__name__ for part in backbone.modules() if isinstance(part, nn.Conv2d) and part.stride[0] > 1]
    assert names.count("StridedConv2d") == 4  # the stem and three stages; 1 × 1 shortcuts have no such fault
    assert all(name in ("StridedConv2d", "Conv2d") for name in names)


def test_a_whole_network_learns_from_tiles_of_sixteen_pixels_in_bfloat16():
    backbone = build_backbone("timm/resnet18").train()
    for _ in range(3):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = backbone(torch.rand(8, 3, 16, 16)).float().square().mean()
        loss.backward()
        assert all(torch.isfinite(p.grad).all() and p.grad.abs().max() < 1e6 for p in backbone.parameters())
