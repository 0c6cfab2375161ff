"""Processes, devices and precision: the one file that knows about them.

Lightning Fabric does the work: it reads the environment of torchrun and SLURM, picks the device, wraps modules
for several processes and holds the autocast context. Methods call the collectives below; in a single process
these return what they are given.
"""

from __future__ import annotations

import inspect
import logging
import os
import platform
import random
import socket
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from undercoat.errors import RunError, SpecError

__all__ = [
    "Precision",
    "Runtime",
    "broadcast",
    "gather_rows",
    "gather_rows_with_gradient",
    "process_mean",
    "rank",
    "world_size",
]

Precision = Literal["auto", "fp32", "bf16", "fp16"]
_AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
# torch 2.13 renamed the option
_BUFFERS: dict[str, Any] = {
    "forward_sync_buffers"
    if "forward_sync_buffers" in inspect.signature(nn.parallel.DistributedDataParallel).parameters
    else "broadcast_buffers": False
}
_FABRIC_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number, 0 … world_size() − 1."""
    return dist.get_rank() if world_size() > 1 else 0


def gather_rows(rows: Tensor) -> Tensor:
    """Concatenate (b, …) tensors of all processes in rank order, without gradient: (world · b, …)."""
    if world_size() == 1:
        return rows.detach()
    parts = [torch.empty_like(rows) for _ in range(world_size())]
    dist.all_gather(parts, rows.detach().contiguous())
    return torch.cat(parts)


class _GatherRows(torch.autograd.Function):
    """Concatenate rows of all processes; the backward pass brings each process the gradients of its own rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.count = len(rows)
        return gather_rows(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[rank() * ctx.count : (rank() + 1) * ctx.count]


def gather_rows_with_gradient(rows: Tensor) -> Tensor:
    """Concatenate (b, …) tensors of all processes in rank order, each differentiable: (world · b, …).

    A loss of one's own rows against everyone's then gives, averaged over processes as distributed training does,
    the gradient of the loss of the whole batch.
    """
    return rows if world_size() == 1 else _GatherRows.apply(rows)  # type: ignore[no-untyped-call]


def broadcast(value: Tensor) -> Tensor:
    """Give every process the first one's tensor; all must hand over the same shape and dtype."""
    if world_size() == 1:
        return value
    value = value.contiguous()
    dist.broadcast(value, src=0)
    return value


def process_mean(value: Tensor) -> Tensor:
    """Average a tensor over all processes, without gradient."""
    if world_size() == 1:
        return value.detach()
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world_size()


class Reading(NamedTuple):
    """Where and in which precision a backbone would run, and why."""

    device: torch.device
    autocast_dtype: torch.dtype | None
    precision: str
    reason: str


@dataclass(frozen=True)
class Runtime:
    """A started Fabric with the choices that it was started with."""

    fabric: Fabric
    precision: str
    precision_reason: str

    @classmethod
    def start(
        cls, *, device: str = "auto", precision: Precision = "auto", backbone: nn.Module | None = None
    ) -> Runtime:
        """Join the processes that torchrun or SLURM started, or run alone.

        Args:
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            precision: ``auto`` takes bf16 where it helps this backbone on this device.
            backbone: looked at by ``precision: auto``.

        Raises:
            SpecError: for a device that this machine does not have.
        """
        accelerator = _accelerator(device)
        chosen, reason = _choose_precision(precision, accelerator, backbone)
        processes = _processes_per_node()
        logging.getLogger("lightning.fabric").setLevel(logging.WARNING)  # it repeats the precision at every start
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        fabric = Fabric(
            accelerator=accelerator,
            devices=processes,
            num_nodes=max(1, _launched_world() // processes),
            # every process keeps its own batch statistics, as published; the queue is equal on all by construction
            strategy=DDPStrategy(**_BUFFERS) if _launched_world() > 1 else "auto",
            precision=_FABRIC_PRECISION[chosen],  # type: ignore[arg-type]
        )
        fabric.launch()
        return cls(fabric, chosen, reason)

    @staticmethod
    def reading(backbone: nn.Module, *, device: str = "auto", precision: Precision = "auto") -> Reading:
        """Where and how to run a frozen backbone, without joining or starting anything."""
        accelerator = _accelerator(device)
        chosen, reason = _choose_precision(precision, accelerator, backbone)
        return Reading(torch.device(accelerator), _AUTOCAST[chosen], chosen, reason)

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.fabric.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return rank() == 0

    @property
    def autocast_dtype(self) -> torch.dtype | None:
        """The dtype of autocast, or None in full precision."""
        return _AUTOCAST[self.precision]

    def barrier(self) -> None:
        """Wait for all processes."""
        if world_size() > 1:
            dist.barrier()

    def agree(self, flag: bool) -> bool:
        """Whether any process says yes: all get the same answer."""
        return bool(process_mean(torch.tensor(float(flag), device=self.device)) > 0)

    def describe(self) -> dict[str, Any]:
        """What a run was made with, for ``environment.json``."""
        from undercoat import __version__

        return {
            "undercoat": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": device_name(self.device),
            "threads": torch.get_num_threads(),
            "world": world_size(),
            "precision": self.precision,
            "precision_reason": self.precision_reason,
            "platform": platform.platform(terse=True),
        }


def seed_step(seed: int, step: int) -> None:
    """Seed torch's and Python's global generators from (seed, step), for dropout and the like inside a backbone."""
    state = (seed * 1_000_003 + step * 7_919 + rank()) % 2**63
    torch.manual_seed(state)
    random.seed(state)


def device_name(device: torch.device) -> str:
    """Name the processor: the GPU's product name, or the CPU's."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu: {_processor()}"


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _launched_world() -> int:
    """Processes started for us: torchrun's WORLD_SIZE, or the tasks of a SLURM job (not of an interactive shell)."""
    if "WORLD_SIZE" in os.environ:
        return int(os.environ["WORLD_SIZE"])
    if os.environ.get("SLURM_JOB_NAME") not in (None, "bash", "interactive"):
        return int(os.environ.get("SLURM_NTASKS", "1"))
    return 1


def _processes_per_node() -> int:
    """Processes on this machine, as the launcher says."""
    if "LOCAL_WORLD_SIZE" in os.environ:
        return int(os.environ["LOCAL_WORLD_SIZE"])
    per_node = os.environ.get("SLURM_NTASKS_PER_NODE", "")
    return int(per_node) if per_node.isdigit() and _launched_world() > 1 else _launched_world()


def _accelerator(device: str) -> str:
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return "cuda" if available["cuda"] else "cpu"
    if device not in available:
        raise SpecError(f"device {device!r} is not one of auto, {', '.join(available)}")
    if not available[device]:
        raise SpecError(f"device {device!r} is not on {socket.gethostname()}; use --device cpu, or auto")
    return device


def _choose_precision(precision: str, accelerator: str, backbone: nn.Module | None) -> tuple[str, str]:
    """Resolve ``auto`` by rule, never by timing, so that the same run gets the same numbers (ADR 0003)."""
    if precision != "auto":
        if precision not in _FABRIC_PRECISION:
            raise SpecError(f"precision {precision!r} is not one of auto, {', '.join(_FABRIC_PRECISION)}")
        return precision, "asked for"
    if accelerator == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "this GPU has bf16 units"
        return "fp32", "this GPU has no bf16 units"
    if accelerator != "cpu" or not _cpu_has_bf16():
        return "fp32", "this processor has no bf16 instructions"
    if backbone is not None and _depthwise(backbone):
        return "fp32", "depthwise convolutions are no faster in bf16 on CPUs"
    return "bf16", "this processor has bf16 instructions"


def _cpu_has_bf16() -> bool:
    if sys.platform != "linux":
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _depthwise(backbone: nn.Module) -> bool:
    return any(isinstance(part, nn.Conv2d) and part.groups == part.in_channels > 1 for part in backbone.modules())


def require_one_process(what: str) -> None:
    """Stop with a sentence when ``what`` is started under several processes but works in one."""
    if _launched_world() > 1:
        raise RunError(f"{what} runs in one process; start it without torchrun")
