import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from tests.reference.auroc import area_slow

from undercoat._torchvision import ensure_importable
from undercoat.errors import DataError, SpecError
from undercoat.evaluation.measures import MEASURES, Predictions, measure_named, reads_masks
from undercoat.evaluation.measures.accuracy import Accuracy, BalancedAccuracy
from undercoat.evaluation.measures.auroc import AUROC
from undercoat.evaluation.measures.ranking import area_under_curve, resampled_area

LABEL_MEASURES = [name for name in MEASURES if not reads_masks(name)]  # the others: test_overlap


def predictions(count=80, classes=3, *, several=False, seed=0, levels=None):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=count)
    truth = (rng.random((count, classes)) < 0.3).astype(np.uint8)
    signal = truth if several else np.eye(classes)[labels]
    scores = signal + 1.2 * rng.normal(size=(count, classes))
    if levels:
        scores = np.round(scores * levels) / levels  # ties
    return Predictions(
        scores=scores.astype(np.float32),
        labels=truth if several else labels,
        classes=tuple("abcdefgh"[:classes]),
    )


@pytest.mark.parametrize("name", LABEL_MEASURES)
def test_every_measure_meets_the_contract(name):
    found = predictions()
    measured = MEASURES[name](found, seed=1)
    assert 0 <= measured.low <= measured.value <= measured.high <= 1
    assert measured.interval
    assert MEASURES[name](found, seed=1) == measured
    statistic = MEASURES[name].resampled(found)
    assert statistic(np.ones((1, 80), dtype=np.int64))[0] == pytest.approx(measured.value)
    order = np.random.default_rng(0).permutation(80)
    moved = Predictions(scores=found.scores[order], labels=found.labels[order], classes=found.classes)
    assert MEASURES[name](moved).value == pytest.approx(measured.value)


@pytest.mark.parametrize("name", LABEL_MEASURES)
def test_resamples_equal_measuring_the_drawn_images(name):
    found = predictions(levels=4)
    rng = np.random.default_rng(3)
    drawn = rng.multinomial(80, np.full(80, 1 / 80), size=5)
    fast = MEASURES[name].resampled(found)(drawn)
    for counts, value in zip(drawn, fast, strict=True):
        rows = np.repeat(np.arange(80), counts)
        again = Predictions(scores=found.scores[rows], labels=found.labels[rows], classes=found.classes)
        assert MEASURES[name](again, resamples=2).value == pytest.approx(value)


def test_accuracy_agrees_with_scikit_learn_and_scipy():
    found = predictions()
    measured = Accuracy()(found)
    assert measured.value == metrics.accuracy_score(found.labels, found.scores.argmax(1))
    expected = stats.binomtest(int(found.correct.sum()), 80).proportion_ci(method="wilson")
    assert (measured.low, measured.high) == pytest.approx((expected.low, expected.high))
    assert measured.chance == pytest.approx(1 / 3)


def test_balanced_accuracy_agrees_with_scikit_learn_and_names_what_is_absent():
    found = predictions()
    assert BalancedAccuracy()(found).value == pytest.approx(
        metrics.balanced_accuracy_score(found.labels, found.scores.argmax(1))
    )
    without = Predictions(scores=found.scores, labels=np.minimum(found.labels, 1), classes=found.classes)
    assert BalancedAccuracy()(without).notes == ("balanced accuracy leaves out classes without a test image: c",)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.sampled_from([None, 1, 3]))
def test_areas_equal_the_slow_twin(seed, levels):
    found = predictions(25, several=True, seed=seed, levels=levels)
    areas = area_under_curve(found.scores, found.truth)
    for column, area in enumerate(areas):
        expected = area_slow(found.scores[:, column].tolist(), found.truth[:, column].tolist())
        assert np.isnan(area) if expected is None else area == pytest.approx(expected)


@pytest.mark.parametrize("levels", [None, 2])
def test_auroc_agrees_with_scikit_learn_and_torchmetrics(levels):
    ensure_importable()  # torchmetrics imports torchvision
    from torchmetrics.functional.classification import multilabel_auroc

    found = predictions(200, 4, several=True, levels=levels)
    value = AUROC()(found).value
    assert value == pytest.approx(metrics.roc_auc_score(found.labels, found.scores, average="macro"))
    probability = torch.sigmoid(torch.from_numpy(found.scores))
    other = multilabel_auroc(probability, torch.from_numpy(found.labels).long(), num_labels=4)
    assert value == pytest.approx(other.item(), abs=1e-5)


def test_auroc_of_one_class_an_image_ranks_each_against_the_rest():
    found = predictions(150)
    probability = torch.softmax(torch.from_numpy(found.scores), 1).numpy().astype(np.float64)
    scored = Predictions(scores=probability, labels=found.labels, classes=found.classes)
    expected = metrics.roc_auc_score(found.labels, probability / probability.sum(1, keepdims=True), multi_class="ovr")
    assert AUROC()(scored).value == pytest.approx(expected)


def test_undefined_classes_are_left_out_and_named():
    found = predictions(60, 4, several=True)
    labels = found.labels.copy()
    labels[:, 1], labels[:, 3] = 0, 1
    measured = AUROC()(Predictions(scores=found.scores, labels=labels, classes=("lung", "hernia", "mass", "all")))
    expected = metrics.roc_auc_score(labels[:, [0, 2]], found.scores[:, [0, 2]])
    assert measured.value == pytest.approx(expected)
    assert "2 of 4 classes undefined and left out: hernia, all" in measured.interval
    assert "hernia, all" in measured.notes[0]
    labels[:] = 1
    with pytest.raises(DataError, match="undefined"):
        AUROC()(Predictions(scores=found.scores, labels=labels, classes=found.classes))


def test_resampled_area_without_positives_is_undefined():
    area = resampled_area(np.array([0.1, 0.9]), np.array([False, True]))
    assert np.isnan(area(np.array([[2, 0]]))[0])
    assert area(np.array([[1, 1]]))[0] == 1


def test_auroc_interval_covers_the_truth():
    """Scores N(0, 1) and N(1, 1): the true area is Φ(1 / √2)."""
    truth, covered = stats.norm.cdf(1 / np.sqrt(2)), 0
    rng = np.random.default_rng(0)
    for _ in range(120):
        labels = (np.arange(100) < 40).astype(np.uint8)[:, None]
        scores = (labels + rng.normal(size=(100, 1))).astype(np.float32)
        measured = AUROC()(Predictions(scores=scores, labels=labels, classes=("a",)), resamples=200)
        covered += measured.low <= truth <= measured.high
    assert covered / 120 > 0.88


def test_accuracy_of_several_labels_is_refused():
    for name in ("accuracy", "balanced_accuracy"):
        with pytest.raises(SpecError, match="auroc"):
            MEASURES[name](predictions(several=True))


def test_unknown_measures_get_the_nearest_name():
    with pytest.raises(SpecError, match="did you mean 'accuracy'"):
        measure_named("acuracy")
