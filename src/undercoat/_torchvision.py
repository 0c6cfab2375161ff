"""Make ``import torchvision`` work beside a CPU-only build of torch.

The registry's torchvision is compiled against the CUDA build of torch. Beside the CPU wheel its compiled part
does not load, and the import stops with "operator torchvision::nms does not exist", because a Python file
registers a fake for an operator that nobody defined. Declaring the two operators first is enough: Undercoat (and
timm's models) never call them. Nothing is touched when the import works.
"""

from __future__ import annotations

import importlib
import sys

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None  # torch forgets the schemas when this is collected


def ensure_importable() -> None:
    """Import torchvision, declaring its missing operators when, and only when, they are what stops it."""
    global _library
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for schema in _SCHEMAS:
            _library.define(schema)  # type: ignore[no-untyped-call]
        importlib.import_module("torchvision")
