"""Style transfer as a command: one picture in the look of another, with one or several networks side by side."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from undercoat.contact_sheet import tile
from undercoat.diagnosis.findings import Finding, picture_and_table, refuse_existing, write_findings
from undercoat.diagnosis.networks import open_networks
from undercoat.diagnosis.pictures import open_picture
from undercoat.diagnosis.stylise import StyleSettings, Stylised, stylise
from undercoat.files import atomic
from undercoat.runtime import Runtime

__all__ = ["StyleSheet", "style"]


class StyleSheet(NamedTuple):
    """What :func:`style` made.

    Attributes:
        picture: the PNG.
        table: the CSV beside it.
        findings: its rows.
    """

    picture: Path
    table: Path
    findings: list[Finding]


def style(
    runs: list[str],
    *,
    content: Path | str,
    style: Path | str,
    layers: str | None = None,
    content_layer: str | None = None,
    steps: int = 200,
    size_px: int = 256,
    style_weight: float = 1.0,
    content_weight: float = 0.05,
    smoothness: float = 0.02,
    optimiser: Literal["lbfgs", "adam"] = "lbfgs",
    out: Path | str = Path("stylised.png"),
    backbone: str | None = None,
    backbone_arguments: dict[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
) -> StyleSheet:
    """Paint one picture in the look of another, as the early layers of frozen networks see it.

    The sheet shows the content, the style, and each network's result; the result of a single network is also
    written alone, as ``NAME-alone.png``. A CSV of the same name has the losses.

    Args:
        runs: one or several of: folder of a run, ``STUDY/ARM``, file of weights, ``timm/NAME``, ``imagenet-lite0``,
            ``random``; each with ``LABEL=`` before it if it shall have a name of its own.
        content: the picture that is painted.
        style: the picture whose look it takes.
        layers: whose textures are matched, with commas between (default: the first two that each network names).
        content_layer: whose maps are kept (default: the last of ``layers``).
        steps: of the optimiser.
        size_px: longer side of both pictures.
        style_weight: how much the look matters.
        content_weight: how much the content matters.
        smoothness: weight of the total variation.
        optimiser: ``lbfgs`` as in the paper, or ``adam``.
        out: the PNG.
        backbone: the network for ``random`` and for files of weights (default: the first run's).
        backbone_arguments: of its constructor.
        seed: of random weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        overwrite: replace the files when they are there.

    Raises:
        SpecError, DataError, WeightsError: in one sentence.
        RunError: when a file is there already.
    """
    sheet, table = picture_and_table(out)
    alone = sheet.with_name(f"{sheet.stem}-alone.png")
    refuse_existing(sheet, table, *([alone] if len(runs) == 1 else []), overwrite=overwrite)
    settings = StyleSettings(
        layers=None if layers is None else tuple(name.strip() for name in layers.split(",") if name.strip()),
        content_layer=content_layer,
        steps=steps,
        style_weight=style_weight,
        content_weight=content_weight,
        smoothness=smoothness,
        optimiser=optimiser,
    )
    pictures = (open_picture(content, size_px=size_px), open_picture(style, size_px=size_px))
    networks = open_networks(runs, backbone=backbone, backbone_arguments=backbone_arguments, seed=seed)
    found = {}
    for label, model in networks:
        place = Runtime.reading(model, device=device).device
        shown = [picture if model.channels == 3 else picture.mean(dim=0, keepdim=True) for picture in pictures]
        found[label] = stylise(model, *shown, settings=settings, device=place)
    _save(sheet, [[*pictures, *(one.picture for one in found.values())]], ["content", "style", *found])
    if len(found) == 1:
        _save_alone(alone, next(iter(found.values())).picture)
    rows = [row for label, one in found.items() for row in _findings(label, one)]
    write_findings(table, rows)
    return StyleSheet(sheet, table, rows)


def _findings(label: str, found: Stylised) -> list[Finding]:
    rows = [Finding(label, "", layer, "style loss", value) for layer, value in found.by_layer.items()]
    rows.append(Finding(label, "", "all", "style loss of the content", found.style_before))
    rows.append(Finding(label, "", "all", "style loss", found.style_after))
    rows.append(Finding(label, "", "all", "content loss", found.content_after))
    return rows


def _save(path: Path, rows: list[list[Tensor]], captions: list[str]) -> None:
    """Lay pictures of several proportions side by side on white."""
    pictures = [picture.expand(3, -1, -1) for row in rows for picture in row]
    side = max(max(picture.shape[-2:]) for picture in pictures)
    height = max(picture.shape[-2] for picture in pictures)
    framed = [_framed(picture, height, side) for picture in pictures]
    with atomic(path) as temporary:
        Image.fromarray(tile([framed], captions=[captions])).save(temporary, format="PNG")


def _framed(picture: Tensor, height: int, width: int) -> Tensor:
    down, across = height - picture.shape[-2], width - picture.shape[-1]
    return pad(picture, (across // 2, ceil(across / 2), down // 2, ceil(down / 2)), value=1.0)


def _save_alone(path: Path, picture: Tensor) -> None:
    pixels = (picture.expand(3, -1, -1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
