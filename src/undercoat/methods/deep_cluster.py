"""Deep clustering (Caron, Bojanowski, Joulin & Douze 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from undercoat.backbones import Backbone
from undercoat.errors import SpecError
from undercoat.functional.clustering import k_means, normalised_mutual_information, pca_whiten
from undercoat.methods.method import Auto, Batch, Extract, Facts, Method, Picture, Preset
from undercoat.methods.parts import mlp
from undercoat.runtime import broadcast, rank

__all__ = ["DeepCluster"]

_ROWS, _COLUMNS = 8, 8

#: images of a look that is timed, at least
_TIMED = 1000


class DeepCluster(Method):
    """Cluster the features of all images, learn to predict each image's cluster from a random view, repeat.

    Every ``epochs_between`` passes, features of all images are whitened and cut into clusters by k-means, and the
    classifier starts afresh, since new clusters have nothing to do with the old ones' numbers. ``nmi`` in the log
    says how much the assignment agrees with the one before it (0 for the first, where all images were together).

    Differences from the published code: the classifier shares the optimiser of the rest, with its state
    forgotten; the hidden layers have no dropout; an empty cluster takes half of the largest one. Rare clusters
    count more in the loss (``balance``) where the published code draws images so that each cluster comes up
    equally often: in expectation the same loss, without an order of images of its own. (The published sampler
    looks its draws up in a list in another order, so that they are uniform over images, not over clusters.)
    For the published Sobel input give the backbone ``backbone_arguments: {sobel: true}``.

    Args:
        backbone: carries the gradient.
        clusters: k; auto: 16 images each, at least 10 and at most 10,000.
        images: N, how many there are; auto: the data set's.
        pca_dims: principal axes that features are whitened to before k-means.
        hidden: width of two hidden layers between backbone and classifier, whose output is what is clustered;
            0 for none, which clusters the backbone's own features.
        epochs_between: passes from one clustering to the next; auto: 50 steps at least, and 20 clusterings at most.
        iterations: of k-means.
        balance: ``weights`` lets every cluster count alike in the loss, ``none`` every image.
        seed: of the classifier, the hidden layers and k-means.

    Raises:
        SpecError: for more clusters than images, or an argument out of range.

    Reference: Caron et al. 2018, eq. 1–2 and section 3.3; 4096 hidden units and k = 10,000 in its AlexNet runs.
    """

    number_of_views = 1
    paper: ClassVar[str] = "Caron, Bojanowski, Joulin & Douze 2018, arXiv 1807.05520"
    PRESETS: ClassVar[Mapping[str, Preset]] = {
        # a fresh classifier every few dozen steps needs larger steps than other methods' heads
        "auto": Preset(optimiser={"name": "adamw", "lr": 3e-3}, batch=128),
        "paper": Preset(
            arguments={"clusters": 10_000, "hidden": 4096, "epochs_between": 1},
            optimiser={
                "name": "sgd", "lr": 0.05, "weight_decay": 1e-5, "momentum": 0.9, "decay_all": True,
                "warmup_steps": 0, "schedule": "constant",
            },
            augmentation="inception_crop",
        ),
    }  # fmt: skip

    labels: Tensor
    weights: Tensor
    nmi: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        clusters: int | None = None,
        images: int | None = None,
        pca_dims: int = 256,
        hidden: int = 0,
        epochs_between: int | None = None,
        iterations: int = 20,
        balance: Literal["weights", "none"] = "weights",
        seed: int = 0,
    ) -> None:
        super().__init__(backbone)
        self.images = 1_281_167 if images is None else images
        self.clusters = min(10_000, self.images) if clusters is None else clusters
        self.pca_dims, self.iterations, self.balance = pca_dims, iterations, balance
        self.epochs_between = 1 if epochs_between is None else epochs_between
        for name in ("clusters", "pca_dims", "iterations", "epochs_between"):
            if getattr(self, name) < 1:
                raise SpecError(f"deep_cluster's {name} is {getattr(self, name)}; set it to 1 or more")
        if balance not in ("weights", "none"):
            raise SpecError(f"deep_cluster's balance {balance!r} is not one of weights, none")
        if self.clusters > self.images:
            raise SpecError(
                f"{self.images:,} images cannot be cut into {self.clusters:,} clusters; set clusters to "
                f"{_clusters(self.images)}, say, or leave it auto"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.hidden = mlp(backbone.dim, hidden, hidden) if hidden else nn.Identity()
            self.classifier = nn.Linear(hidden or backbone.dim, self.clusters)
        self.register_buffer("labels", torch.full((self.images,), -1, dtype=torch.long))
        self.register_buffer("weights", torch.ones(self.clusters))
        self.register_buffer("nmi", torch.zeros(()))
        self.seed, self._clustered = seed, False

    @classmethod
    def auto(cls, facts: Facts) -> dict[str, Auto]:
        """Fit clusters to the data, and their lifetime to the budget."""
        clusters = _clusters(facts.images)
        in_epoch = facts.images / facts.batch
        between = max(1, ceil(50 / in_epoch), ceil(facts.steps / in_epoch / 20))
        return {
            "images": Auto(facts.images, "the size of the data set"),
            "clusters": Auto(clusters, f"about {facts.images / clusters:.0f} images each, 10 … 10,000 clusters"),
            "epochs_between": Auto(
                between, f"about {between * in_epoch:.0f} steps for each fresh classifier, 20 clusterings at most"
            ),
        }

    @property
    def chance(self) -> dict[str, float]:
        """Guessing among clusters of equal size."""
        return {"accuracy": 1 / self.clusters}

    @classmethod
    def for_sample(cls, arguments: Mapping[str, Any], images: int) -> tuple[dict[str, Any], int]:
        """Keep all clusters, which wants as many images, and enough images that a look is more than its beginning."""
        images = min(arguments["images"], max(images, arguments["clusters"], _TIMED))
        return {**arguments, "images": images}, images

    def looks_at(self, epoch: int) -> bool:
        """Clusters are made anew every ``epochs_between`` passes."""
        return epoch % self.epochs_between == 0

    @torch.no_grad()
    def before_epoch(self, epoch: int, extract: Extract) -> Iterable[nn.Parameter]:
        """Cluster all images and start the classifier afresh, where it is time to."""
        if not self.looks_at(epoch) and self.labels[0] >= 0:
            return ()
        features = extract(nn.Sequential(self.backbone, self.hidden))
        if len(features) != self.images:
            raise SpecError(f"the data set has {len(features):,} images and not {self.images:,}; leave images auto")
        labels = torch.empty_like(self.labels)
        if rank() == 0:
            rows = pca_whiten(features, self.pca_dims, seed=self.seed)
            labels.copy_(k_means(rows, self.clusters, iterations=self.iterations, seed=self._seed(epoch)))
        labels = broadcast(labels)
        self.nmi.fill_(normalised_mutual_information(self.labels, labels))
        self.labels.copy_(labels)
        self.weights.copy_(self.images / (self.clusters * torch.bincount(labels, minlength=self.clusters)))
        return self._fresh_classifier(epoch)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Predict the cluster of each image."""
        self._require_clusters()
        target = self.labels[batch.index]
        features = self.hidden(self.backbone(batch.views[0]))
        logits = self.classifier(features if isinstance(self.hidden, nn.Identity) else relu(features)).float()
        loss = cross_entropy(logits, target, reduction="none")
        if self.balance == "weights":
            loss = loss * self.weights[target]
        accuracy = (logits.detach().argmax(1) == target).float().mean()
        return {"loss": loss.mean(), "accuracy": accuracy, "nmi": self.nmi.clone()}

    def pictures(self, batch: Batch) -> list[Picture]:
        """One row for each of the clusters that have most of the batch's images."""
        found = self.labels[batch.index].cpu()
        if (found < 0).any():
            return []
        commonest = torch.bincount(found, minlength=self.clusters).argsort(descending=True, stable=True)[:_ROWS]
        groups = [(found == cluster).nonzero().flatten()[:_COLUMNS] for cluster in commonest]
        rows = [list(batch.views[0][group]) for group in groups if len(group)]
        return [Picture(name="clusters", title="Each row shows images of one cluster.", rows=rows)]

    def _require_clusters(self) -> None:
        if not self._clustered and (self.labels < 0).any():
            raise SpecError("deep_cluster has no clusters yet: call before_epoch(0, extract) before the first batch")
        self._clustered = True  # asked once only: an accelerator would have to be waited for

    def _seed(self, epoch: int) -> int:
        return self.seed * 1_000_003 + epoch

    def _fresh_classifier(self, epoch: int) -> list[nn.Parameter]:
        weight = self.classifier.weight
        weight.copy_(0.01 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(self._seed(epoch))))
        self.classifier.bias.zero_()
        return list(self.classifier.parameters())


def _clusters(images: int) -> int:
    return min(images, max(10, min(10_000, images // 16)))
