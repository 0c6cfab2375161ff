"""Weights in and out."""

from undercoat.interop.backbone_folder import load_backbone, save_backbone
from undercoat.interop.initial import INITIAL, Initial, initial_backbone
from undercoat.interop.state import Match, load_into, read_state

__all__ = [
    "INITIAL",
    "Initial",
    "Match",
    "initial_backbone",
    "load_backbone",
    "load_into",
    "read_state",
    "save_backbone",
]
