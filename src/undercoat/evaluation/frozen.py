"""Use a backbone and leave no trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import torch
from torch import nn

from undercoat.errors import RunError

__all__ = ["frozen"]


@contextmanager
def frozen(backbone: nn.Module, device: torch.device) -> Iterator[None]:
    """Put a backbone into evaluation mode on a device, and check afterwards that it is as it was.

    Raises:
        RunError: when a parameter or buffer has another value at the end; its name is given.
    """
    before = _fingerprints(backbone)
    modes = {module: module.training for module in backbone.modules()}
    home = next((tensor.device for tensor in (*backbone.parameters(), *backbone.buffers())), device)
    backbone.to(device).eval()
    try:
        yield
    finally:
        backbone.to(home)
        _restore(modes)
    after = _fingerprints(backbone)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        raise RunError(
            f"reading features changed {len(changed)} tensors of the backbone (first {changed[0]!r}), so "
            "results would depend on what was read before; keep such state out of its forward in eval mode"
        )


def _restore(modes: dict[nn.Module, bool]) -> None:
    """Set the flags through ``train()`` first: there some modules drop what they cached for evaluation."""
    for module, training in modes.items():
        module.train(training)
    for module, training in modes.items():
        module.training = training


def _fingerprints(module: nn.Module) -> dict[str, str]:
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    return {name: _fingerprint(tensor) for name, tensor in named}


def _fingerprint(tensor: torch.Tensor) -> str:
    values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{tuple(tensor.shape)} {tensor.dtype} {blake2b(values, digest_size=16).hexdigest()}"
