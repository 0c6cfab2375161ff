"""Dice and IoU: closed forms, references, invariances, and the same contract as every measure."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score

from undercoat._torchvision import ensure_importable
from undercoat.errors import DataError, SpecError
from undercoat.evaluation.measures import MEASURES, MaskPredictions, mask_measures, measure_named, reads_masks
from undercoat.evaluation.measures.mask_predictions import pixel_counts

OVERLAPS = [name for name in MEASURES if reads_masks(name)]
CLASSES = ("background", "a", "b")


def masks(count=20, classes=3, *, agree=0.7, seed=0, size=12):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, (count, size, size)).astype(np.uint8)
    truth[:4][truth[:4] == 2] = 0  # four images without b
    other = rng.integers(0, classes, truth.shape).astype(np.uint8)
    return np.where(rng.random(truth.shape) < agree, truth, other).astype(np.uint8), truth


def predictions(found, truth, classes=CLASSES):
    return MaskPredictions(counts=pixel_counts(found, truth, len(classes)), classes=classes)


def test_closed_forms():
    truth = np.zeros((1, 4, 4), np.uint8)
    found = truth.copy()
    truth[0, :2], found[0, 1:3] = 1, 1  # two rows each, one of them shared
    both = predictions(found, truth, ("background", "row"))
    assert measure_named("dice")(both).value == 0.5
    assert measure_named("iou")(both).value == pytest.approx(1 / 3)
    assert measure_named("dice:background")(both).value == 0.5
    assert measure_named("dice")(both).chance == pytest.approx(2 / 3)  # all 16 pixels: 2·8 / (16 + 8)
    assert measure_named("iou")(both).chance == 0.5


@pytest.mark.parametrize("name", OVERLAPS)
def test_identity_is_one_and_nothing_shared_is_zero(name):
    _, truth = masks()
    assert measure_named(name)(predictions(truth, truth)).value == 1
    assert measure_named(name)(predictions((truth + 1) % 3, truth)).value == 0


@pytest.mark.parametrize("name", OVERLAPS)
def test_overlaps_meet_the_contract_of_measures(name):
    found = predictions(*masks())
    measured = measure_named(name)(found, seed=1)
    assert 0 <= measured.low <= measured.value <= measured.high <= 1
    assert measure_named(name)(found, seed=1) == measured
    order = np.random.default_rng(0).permutation(20)
    moved = MaskPredictions(counts=found.counts[order], classes=CLASSES)
    assert measure_named(name)(moved).value == pytest.approx(measured.value)
    drawn = np.random.default_rng(3).multinomial(20, np.full(20, 1 / 20), size=5)
    for counts, value in zip(drawn, measure_named(name).resampled(found)(drawn), strict=True):
        rows = np.repeat(np.arange(20), counts)
        again = MaskPredictions(counts=found.counts[rows], classes=CLASSES)
        assert measure_named(name)(again, resamples=2).value == pytest.approx(value)


@pytest.mark.parametrize("turn", [lambda m: m[:, :, ::-1], lambda m: m[:, ::-1], lambda m: m.transpose(0, 2, 1)])
def test_turning_both_changes_nothing(turn):
    found, truth = masks()
    assert np.array_equal(predictions(turn(found), turn(truth)).counts, predictions(found, truth).counts)


def test_images_agree_with_scikit_learn():
    found, truth = masks()
    ours = predictions(found, truth)
    for row in range(4, 20):
        flat = truth[row].ravel(), found[row].ravel()
        assert ours.dice[row] == pytest.approx(f1_score(*flat, average=None, labels=[0, 1, 2]))
        assert ours.iou[row] == pytest.approx(jaccard_score(*flat, average=None, labels=[0, 1, 2]))
    assert ours.iou == pytest.approx(ours.dice / (2 - ours.dice), nan_ok=True)


def test_the_mean_agrees_with_torchmetrics():
    ensure_importable()
    from torchmetrics.functional.segmentation import dice_score

    found, truth = (part[4:] for part in masks())
    theirs = dice_score(
        torch.from_numpy(found).long(),
        torch.from_numpy(truth).long(),
        num_classes=3,
        include_background=False,
        average="none",
        input_format="index",
    )
    assert measure_named("dice")(predictions(found, truth)).value == pytest.approx(float(theirs.mean()))


def test_images_without_a_class_are_left_out_and_counted():
    found, truth = masks()
    found[0] = 0  # agrees that there is no b
    ours = predictions(found, truth)
    assert np.isnan(ours.dice[:4, 2]).all()
    note = "4 of 20 test images have no b and are left out of its overlap; in 3 of these b was predicted all the same"
    assert measure_named("dice")(ours).notes == (note,)
    left = MaskPredictions(counts=ours.counts[4:], classes=CLASSES)
    assert measure_named("dice:b")(ours).value == measure_named("dice:b")(left).value
    assert measure_named("dice")(ours).value == pytest.approx(
        (measure_named("dice:a")(ours).value + measure_named("dice:b")(ours).value) / 2
    )
    with pytest.raises(DataError, match="no test image has a pixel of 'b', so dice:b is undefined"):
        measure_named("dice:b")(MaskPredictions(counts=ours.counts[:4], classes=CLASSES))


def test_ignored_pixels_count_nowhere():
    found, truth = masks()
    hidden = truth.copy()
    hidden[:, :, :6] = 255
    assert np.array_equal(predictions(found, hidden).counts, predictions(found[:, :, 6:], truth[:, :, 6:]).counts)


def test_names():
    assert mask_measures(("background", "disc")) == ("dice", "iou")
    assert mask_measures(CLASSES)[2:] == ("dice:a", "dice:b", "iou:a", "iou:b")
    assert measure_named("iou:a").name == "iou:a"
    with pytest.raises(SpecError, match="did you mean 'dice'"):
        measure_named("dise")
    with pytest.raises(SpecError, match=r"masks have no class 'liver'.*known: background, a, b"):
        measure_named("dice:liver")(predictions(*masks()))
