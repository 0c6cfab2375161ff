"""The layouts that are known, the most particular first."""

from __future__ import annotations

from collections.abc import Collection

from undercoat.interop.formats.layout import FIRST, Layout

__all__ = ["LAYOUTS", "find_layout"]

# what savers put around a model's names, in any order that was seen
_IN = r"(?:(?:state_dict|model_state_dict|model|net|network|module|_orig_mod)\.)*"
_NUMBERED = r"\d+\.(?:weight|\d)"
_VISSL = r"(?:classy_state_dict\.base_model\.model\.|model_state_dict\.)?(?:trunk\.)?(?:base_model\.)?"

#: name → layout; :func:`find_layout` takes the first that fits
LAYOUTS: dict[str, Layout] = {
    "vissl": Layout(
        "VISSL",
        prefix=rf"{_VISSL}_feature_blocks\.|classy_state_dict\.base_model\.model\.trunk\.(?!base_model|_feature)",
    ),
    "openselfsup": Layout(
        "OpenSelfSup / mmselfsup pretraining (query encoder)",
        prefix=rf"{_IN}(?:encoder_q|online_net)\.0\.",
        alias=rf"{_IN}backbone\.",
    ),
    "moco": Layout("MoCo v1/v2 (query encoder)", prefix=rf"{_IN}encoder_q\."),
    "moco_v3": Layout("MoCo v3 (base encoder)", prefix=rf"{_IN}base_encoder\."),
    "dino": Layout("DINO (teacher)", prefix=rf"teacher\.{_IN}backbone\.", needs=(r"student\.",)),
    "byol_pytorch": Layout(
        "byol-pytorch (online encoder)",
        prefix=rf"{_IN}online_encoder\.net\.",
        alias=rf"{_IN}net\.(?!online_encoder)",
    ),
    "lightly": Layout("lightly (numbered layers)", prefix=rf"{_IN}backbone\.", first=_NUMBERED),
    "solo_learn": Layout(
        "solo-learn",
        prefix=rf"{_IN}(?:backbone|encoder)\.",
        needs=(rf"{_IN}(?:projector|classifier|momentum_backbone|momentum_encoder)\.",),
        facts=("pytorch-lightning_version",),
    ),
    "simclr": Layout(
        "SimCLR in PyTorch (encoder and projector)",
        prefix=rf"{_IN}(?:encoder|f)\.",
        first=rf"{_NUMBERED}|{FIRST}",
        needs=(rf"{_IN}(?:projector|projection|projection_head|g)\.",),
    ),
    "lightning": Layout(
        "a Lightning checkpoint",
        prefix=rf"{_IN}(?:(?:backbone|encoder|feature_extractor)\.)?{_IN}",
        first=rf"{_NUMBERED}|{FIRST}",
        facts=("pytorch-lightning_version",),
    ),
    "mmselfsup": Layout("mmselfsup / OpenSelfSup model", prefix=rf"{_IN}backbone\.", facts=("meta",)),
    "detectron2": Layout(
        "detectron2",
        prefix=rf"{_IN}(?:backbone\.)?(?:bottom_up\.)?",
        first=r"stem\.conv1\.",
        needs=(r".*\bres2\.",),
    ),
    "backbone": Layout("a backbone behind a prefix", prefix=rf"{_IN}(?:backbone|trunk|encoder|base_model)\.{_IN}"),
    "extracted": Layout("a backbone extracted by OpenSelfSup or HPT", prefix=_IN, facts=("author",)),
    "parallel": Layout(
        "plain names behind module. (such as the HPT authors' conversions)", prefix=r"(?:state_dict\.|model\.)?module\."
    ),
    "plain": Layout("torchvision or timm", prefix=_IN, normalisation=None),
}


def find_layout(names: Collection[str], facts: Collection[str]) -> Layout | None:
    """Recognise a checkpoint by its names.

    Args:
        names: of its tensors, dotted.
        facts: other entries at its top.

    Example:
        >>> find_layout(["state_dict.module.encoder_q.conv1.weight", "state_dict.module.queue"], []).title
        'MoCo v1/v2 (query encoder)'
    """
    return next((layout for layout in LAYOUTS.values() if layout.fits(names, facts)), None)
