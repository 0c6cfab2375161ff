import builtins
import math
import subprocess
import sys

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score

from reference import clustering as slow
from undercoat.errors import DataError, SpecError
from undercoat.functional.clustering import (
    fill_empty_clusters,
    k_means,
    normalised_mutual_information,
    pca_whiten,
)


def noise(count, dim, seed=0):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def blobs(groups=3, each=20, dim=8, spread=0.05):
    """Groups that nobody can mistake, and which row belongs to which."""
    centres = 5 * noise(groups, dim)
    belongs = torch.arange(groups).repeat_interleave(each)
    return centres[belongs] + spread * noise(len(belongs), dim, seed=1), belongs


def test_whitened_features_have_unit_rows_and_the_geometry_of_scikit_learn():
    features = noise(300, 12) @ torch.diag(torch.linspace(3.0, 0.5, 12)) + 7.0
    ours = pca_whiten(features, 5)
    theirs = torch.from_numpy(PCA(5, whiten=True, svd_solver="full").fit_transform(features.double().numpy()))
    theirs = torch.nn.functional.normalize(theirs.float(), dim=1)
    assert torch.allclose(ours.norm(dim=1), torch.ones(300), atol=1e-5)
    assert torch.allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-3)  # axes have no sign and no order


def test_axes_are_searched_for_where_there_are_many():
    features = noise(500, 400) / (1 + torch.arange(400)).sqrt()
    exact = PCA(20, whiten=True, svd_solver="full").fit_transform(features.double().numpy())
    exact = torch.nn.functional.normalize(torch.from_numpy(exact).float(), dim=1)
    ours = pca_whiten(features, 20)
    assert torch.linalg.svdvals(ours.T @ exact / 500).sum() > 0.99  # 1 for the same rows up to a rotation


def test_whitening_forgets_shift_scale_and_rotation():
    features = noise(100, 6)
    turn = torch.linalg.qr(noise(6, 6, seed=1))[0]
    one, other = pca_whiten(features, 6), pca_whiten(100.0 * features @ turn - 30.0, 6)
    assert torch.allclose(one @ one.T, other @ other.T, atol=1e-3)


def test_more_rows_than_the_axes_are_found_from_are_all_whitened():
    features = noise(20_000, 8) * torch.tensor([9.0, 5, 4, 3, 2, 1, 0.1, 0.1])
    ours = pca_whiten(features, 6)
    assert ours.shape == (20_000, 6)
    assert torch.allclose(ours.T @ ours / len(ours), torch.eye(6) / 6, atol=5e-3)


def test_directions_without_variance_are_left_out():
    features = torch.cat([noise(50, 3), torch.ones(50, 4)], dim=1)
    assert pca_whiten(features, 7).shape == (50, 3)
    assert pca_whiten(noise(4, 9), 9).shape == (4, 3)  # four points span three directions


@pytest.mark.parametrize(("value", "words"), [(2.5, "equal"), (math.nan, "not finite"), (math.inf, "not finite")])
def test_features_that_cannot_be_clustered_are_refused_in_a_sentence(value, words):
    with pytest.raises(DataError, match=words):
        pca_whiten(torch.full((10, 4), value), 2)


def test_planted_groups_are_found():
    rows, belongs = blobs()
    best = max(normalised_mutual_information(k_means(rows, 3, seed=seed), belongs) for seed in range(5))
    assert best == 1.0


def test_k_means_is_as_good_as_scikit_learn():
    rows = noise(400, 4)
    ours = min(slow.within_cluster_squares(rows.tolist(), k_means(rows, 9, seed=s).tolist()) for s in range(3))
    theirs = KMeans(9, init="random", n_init=3, random_state=0).fit(rows.numpy()).inertia_
    assert ours < 1.03 * theirs


def test_the_seed_decides():
    rows = noise(200, 4)
    first, again, other = (k_means(rows, 12, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("distinct", [1, 3, 30])
def test_no_cluster_is_empty_even_where_rows_repeat(distinct):
    rows = noise(distinct, 4).repeat(30 // distinct, 1)
    for clusters in (1, 7, 30):
        labels = k_means(rows, clusters)
        assert torch.bincount(labels, minlength=clusters).min() >= 1
        assert labels.max() == clusters - 1


def test_an_empty_cluster_takes_half_of_the_largest():
    rows = torch.tensor([[0.0], [1.0], [10.0], [11.0], [50.0]])
    labels = fill_empty_clusters(rows, torch.tensor([2, 2, 2, 2, 0]), 3)
    assert labels[4] == 0
    assert labels[0] == labels[1] != labels[2] == labels[3]
    assert set(labels.tolist()) == {0, 1, 2}


def test_full_clusters_stay_as_they_are():
    labels = torch.tensor([0, 1, 2, 1])
    assert torch.equal(fill_empty_clusters(noise(4, 2), labels, 3), labels)


@pytest.mark.parametrize("clusters", [0, 6])
def test_more_clusters_than_images_is_refused_in_a_sentence(clusters):
    with pytest.raises(SpecError, match=f"5 images cannot be cut into {clusters} clusters; ask for"):
        k_means(noise(5, 2), clusters)


def test_missing_faiss_is_named_with_the_command(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "faiss":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SpecError, match="pip install faiss-cpu"):
        k_means(noise(5, 2), 2)


def test_agreement_is_that_of_the_slow_loop_and_of_scikit_learn():
    draw = torch.Generator().manual_seed(0)
    for kinds in (2, 5, 40):
        first, second = (torch.randint(kinds, (60,), generator=draw) for _ in range(2))
        ours = normalised_mutual_information(first, second)
        assert ours == pytest.approx(slow.normalised_mutual_information(first.tolist(), second.tolist()))
        assert ours == pytest.approx(normalized_mutual_info_score(first.numpy(), second.numpy()))


def test_agreement_at_its_ends():
    labels = torch.tensor([0, 0, 1, 2, 2])
    assert normalised_mutual_information(labels, 10 - labels) == pytest.approx(1.0)
    assert normalised_mutual_information(torch.full((5,), -1), labels) == 0.0
    assert normalised_mutual_information(torch.zeros(5), torch.ones(5)) == 1.0
    square = torch.arange(4)
    assert normalised_mutual_information(square // 2, square % 2) == pytest.approx(0.0, abs=1e-12)


def test_torch_and_faiss_compute_with_threads_in_one_process():
    script = """
import torch
torch.set_num_threads(2)
from undercoat.functional.clustering import k_means
rows = torch.randn(3000, 32)
network = torch.nn.Linear(32, 32)
for round in range(3):
    network(rows).square().mean().backward()
    assert k_means(rows @ rows.T[:, :64], 20, iterations=3).shape == (3000,)
print("done")
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, ["done"]), done.stderr
