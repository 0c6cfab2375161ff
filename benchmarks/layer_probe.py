"""Linear probes on five layers of AlexNet from features that are read once, against the way of the paper.

Both train one probe a layer for the same number of epochs (learning rate 0.01, divided by 10 after 10/36, 20/36 and
30/36 of them, momentum 0.9, weight decay 1e-5, batch 192) on the same views of sample:twemoji, pool each layer to at
most 9,600 numbers, and read the same test images once: random weights, full precision, no augmentation in either.

- ours: every layer of every image in one pass, kept on disk in float16; then all five probes in one pass over shared
  minibatches. Measured from images to test scores.
- paper: the authors' released way. Every step of every epoch shows the images to the backbone, five probes (batch-norm
  without affine, one convolution of the whole map) are trained in parallel on the sum of their losses, and the gradient
  is computed back through the backbone, though nothing there learns. Decoding is given to it for free: both read the
  same decoded squares, where the authors open every file in every epoch.

All epochs of both are run; nothing is extrapolated. ``forward_only_ratio`` is against the same without the gradient of
the backbone. A single run has one order of images and one draw of first weights; ``--seeds`` repeats the accuracies of
both from the features that ours kept, at no cost worth mention, to say whether they differ beyond that.

    python benchmarks/layer_probe.py [--json] [--save] [--epochs 36] [--images 600] [--size-px 224] [--cache DIR]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from keeping import circumstances, keep
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d, cross_entropy

from undercoat.augment import centre_view
from undercoat.backbones import Backbone, build_backbone
from undercoat.data import open_data
from undercoat.data.canvases import Canvases
from undercoat.evaluation import Protocol, evaluate, train_and_test
from undercoat.evaluation.features import extract_layers
from undercoat.evaluation.pooling import pooled_side
from undercoat.evaluation.view import Pass
from undercoat.functional.draws import permutation

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")
BATCH, LR, MOMENTUM, DECAY = 192, 0.01, 0.9, 1e-5


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        backbone: frozen in one way, not in the other.
        train: images with labels.
        test: likewise.
        size_px: of the view.
        epochs: of the probes.
    """

    backbone: Backbone
    train: Canvases
    test: Canvases
    size_px: int
    epochs: int

    @property
    def drops(self) -> list[int]:
        """Epochs at which the learning rate falls, in the paper's proportions."""
        return sorted({max(1, round(self.epochs * share / 36)) for share in (10, 20, 30)} - {self.epochs})

    @property
    def protocol(self) -> Protocol:
        """Ours."""
        schedule = {"epochs": self.epochs, "drops": self.drops, "batch": min(BATCH, len(self.train))}
        return Protocol(
            data="sample:twemoji",
            size_px=self.size_px,
            layers=LAYERS,
            readouts={"linear": {"preset": "paper", **schedule}},
        )

    def show(self, canvases: Canvases, index: NDArray[np.int64]) -> Tensor:
        """Views of some images."""
        return centre_view(
            torch.from_numpy(canvases.batch(index)),
            canvases.aspect[index],
            size_px=self.size_px,
            crop_fraction=1.0,
            low=canvases.low,
            high=canvases.high,
        )

    def steps(self, seed: int = 0) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """(Epoch, positions) of every step; the order is that of our probe."""
        batch = min(BATCH, len(self.train))
        for epoch in range(self.epochs):
            order = permutation(len(self.train), seed=seed, epoch=epoch, purpose="linear probe")
            for start in range(0, len(order) // batch * batch, batch):
                yield epoch, order[start : start + batch]


def head_of(maps: Tensor, classes: int) -> nn.Sequential:
    """The authors' probe of one pooled map: batch-norm without affine, and a convolution of the whole map."""
    channels, height, width = maps.shape[1:]
    linear = nn.Conv2d(channels, classes, (height, width))
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.BatchNorm2d(channels, affine=False), linear, nn.Flatten())


def pooled(maps: Tensor) -> Tensor:
    """Pool as ours does."""
    return adaptive_max_pool2d(maps, pooled_side((maps.shape[1], maps.shape[2], maps.shape[3])))


def read(setting: Setting, images: Tensor) -> dict[str, Tensor]:
    """Pooled maps of all layers, with a graph where the backbone has gradients."""
    return {layer: pooled(maps) for layer, maps in setting.backbone.maps(images, LAYERS).items()}


def train_heads(heads: dict[str, nn.Sequential], setting: Setting, steps: Any, labels: Tensor) -> None:
    """Train all probes in parallel on (epoch, positions, maps of all layers): their losses are summed."""
    parameters = [parameter for head in heads.values() for parameter in head.parameters()]
    optimiser = torch.optim.SGD(parameters, lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
    for epoch, index, maps in steps:
        optimiser.param_groups[0]["lr"] = LR * 0.1 ** sum(epoch >= drop for drop in setting.drops)
        optimiser.zero_grad()
        setting.backbone.zero_grad()
        losses = [cross_entropy(head(maps[layer]), labels[index]) for layer, head in heads.items()]
        torch.stack(losses).sum().backward()
        optimiser.step()


def paper(setting: Setting, *, gradient: bool, seed: int = 0) -> tuple[float, dict[str, NDArray[np.bool_]]]:
    """Seconds from images to test scores, and which test images were right at each layer."""
    torch.manual_seed(seed)
    setting.backbone.eval().requires_grad_(gradient)
    labels = torch.from_numpy(np.asarray(setting.train.labels))
    started = time.perf_counter()
    with torch.no_grad():
        first = read(setting, setting.show(setting.train, np.arange(1)))
        heads = {layer: head_of(maps, len(setting.train.classes)) for layer, maps in first.items()}
    steps = (
        (epoch, torch.from_numpy(index), read(setting, setting.show(setting.train, index)))
        for epoch, index in setting.steps(seed)
    )
    train_heads(heads, setting, steps, labels)
    right: dict[str, list[NDArray[np.bool_]]] = {layer: [] for layer in LAYERS}
    with torch.no_grad():
        for start in range(0, len(setting.test), BATCH):
            index = np.arange(start, min(start + BATCH, len(setting.test)))
            for layer, maps in read(setting, setting.show(setting.test, index)).items():
                found = heads[layer].eval()(maps).argmax(1).numpy()
                right[layer].append(found == np.asarray(setting.test.labels)[index])
    setting.backbone.requires_grad_(True)
    return time.perf_counter() - started, {layer: np.concatenate(parts) for layer, parts in right.items()}


def ours(setting: Setting, folder: Path, seed: int = 0) -> tuple[float, dict[str, NDArray[np.bool_]]]:
    """Likewise, from images to test scores."""
    protocol = setting.protocol.model_copy(update={"seed": seed})
    started = time.perf_counter()
    found = evaluate(setting.backbone, setting.train, setting.test, protocol, cache=folder, stage="benchmark")
    seconds = time.perf_counter() - started
    return seconds, {layer: found.predictions[f"linear@{layer}"].correct for layer in LAYERS}


def papers_head(setting: Setting, folder: Path, seed: int) -> NDArray[np.float64]:
    """(5,) accuracies of the authors' heads on the features that ours kept: other first weights, another order."""
    torch.manual_seed(seed)
    reading = setting.protocol.reading(setting.backbone)
    once = Pass(view=setting.protocol.view, device=torch.device("cpu"), autocast_dtype=None, batch=256)
    kept = [
        extract_layers(setting.backbone, part, reading, once, cache=folder, stage="benchmark")
        for part in (setting.train, setting.test)
    ]
    shapes = {layer: maps.shape[1:] for layer, maps in read(setting, setting.show(setting.train, np.arange(1))).items()}
    rows = [
        {layer: torch.from_numpy(np.array(part[layer], np.float32)).unflatten(1, shapes[layer]) for layer in LAYERS}
        for part in kept
    ]
    heads = {layer: head_of(rows[0][layer], len(setting.train.classes)) for layer in LAYERS}
    labels = torch.from_numpy(np.asarray(setting.train.labels))
    steps = (
        (epoch, torch.from_numpy(index), {layer: rows[0][layer][index] for layer in LAYERS})
        for epoch, index in setting.steps(seed)
    )
    train_heads(heads, setting, steps, labels)
    truth = torch.from_numpy(np.asarray(setting.test.labels))
    with torch.no_grad():
        right = [(heads[layer].eval()(rows[1][layer]).argmax(1) == truth).double().mean() for layer in LAYERS]
    return torch.stack(right).numpy()


def measure(setting: Setting, folder: Path, seeds: int) -> dict[str, Any]:
    """Run both and compare."""
    read(setting, setting.show(setting.train, np.arange(8)))  # warm up
    mine_seconds, mine = ours(setting, folder)
    paper_seconds, theirs = paper(setting, gradient=True)
    forward_seconds, _ = paper(setting, gradient=False)
    spread = []
    for seed in range(seeds):
        again = ours(setting, folder, seed)[1]
        spread.append(np.array([again[layer].mean() for layer in LAYERS]) - papers_head(setting, folder, seed))
    differences = 100 * np.array(spread).mean(axis=1)  # over layers, one number a seed
    return {
        "ratio": round(paper_seconds / mine_seconds, 1),
        "forward_only_ratio": round(forward_seconds / mine_seconds, 1),
        "ours_seconds": round(mine_seconds, 2),
        "paper_seconds": round(paper_seconds, 2),
        "forward_only_seconds": round(forward_seconds, 2),
        **{f"ours_{layer}": round(float(mine[layer].mean()), 4) for layer in LAYERS},
        **{f"paper_{layer}": round(float(theirs[layer].mean()), 4) for layer in LAYERS},
        "difference_points_mean": round(100 * float(np.mean([mine[n].mean() - theirs[n].mean() for n in LAYERS])), 2),
        "difference_points_over_seeds": round(float(differences.mean()), 2),
        "difference_points_standard_error": round(float(differences.std(ddof=1) / np.sqrt(seeds)), 2),
        "seeds": seeds,
        "epochs": setting.epochs,
        "size_px": setting.size_px,
        "train_images": len(setting.train),
        "test_images": len(setting.test),
        **circumstances(),
    }


def prepared(options: argparse.Namespace, cache: str) -> Setting:
    """AlexNet with the stem for the view, and the images."""
    canvases = open_data("sample:twemoji", size_px=options.size_px, cache=cache, progress=False)
    train, test = train_and_test(canvases, test_fraction=0.4, seed=0)
    stem = next(side for side in (32, 64, 224) if side >= options.size_px)
    backbone = build_backbone("undercoat/alexnet", arguments={"stem": stem}, seed=0)
    few = train.take(np.sort(permutation(len(train), seed=0, epoch=0)[: options.images]))
    return Setting(backbone, few, test, options.size_px, options.epochs)


def main() -> None:
    """Measure, print and, when asked, keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>-layer_probe.csv")
    parser.add_argument("--epochs", type=int, default=36)
    parser.add_argument("--images", type=int, default=600, help="of train")
    parser.add_argument("--size-px", type=int, default=224, choices=(32, 64, 224))
    parser.add_argument("--seeds", type=int, default=5, help="orders and first weights for the accuracies; at least 2")
    parser.add_argument("--cache", default="", help="folder for decoded canvases; a temporary one by default")
    options = parser.parse_args()
    with ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory())
        setting = prepared(options, options.cache or temporary)
        result = measure(setting, Path(temporary) / "features", max(2, options.seeds))
    if options.save:
        keep([result], "layer_probe")
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:36s}{value}")


if __name__ == "__main__":
    main()
