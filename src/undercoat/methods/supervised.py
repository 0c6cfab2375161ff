"""Training on labels: the arm that self-supervised ones are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undercoat.backbones import Backbone
from undercoat.errors import DataError, SpecError
from undercoat.methods.method import Auto, Batch, Facts, Method, Picture, Preset

__all__ = ["Supervised"]

_SHOWN = 8
_INIT_STD = 0.01


class Supervised(Method):
    """Cross-entropy on the labels of the training images: the reference arm of every table.

    *The one method that reads labels.* All others are self-supervised; a table that names this one says what
    labels would have been worth. Images with several labels at once (CheXpert) are scored class by class.

    Args:
        backbone: carries the gradient.
        classes: number of classes; auto: of the data.
        multi_label: whether an image can have several classes at once; auto: of the data.
        label_smoothing: ε in 0 … 1: how much of each target is spread evenly.
        seed: of the classifier.

    Raises:
        SpecError: when the number of classes or the smoothing makes no sense.

    Reference: He et al. 2016, section 3.4, with the learning rate divided by ten after each third of the budget, as
    it has become usual, where the paper waited for plateaus. Smoothing: Szegedy et al. 2016, section 7.
    """

    number_of_views = 1
    reads_labels: ClassVar[bool] = True
    paper: ClassVar[str] = "He, Zhang, Ren & Sun 2016, arXiv 1512.03385"
    PRESETS: ClassVar[Mapping[str, Preset]] = {
        "auto": Preset(augmentation="crop_flip"),
        "paper": Preset(
            arguments={"label_smoothing": 0.0},
            optimiser={
                "name": "sgd",
                "lr": 0.1,
                "weight_decay": 1e-4,
                "momentum": 0.9,
                "decay_all": True,
                "warmup_steps": 0,
                "schedule": "step",
                "milestones": (1 / 3, 2 / 3),
            },
            batch=256,
            augmentation="inception_crop",
        ),
    }

    def __init__(
        self,
        backbone: Backbone,
        *,
        classes: int | None = None,
        multi_label: bool | None = None,
        label_smoothing: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(backbone)
        self.multi_label = bool(multi_label)
        least = 1 if self.multi_label else 2
        if classes is None or classes < least:
            raise SpecError(f"supervised has {classes} classes, too few to tell apart: give {least} or more")
        if not 0.0 <= label_smoothing < 1.0:
            raise SpecError(f"supervised's label_smoothing is {label_smoothing}, out of its range: give 0 to below 1")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.classifier = nn.Linear(backbone.dim, classes)
            nn.init.normal_(self.classifier.weight, std=_INIT_STD)  # so that training starts at chance
            nn.init.zeros_(self.classifier.bias)
        self.classes, self.label_smoothing = classes, label_smoothing

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Take the classes of the data.

        Raises:
            SpecError: when the data has no labels.
        """
        if facts.classes == 0:
            raise SpecError(
                "supervised needs labels and the data has none: name labelled data, or choose a self-supervised "
                "method (undercoat list methods)"
            )
        several = "an image can have several" if facts.multi_label else "each image has one"
        return {
            "classes": Auto(facts.classes, "classes of the data's labels"),
            "multi_label": Auto(facts.multi_label, f"{several} of the classes"),
        }

    @property
    def chance(self) -> dict[str, float]:
        """Accuracy of blind guessing; images of several classes have no such level, and no accuracy."""
        return {} if self.multi_label else {"accuracy": 1.0 / self.classes}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Name the class of each image, or say yes or no to every class."""
        labels = self._labels(batch)
        logits = self.classifier(self.backbone(batch.views[0])).float()
        smoothing = self.label_smoothing
        if self.multi_label:
            targets = labels.float() * (1.0 - smoothing) + 0.5 * smoothing
            return {"loss": F.binary_cross_entropy_with_logits(logits, targets)}
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        return {"loss": loss, "accuracy": (logits.detach().argmax(dim=1) == labels).float().mean()}

    def pictures(self, batch: Batch) -> list[Picture]:
        """Show the images whose own class gets the least probability."""
        if self.multi_label or batch.labels is None:
            return []
        labels = self._labels(batch)
        probability = self.classifier(self.backbone(batch.views[0])).float().softmax(dim=1)
        own = probability.gather(1, labels[:, None])[:, 0]
        said = probability.argmax(dim=1)
        shown = own.argsort()[:_SHOWN].tolist()
        return [
            Picture(
                name="least-certain",
                title="Images whose own class gets the least probability: label, its probability, what was said",
                rows=[[batch.views[0][i] for i in shown]],
                captions=[[f"{labels[i]}: {own[i]:.2f}, said {said[i]}" for i in shown]],
            )
        ]

    def _labels(self, batch: Batch) -> Tensor:
        """The labels of a batch, of the shape that the loss wants; numbers are looked at in the first step only."""
        labels = batch.labels
        if labels is None:
            raise DataError("supervised got images without labels: name labelled data, or choose another method")
        wanted = (len(batch), self.classes) if self.multi_label else (len(batch),)
        if tuple(labels.shape) != wanted:
            kind = f"0 or 1 for each of {self.classes} classes" if self.multi_label else "one class"
            raise DataError(f"supervised wants {kind} of each image, not labels {tuple(labels.shape)}: set multi_label")
        if not self.multi_label and batch.step == 0 and not 0 <= int(labels.min()) <= int(labels.max()) < self.classes:
            raise DataError(f"a label is {int(labels.max())} and classes is {self.classes}: leave classes auto")
        return labels
