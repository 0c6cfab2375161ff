"""Seconds that deep clustering of 60,000 images takes: PCA to 256 axes, whitening, unit length, k-means with k = 1,000.

The features are of two kinds: 4,096-dimensional, as AlexNet's hidden layers give them, and 512-dimensional, as a small
ResNet gives them. They are drawn around 1,000 centres with a spectrum that decays as that of trained networks does.
scikit-learn is given the same rows and as many iterations; its PCA is the randomised one, of all rows.

    python benchmarks/clustering.py [--json] [--save] [--images 60000] [--clusters 1000] [--without-sklearn]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch
from keeping import circumstances, keep
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn.functional import normalize

from undercoat.functional.clustering import k_means, pca_whiten

TARGET_SECONDS = 30.0
DIMS, ITERATIONS = 256, 20


def planted(images: int, dim: int, groups: int) -> Tensor:
    """Features around random centres, axis j with a standard deviation of 1 / √(1 + j)."""
    draw = torch.Generator().manual_seed(dim)
    centres = torch.randn(groups, dim, generator=draw)
    rows = centres[torch.randint(groups, (images,), generator=draw)] + 0.5 * torch.randn(images, dim, generator=draw)
    return rows / (1 + torch.arange(dim)).sqrt()


def timed(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Seconds, and what came out."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def spread(rows: Tensor, labels: Tensor, clusters: int) -> float:
    """Mean squared distance from the mean of the own cluster."""
    centres = torch.zeros(clusters, rows.shape[1]).index_add_(0, labels, rows)
    centres /= torch.bincount(labels, minlength=clusters)[:, None].clamp_min(1)
    return float((rows - centres[labels]).square().sum(1).mean())


def with_sklearn(features: Tensor, dims: int, clusters: int) -> tuple[float, float, Tensor, Tensor]:
    """Seconds of whitening and of k-means, the rows and their clusters."""
    whitened, rows = timed(
        lambda: torch.from_numpy(
            PCA(dims, whiten=True, svd_solver="randomized", random_state=0).fit_transform(features.numpy())
        )
    )
    rows = normalize(rows, dim=1)
    search = KMeans(clusters, init="random", n_init=1, max_iter=ITERATIONS, tol=0.0, random_state=0)
    clustered, labels = timed(lambda: torch.from_numpy(search.fit(rows.numpy()).labels_).long())
    return whitened, clustered, rows, labels


def measure_one(images: int, dim: int, clusters: int, *, sklearn: bool) -> dict[str, Any]:
    """One kind of features."""
    features, dims = planted(images, dim, clusters), min(DIMS, dim, images)
    whitened, rows = timed(lambda: pca_whiten(features, dims))
    clustered, labels = timed(lambda: k_means(rows, clusters, iterations=ITERATIONS))
    result: dict[str, Any] = {
        "seconds": whitened + clustered,
        "whitening_seconds": whitened,
        "k_means_seconds": clustered,
        "spread": spread(rows, labels, clusters),
        "smallest_cluster": int(torch.bincount(labels, minlength=clusters).min()),
    }
    if sklearn:
        *seconds, their_rows, their_labels = with_sklearn(features, dims, clusters)
        result["over_sklearn"] = sum(seconds) / result["seconds"]
        result["sklearn_seconds"] = sum(seconds)
        result["sklearn_spread"] = spread(their_rows, their_labels, clusters)
    return {f"{name}_{dim}": round(value, 3) for name, value in result.items()}


def measure(images: int, clusters: int, *, sklearn: bool) -> dict[str, Any]:
    """Both kinds, and where this ran."""
    k_means(torch.randn(1000, 8), 10)  # loads faiss
    found: dict[str, Any] = {}
    for dim in (4096, 512):
        found |= measure_one(images, dim, clusters, sklearn=sklearn)
    return {
        **dict(sorted(found.items(), key=lambda item: not item[0].startswith("seconds"))),
        "target_seconds": TARGET_SECONDS,
        "images": images,
        "clusters": clusters,
        "iterations": ITERATIONS,
        **circumstances(),
    }


def main() -> None:
    """Measure, print and, when asked, keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/<date>-clustering.csv")
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--clusters", type=int, default=1_000)
    parser.add_argument("--without-sklearn", action="store_true", help="leave out the comparison, which takes longest")
    options = parser.parse_args()
    result = measure(options.images, options.clusters, sklearn=not options.without_sklearn)
    if options.save:
        keep([result], "clustering")
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28s}{value}")


if __name__ == "__main__":
    main()
