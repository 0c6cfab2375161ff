"""A linear probe with all its settings at once, against the usual one that runs the backbone in every epoch.

Both choose a learning rate and a weight decay on a held-out part of train, fit again on all of train and read the
test images once: ResNet-18 (random weights), 64 px, sample:noto, 9 learning rates × 4 weight decays, full precision.

- ours: features once, all candidates in one tensor, refit, test; measured from start to end.
- usual: for one candidate after another, every step shows a minibatch to the frozen backbone. The refit of the
  chosen candidate is run to its last epoch, timed and tested. The time of the candidates before it is *extrapolated*:
  candidates × epochs × an epoch of that refit × the share of train that is not held out. The fastest epoch counts, so
  that other work on the machine does not flatter us; held-out scores and the choice itself are given to it for free.

The usual probe gets ours' head (standardised features, same order of images), so that the accuracies compare the two
ways of computing and nothing else. ``batch_norm_head_*`` then says what batch statistics in place of fixed ones would
change, over five orders of the images.

    python benchmarks/probe.py [--json] [--save] [--epochs 30] [--cache DIR]
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from keeping import circumstances, keep
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from undercoat.augment import centre_view
from undercoat.backbones import Backbone, build_backbone
from undercoat.data import open_data
from undercoat.data.canvases import Canvases
from undercoat.evaluation import EvaluationView, extract, train_and_test
from undercoat.evaluation.readouts.batched_probe import Standardise
from undercoat.evaluation.readouts.labelled import LabelledFeatures
from undercoat.evaluation.readouts.linear import Linear
from undercoat.evaluation.splitting import held_out
from undercoat.functional.draws import permutation

VIEW = EvaluationView(size_px=64)
ORDERS = 5


class Outcome(NamedTuple):
    """Seconds from start to end, which test images were right, and the fastest epoch where there are epochs."""

    seconds: float
    correct: NDArray[np.bool_]
    epoch_seconds: float = 0.0


def accuracy(scores: NDArray[np.floating] | Tensor, canvases: Canvases) -> NDArray[np.bool_]:
    """Which images were right."""
    return np.asarray(np.asarray(scores).argmax(1) == canvases.labels)


def ours(
    backbone: Backbone, train: Canvases, test: Canvases, probe: Linear
) -> tuple[Outcome, dict[str, Any], LabelledFeatures, NDArray[np.float32]]:
    """Everything from images to test scores."""
    started = time.perf_counter()
    features, test_features = (extract(backbone, part, view=VIEW) for part in (train, test))
    part = held_out(train, 0.2, seed=0)
    lesson = LabelledFeatures(features=features, labels=np.asarray(train.labels), classes=train.classes, held_out=part)
    fitted = probe.fit(lesson)
    scores = fitted(test_features)
    seconds = time.perf_counter() - started
    return Outcome(seconds, accuracy(scores, test)), fitted.chosen, lesson, test_features


def show(backbone: Backbone, canvases: Canvases, index: NDArray[np.int64]) -> Tensor:
    """Features of a few images, as every step of the usual probe computes them."""
    with torch.no_grad():
        images = centre_view(
            torch.from_numpy(canvases.batch(index)), canvases.aspect[index], size_px=64, crop_fraction=1.0
        )
        features: Tensor = backbone(images)
    return features


def fit_head(head: nn.Linear, batches: Any, labels: Tensor, probe: Linear, chosen: dict[str, Any]) -> None:
    """Train a linear layer with torch's own optimiser on (step, steps, index, features)."""
    optimiser = torch.optim.SGD(
        [{"params": [head.weight], "weight_decay": chosen["weight_decay"]}, {"params": [head.bias]}],
        lr=chosen["lr"],
        momentum=probe.momentum,
    )
    for step, steps, index, features in batches:
        for group in optimiser.param_groups:
            group["lr"] = chosen["lr"] * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.zero_grad()
        cross_entropy(head(features), labels[index]).backward()
        optimiser.step()


def zero_head(dim: int, classes: int) -> nn.Linear:
    """A linear layer that starts where ours does."""
    head = nn.Linear(dim, classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def orders(images: int, probe: Linear, seed: int) -> Any:
    """(step, steps, rows) of every step of a probe."""
    in_epoch = images // probe.batch
    for step in range(probe.epochs * in_epoch):
        epoch, place = divmod(step, in_epoch)
        order = permutation(images, seed=seed, epoch=epoch, purpose="linear probe")
        yield step, probe.epochs * in_epoch, order[place * probe.batch : (place + 1) * probe.batch]


def usual(
    backbone: Backbone, train: Canvases, test: Canvases, probe: Linear, chosen: dict[str, Any], norm: Standardise
) -> Outcome:
    """Train one candidate to the end, the backbone in every step."""
    backbone.eval()
    labels = torch.from_numpy(np.asarray(train.labels))
    head = zero_head(backbone.dim, len(train.classes))
    clock: list[float] = []

    def batches() -> Any:
        for step, steps, index in orders(len(train), probe, seed=0):
            if step % (steps // probe.epochs) == 0:
                clock.append(time.perf_counter())
            yield step, steps, torch.from_numpy(index), norm(show(backbone, train, index))
        clock.append(time.perf_counter())

    fit_head(head, batches(), labels, probe, chosen)
    with torch.no_grad():
        scores = head(norm(show(backbone, test, np.arange(len(test)))))
    return Outcome(clock[-1] - clock[0], accuracy(scores, test), float(np.diff(clock).min()))


def batch_norm_head(
    lesson: LabelledFeatures, features: NDArray[np.float32], test: Canvases, probe: Linear, chosen: dict[str, Any]
) -> NDArray[np.float64]:
    """Ours minus a head with BatchNorm1d(affine=False), (ORDERS,) differences in accuracy at one setting."""
    bank, labels = torch.from_numpy(lesson.features), torch.from_numpy(np.asarray(lesson.labels))
    alone = Linear(
        lrs=(chosen["lr"],), weight_decays=(chosen["weight_decay"],), epochs=probe.epochs,
        minimum_steps=1, batch=probe.batch,
    )  # fmt: skip
    found = []
    for seed in range(ORDERS):
        norm = nn.BatchNorm1d(bank.shape[1], affine=False)
        head = zero_head(bank.shape[1], len(lesson.classes))
        batches = (
            (step, steps, torch.from_numpy(index), norm(bank[index]))
            for step, steps, index in orders(len(bank), probe, seed)
        )
        fit_head(head, batches, labels, probe, chosen)
        with torch.no_grad():
            other = accuracy(head(norm.eval()(torch.from_numpy(features))), test).mean()
        found.append(accuracy(alone.fit(lesson, seed=seed)(features), test).mean() - other)
    return np.array(found)


def measure(epochs: int, cache: str) -> dict[str, Any]:
    """Run both and compare."""
    canvases = open_data("sample:noto", size_px=64, cache=cache, progress=False)
    train, test = train_and_test(canvases, test_fraction=0.2, seed=0)
    backbone = build_backbone("timm/resnet18", seed=0)
    probe = Linear(epochs=epochs, minimum_steps=1, batch=128)
    candidates = len(probe.lrs) * len(probe.weight_decays)
    show(backbone.eval(), train, np.arange(probe.batch))  # warm up
    mine, chosen, lesson, features = ours(backbone, train, test, probe)
    other = usual(backbone, train, test, probe, chosen, Standardise.of(torch.from_numpy(lesson.features)))
    fit_share = 1 - float(np.mean(lesson.held_out)) if lesson.held_out is not None else 1.0
    spread = batch_norm_head(lesson, features, test, probe, chosen)

    one_candidate = epochs * other.epoch_seconds

    def ratio(count: int) -> float:
        return round(one_candidate * (1 + count * fit_share) / mine.seconds, 1)

    return {
        "over_naive": ratio(candidates),
        "over_naive_learning_rates_only": ratio(len(probe.lrs)),
        "over_naive_one_candidate": round(one_candidate / mine.seconds, 2),
        "ours_seconds": round(mine.seconds, 2),
        "naive_seconds_one_candidate": round(other.seconds, 2),
        "naive_seconds_fastest_epoch": round(other.epoch_seconds, 3),
        "naive_hours_extrapolated": round(one_candidate * (1 + candidates * fit_share) / 3600, 2),
        "ours_accuracy": round(float(mine.correct.mean()), 4),
        "naive_accuracy": round(float(other.correct.mean()), 4),
        "accuracy_difference_points": round(100 * float(mine.correct.mean() - other.correct.mean()), 2),
        "batch_norm_head_difference_points_mean": round(100 * float(spread.mean()), 2),
        "batch_norm_head_difference_points_std": round(100 * float(spread.std(ddof=1)), 2),
        "candidates": candidates,
        "epochs": epochs,
        "train_images": len(train),
        "test_images": len(test),
        "chosen_lr": chosen["lr"],
        "chosen_weight_decay": chosen["weight_decay"],
        **circumstances(),
    }


def main() -> None:
    """Measure, print and, when asked, keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>-probe.csv")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--cache", default="", help="folder for decoded canvases; a temporary one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = measure(options.epochs, options.cache or temporary)
    if options.save:
        keep([result], "probe")
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:42s}{value}")


if __name__ == "__main__":
    main()
