from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from undercoat.errors import RunError
from undercoat.evaluation import Evaluation, compare, pooled
from undercoat.evaluation.comparison import POOLED
from undercoat.evaluation.measures import Predictions
from undercoat.functional.intervals import bootstrap, wilson
from undercoat.records import Record

CLASSES = ("a", "b")


def answered(correct, *, arm="hpt", seed=0, metric="accuracy", eval_digest="e", stage="s"):
    """Make an evaluation whose image i was answered right where ``correct[i]``."""
    correct = np.asarray(correct, dtype=bool)
    labels = np.zeros(len(correct), dtype=np.int64)
    scores = np.stack([correct, ~correct], axis=1).astype(np.float32)
    row = Record(
        arm=arm, seed=seed, eval=eval_digest, stage=stage, readout="knn", metric=metric,
        value=float(correct.mean()), n=len(correct), ci_low=0.0, ci_high=1.0,
    )  # fmt: skip
    return Evaluation(
        rows=(row,),
        keys=np.array([f"{i}.png" for i in range(len(correct))]),
        predictions={"knn": Predictions(scores=scores, labels=labels, classes=CLASSES)},
    )


def test_difference_is_first_minus_second():
    (row,) = compare([answered([1, 1, 1, 0])], [answered([1, 0, 0, 0], arm="base")])
    assert row.value == 0.5
    assert (row.metric, row.arm, row.versus, row.n) == ("accuracy_difference", "hpt", "base", 4)
    assert (row.seed, row.stage) == (0, "s")
    assert row.interval == "paired bootstrap over 4 test images, 2000 resamples"
    (back,) = compare([answered([1, 0, 0, 0], arm="base")], [answered([1, 1, 1, 0])])
    assert back.value == -0.5
    assert (back.ci_low, back.ci_high) == (-row.ci_high, -row.ci_low)


def test_equal_answers_differ_by_exactly_nothing():
    (row,) = compare([answered([1, 0, 1, 1, 0])], [answered([1, 0, 1, 1, 0], arm="base")])
    assert (row.value, row.ci_low, row.ci_high) == (0, 0, 0)


def test_pairing_beats_comparing_two_intervals():
    """Two arms that agree on nearly all images: the difference is known far better than either accuracy."""
    rng = np.random.default_rng(0)
    base = rng.random(400) < 0.6
    better = base.copy()
    better[np.flatnonzero(~base)[:16]] = True
    (row,) = compare([answered(better)], [answered(base, arm="base")])
    assert row.ci_low > 0
    assert row.ci_high - row.ci_low < 0.05  # two Wilson intervals of 0.096 each overlap


def test_interval_agrees_with_the_normal_theory_of_paired_differences():
    rng = np.random.default_rng(1)
    one, other = rng.random(500) < 0.7, rng.random(500) < 0.6
    (row,) = compare([answered(one)], [answered(other, arm="base")], resamples=5000)
    differences = one.astype(float) - other
    half = stats.norm.ppf(0.975) * differences.std() / np.sqrt(500)
    assert (row.ci_low, row.ci_high) == pytest.approx((differences.mean() - half, differences.mean() + half), abs=0.005)


def rejections(gain, *, seeds, repeats=120, images=200):
    """How often the interval of a difference excludes 0; images have a difficulty that both arms share."""
    rng, excluded = np.random.default_rng(seeds), 0
    for _ in range(repeats):
        easy = rng.beta(2, 1, size=images)
        arms = [
            [answered(rng.random(images) < np.clip(easy + extra, 0, 1), arm=arm, seed=s) for s in range(seeds)]
            for arm, extra in (("hpt", gain), ("base", 0.0))
        ]
        (row,) = compare(*arms, resamples=200)
        excluded += row.ci_low > 0 or row.ci_high < 0
    return excluded / repeats


@pytest.mark.parametrize("seeds", [1, 3])
def test_no_difference_is_rarely_called_one(seeds):
    assert rejections(0.0, seeds=seeds) < 0.1


@pytest.mark.parametrize(("seeds", "power"), [(1, 0.5), (3, 0.9)])
def test_a_real_difference_is_mostly_seen_and_seeds_help(seeds, power):
    assert rejections(0.15, seeds=seeds) > power


def test_several_seeds_are_pooled_and_paired_by_seed():
    first = [answered([1, 1, 0, 0], seed=2), answered([1, 1, 1, 0], seed=5)]
    second = [answered([1, 1, 1, 0], arm="base", seed=5), answered([1, 0, 0, 0], arm="base", seed=2)]
    (row,) = compare(first, second)
    assert row.value == pytest.approx(0.125)
    assert (row.seed, row.stage) == (POOLED, "")
    assert "4 test images and 2 seeds" in row.interval
    assert row == compare(first, second[::-1])[0]


def test_an_untrained_arm_is_paired_with_every_seed():
    first = [answered([1, 1, 0, 0], seed=0), answered([1, 1, 1, 0], seed=1)]
    (row,) = compare(first, [answered([1, 0, 0, 0], arm="base", seed=9)])
    assert row.value == pytest.approx(0.375)
    assert row.seed == POOLED


def test_area_differences_agree_with_measuring_each():
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 3)) < 0.4).astype(np.uint8)

    def scored(noise, arm):
        scores = (labels + noise * rng.normal(size=labels.shape)).astype(np.float32)
        found = Predictions(scores=scores, labels=labels, classes=("a", "b", "c"))
        made = answered(np.ones(120), arm=arm, metric="auroc")
        return replace(made, predictions={"knn": found})

    sharp, dull = scored(0.6, "hpt"), scored(2.0, "base")
    (row,) = compare([sharp], [dull])
    from undercoat.evaluation.measures import MEASURES

    values = [MEASURES["auroc"](one.predictions["knn"]).value for one in (sharp, dull)]
    assert row.metric == "auroc_difference"
    assert row.value == pytest.approx(values[0] - values[1])
    assert 0 < row.ci_low < row.value < row.ci_high


def test_what_cannot_be_paired_is_refused():
    base = answered([1, 0], arm="base")
    with pytest.raises(RunError, match="evaluated differently"):
        compare([answered([1, 0], eval_digest="other")], [base])
    moved = replace(base, keys=base.keys[::-1])
    with pytest.raises(RunError, match="evaluated differently"):
        compare([answered([1, 0])], [moved])
    with pytest.raises(RunError, match="no seed in common"):
        compare([answered([1], seed=s) for s in (0, 1)], [answered([1], seed=s) for s in (2, 3)])
    with pytest.raises(RunError, match="no finished evaluation"):
        compare([], [base])


def test_comparisons_repeat():
    one, other = answered([1, 1, 0, 1, 0, 0]), answered([1, 0, 0, 0, 1, 0], arm="base")
    assert compare([one], [other], seed=3) == compare([one], [other], seed=3)


def test_one_evaluation_is_not_pooled():
    assert pooled([answered([1, 0])]) == []
    assert pooled([]) == []


def test_a_pooled_row_is_the_mean_over_seeds_and_says_how_its_interval_was_made():
    (row,) = pooled([answered([1, 1, 0, 0], seed=3), answered([1, 1, 1, 0], seed=5)])
    assert row.value == pytest.approx(0.625)
    assert (row.arm, row.seed, row.stage, row.n, row.versus, row.metric) == ("hpt", POOLED, "", 4, "", "accuracy")
    assert row.interval == "bootstrap over 4 test images and 2 seeds, 2000 resamples"
    assert 0 <= row.ci_low <= row.value <= row.ci_high <= 1


def test_seeds_that_agree_leave_the_interval_of_the_images_alone():
    correct = np.random.default_rng(0).random(600) < 0.7
    (row,) = pooled([answered(correct, seed=s) for s in range(3)], resamples=5000)
    assert (row.ci_low, row.ci_high) == pytest.approx(bootstrap(correct, resamples=5000), abs=1e-12)
    assert (row.ci_low, row.ci_high) == pytest.approx(wilson(int(correct.sum()), 600), abs=0.004)


def test_images_that_agree_leave_the_spread_of_the_seeds_alone():
    """Every image is answered by the same share of seeds, so only the seeds can move the mean."""
    rates = [0.0, 1.0, 1.0, 0.0]
    (row,) = pooled([answered(np.full(50, rate), seed=s) for s, rate in enumerate(rates)])
    assert row.value == 0.5
    assert (row.ci_low, row.ci_high) == (0, 1)  # 0.5 ± 1.15 × 0.5, held inside 0..1


def covered(*, seeds, spread, repeats=150, images=150):
    """How often the interval holds the mean that more images and more seeds would give."""
    rng, held = np.random.default_rng(seeds), 0
    for _ in range(repeats):
        easy = rng.beta(6, 3, size=images)  # mean 2/3
        luck = np.clip(rng.normal(0, spread, size=seeds), -0.3, 0.3)
        made = [answered(rng.random(images) < np.clip(easy + one, 0, 1), seed=s) for s, one in enumerate(luck)]
        (row,) = pooled(made, resamples=200)
        held += row.ci_low <= 2 / 3 <= row.ci_high
    return held / repeats


def test_the_pooled_interval_holds_the_truth_about_as_often_as_it_says():
    assert covered(seeds=5, spread=0.0) > 0.9
    assert covered(seeds=5, spread=0.06) > 0.85
    assert covered(seeds=3, spread=0.02) > 0.88


def test_seeds_that_were_evaluated_differently_are_not_pooled():
    with pytest.raises(RunError, match="seeds 0 and 1 of 'hpt' were evaluated differently"):
        pooled([answered([1, 0]), answered([1, 0], seed=1, eval_digest="other")])
