"""Bring anybody's weights into a folder of ours, with an account of what matched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from undercoat.errors import RunError, SpecError
from undercoat.files import atomic, refuse_unwritable, write_json
from undercoat.interop.backbone_folder import DESCRIPTION, IMPORT, WEIGHTS, find_backbone, load_backbone, save_backbone
from undercoat.interop.foreign import OURS, Foreign
from undercoat.interop.initial import identity
from undercoat.interop.opening import Opened, normalise, open_foreign
from undercoat.interop.state import Match, read_state
from undercoat.spec import digest

__all__ = ["Imported", "import_weights"]

_WRITTEN = (WEIGHTS, DESCRIPTION, IMPORT, "stage.yaml", "done.json")
_EXAMPLES = 3


@dataclass(frozen=True)
class Imported:
    """What an import made, and what was found in the file.

    Attributes:
        folder: with ``backbone.safetensors``, ``backbone.json`` and ``import.json``; usable as ``init:`` of a stage.
        account: the content of ``import.json``.
    """

    folder: Path
    account: dict[str, Any]

    def __str__(self) -> str:
        found = self.account
        names = f", names of {found['dialect']}" if found["dialect"] else ""
        lines = [f"layout   {found['title']}{names}", f"backbone {_described(found)}", f"tensors  {_counts(found)}"]
        if found["dropped"]:
            left = ", ".join(f"{what} ({count})" for what, count in sorted(found["dropped"].items()))
            lines.append(f"left out on purpose: {left}")
        mean, std = (", ".join(f"{value:.4g}" for value in found[name]) for name in ("mean", "std"))
        lines.append(f"images are normalised with mean {mean}, std {std} ({found['normalisation_from']})")
        lines += [f"note     {note}" for note in found["notes"]]
        lines.append(f"folder   {self.folder}")
        lines.append(f"go on    undercoat pretrain --init {self.folder} --data IMAGES --out runs/NAME")
        return "\n".join(lines)


def import_weights(
    weights: Path | str,
    *,
    to: Path | str,
    backbone: str | None = None,
    channels: int | None = None,
    mean: list[float] | str | None = None,
    std: list[float] | str | None = None,
    overwrite: bool = False,
) -> Imported:
    """Bring weights from elsewhere into a folder that stages start from and ``undercoat evaluate`` reads.

    The layout is recognised by the names of the tensors: MoCo v1 to v3, OpenSelfSup and mmselfsup, the HPT authors'
    conversions, VISSL, SimCLR in PyTorch, solo-learn, lightly, Lightning, detectron2, DINO, timm, torchvision, and
    runs of ours. Code in files is never run.

    Args:
        weights: a ``.safetensors`` or PyTorch file, or a run.
        to: the folder to make.
        backbone: which network, such as ``timm/resnet50``; by default what the shapes say.
        channels: of the images; by default as many as the weights take.
        mean: that images are normalised with, per channel in 0..1, comma between them; by default what the layout
            implies.
        std: likewise.
        overwrite: replace an earlier import in that folder.

    Raises:
        WeightsError: when the file cannot be read, or fits under 95 % of the backbone's tensors.
        SpecError: when the shapes do not say which network it is, or a setting cannot be used.
        RunError: when the folder is taken.
    """
    folder = Path(to)
    numbers: dict[str, Any] = {"mean": _numbers("mean", mean), "std": _numbers("std", std)}
    if channels is not None and channels < 1:
        raise SpecError(f"channels {channels} is not 1 or more; leave it out to keep what the weights take")
    _refuse_taken(folder, overwrite=overwrite)
    if find_backbone(weights) is not None:
        opened = _of_run(weights, backbone, channels, numbers)
    else:
        opened = open_foreign(weights, backbone=backbone, channels=channels, **numbers)
    source = identity(str(weights))
    account = _account(weights, source, opened, asked=mean is not None or std is not None)
    for name in _WRITTEN:  # the description last, so that a half-written folder is no backbone
        (folder / name).unlink(missing_ok=True)
    save_backbone(opened.backbone, folder)
    write_json(folder / IMPORT, account)
    _as_run(folder, opened, source)
    return Imported(folder, account)


def _numbers(name: str, given: Sequence[float] | str | None) -> list[float] | None:
    if given is None:
        return None
    try:
        values = [float(value) for value in (given.split(",") if isinstance(given, str) else given)]
    except (TypeError, ValueError) as error:
        raise SpecError(f"{name} {given!r} is no list of numbers; write one a channel, such as 0.5,0.5,0.5") from error
    if not values or not all(0 <= value <= 1 for value in values) or (name == "std" and 0 in values):
        raise SpecError(f"{name} {given!r} is not within 0..1, the range of images; divide values of 0..255 by 255")
    return values


def _refuse_taken(folder: Path, *, overwrite: bool) -> None:
    """Stop before the file is read: nothing but an earlier import is ever replaced, and that only when asked."""
    refuse_unwritable(folder / IMPORT, instead="another --to")
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; choose a folder for --to")
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if not held:
        return
    foreign = [name for name in held if name not in _WRITTEN]
    if IMPORT not in held or foreign:
        what = foreign[0] if foreign else held[0]
        raise RunError(f"{folder} holds more than an import ({what!r}), which is never replaced; choose another --to")
    if not overwrite:
        raise RunError(f"{folder} holds an import already; add --overwrite, or choose another --to")


def _of_run(place: Path | str, asked: str | None, channels: int | None, numbers: dict[str, Any]) -> Opened:
    """A backbone of ours, copied as it is but for what was asked."""
    found = load_backbone(place)
    for name, wanted, own in (("backbone", asked, found.name), ("channels", channels, found.channels)):
        if wanted is not None and str(own) not in (str(wanted), f"timm/{wanted}", f"undercoat/{wanted}"):
            raise SpecError(f"{str(place)!r} has {name} {own}, not {wanted}; leave {name} out")
    folder = find_backbone(place)
    assert folder is not None
    state = read_state(folder / WEIGHTS)
    foreign = Foreign(folder / WEIGHTS, OURS, None, state, {}, ())
    normalise(found, foreign, numbers["mean"], numbers["std"])
    names = tuple(sorted(name for name in state if not name.endswith("num_batches_tracked")))
    return Opened(found, Match(names, (), (), ()), foreign, ())


def _account(weights: Path | str, source: str, opened: Opened, *, asked: bool) -> dict[str, Any]:
    foreign, match, network = opened.foreign, opened.match, opened.backbone
    implied = "what the network's library says" if foreign.normalisation is None else "what the layout implies"
    if foreign.layout == OURS:
        implied = "what the run used"
    return {
        "source": Path(weights).name,
        "source_digest": source,
        "layout": foreign.layout,
        "title": foreign.title,
        "dialect": foreign.dialect,
        "backbone": network.name,
        "arguments": network.arguments,
        "channels": network.channels,
        "mean": network.mean.flatten().tolist(),
        "std": network.std.flatten().tolist(),
        "normalisation_from": "as asked" if asked else implied,
        "fraction": match.fraction,
        "matched": len(match.matched),
        "missing": list(match.missing),
        "misshapen": list(match.misshapen),
        "unexpected": list(match.unexpected),
        "dropped": foreign.dropped,
        "notes": list(opened.notes),
    }


def _described(account: dict[str, Any]) -> str:
    arguments = "".join(f", {name}: {value}" for name, value in (account["arguments"] or {}).items())
    return f"{account['backbone']}{arguments}, {account['channels']} channels"


def _counts(account: dict[str, Any]) -> str:
    parts = [f"{account['matched']} matched ({100 * account['fraction']:.1f} %)"]
    for name in ("missing", "misshapen", "unexpected"):
        keys = account[name]
        examples = f" (such as {', '.join(keys[:_EXAMPLES])})" if keys else ""
        parts.append(f"{len(keys)} {name}{examples}")
    return ", ".join(parts)


def _as_run(folder: Path, opened: Opened, source: str) -> None:
    """Describe the folder as a run that trained nothing, so that everything that reads runs reads it."""
    found = opened.backbone
    settings = {
        "name": f"imported: {opened.foreign.source.name}",
        "backbone": found.name,
        "backbone_arguments": found.arguments,
        "channels": found.channels,
        "seed": 0,
    }
    about = {"kind": "init", "parent": "", "data": None, "data_digest": "", "init": None}
    named = {"digest": digest({"import": settings, "source": source}), **about, **settings}
    with atomic(folder / "stage.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(named, sort_keys=False, allow_unicode=True), "utf-8")
    write_json(folder / "done.json", {"digest": named["digest"], "seconds": 0.0, "training_seconds": 0.0})
