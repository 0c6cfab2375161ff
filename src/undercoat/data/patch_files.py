"""Patches as files, and a sheet of paper that shows where they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from undercoat.contact_sheet import tile
from undercoat.data.canvases import Canvases
from undercoat.data.opening import open_data
from undercoat.data.patch_settings import PATCHES, is_patches, parse_patches
from undercoat.data.patches import PatchImages
from undercoat.data.progress import bar
from undercoat.errors import RunError, SpecError, did_you_mean
from undercoat.files import atomic, make_folder, refuse_unwritable

__all__ = ["patch_sheet", "write_patches"]

ABOUT = "patches.json"
_BATCH = 64
_SHOWN_PX, _PATCH_PX, _COLUMNS = 640, 96, 8
_SUFFIX = {"png": ".png", "jpeg": ".jpg"}


def write_patches(
    photo: str,
    *,
    out: Path,
    n: int = 1000,
    size: int = 256,
    preset: Literal["paper", "code", "none"] = "paper",
    seed: int = 0,
    options: str = "",
    format: Literal["png", "jpeg"] = "png",
    quality: int = 95,
    sheet: Path | None = None,
    resume: bool = False,
    cache: Path | None = None,
) -> Path:
    """Write the patches of a photo as files, for a program that cannot read them from it.

    File i shows what ``patches:PHOTO?…`` with the same options has at place i, whatever ``n``; ``patches.json``
    beside the files says how they came about.

    Args:
        photo: a photo, several parted by commas, a folder, ``photo:NAME``, or another set of image files.
        out: folder that is new or empty.
        n: how many.
        size: side in pixels.
        preset: paper, code or none.
        seed: of everything random.
        options: what differs from the preset, as after the question mark of ``patches:``, such as ``flip=0&hue=0``.
        format: png, which keeps every bit, or jpeg.
        quality: of jpeg, 1 to 100.
        sheet: a PNG of the photo with the places of a dozen patches, and of the first patches (default: beside the
            folder, ``OUT-sheet.png``).
        resume: go on with a folder that was left unfinished with the same options; a sheet that is there stays.
        cache: where photos that do not fit in memory are kept (default: ``.undercoat-cache``).

    Returns:
        The contact sheet's path.

    Raises:
        SpecError, DataError: as ``open_data`` does.
        RunError: for a folder that is not empty, or that holds other patches.
    """
    if not 1 <= quality <= 100:
        raise SpecError(f"a JPEG quality of {quality} is out of range; give 1 to 100")
    if format not in _SUFFIX:
        near = did_you_mean(format, _SUFFIX) or "; give png or jpeg"
        raise SpecError(f"'{format}' is no format of patches{near}")
    spec = _spec(photo, options, n=n, size=size, preset=preset, seed=seed)
    canvases = open_data(spec, cache=cache)
    folder = Path(out)
    shown = Path(sheet) if sheet is not None else _beside(folder)
    if shown.exists() and not (resume and (folder / ABOUT).exists()):
        raise RunError(f"{shown} is there already; choose another --sheet, or remove it")
    refuse_unwritable(shown, instead="another --sheet" if sheet is not None else "another --out")
    _prepare(folder, _about(canvases, spec, format, quality), resume=resume)
    _write(canvases, folder, _SUFFIX[format], quality)
    return shown if shown.exists() else patch_sheet(canvases, shown)


def _beside(folder: Path) -> Path:
    """The sheet's place beside a folder, which may be called ``.`` or ``..``."""
    named = folder if folder.name not in ("", "..") else folder.resolve()
    if not named.name:
        raise RunError(f"there is no place for a sheet beside {folder}; choose another --out")
    return named.with_name(f"{named.name}-sheet.png")


def _spec(photo: str, options: str, **values: Any) -> str:
    source = photo.removeprefix(PATCHES) if is_patches(photo) else photo
    if is_patches(photo) and "?" in source:
        raise SpecError(f"'{photo}' has options of its own; give the photo alone and what differs as --options")
    given = {part.partition("=")[0] for part in options.split("&")}
    both = sorted(given & values.keys())
    if both:
        raise SpecError(f"{both[0]} is a flag of its own; leave it out of --options and write --{both[0]}")
    plain = "&".join(f"{key}={value}" for key, value in values.items())
    spec = f"{PATCHES}{source}?{plain}" + (f"&{options}" if options else "")
    parse_patches(spec)
    return spec


def _about(canvases: Canvases, spec: str, format: str, quality: int) -> dict[str, Any]:
    """What ``patches.json`` holds."""
    about = {"spec": spec, "digest": canvases.digest, "format": format, "images": len(canvases)}
    return about | ({"quality": quality} if format == "jpeg" else {})


def _prepare(folder: Path, about: dict[str, Any], *, resume: bool) -> None:
    """Make the folder, or make sure that it holds a part of the same."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; choose another --out")
    there = folder.is_dir() and any(folder.iterdir())
    if there and not resume:
        raise RunError(
            f"{folder} is not empty; add --resume if it holds a part of these patches, or choose another --out"
        )
    if there:
        try:
            known = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = None
        if known != about:
            raise RunError(f"{folder} holds other files or patches made with other options; choose another --out")
    make_folder(folder, instead="another --out")
    with atomic(folder / ABOUT) as temporary:
        temporary.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _write(canvases: Canvases, folder: Path, suffix: str, quality: int) -> None:
    """Write every file that is not there yet, each whole or not at all."""
    names = {path.name for path in folder.iterdir()}
    missing = [row for row in range(len(canvases)) if f"{canvases.keys[row]}{suffix}" not in names]
    with bar("patches", len(missing), shown=True) as advance:
        for start in range(0, len(missing), _BATCH):
            rows = np.array(missing[start : start + _BATCH], np.int64)
            for row, pixels in zip(rows.tolist(), canvases.batch(rows), strict=True):
                path = folder / f"{canvases.keys[row]}{suffix}"
                temporary = path.with_name(f".{path.name}.tmp")
                Image.fromarray(pixels).save(temporary, format="PNG" if suffix == ".png" else "JPEG", quality=quality)
                temporary.replace(path)
            advance(len(rows))


def patch_sheet(canvases: Canvases, path: Path, *, boxes: int = 12, patches: int = 48) -> Path:
    """Draw the first photo with the places of a dozen of its patches, and a grid of the first patches of the set.

    Args:
        canvases: what ``open_data("patches:…")`` gives.
        path: of the PNG.
        boxes: patches whose places are drawn; the side that is the patch's upper edge is drawn thicker.
        patches: in the grid.
    """
    images: object = canvases.images
    if not isinstance(images, PatchImages):
        raise SpecError(f"{canvases.name} is no set of patches; write patches:PHOTO")
    rows = np.arange(min(patches, len(images)), dtype=np.int64)
    grid = _grid(images, rows)
    every = len(images.photos)  # from one patch of the first photo to its next
    picture = _with_places(images, np.arange(0, min(boxes * every, len(images)), every, dtype=np.int64))
    width = max(picture.width, grid.shape[1])
    page = Image.new("RGB", (width, picture.height + 8 + grid.shape[0]), "white")
    page.paste(picture, ((width - picture.width) // 2, 0))
    page.paste(Image.fromarray(grid), ((width - grid.shape[1]) // 2, picture.height + 8))
    with atomic(path) as temporary:
        page.save(temporary, format="PNG")
    return path


def _grid(images: PatchImages, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    shown = PatchImages(images.photos, images.law, count=images.count, size_px=_PATCH_PX, seed=images.seed)
    tensors = list(torch.from_numpy(shown[rows]).permute(0, 3, 1, 2).float() / 255.0)
    return tile([tensors[start : start + _COLUMNS] for start in range(0, len(tensors), _COLUMNS)])


def _with_places(images: PatchImages, rows: NDArray[np.int64]) -> Image.Image:
    """The first photo, small enough to look at, with the outlines of some patches that are cut from it."""
    places = images.drawn(rows)[1]
    width, height = images.photos.sizes[0].tolist()
    level = min(max(0, int(np.log2(max(width, height) / _SHOWN_PX))), int(images.photos.levels.count[0]) - 1)
    scale = min(1.0, _SHOWN_PX / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(np.ascontiguousarray(images.photos.pixels(0, level))).resize(size)
    draw = ImageDraw.Draw(picture)
    for number, corners in enumerate(places.corners() * scale):
        colour = f"hsl({number * 137 % 360}, 90%, 60%)"
        points = [tuple(point) for point in corners.tolist()]
        draw.line([*points, points[0]], fill=colour, width=2)
        draw.line(points[:2], fill=colour, width=5)
    return picture
