import pytest
import torch
from torch.nn.functional import normalize

from undercoat.training.health import alarm, collapse_meter


def meter(rows):
    return collapse_meter(torch.stack([rows, rows]))


def test_even_embeddings_ring_no_alarm_and_equal_ones_do():
    even = normalize(torch.randn(256, 128, generator=torch.Generator().manual_seed(0)), dim=1)
    assert alarm(meter(even), progress=1.0, most=128) == ""
    equal = even[:1].expand(256, -1)
    assert "nearly equal" in alarm(meter(equal), progress=1.0, most=128)


def test_a_few_dimensions_are_a_collapse_too():
    flat = torch.zeros(256, 128)
    flat[:, :2] = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
    found = meter(normalize(flat, dim=1))
    assert found["effective_rank"] == pytest.approx(2.0, abs=0.1)
    assert "fill about 2.0 of 128 dimensions" in alarm(found, progress=1.0, most=128)


def test_the_first_quarter_is_let_pass():
    assert alarm({"feature_std": 0.0, "effective_rank": 1.0}, progress=0.2, most=128) == ""
