"""A file of anybody's weights → a backbone that holds them, with an account of every tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from undercoat.backbones import Backbone, build_backbone, canonical_name
from undercoat.errors import SpecError, WeightsError
from undercoat.interop.foreign import Foreign, read_foreign
from undercoat.interop.formats import LAYOUTS
from undercoat.interop.formats.layout import Normalisation
from undercoat.interop.guessing import Guess, guess_backbone, input_channels
from undercoat.interop.state import MINIMUM_MATCH, Match, load_into

__all__ = ["Opened", "normalise", "open_foreign"]


@dataclass(frozen=True)
class Opened:
    """A backbone with a file's weights, and how it came about."""

    backbone: Backbone
    match: Match
    foreign: Foreign
    notes: tuple[str, ...]


def open_foreign(
    path: Path | str,
    *,
    backbone: str | None = None,
    channels: int | None = None,
    arguments: dict[str, Any] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    seed: int = 0,
) -> Opened:
    """Build the backbone of a file of weights and load them.

    Args:
        path: ``.safetensors`` or a PyTorch file of any known layout.
        backbone: which network; by default what the shapes say.
        channels: of the images; by default as many as the weights take. Filters for three channels are summed for one,
            and repeated and scaled for others, as timm does.
        arguments: of the network's constructor; by default what the shapes say.
        mean: that images are normalised with, per channel in 0..1; by default what the layout implies.
        std: likewise.
        seed: of tensors that the file lacks.

    Raises:
        WeightsError: when the file cannot be read, fits under 95 % of the backbone's tensors, or holds NaN in them.
        SpecError: when the shapes do not say which network it is, or the channels cannot be made to fit.
    """
    foreign = read_foreign(path)
    guess = guess_backbone(foreign.state, layout=foreign.layout)
    name = _name(foreign, guess, backbone)
    guessed = guess if guess is not None and guess.name == name else None
    arguments = {**(guessed.arguments if guessed else {}), **(arguments or {})}
    built = build_backbone(
        name, channels=channels or input_channels(foreign.state) or 3, arguments=arguments or None, seed=seed
    )
    state, notes = _fit_first(foreign, built)
    try:
        match = load_into(built.trunk, state, source=f"{str(path)!r} ({foreign.title})")
    except WeightsError as error:
        if guess is not None and guessed is None:
            raise WeightsError(f"{error}; its shapes are those of {guess.name}") from error
        raise
    _refuse_broken(path, built.trunk)
    _refuse_larger(foreign, built, match, guess)
    foreign, match = _heads_apart(foreign, match)
    normalise(built, foreign, mean, std, folded=bool(notes))
    if match.missing or match.misshapen:
        notes += (f"{len(match.missing) + len(match.misshapen)} tensors keep their random weights",)
    return Opened(built, match, foreign, (*(guessed.notes if guessed else ()), *foreign.notes, *notes))


def _name(foreign: Foreign, guess: Guess | None, asked: str | None) -> str:
    if asked is not None:
        return canonical_name(asked)
    if guess is not None:
        return guess.name
    if foreign.layout is None:
        raise WeightsError(
            f"the names in {str(foreign.source)!r} are of no layout that is known (such as "
            f"{', '.join(map(repr, list(foreign.state)[:2]))}); name the backbone, so that its own names can be looked "
            "for: backbone: timm/NAME"
        )
    raise SpecError(
        f"the shapes in {str(foreign.source)!r} do not say which network they are for; add backbone: timm/NAME"
    )


def _first_convolution(trunk: nn.Module) -> tuple[str, nn.Conv2d] | None:
    return next(((f"{n}.weight", m) for n, m in trunk.named_modules() if isinstance(m, nn.Conv2d)), None)


def _fit_first(foreign: Foreign, built: Backbone) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Fold the first filters to the network's channels where only their number differs."""
    first = _first_convolution(built.trunk)
    given = None if first is None else foreign.state.get(first[0])
    if first is None or given is None:
        return foreign.state, ()
    name, wanted = first[0], first[1].weight
    differs = given.ndim == 4 and given.shape[1] != wanted.shape[1]
    if not differs or given.shape[0] != wanted.shape[0] or given.shape[2:] != wanted.shape[2:]:
        return foreign.state, ()
    if (built.arguments or {}).get("sobel"):
        raise SpecError(
            f"init {str(foreign.source)!r} was trained on colours, not on maps of edges; leave sobel out, or use init: "
            "random"
        )
    if given.shape[1] != 3:
        raise SpecError(
            f"the weights in {str(foreign.source)!r} take {given.shape[1]} channels, not {built.channels}; only those "
            f"for 3 channels can be made to fit others, so use channels: {given.shape[1]}"
        )
    from timm.models import adapt_input_conv

    folded = adapt_input_conv(wanted.shape[1], given.clone())
    how = "summed" if wanted.shape[1] == 1 else "repeated and scaled"
    note = f"the first filters, made for 3 channels, were {how} to take {wanted.shape[1]}"
    return {**foreign.state, name: folded}, (note,)


def _refuse_broken(path: Path | str, trunk: nn.Module) -> None:
    broken = [name for name, tensor in trunk.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise WeightsError(
            f"{str(path)!r} holds values that are no numbers (NaN or infinity) in {len(broken)} tensors, such as "
            f"{broken[0]!r}; its training diverged, so take an earlier checkpoint"
        )
    below = [n for n, tensor in trunk.state_dict().items() if n.endswith("running_var") and (tensor < 0).any()]
    if below:
        raise WeightsError(
            f"{str(path)!r} holds variances below 0 in {len(below)} tensors, such as {below[0]!r}; it is damaged, so "
            "fetch it again"
        )


def _refuse_larger(foreign: Foreign, built: Backbone, match: Match, guess: Guess | None) -> None:
    """A ResNet-34 holds every tensor of a ResNet-18: what is left over in the same layers says that it is another."""
    layers = {name.partition(".")[0] for name in match.matched}
    unexpected = (name for name in match.unexpected if not name.endswith("num_batches_tracked"))
    more = [name for name in unexpected if name.partition(".")[0] in layers]
    if len(more) > (1 - MINIMUM_MATCH) * len(match.matched):
        hint = "" if guess is None or guess.name == built.name else f"; its shapes are those of {guess.name}"
        raise WeightsError(
            f"{str(foreign.source)!r} has {len(more)} tensors more than {built.name} in the same layers (such as "
            f"{more[0]!r}), so it is of another network; name the backbone that the weights were made for{hint}"
        )


def _heads_apart(foreign: Foreign, match: Match) -> tuple[Foreign, Match]:
    """Count what the network has no place for as a head where its name says so, else as unexpected."""
    heads = tuple(name for name in match.unexpected if LAYOUTS["plain"].what(name) == "head")
    dropped = dict(foreign.dropped)
    if heads:
        dropped["head"] = dropped.get("head", 0) + len(heads)
    rest = tuple(name for name in match.unexpected if name not in heads)
    return replace(foreign, dropped=dropped), replace(match, unexpected=tuple(sorted({*rest, *foreign.other})))


def _of_library(built: Backbone) -> Normalisation | None:
    """What timm says of the network's weights for three channels."""
    known: dict[str, Any] = getattr(built.trunk, "pretrained_cfg", None) or {}
    return Normalisation(known["mean"], known["std"]) if known.get("mean") and known.get("std") else None


def normalise(
    built: Backbone,
    foreign: Foreign,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    *,
    folded: bool = False,
) -> None:
    """Give the backbone the mean and std that were asked for, or else what the layout or the network's library implies.

    Filters that were ``folded`` from three channels to others keep the average of the three channels' mean and std.

    Raises:
        SpecError: when there are neither one nor as many numbers as channels.
    """
    for name, asked in (("mean", mean), ("std", std)):
        if asked is not None and len(asked) not in (1, built.channels):
            raise SpecError(
                f"{name} has {len(asked)} numbers for {built.channels} channels; give one a channel, or one"
            )
    said = foreign.normalisation or (_of_library(built) if folded else None)
    chosen = []
    for asked, of_layout, own in (
        (mean, said and said.mean, built.mean.flatten().tolist()),
        (std, said and said.std, built.std.flatten().tolist()),
    ):
        values = list(asked if asked is not None else of_layout or own)
        if asked is None and len(values) != built.channels:
            values = [sum(values) / len(values)] * built.channels
        chosen.append(values)
    built.set_normalisation(*chosen)
