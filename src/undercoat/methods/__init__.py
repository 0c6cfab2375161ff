"""Self-supervised methods by name: one file each, listed here and nowhere else."""

from undercoat.errors import SpecError, did_you_mean
from undercoat.methods.bigan import BiGAN
from undercoat.methods.byol import BYOL
from undercoat.methods.deep_cluster import DeepCluster
from undercoat.methods.jigsaw import Jigsaw
from undercoat.methods.method import Auto, Batch, Extract, Facts, Method, Picture, Preset, check_arguments
from undercoat.methods.moco_v2 import MoCoV2
from undercoat.methods.pirl import PIRL
from undercoat.methods.rotation_contrast import RotationContrast
from undercoat.methods.rotnet import RotNet
from undercoat.methods.simclr import SimCLR
from undercoat.methods.supervised import Supervised

__all__ = [
    "METHODS",
    "Auto",
    "Batch",
    "Extract",
    "Facts",
    "Method",
    "Picture",
    "Preset",
    "check_arguments",
    "method_class",
]

METHODS: dict[str, type[Method]] = {
    "bigan": BiGAN,
    "byol": BYOL,
    "deep_cluster": DeepCluster,
    "jigsaw": Jigsaw,
    "moco_v2": MoCoV2,
    "pirl": PIRL,
    "rotation_contrast": RotationContrast,
    "rotnet": RotNet,
    "simclr": SimCLR,
    "supervised": Supervised,
}


def method_class(name: str) -> type[Method]:
    """Look a method up.

    Raises:
        SpecError: for an unknown name, with the nearest known one.
    """
    if name not in METHODS:
        raise SpecError(f"{name!r} is no method{did_you_mean(name, METHODS)} (undercoat list methods)")
    return METHODS[name]
