"""What a method's code says of it: its docstring in parts, and what one step of it gives."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from undercoat.backbones import Backbone
from undercoat.functional.draws import Draws
from undercoat.methods import Batch, Facts, Method, check_arguments

__all__ = ["EXAMPLE", "Said", "Watched", "built", "said_of", "watched"]

EXAMPLE = Facts(images=10_000, batch=128, steps=5_000, initialised=False, batch_norm=True, size_px=64, classes=10)


@dataclass
class Said:
    """A docstring in parts: its first sentence, its paragraphs, what its arguments mean, and the reference."""

    first: str = ""
    prose: list[str] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    reference: str = ""


def said_of(doc: str) -> Said:
    r"""Take a docstring of the house apart; examples and errors are left out.

    Example:
        >>> said = said_of("Tell left from right.\n\nBy ``flip``.\n\nArgs:\n    dim: P,\n        a size.")
        >>> said.first, said.prose, said.arguments
        ('Tell left from right.', ['By `flip`.'], {'dim': 'P, a size.'})
    """
    said, section = Said(), ""
    for block in re.split(r"\n\s*\n", inspect.cleandoc(doc)):
        if found := re.match(r"(Args|Raises|Returns|Attributes|Example):\n", block):
            section, block = found[1], block[found.end() :]
        elif not block.startswith(" "):
            section = ""
        text = _markdown(" ".join(block.split()))
        if section == "Args":
            entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", block, re.M)
            said.arguments |= {name: _markdown(" ".join(meaning.split())) for name, meaning in entries}
        elif section:
            continue
        elif text.startswith("Reference: "):
            said.reference = text.removeprefix("Reference: ")
        elif said.first:
            said.prose.append(text)
        else:
            said.first = text
    return said


def _markdown(text: str) -> str:
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def built(method: type[Method]) -> Method:
    """The method with a tiny backbone, as the example's facts resolve it."""
    trunk = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone = Backbone(trunk, name="", dim=8, channels=3, mean=[0.5] * 3, std=[0.25] * 3)
    arguments = check_arguments(method, {})
    auto = method.auto(EXAMPLE)
    return method(backbone, **{name: auto[name].value if value is None else value for name, value in arguments.items()})


@dataclass(frozen=True)
class Watched:
    """What can be looked at while a method trains.

    Attributes:
        numbers: in the log, with what guessing scores, or None.
        pictures: name and title of each.
        embeddings: whether the collapse meter has something to measure.
    """

    numbers: dict[str, float | None]
    pictures: dict[str, str]
    embeddings: bool


def watched(method: Method) -> Watched:
    """Take one step on noise and see what a method gives."""
    size, rows = EXAMPLE.size_px, 4
    noise = torch.Generator().manual_seed(0)

    def extract(module: nn.Module) -> Tensor:
        with torch.no_grad():
            width = module(torch.zeros(1, 3, size, size)).shape[1]
        return torch.randn(EXAMPLE.images, width, generator=noise)

    list(method.before_epoch(0, extract))
    views = tuple(torch.rand(rows, 3, size, size, generator=noise) for _ in range(method.number_of_views))
    draws = Draws(seed=0, epoch=np.zeros(rows, np.int64), index=np.arange(rows))
    labels = torch.zeros(rows, dtype=torch.long) if method.reads_labels else None
    batch = Batch(views, torch.arange(rows), draws, 0, labels)
    given = method(batch)
    with torch.no_grad():
        pictures = {one.name: one.title for one in method.eval().pictures(batch)}
    numbers = {name: method.chance.get(name) for name in given if name not in ("loss", "embeddings")}
    return Watched(numbers, pictures, "embeddings" in given)
