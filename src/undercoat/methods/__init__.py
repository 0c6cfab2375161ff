"""Self-supervised methods by name: one file each, listed here and nowhere else."""

from undercoat.errors import SpecError, did_you_mean
from undercoat.methods.method import Auto, Batch, Facts, Method, check_arguments
from undercoat.methods.moco_v2 import MoCoV2

__all__ = ["METHODS", "Auto", "Batch", "Facts", "Method", "check_arguments", "method_class"]

METHODS: dict[str, type[Method]] = {"moco_v2": MoCoV2}


def method_class(name: str) -> type[Method]:
    """Look a method up.

    Raises:
        SpecError: for an unknown name, with the nearest known one.
    """
    if name not in METHODS:
        raise SpecError(f"{name!r} is no method{did_you_mean(name, METHODS)} (undercoat list methods)")
    return METHODS[name]
