"""Weights in and out."""

from undercoat.interop.backbone_folder import load_backbone, save_backbone
from undercoat.interop.foreign import read_foreign
from undercoat.interop.importing import Imported, import_weights
from undercoat.interop.initial import INITIAL, Initial, initial_backbone
from undercoat.interop.opening import open_foreign
from undercoat.interop.state import Match, load_into, read_state

__all__ = [
    "INITIAL",
    "Imported",
    "Initial",
    "Match",
    "import_weights",
    "initial_backbone",
    "load_backbone",
    "load_into",
    "open_foreign",
    "read_foreign",
    "read_state",
    "save_backbone",
]
