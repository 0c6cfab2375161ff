"""Filters in numbers: closed forms, and chance where there is nothing to find."""

import math

import pytest
import torch

from undercoat.backbones import build_backbone
from undercoat.diagnosis.filter_statistics import coherence, colour_share, filter_statistics, redundancy, roughness
from undercoat.diagnosis.first_layer import FirstLayer, first_layer

ANGLES = torch.tensor([0.0, 0.3, 0.8, 1.2, 2.0])


def random_filters(shape, draw=0):
    return FirstLayer(torch.zeros(shape)).by_chance(draw=draw)


def gratings(size=11, channels=1, wavelength=6.0):
    places = torch.arange(size) - (size - 1) / 2
    y, x = torch.meshgrid(places, places, indexing="ij")
    waves = [torch.sin((x * a.cos() + y * a.sin()) * 2 * math.pi / wavelength) for a in ANGLES]
    return torch.stack(waves)[:, None].expand(-1, channels, -1, -1)


def test_gratings_of_any_direction_are_coherent_and_round_spots_are_not():
    assert coherence(gratings()).min() > 0.99
    places = torch.arange(11) - 5.0
    spot = torch.exp(-(places[:, None] ** 2 + places[None] ** 2) / 8)[None, None]
    assert coherence(spot).item() == pytest.approx(0, abs=1e-6)
    assert coherence(torch.ones(1, 3, 3, 3)).item() == 0


def test_coherence_turns_with_the_filter_and_ignores_its_strength():
    filters = random_filters((6, 3, 5, 5))
    assert torch.allclose(coherence(filters), coherence(-9 * filters.rot90(1, (2, 3))))


def test_roughness_of_a_grating_and_of_noise():
    # a wave of frequency w has slopes of w² / 2 and deviations of 1/2; differences see 2 sin(w / 2) for w
    wide = gratings(61, wavelength=12.0)[:1]
    assert roughness(wide).item() == pytest.approx(4 * math.sin(math.pi / 12) ** 2, rel=0.05)
    assert roughness(random_filters((4, 1, 101, 101))).mean().item() == pytest.approx(2, rel=0.05)


def test_colour_of_chance_is_two_thirds():
    assert colour_share(random_filters((400, 3, 5, 5))).mean().item() == pytest.approx(2 / 3, abs=0.02)
    assert colour_share(gratings(channels=3)).max().item() == pytest.approx(0, abs=1e-9)


def test_redundancy_of_copies_and_of_orthogonal_filters():
    assert redundancy(torch.eye(4).view(4, 1, 2, 2)).tolist() == [0, 0, 0, 0]
    once = random_filters((3, 3, 5, 5))
    assert redundancy(torch.cat([once, -once])).min().item() == pytest.approx(1)
    assert redundancy(once[:1]).tolist() == [0]


@pytest.mark.parametrize("size", [3, 5, 11])
def test_random_filters_are_as_oriented_as_chance_says(size):
    rows = {
        row.measure: row for row in filter_statistics("x", FirstLayer(random_filters((600, 3, size, size), draw=7)))
    }
    assert rows["oriented"].value == pytest.approx(0.05, abs=0.03)
    assert rows["smooth"].value == pytest.approx(0.05, abs=0.03)
    for row in rows.values():
        assert row.measure == "dead" or row.null_low - 0.02 <= row.value <= row.null_high + 0.02


def test_edges_are_found_and_dead_filters_counted():
    layer = torch.cat([gratings(channels=3), torch.full((5, 3, 11, 11), 1e-6)])
    rows = {row.measure: row for row in filter_statistics("x", FirstLayer(layer))}
    assert rows["dead"].value == 0.5
    assert rows["edge-like"].value == 1
    assert rows["edge-like"].null < 0.05
    assert rows["colour"].value == pytest.approx(0, abs=1e-9)
    assert rows["edge-like"].n == 5


def test_filters_of_one_pixel_have_no_slopes():
    measures = [row.measure for row in filter_statistics("x", FirstLayer(random_filters((8, 3, 1, 1))))]
    assert measures == ["dead", "colour", "redundancy"]


def test_a_layer_of_nothing_is_all_dead():
    rows = filter_statistics("x", FirstLayer(torch.zeros(4, 3, 3, 3)))
    assert [(row.measure, row.value) for row in rows] == [("dead", 1.0)]


def test_an_untrained_network_of_edges_is_chance_too():
    layer = first_layer(build_backbone("undercoat/alexnet", arguments={"sobel": True}))
    rows = {row.measure: row for row in filter_statistics("x", layer)}
    for measure in ("redundancy", "coherence"):
        row = rows[measure]
        margin = row.null_high - row.null_low
        assert row.null_low - margin < row.value < row.null_high + margin
