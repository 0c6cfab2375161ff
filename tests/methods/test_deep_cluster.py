import numpy as np
import pytest
import torch
from torch import nn

from networks import tiny_backbone
from undercoat.errors import SpecError
from undercoat.functional.draws import Draws
from undercoat.methods import Batch, DeepCluster, Facts

IMAGES = 60


def planted(module=None, *, seed=0):
    """Features of 60 images in three groups that nobody can mistake; image i belongs to group i % 3."""
    noise = torch.randn(IMAGES, 8, generator=torch.Generator().manual_seed(seed))
    return 20 * torch.eye(3, 8)[torch.arange(IMAGES) % 3] + 0.05 * noise


def method_for(**arguments):
    return DeepCluster(tiny_backbone(), **{"images": IMAGES, "clusters": 3, "pca_dims": 2, **arguments})


def clustered(**arguments):
    method = method_for(**arguments)
    method.before_epoch(0, planted)
    return method


def batch_of(index):
    index = torch.as_tensor(index)
    views = torch.rand(len(index), 3, 16, 16, generator=torch.Generator().manual_seed(0))
    draws = Draws(seed=0, epoch=np.zeros(len(index), np.int64), index=index.numpy())
    return Batch((views,), index, draws, 0)


def same_groups(labels):
    return all(len(labels[group::3].unique()) == 1 for group in range(3)) and len(labels.unique()) == 3


def test_it_labels_planted_groups():
    assert any(same_groups(clustered(seed=seed).labels) for seed in range(4))


def test_without_clusters_there_is_nothing_to_predict():
    method = method_for()
    with pytest.raises(SpecError, match="before_epoch"):
        method(batch_of([0, 1]))
    assert method.pictures(batch_of([0, 1])) == []


def test_a_fresh_classifier_is_at_chance_and_is_handed_back_for_the_optimiser_to_forget():
    method = method_for(clusters=5, balance="none")
    before = method.classifier.weight
    assert method.before_epoch(0, planted) == [method.classifier.weight, method.classifier.bias]
    assert method.classifier.weight is before  # the same parameter, which the optimiser knows
    assert method.classifier.weight.std().item() == pytest.approx(0.01, rel=0.2)
    assert method(batch_of(range(20)))["loss"].item() == pytest.approx(np.log(5), abs=0.05)
    assert method.chance == {"accuracy": 0.2}


def test_clusters_last_as_many_passes_as_asked():
    method = method_for(epochs_between=3)
    asked = []

    def extract(module):
        asked.append(module)
        return planted(seed=len(asked))

    fresh = [len(list(method.before_epoch(epoch, extract))) for epoch in range(7)]
    assert fresh == [2, 0, 0, 2, 0, 0, 2]
    assert len(asked) == 3


def test_another_epoch_another_classifier_but_always_the_same_one():
    first, again, other = method_for(), method_for(), method_for()
    for method, epoch in ((first, 4), (again, 4), (other, 5)):
        method.before_epoch(epoch, planted)
    assert torch.equal(first.classifier.weight, again.classifier.weight)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)


def test_agreement_with_the_clusters_before_is_logged():
    method = clustered(clusters=12)
    assert method(batch_of([0]))["nmi"].item() == 0.0  # before the first clustering all images were together
    first = method.labels.clone()
    method.before_epoch(0, planted)
    assert torch.equal(method.labels, first)
    assert method(batch_of([0]))["nmi"].item() == pytest.approx(1.0)
    method.before_epoch(0, lambda module: torch.randn(IMAGES, 8, generator=torch.Generator().manual_seed(5)))
    assert 0.1 < method(batch_of([0]))["nmi"].item() < 0.9


def test_weights_let_every_cluster_count_alike():
    method = clustered(balance="weights")
    method.labels.copy_(torch.tensor([0] * 40 + [1] * 15 + [2] * 5))
    method.weights.copy_(IMAGES / (3 * torch.bincount(method.labels)))
    nn.init.normal_(method.classifier.weight, std=3.0)
    whole = batch_of(range(IMAGES))
    loss = method(whole)["loss"].item()
    by_cluster = []
    for cluster in range(3):
        rows = (method.labels == cluster).nonzero().flatten()
        logits = method.classifier(method.backbone(whole.views[0][rows]))
        by_cluster.append(nn.functional.cross_entropy(logits, method.labels[rows]).item())
    assert loss == pytest.approx(np.mean(by_cluster), rel=1e-4)


def test_weights_come_from_the_sizes_of_clusters_and_average_one_over_images():
    method = clustered(clusters=7)
    sizes = torch.bincount(method.labels, minlength=7)
    assert torch.allclose(method.weights * sizes, torch.full((7,), IMAGES / 7))
    assert method.weights[method.labels].mean().item() == pytest.approx(1.0)


def test_the_hidden_layers_are_what_is_clustered():
    method = method_for(hidden=24)
    seen = {}

    def extract(module):
        seen["width"] = module(torch.rand(2, 3, 16, 16)).shape[1]
        return planted()

    method.before_epoch(0, extract)
    assert seen["width"] == 24
    assert method.classifier.in_features == 24


def test_more_clusters_than_images_is_refused_before_anything_is_computed():
    with pytest.raises(SpecError, match="60 images cannot be cut into 100 clusters; set clusters to 10"):
        method_for(clusters=100)
    with pytest.raises(SpecError, match="the data set has 60 images and not 61"):
        method_for(images=61).before_epoch(0, planted)


@pytest.mark.parametrize(
    ("name", "value"), [("clusters", 0), ("pca_dims", 0), ("iterations", -1), ("epochs_between", 0), ("balance", "all")]
)
def test_arguments_out_of_range_are_named(name, value):
    with pytest.raises(SpecError, match=f"deep_cluster's {name} .*{value}"):
        method_for(**{name: value})


@pytest.mark.parametrize("images", [3, 100, 1525, 10**7])
def test_auto_clusters_fit_the_data(images):
    facts = Facts(images=images, batch=min(64, images), steps=300, initialised=False, batch_norm=True)
    auto = {name: value.value for name, value in DeepCluster.auto(facts).items()}
    assert 1 <= auto["clusters"] <= min(images, 10_000)
    assert auto["images"] == images
    assert auto["epochs_between"] * images / facts.batch >= min(50, images)


def test_clusterings_are_at_most_twenty():
    facts = Facts(images=1000, batch=100, steps=10_000, initialised=False, batch_norm=True)
    assert DeepCluster.auto(facts)["epochs_between"].value == 50


def test_the_picture_has_a_row_for_each_of_the_commonest_clusters():
    method = clustered()
    method.labels.copy_(torch.tensor([2] * 30 + [0] * 20 + [1] * 10))
    batch = batch_of([0, 1, 2, 30, 31, 50])
    (picture,) = method.pictures(batch)
    assert [len(row) for row in picture.rows] == [3, 2, 1]
    assert torch.equal(picture.rows[1][0], batch.views[0][3])
