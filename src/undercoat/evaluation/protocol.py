"""A protocol: which images, which readouts, and how the choice and the test are kept apart."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator, model_validator

from undercoat.backbones.backbone import Backbone
from undercoat.data.canvases import Canvases
from undercoat.errors import SpecError
from undercoat.evaluation.layers import ALL, LayerReading, layer_reading
from undercoat.evaluation.measures import mask_measures, measure_named, reads_masks
from undercoat.evaluation.pooling import MAX_FEATURES, pooling_named
from undercoat.evaluation.readouts import ImageReadout, Readout, build_readout, settings_of
from undercoat.evaluation.readouts.labelled import is_for_masks
from undercoat.evaluation.view import EvaluationView
from undercoat.spec import Spec, amount, digest

__all__ = ["Protocol"]


class Protocol(Spec):
    """What is measured, and on what; the same protocol for all arms makes their numbers comparable.

    Attributes:
        data: labelled data, as a data spec.
        size_px: side of the view the backbone is shown.
        crop_fraction: share of the shorter side that is kept, in (0, 1].
        readouts: name → arguments.
        layers: ``all`` (every layer that has a name, and ``final``), or names and dotted paths of layers; None reads
            the backbone's features alone, which are called ``final``.
        pooling: how a layer's map becomes a vector: ``auto``, by its own shape, or as a published table did (see
            :mod:`undercoat.evaluation.pooling`).
        max_features: numbers that ``auto`` leaves of a layer at most.
        measures: names; a readout that none of them fits takes its own: accuracy, or AUROC when an image can have
            several labels; of masks Dice and IoU.
        held_out_fraction: share of train kept aside for choosing settings, in (0, 1); not used when the data
            names validation images.
        test_fraction: share of the data used as test when it names no test images, in (0, 1).
        seed: of splits, of the order of images in a probe and of bootstraps; not the training seed.
        labels_limit: how many labels of train may be used: a count, or a share such as ``10%`` or 0.1, with at least
            one image of each class, or two where a part is held out; None = all.
        labels_from: in its place, a file with the names of the images whose labels may be used, one a line.

    Example:
        >>> Protocol.of({"data": "sample:noto", "size_px": 64}, where="protocol").readouts
        {'knn': {}, 'linear': {}}
    """

    data: str
    size_px: int = Field(gt=0)
    crop_fraction: float = Field(default=1.0, gt=0, le=1)
    readouts: dict[str, dict[str, Any]] = Field(default={"knn": {}, "linear": {}}, min_length=1)
    layers: Literal["all"] | tuple[str, ...] | None = None
    pooling: str = "auto"
    max_features: int = Field(default=MAX_FEATURES, ge=1)
    measures: tuple[str, ...] = ()
    held_out_fraction: float = Field(default=0.2, gt=0, lt=1)
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    labels_limit: int | float | None = None
    labels_from: str | None = None

    @field_validator("readouts")
    @classmethod
    def _known_readouts(cls, readouts: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, arguments in readouts.items():
            build_readout(name, arguments)
        return readouts

    @field_validator("layers", mode="before")
    @classmethod
    def _listed_layers(cls, layers: Any) -> Any:
        if isinstance(layers, str) and layers != ALL:
            return tuple(name.strip() for name in layers.split(",") if name.strip())
        return layers

    @field_validator("layers")
    @classmethod
    def _layers_once(cls, layers: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if layers is not None and not layers:
            raise SpecError("layers is empty, but something must be read; give names, 'all', or leave layers out")
        if isinstance(layers, tuple) and (twice := [name for name in layers if layers.count(name) > 1]):
            raise SpecError(f"layers names {twice[0]!r} twice; name it once")
        return layers

    @field_validator("pooling")
    @classmethod
    def _known_pooling(cls, pooling: str) -> str:
        return pooling_named(pooling)

    @field_validator("labels_limit", mode="before")
    @classmethod
    def _count_or_share(cls, labels_limit: Any) -> int | float | None:
        return None if labels_limit is None else amount(labels_limit, name="labels_limit", least=2)

    @model_validator(mode="after")
    def _one_choice_of_labels(self) -> Protocol:
        if self.labels_limit is not None and self.labels_from is not None:
            raise SpecError(
                f"labels_limit is {self.labels_limit} and labels_from {self.labels_from!r}, but both choose the labels "
                "that are used; give one of them"
            )
        return self

    @field_validator("measures")
    @classmethod
    def _known_measures(cls, measures: tuple[str, ...]) -> tuple[str, ...]:
        for name in measures:
            measure_named(name)
        return measures

    @property
    def view(self) -> EvaluationView:
        """How images are shown."""
        return EvaluationView(size_px=self.size_px, crop_fraction=self.crop_fraction)

    def reading(self, backbone: Backbone, *, device: torch.device | str = "cpu") -> LayerReading:
        """Decide what is read from this backbone; what cannot work stops here, before anything expensive.

        Raises:
            SpecError: for a layer that it does not have, or a pooling that does not fit the layer's map.
        """
        return layer_reading(
            backbone,
            self.layers,
            size_px=self.size_px,
            pooling=self.pooling,
            max_features=self.max_features,
            device=device,
        )

    def built_readouts(self) -> dict[str, Readout | ImageReadout]:
        """Build the readouts, in the order they are named."""
        return {name: build_readout(name, arguments) for name, arguments in self.readouts.items()}

    @property
    def answers(self) -> tuple[bool, ...]:
        """Which kinds of answers the readouts give: False for labels, True for masks."""
        return tuple(sorted({is_for_masks(readout) for readout in self.built_readouts().values()}))

    def measure_names(self, data: Canvases, *, masks: bool = False) -> tuple[str, ...]:
        """Resolve which measures are taken on this data, of its labels or of its masks."""
        fitting = tuple(name for name in self.measures if reads_masks(name) == masks)
        usual = mask_measures(data.mask_classes) if masks else ("auroc",) if data.multi_label else ("accuracy",)
        return fitting or usual

    def eval_digest(self, train: Canvases, test: Canvases) -> str:
        """Hash everything but the backbone that the numbers depend on: settings, images and labels.

        Defaults are written out before hashing, so that a changed default is a different evaluation. What was added
        later is left out where it changes nothing, so that evaluations from before keep their digest.
        """
        later = set() if self.layers else {"layers", "pooling", "max_features"}
        settings = self.model_dump(mode="json", exclude=later | {"labels_from"})  # what a list names is in train
        settings["readouts"] = {name: settings_of(built) for name, built in self.built_readouts().items()}
        answers = self.answers
        settings["measures"] = [name for masks in answers for name in self.measure_names(test, masks=masks)]
        content = _mask_content if answers == (True,) else _content
        about: dict[str, Any] = {"protocol": settings, "train": content(train), "test": content(test)}
        return digest(about | ({"masks": [train.mask_digest, test.mask_digest]} if True in answers else {}))


def _mask_content(canvases: Canvases) -> list[str]:
    rows = blake2b(canvases.rows.astype(np.int64).tobytes(), digest_size=8).hexdigest()
    return [canvases.digest, rows, *canvases.mask_classes]


def _content(canvases: Canvases) -> list[str]:
    if canvases.labels is None:
        raise SpecError(f"{canvases.name!r} has no labels, so it cannot be evaluated on; give labelled data")
    arrays = (canvases.rows, np.asarray(canvases.labels))
    hashes = [blake2b(array.astype(np.int64).tobytes(), digest_size=8).hexdigest() for array in arrays]
    return [canvases.digest, *hashes, *canvases.classes]
