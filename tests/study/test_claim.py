"""Claims are checked against the study's arms, readouts and layers before any work."""

import pytest

from undercoat.errors import SpecError
from undercoat.evaluation import Protocol
from undercoat.study.claim import Claim, check_claims, pairs_of

PROTOCOL = Protocol(data="sample:digits", size_px=32, readouts={"linear": {}})


def claim(**changes):
    return Claim.of({"says": "it helps", "expect": "higher", "pairs": [["a", "b"]], **changes}, where="claim")


def test_pairs_are_asked_for_once():
    assert pairs_of([claim(), claim(pairs=[["a", "b"], ["b", "a"]])]) == [("a", "b"), ("b", "a")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": [["a", "bee"]]}, "names arm 'bee', which the study does not have"),
        ({"pairs": [["a", "b"], ["a", "a"]]}, "compares arm 'a' with itself"),
        ({"readouts": ["knn"]}, "names readout 'knn'"),
        ({"layers": ["conv1"]}, "names layer 'conv1'"),
    ],
)
def test_a_claim_about_something_else_is_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        check_claims([claim(**changes)], ["a", "b"], PROTOCOL)


def test_layers_are_looked_up_in_the_protocol():
    listed = PROTOCOL.model_copy(update={"layers": ("conv1", "conv2")})
    check_claims([claim(layers=["conv2"])], ["a", "b"], listed)
    with pytest.raises(SpecError, match="names layer 'conv3'"):
        check_claims([claim(layers=["conv3"])], ["a", "b"], listed)
    check_claims([claim(layers=["conv3"])], ["a", "b"], PROTOCOL.model_copy(update={"layers": "all"}))


def test_a_claim_needs_a_protocol():
    with pytest.raises(SpecError, match="no protocol"):
        check_claims([claim()], ["a", "b"], None)


@pytest.mark.parametrize(
    "changes", [{"expect": "better"}, {"pairs": []}, {"expect": "alike"}, {"margin": 2}, {"say": 1}]
)
def test_a_claim_that_says_nothing_is_refused(changes):
    with pytest.raises(SpecError):
        claim(**changes)
