"""How many random views a second: ours, torchvision v2 image by image, and a plain batched grid_sample.

All three make two MoCo-v2 views of every image in one process, from uint8 images in memory to tensors in 0..1. The
rounds alternate, so that a machine with other work slows all of them alike; the best round of each counts.

    python benchmarks/augmentation.py [--json] [--size-px 64] [--canvas-px 64] [--batch 128] [--rounds 9]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from importlib import import_module

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from undercoat._torchvision import ensure_importable
from undercoat.augment import Augmentation, augmentation
from undercoat.functional.colour import colour_matrix
from undercoat.functional.draws import Draws


def canvases(batch: int, canvas_px: int) -> Tensor:
    """Real pixels, so that nothing is flattered by constant input: crops of scikit-image's astronaut."""
    from skimage import data

    photograph = torch.from_numpy(data.astronaut())
    corners = np.random.default_rng(0).integers(0, 512 - canvas_px, (batch, 2))
    return torch.stack([photograph[y : y + canvas_px, x : x + canvas_px] for y, x in corners]).contiguous()


def draws_of(batch: int, epoch: int) -> Draws:
    """Fresh random numbers for every round."""
    return Draws(seed=0, epoch=np.full(batch, epoch), index=np.arange(batch))


def per_image(images: Tensor, recipe: Augmentation) -> Callable[[int], object]:
    """The usual pipeline of torchvision v2, one image at a time."""
    v2 = import_module("torchvision.transforms.v2")
    size_px, kernel = recipe.size_px, 2 * recipe.blur_radius_px + 1
    sigma = [value * size_px / 224 for value in recipe.blur_sigma_px]
    jitter = v2.ColorJitter(recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue)
    pipeline = v2.Compose(
        [
            v2.RandomResizedCrop(size_px, scale=recipe.scale, ratio=recipe.ratio, antialias=True),
            v2.RandomApply([jitter], p=recipe.jitter_probability),
            v2.RandomGrayscale(recipe.grey_probability),
            v2.RandomApply([v2.GaussianBlur(kernel, sigma)], p=recipe.blur_probability),
            v2.RandomHorizontalFlip(recipe.flip_probability),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    planar = images.permute(0, 3, 1, 2).contiguous()
    return lambda epoch: [torch.stack([pipeline(image) for image in planar]) for _ in range(2)]


def plain_batched(images: Tensor, recipe: Augmentation) -> Callable[[int], object]:
    """The same draws through affine_grid, grid_sample (not antialiased), a grouped blur and a colour matrix."""
    size_px, radius = recipe.size_px, recipe.blur_radius_px
    distance = torch.arange(-radius, radius + 1, dtype=torch.float32)

    def view(floats: Tensor, epoch: int, number: int) -> Tensor:
        batch = len(floats)
        drawn = recipe.draw(draws_of(batch, epoch), np.ones(batch), view=number).on(floats.device)
        left, top, width, height = drawn["boxes"].unbind(1)
        rows = torch.zeros(batch, 2, 3)
        rows[:, 0, 0], rows[:, 0, 2] = width * (1 - 2 * drawn["flipped"][:, 0]), 2 * left + width - 1
        rows[:, 1, 1], rows[:, 1, 2] = height, 2 * top + height - 1
        grid = F.affine_grid(rows, [batch, 3, size_px, size_px], align_corners=False)
        crops = F.grid_sample(floats, grid, padding_mode="border", align_corners=False)
        kernel = torch.exp(-0.5 * (distance / drawn["sigma_px"][:, None].clamp_min(1e-3)).square())
        kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
        folded = F.pad(crops.view(1, -1, size_px, size_px), (radius,) * 4, mode="reflect")
        folded = F.conv2d(folded, kernel[:, None, None, :], groups=3 * batch)
        crops = F.conv2d(folded, kernel[:, None, :, None], groups=3 * batch).view(crops.shape)
        gain = drawn["brightness"] * drawn["contrast"]
        matrix = colour_matrix(gain, drawn["saturation"], drawn["hue"], drawn["grey"])
        grey = crops.mean((2, 3)) @ torch.tensor([0.299, 0.587, 0.114])
        offset = (drawn["brightness"] * (1 - drawn["contrast"]) * grey).view(-1, 1, 1, 1)
        coloured = torch.einsum("bij,bjhw->bihw", matrix, crops) + offset
        return coloured.clamp(0, 1).contiguous(memory_format=torch.channels_last)

    def views(epoch: int) -> object:
        floats = images.permute(0, 3, 1, 2).float() / 255.0
        return [view(floats, epoch, number) for number in range(2)]

    return views


def ours(images: Tensor, recipe: Augmentation, dtype: torch.dtype) -> Callable[[int], object]:
    """What pretraining calls."""
    aspect = torch.ones(len(images))
    return lambda epoch: recipe.views(images, aspect, draws_of(len(images), epoch), dtype=dtype)


def measure(ways: dict[str, Callable[[int], object]], *, rounds: int) -> dict[str, float]:
    """Seconds of each way's best round; the ways take turns."""
    best = dict.fromkeys(ways, float("inf"))
    for epoch in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way(epoch)
            seconds = time.perf_counter() - started
            if epoch:  # the first round warms up
                best[name] = min(best[name], seconds)
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--canvas-px", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    ensure_importable()
    images = canvases(options.batch, options.canvas_px)
    recipe = augmentation("moco_v2", size_px=options.size_px)
    ways = {
        "ours_bfloat16": ours(images, recipe, torch.bfloat16),
        "ours_float32": ours(images, recipe, torch.float32),
        "plain_batched": plain_batched(images, recipe),
        "torchvision_per_image": per_image(images, recipe),
    }
    rates = {name: 2 * options.batch / seconds for name, seconds in measure(ways, rounds=options.rounds).items()}
    result = {
        "views_per_second": {name: round(rate) for name, rate in rates.items()},
        "over_torchvision": round(rates["ours_float32"] / rates["torchvision_per_image"], 2),
        "over_torchvision_bfloat16": round(rates["ours_bfloat16"] / rates["torchvision_per_image"], 2),
        "over_plain_batched": round(rates["ours_float32"] / rates["plain_batched"], 2),
        "size_px": options.size_px,
        "canvas_px": options.canvas_px,
        "batch": options.batch,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    if options.json:
        print(json.dumps(result))
        return
    for name, rate in rates.items():
        print(f"{name:24s}{rate:10,.0f} views/s")
    print(f"ours over torchvision {result['over_torchvision']} (bfloat16 {result['over_torchvision_bfloat16']}),")
    print(f"over plain batched {result['over_plain_batched']}, {options.size_px} px, {result['threads']} threads")


if __name__ == "__main__":
    main()
