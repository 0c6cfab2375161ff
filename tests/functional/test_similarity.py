"""Likeness of networks: values in closed form, invariances, and what chance gives."""

from itertools import permutations

import numpy as np
import pytest
import torch

from undercoat.functional.similarity import gram, linear_cka, linear_cka_of_grams, matched_cosine, unbiased_hsic


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_matching_is_the_best_of_all_pairings():
    first, second = normal(4, 6), normal(4, 6, seed=1)
    unit = [rows / rows.norm(dim=1, keepdim=True) for rows in (first, second)]
    cosine = (unit[0] @ unit[1].T).abs()
    best = max(np.mean([cosine[i, j] for i, j in enumerate(order)]) for order in permutations(range(4)))
    assert matched_cosine(first, second).value == pytest.approx(best)


def test_matching_does_not_care_for_order_size_and_sign_of_filters():
    first = normal(5, 3, 4, 4)
    order = torch.tensor([3, 0, 4, 1, 2])
    found = matched_cosine(first, -7 * first[order])
    assert found.value == pytest.approx(1)
    assert order[found.second].tolist() == found.first.tolist()
    assert matched_cosine(first, -first, signed=True).value < 0.9


def test_a_network_with_fewer_filters_gets_a_partner_for_each():
    first = normal(8, 10)
    found = matched_cosine(first[:3], first)
    assert found.value == pytest.approx(1)
    assert len(found.first) == 3


def test_filters_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="9 and of 4"):
        matched_cosine(torch.ones(2, 9), torch.ones(2, 4))


def hsic_by_hand(first, second):
    """The definition as an average over all choices of four different images (Song et al. 2012, eq. 4)."""
    n, total, count = len(first), 0.0, 0
    for i, j, q, r in permutations(range(n), 4):
        total += float(first[i, j] * (second[i, j] + second[q, r] - 2 * second[i, q]))
        count += 1
    return total / count


def test_the_estimator_is_the_average_over_fours_of_images():
    first, second = gram(normal(6, 2)), gram(normal(6, 3, seed=1))
    assert unbiased_hsic(first, second) == pytest.approx(hsic_by_hand(first, second))


def test_leaving_one_out_is_what_it_says():
    first, second = gram(normal(9, 2)), gram(normal(9, 3, seed=1))
    found = linear_cka_of_grams(first, second)
    for left in range(9):
        kept = [i for i in range(9) if i != left]
        without = linear_cka_of_grams(first[kept][:, kept], second[kept][:, kept]).value
        assert float(found.pseudo_values[left]) == pytest.approx(9 * found.value - 8 * without)


def test_alignment_ignores_turns_scale_and_offset_and_nothing_else():
    features = normal(30, 4)
    turn = torch.linalg.qr(normal(4, 4, seed=2)).Q
    assert linear_cka(features, 3 * features @ turn + 5) == pytest.approx(1)
    stretched = features * torch.tensor([20.0, 1, 1, 1])
    assert linear_cka(features, stretched) < 0.9


def test_unrelated_features_align_at_zero_even_when_wider_than_images_are_many():
    values = [linear_cka(normal(20, 500, seed=s), normal(20, 500, seed=100 + s)) for s in range(40)]
    assert abs(np.mean(values)) < 0.02  # the biased estimator gives 0.96 here


def test_shared_signal_comes_out_at_its_share():
    # of two independent columns, one is the other side's only one: ‖C‖² = 1, and ‖C‖² of the pair with itself is 2
    shared = normal(3000, 1)
    mixed = torch.cat([shared, normal(3000, 1, seed=1)], dim=1)
    assert linear_cka(shared, mixed) == pytest.approx(2**-0.5, abs=0.03)


def test_features_that_never_change_have_no_alignment():
    assert np.isnan(linear_cka(torch.ones(8, 3), normal(8, 3)))


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="5 images, not 4"):
        linear_cka(normal(4, 2), normal(4, 2))
    with pytest.raises(ValueError, match="4 images, not 3"):
        unbiased_hsic(gram(normal(3, 2)), gram(normal(3, 2)))
