"""segmentation-models-pytorch, whose decoders are put on our backbones: an optional dependency, imported late."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

from undercoat.errors import SpecError

__all__ = ["check_installed", "segmentation_models"]


def check_installed() -> None:
    """Say at once, rather than after training, that the library is missing.

    Raises:
        SpecError: when segmentation-models-pytorch is not installed.
    """
    if find_spec("segmentation_models_pytorch") is None:
        raise SpecError(
            "readout 'segmentation' needs segmentation-models-pytorch, which is not installed; "
            "pip install 'undercoat[segmentation]'"
        )


@cache
def segmentation_models() -> Any:
    """Import the library (some seconds), with a torchvision that can be imported.

    Raises:
        SpecError: when it is not installed.
    """
    from undercoat._torchvision import ensure_importable

    check_installed()
    ensure_importable()
    import segmentation_models_pytorch

    return segmentation_models_pytorch
