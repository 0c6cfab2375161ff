"""How others write checkpoints: layouts (where the backbone lies) and dialects (how its tensors are named)."""

from undercoat.interop.formats.dialects import DIALECTS, to_timm_names
from undercoat.interop.formats.layout import IMAGENET, Layout, Parted
from undercoat.interop.formats.layouts import LAYOUTS, find_layout

__all__ = ["DIALECTS", "IMAGENET", "LAYOUTS", "Layout", "Parted", "find_layout", "to_timm_names"]
