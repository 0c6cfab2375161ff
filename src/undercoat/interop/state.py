"""Read files of weights as what they are, untrusted, and fit them to a trunk with a count of what matched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from undercoat.errors import WeightsError
from undercoat.interop.untrusted import read_content

__all__ = ["MINIMUM_MATCH", "Match", "load_into", "read_state"]

MINIMUM_MATCH = 0.95
# whole dotted words that wrappers and methods put before a backbone's own names
_PREFIXES = ("module", "model", "state_dict", "backbone", "trunk", "encoder", "encoder_q", "base_encoder", "network")
_CONTAINERS = ("state_dict", "model_state_dict", "model", "teacher", "backbone")


@dataclass(frozen=True)
class Match:
    """Which of a trunk's tensors a file has: the counts that are printed and checked."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]
    unexpected: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def fraction(self) -> float:
        """Share of the trunk's tensors that the file fills, 0..1."""
        wanted = len(self.matched) + len(self.missing) + len(self.misshapen)
        return len(self.matched) / wanted if wanted else 0.0

    def __str__(self) -> str:
        parts = [f"{len(self.matched)} matched"]
        for name in ("missing", "misshapen", "unexpected"):
            keys = getattr(self, name)
            if keys:
                parts.append(f"{len(keys)} {name} (such as {', '.join(map(repr, keys[:2]))})")
        return "; ".join([", ".join(parts), *self.notes])


def read_state(path: Path | str) -> dict[str, Tensor]:
    """Read tensors from ``.safetensors`` or a PyTorch file; pickled code is never run.

    Raises:
        WeightsError: when the file is missing, unreadable, or holds no tensors by name.
    """
    content = read_content(path)
    state = _tensors(content)
    if not state:
        raise WeightsError(f"{str(path)!r} holds no tensors by name; save a state_dict")
    return state


def _tensors(content: object) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    for name in _CONTAINERS:
        if isinstance(content.get(name), Mapping):
            return _tensors(content[name])
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def _strip(key: str, prefixes: tuple[str, ...]) -> str:
    """Remove leading whole words, never characters: ``encoder.x`` is no ``encoder_q.x``."""
    for prefix in prefixes:
        key = key.removeprefix(prefix + ".")
    return key


def _candidates(state: Mapping[str, Tensor]) -> list[tuple[str, ...]]:
    """Chains of prefixes that occur in the file, the empty one first."""
    found: set[tuple[str, ...]] = {()}
    for key in state:
        words = key.split(".")
        length = 0
        while length < min(3, len(words) - 1) and words[length] in _PREFIXES:
            length += 1
            found.add(tuple(words[:length]))
    return sorted(found, key=len)


def _unusual(tensor: Tensor, wanted: Tensor) -> str:
    """Why a tensor cannot be copied as it is: quantised weights, for example, lack their scale."""
    if tensor.layout != torch.strided:
        return "is sparse"
    if tensor.is_meta:
        return "holds no values"
    if wanted.is_floating_point() and (tensor.is_quantized or not tensor.is_floating_point()):
        return f"is of {str(tensor.dtype).removeprefix('torch.')}"
    return ""


def _refuse_unusual(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str) -> None:
    for name, tensor in given.items():
        what = _unusual(tensor, wanted[name])
        if what:
            raise WeightsError(
                f"{source} cannot be used: {name!r} {what}, and weights have to be plain floating-point numbers; save "
                "them as float32"
            )


def load_into(trunk: nn.Module, state: Mapping[str, Tensor], *, source: str) -> Match:
    """Copy weights into ``trunk`` in place, refusing a bad fit.

    Prefixes that wrappers add (``module.``, ``encoder_q.``, ``backbone.`` and the like) are tried, and those that
    match most are removed. Counters of batch norms (``num_batches_tracked``) may be absent.

    Args:
        trunk: whose names decide.
        state: tensors by name.
        source: named in the error.

    Raises:
        WeightsError: when under 95 % of the trunk's tensors are found with the right shape, or some are quantised,
            complex, sparse or without values; the trunk is then unchanged.
    """
    wanted = {name: tensor for name, tensor in trunk.state_dict().items() if not name.endswith("num_batches_tracked")}

    def renamed(prefixes: tuple[str, ...]) -> dict[str, Tensor]:
        start = ".".join((*prefixes, ""))
        return {_strip(key, prefixes): value for key, value in state.items() if key.startswith(start)}

    best = max((renamed(chain) for chain in _candidates(state)), key=lambda names: len(names.keys() & wanted.keys()))
    shaped = {name for name in wanted if name in best and best[name].shape == wanted[name].shape}
    match = Match(
        matched=tuple(sorted(shaped)),
        missing=tuple(sorted(wanted.keys() - best.keys())),
        misshapen=tuple(sorted((wanted.keys() & best.keys()) - shaped)),
        unexpected=tuple(sorted(key for key in best if key not in trunk.state_dict())),
    )
    if match.fraction < MINIMUM_MATCH:
        raise WeightsError(
            f"{source} fits only {100 * match.fraction:.0f} % of the backbone's tensors, "
            f"under {100 * MINIMUM_MATCH:.0f} %: {match}; name the backbone that the weights were made for"
        )
    _refuse_unusual({name: best[name] for name in sorted(shaped)}, wanted, source)
    counters = {
        name
        for name, tensor in trunk.state_dict().items()
        if name not in wanted and name in best and best[name].shape == tensor.shape
    }
    trunk.load_state_dict({name: best[name] for name in shaped | counters}, strict=False)
    return match
