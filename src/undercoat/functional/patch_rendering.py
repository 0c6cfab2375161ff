"""Patches from an image pyramid: four neighbours gathered for each pixel, one linear map of colours.

Each operation rounds once and sums are of whole numbers below 2^24, so the result does not depend on the batch, on
threads or on vector widths.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import torch
from torch import Tensor

from undercoat.functional.colour import GREY_WEIGHTS
from undercoat.functional.texels import PatchTable

__all__ = ["render_patches"]

LEAST_PIXELS, MOST_PIXELS = 1 << 15, 1 << 18
"""Pixels that a thread handles at a time on a CPU. With fewer, the interpreter, which one thread can have at a time,
takes longer to start an operation than the operation takes; with more, they leave the processor's caches."""
MOST_THREADS = 16
"""Chunks rendered at the same time."""
_FITS_INT32, _SIZES_KEPT = 2**31 - 1, 4


def render_patches(texels: Tensor, table: PatchTable, *, size_px: int, noise: Tensor | None = None) -> Tensor:
    """Render patches on the device where the texels and the table are.

    Args:
        texels: (T,) int32.
        table: of B patches.
        size_px: S, side of the patches.
        noise: (S·S·3 or more,) float32 in levels of 0..255, read from a place that depends on the patch.

    Returns:
        (B, S, S, 3) uint8; B may be 0.
    """
    out = torch.empty(len(table), size_px, size_px, 3, dtype=torch.uint8, device=texels.device)
    patches, lines, workers = max(1, len(table)), size_px, 1
    if texels.device.type == "cpu":
        threads = min(torch.get_num_threads(), MOST_THREADS)
        pixels = min(max(len(table) * size_px**2 // threads, LEAST_PIXELS), MOST_PIXELS)
        most, lines = max(1, pixels // size_px**2), min(size_px, max(1, pixels // size_px))
        rounds = -(-len(table) // (most * threads))  # of equal chunks, so that no thread waits for the others' last
        patches = max(1, -(-len(table) // max(1, rounds * threads)))
        workers = max(1, min(threads, -(-len(table) // patches)))
    starts = range(0, len(table), patches)

    def render(worker: int) -> None:
        with torch.inference_mode():
            desk = _Desk.free(texels, patches, lines, size_px)
            for start in starts[worker::workers]:
                part = slice(start, start + patches)
                _render(texels, table[part], noise, out[part], desk)
            desk.leave()

    if workers > 1:
        _shared(render, workers)
    else:
        render(0)
    return out


def _shared(work: Callable[[int], None], workers: int) -> None:
    """Do the parts of some work on threads whose operations run on them alone: the chunks are what is shared.

    PyTorch's number of threads is one for each thread, but setting it also sets that of threads to come, so it is put
    back afterwards. Threads that are started for each batch spread over the processors sooner than those that wait.
    """
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, range(workers)))
    finally:
        torch.set_num_threads(threads)


class _Desk:
    """Room for intermediate values, used again for every chunk: new memory costs more time than the arithmetic."""

    _left: ClassVar[dict[tuple[object, ...], list[_Desk]]] = {}

    def __init__(self, kind: tuple[object, ...], shape: tuple[int, int, int], device: torch.device, wide: bool) -> None:
        patches, _, size_px = shape
        self.kind, self.lines = kind, shape[1]
        self.planes = torch.empty(3, patches, size_px, size_px, device=device)
        self.floats = torch.empty(6, *shape, device=device)
        self.found = torch.empty(4, *shape, dtype=torch.int32, device=device)
        self.index = torch.empty(2, *shape, dtype=torch.int64 if wide else torch.int32, device=device)
        self.inside = torch.empty(shape, dtype=torch.bool, device=device)

    @classmethod
    def free(cls, texels: Tensor, patches: int, lines: int, size_px: int) -> _Desk:
        """One that nobody works at, or a new one."""
        shape, wide = (patches, lines, size_px), texels.numel() > _FITS_INT32
        kind = (*shape, wide)
        left = cls._left.get(kind) if texels.device.type == "cpu" else None
        try:
            return left.pop() if left else cls(kind, shape, texels.device, wide)
        except IndexError:  # another thread was faster
            return cls(kind, shape, texels.device, wide)

    def leave(self) -> None:
        """Let others have it; a few are kept for the last few sizes."""
        if self.planes.device.type != "cpu":
            return
        left = self._left.setdefault(self.kind, [])
        if len(left) < MOST_THREADS:
            left.append(self)
        while len(self._left) > _SIZES_KEPT:
            self._left.pop(next(iter(self._left)), None)


def _render(texels: Tensor, table: PatchTable, noise: Tensor | None, out: Tensor, desk: _Desk) -> None:
    """Write the patches of one chunk into ``out``, so many lines at a time."""
    count, size_px = out.shape[:2]
    planes = desk.planes[:, :count]
    blocks = [slice(top, min(top + desk.lines, size_px)) for top in range(0, size_px, desk.lines)]
    for block in blocks:
        _sample(texels, table, block, planes[:, :, block], desk)
    shift = table.share * _mean_grey(planes)[:, None]
    stretch = None
    if noise is not None and table.noise is not None:
        stretch = _stretches(noise, table.noise, size_px)
    first, second = desk.floats[0], desk.floats[1]
    for block in blocks:
        lines = block.stop - block.start
        coloured, term = first[:count, :lines], second[:count, :lines]
        for channel in range(3):
            factors = table.colour[:, channel, :, None, None].unbind(1)
            torch.mul(planes[0, :, block], factors[0], out=coloured)
            for other in (1, 2):
                coloured.add_(torch.mul(planes[other, :, block], factors[other], out=term))
            coloured.add_(shift[:, channel, None, None])
            if stretch is not None:
                coloured.add_(stretch[:, block, :, channel])
            out[:, block, :, channel] = coloured.round_().clamp_(0.0, 255.0)


def _mean_grey(planes: Tensor) -> Tensor:
    """(B,) float32; sums of whole numbers, below 2^24 in each line, are the same in any order."""
    weights = torch.tensor(GREY_WEIGHTS, dtype=torch.float64, device=planes.device)
    sums = planes.sum(3).double().sum(2)
    return ((sums * weights[:, None]).sum(0) / planes[0, 0].numel()).float()


def _place(affine: Tensor, block: slice, x: Tensor, y: Tensor) -> None:
    """Fill two (B, lines, S), across and down, from an affine map; products and sums apart: each rounds once."""
    place = torch.arange(x.shape[2], device=affine.device, dtype=torch.float32)
    first_x, right_x, down_x, first_y, right_y, down_y = affine[:, :, None].unbind(1)
    torch.add((first_x + down_x * place[block])[:, :, None], (right_x * place)[:, None, :], out=x)
    torch.add((first_y + down_y * place[block])[:, :, None], (right_y * place)[:, None, :], out=y)


def _sample(texels: Tensor, table: PatchTable, block: slice, planes: Tensor, desk: _Desk) -> None:
    """Fill (3, B, lines, S) with whole numbers 0..255: bilinear between the four nearest texels."""
    shape = (slice(planes.shape[1]), slice(planes.shape[2]))
    x, y, *spare = (buffer[shape] for buffer in desk.floats)
    _gather(texels, table, block, x, y, desk)
    corners = [buffer[shape].view(torch.uint8).unflatten(2, (-1, 4)) for buffer in desk.found]
    for channel, plane in enumerate(planes):
        for values, corner in zip([plane, *spare[:3]], corners, strict=True):
            values.copy_(corner[..., channel])
        upper, lower = _between(plane, spare[0], x), _between(spare[1], spare[2], x)
        plane.copy_(_between(upper, lower, y).round_())
    if table.turned is not None:
        _place(table.turned, block, x, y)
        inside = torch.le(torch.maximum(x.abs_(), y.abs_(), out=x), 0.5, out=desk.inside[shape])
        planes.mul_(inside)


def _gather(texels: Tensor, table: PatchTable, block: slice, x: Tensor, y: Tensor, desk: _Desk) -> None:
    """Read the four texels around each pixel; x and y become its place between them, in 0..1."""
    shape = (slice(x.shape[0]), slice(x.shape[1]))
    column, line = desk.floats[2][shape], desk.floats[3][shape]
    index, columns = (buffer[shape] for buffer in desk.index)
    left, right, top, bottom = (side[:, None, None] for side in table.room.unbind(1))
    row, base = (part.to(index.dtype)[:, None, None] for part in (table.row, table.base))
    _place(table.map, block, x, y)
    for values, least, most, whole in ((x, left, right, column), (y, top, bottom, line)):
        torch.minimum(torch.maximum(values, least, out=values), most, out=values)
        values.sub_(torch.floor(values, out=whole))
    index.copy_(line).mul_(row).add_(columns.copy_(column)).add_(base)
    for corner, step in enumerate((0, 1, row - 1, 1)):
        if corner:
            index.add_(step)
        torch.index_select(texels, 0, index.view(-1), out=desk.found[corner][shape].view(-1))


def _between(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Interpolate in place of ``second``."""
    return second.sub_(first).mul_(share).add_(first)


def _stretches(noise: Tensor, start: Tensor, size_px: int) -> Tensor:
    """(B, S, S, 3) stretches of the table of noise."""
    windows = noise.unfold(0, 3 * size_px**2, 1)
    return windows[(start.double() * len(windows)).long()].view(-1, size_px, size_px, 3)
