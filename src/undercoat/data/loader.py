"""Batches of canvases: endless and by step for training, in order for features; read ahead in a thread."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from undercoat.data.canvases import Canvases
from undercoat.data.patches import PatchBatch, PatchImages
from undercoat.functional.shuffle import shuffled

__all__ = ["Batches", "LoadedBatch", "Order", "as_tensor", "images_on", "sequential"]


@dataclass(frozen=True)
class LoadedBatch:
    """Canvases as they come from the cache.

    Attributes:
        images: (B, S, S, C) uint8, or int32 for 16-bit data (PyTorch computes little in uint16), or float32;
            raw values, ``Canvases.low`` and ``high`` say what becomes 0 and 1. Patches that an accelerator is to
            render have no pixels before ``to(device)``.
        aspect: (B,) float32, width / height of the originals.
        index: (B,) int64, positions in the ``Canvases`` that were given.
        epoch: (B,) int64, how often each image was seen before.
        step: number of the batch, from 0.
    """

    images: Tensor | PatchBatch
    aspect: Tensor
    index: NDArray[np.int64]
    epoch: NDArray[np.int64]
    step: int


class Order:
    """The endless sequence of images: one permutation after the other, cut into batches.

    It is a function of the step, so resuming at a step needs nothing but its number; a batch may straddle two
    epochs, and a batch larger than the set sees images several times.

    Args:
        count: N, images in the set.
        batch: images a step, over all ranks.
        seed: of the permutations.

    Example:
        >>> index, epoch = Order(5, batch=4, seed=0).at(1)
        >>> len(index), epoch.tolist()
        (4, [0, 1, 1, 1])
    """

    def __init__(self, count: int, *, batch: int, seed: int) -> None:
        self.count, self.batch, self.seed = count, batch, seed

    def at(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The images of a step and how often each was seen before: (index, epoch), both (batch,) int64."""
        place = np.arange(step * self.batch, (step + 1) * self.batch, dtype=np.int64)
        epoch, slot = place // self.count, place % self.count
        index = np.empty_like(place)
        for number in np.unique(epoch).tolist():
            here = epoch == number
            index[here] = shuffled(slot[here], self.count, seed=self.seed, epoch=number)
        return index, epoch


class Batches(Iterator[LoadedBatch]):
    """Training batches without end, read ahead by a thread.

    Use it in a ``with`` block, or call ``close``; a thread that is left alone ends with the process.

    Args:
        canvases: the images; N ≥ 1.
        batch: images a step over all processes together.
        seed: of the order.
        rank: which process this is; it gets rows ``[rank·batch//world, (rank+1)·batch//world)`` of each step.
        world: how many processes there are.
        start_step: the first step to yield.
        prefetch: batches to read ahead, ≥ 1.
        device: where the images are going; patches of photos are rendered there instead of in the thread.

    Attributes:
        wait_seconds: how long the consumer has waited for data so far.

    Example:
        >>> import tempfile
        >>> from undercoat.data.opening import open_data
        >>> digits = open_data("sample:digits", cache=tempfile.mkdtemp())
        >>> with Batches(digits, batch=8, seed=0) as batches:
        ...     tuple(next(batches).images.shape)
        (8, 32, 32, 1)
    """

    def __init__(
        self,
        canvases: Canvases,
        *,
        batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        start_step: int = 0,
        prefetch: int = 2,
        device: torch.device | str = "cpu",
    ) -> None:
        self._stop = threading.Event()
        if len(canvases) < 1 or batch < world or not 0 <= rank < world:
            raise ValueError(f"{len(canvases)} images, batch {batch}, rank {rank} of {world}: nothing to load")
        self.wait_seconds = 0.0
        self._ready: queue.Queue[LoadedBatch | BaseException] = queue.Queue(max(prefetch, 1))
        order = Order(len(canvases), batch=batch, seed=seed)
        mine = slice(rank * batch // world, (rank + 1) * batch // world)
        self._thread = threading.Thread(  # it must not hold this object, or it would never be collected
            target=_read_ahead,
            args=(_loading(canvases, torch.device(device)), order, mine, start_step, self._ready, self._stop),
            name="undercoat-batches",
            daemon=True,
        )
        self._thread.start()

    def __next__(self) -> LoadedBatch:
        if self._stop.is_set():
            raise StopIteration
        start = time.perf_counter()
        item = self._ready.get()
        self.wait_seconds += time.perf_counter() - start
        if isinstance(item, BaseException):
            self.close()
            raise item
        return item

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._stop.set()

    def close(self) -> None:
        """End the thread; safe to call twice, after which there are no more batches."""
        self._stop.set()
        self._thread.join(timeout=5.0)


def _read_ahead(
    load: Callable[[NDArray[np.int64], NDArray[np.int64], int], LoadedBatch],
    order: Order,
    mine: slice,
    step: int,
    ready: queue.Queue[LoadedBatch | BaseException],
    stop: threading.Event,
) -> None:
    while not stop.is_set():
        item: LoadedBatch | BaseException
        try:
            index, epoch = order.at(step)
            item = load(index[mine], epoch[mine], step)
        except BaseException as error:
            item = error  # the consumer raises it
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
                break
            except queue.Full:
                continue
        if isinstance(item, BaseException):
            return
        step += 1


def as_tensor(pixels: NDArray[np.generic]) -> Tensor:
    """Raw canvases as a tensor: uint8 and float32 stay, uint16 becomes int32."""
    return torch.from_numpy(pixels.astype(np.int32) if pixels.dtype == np.uint16 else pixels)


def images_on(canvases: Canvases, index: NDArray[np.int64], device: torch.device) -> Tensor:
    """Raw canvases on a device, which renders them itself when they are patches of photos."""
    return _raw(canvases, index, device).to(device)


def _raw(canvases: Canvases, index: NDArray[np.int64], device: torch.device) -> Tensor | PatchBatch:
    images: object = canvases.images
    if isinstance(images, PatchImages) and device.type != "cpu":
        return images.deferred(canvases.rows[index])
    return as_tensor(canvases.batch(index))


def _loading(
    canvases: Canvases, device: torch.device
) -> Callable[[NDArray[np.int64], NDArray[np.int64], int], LoadedBatch]:
    def load(index: NDArray[np.int64], epoch: NDArray[np.int64], step: int) -> LoadedBatch:
        aspect = torch.from_numpy(np.array(canvases.aspect[index], np.float32))
        return LoadedBatch(_raw(canvases, index, device), aspect, index, epoch, step)

    return load


def sequential(canvases: Canvases, batch: int) -> Iterator[LoadedBatch]:
    """Read every image once, in order; the last batch may be smaller.

    Example:
        >>> import tempfile
        >>> from undercoat.data.opening import open_data
        >>> digits = open_data("sample:digits", cache=tempfile.mkdtemp())
        >>> [len(loaded.index) for loaded in sequential(digits, 1000)]
        [1000, 797]
    """
    load = _loading(canvases, torch.device("cpu"))
    for step, start in enumerate(range(0, len(canvases), batch)):
        index = np.arange(start, min(start + batch, len(canvases)), dtype=np.int64)
        yield load(index, np.zeros_like(index), step)
