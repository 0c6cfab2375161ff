"""The verdict says helped, hurt or noise by the interval alone, and what the numbers do not show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from undercoat.records import Record
from undercoat.report import Arm, arms_of, caveats, findings, verdict
from undercoat.report.comparisons import comparisons

ARMS = [Arm("random"), Arm("base", ("net",)), Arm("hpt", ("net", "target: moco_v2"))]


def value(arm, readout="knn", number=0.7, **more):
    return Record(arm=arm, readout=readout, metric="accuracy", value=number, n=400, **more)


def gap(arm, versus, low, high, readout="knn", **more):
    middle = None if low is None else (low + high) / 2
    return Record(
        arm=arm, versus=versus, readout=readout, metric="accuracy_difference", value=0.02 if middle is None else middle,
        ci_low=low, ci_high=high, n=400, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.01, 0.07, "helped"), (-0.07, -0.01, "hurt"), (-0.01, 0.05, "within the noise"), (0.0, 0.1, "within the noise")],
)
def test_the_interval_alone_decides(low, high, word):
    said = findings([value("hpt"), value("base"), gap("hpt", "base", low, high)], ARMS)
    assert len(said) == 1
    assert word in said[0]
    assert sum(other in said[0] for other in ("helped", "hurt", "within the noise")) == 1


def test_the_sentence_holds_value_interval_and_data():
    rows = [value("hpt", eval_data="twemoji"), gap("hpt", "base", 0.01, 0.07, eval_data="twemoji")]
    assert findings(rows, ARMS) == [
        "On twemoji (400 test images) the target coat over the base (hpt) helped k-NN by +0.040 "
        "(95 % interval +0.010 … +0.070)."
    ]


def test_readouts_that_disagree_are_told_apart_and_the_sure_one_comes_first():
    rows = [
        value("hpt"),
        value("hpt", "linear"),
        gap("hpt", "base", -0.01, 0.03),
        gap("hpt", "base", -0.09, -0.05, "linear"),
    ]
    assert findings(rows, ARMS) == [
        "On 400 test images the target coat over the base (hpt) hurt linear probing by −0.070 "
        "(95 % interval −0.090 … −0.050); k-NN stayed within the noise (+0.010, −0.010 … +0.030)."
    ]


def test_a_pair_recorded_the_other_way_round_says_the_same():
    straight = findings([value("hpt"), gap("hpt", "base", 0.01, 0.07)], ARMS)
    assert findings([value("hpt"), gap("base", "hpt", -0.07, -0.01)], ARMS) == straight


def test_a_difference_without_interval_is_not_called_help():
    said = findings([value("hpt"), gap("hpt", "base", None, None)], ARMS)[0]
    assert "without an interval" in said
    assert "helped" not in said


def test_several_seeds_without_a_pooled_row_give_mean_and_spread_but_no_judgement():
    rows = [value("hpt", seed=seed) for seed in (0, 1)]
    rows += [replace(gap("hpt", "base", 0.01, 0.07, seed=seed), value=0.03 + 0.02 * seed) for seed in (0, 1)]
    assert "changed k-NN by +0.040 ± 0.014 over 2 seeds" in findings(rows, ARMS)[0]


def test_a_pooled_row_wins_over_those_of_single_seeds():
    rows = [value("hpt", seed=seed) for seed in (0, 1)]
    rows += [gap("hpt", "base", 0.5, 0.6, seed=0), gap("hpt", "base", 0.01, 0.07, seed=-1)]
    assert "+0.040" in findings(rows, ARMS)[0]


def test_auroc_is_named():
    rows = [
        Record(arm="hpt", readout="linear", metric="auroc", value=0.8, n=50),
        replace(gap("hpt", "base", 0.01, 0.03, "linear"), metric="auroc_difference"),
    ]
    assert "helped the AUROC of linear probing by +0.020" in findings(rows, ARMS)[0]


def test_any_arm_that_adds_one_coat_is_told_and_the_base_itself_comes_last():
    arms = [Arm("random"), Arm("base", ("net",)), Arm("scans", ("net", "scans: moco_v2"))]
    rows = [
        value("scans"),
        gap("base", "random", 0.1, 0.2),
        gap("scans", "random", 0.1, 0.3),
        gap("scans", "base", 0.01, 0.03),
    ]
    assert [one.pair for one in comparisons(rows, arms)] == [("scans", "base"), ("base", "random")]
    first, second = findings(rows, arms)
    assert first.startswith("On 400 test images the scans coat over the base helped k-NN by +0.020")
    assert second.startswith("Starting from net (base), instead of random weights, helped k-NN by +0.150")


def test_arms_that_share_no_chain_are_still_compared():
    rows = [value("one"), gap("one", "other", 0.01, 0.03)]
    assert findings(rows, [Arm("one"), Arm("other")])[0].startswith(
        "On 400 test images arm one, instead of other, helped"
    )


@pytest.mark.parametrize("rows", [[], [value("hpt", split="monitor")], [value("hpt", shift="fog", severity=3)]])
def test_nothing_measured_says_so(rows):
    assert "Nothing was measured" in findings(rows, ARMS)[0]
    assert caveats(rows, ARMS) == []


def test_values_without_differences_allow_no_claim():
    assert "No paired differences" in findings([value("hpt"), value("base")], ARMS)[0]


def test_one_seed_small_test_and_several_looks_are_said(rows):
    said = " ".join(caveats(rows([0]), arms_of(rows([0]))))
    assert "One seed" in said
    assert "With 382 test images" in said
    assert "12 differences" in said
    assert "Only twemoji" in said


def test_many_seeds_and_many_images_silence_their_caveats():
    rows = [value("hpt", seed=seed) for seed in range(5)] + [replace(gap("hpt", "base", 0.01, 0.03, seed=-1), n=50_000)]
    said = " ".join(caveats(rows, ARMS[2:]))
    assert "seed" not in said
    assert "cannot be told" not in said


def test_an_arm_at_the_majority_class_is_named():
    rows = [value("hpt", number=0.33, ci_low=0.30, ci_high=0.36), value("majority class", "-", 0.31)]
    assert "Not beyond always answering the commonest class: hpt (k-NN)." in caveats(rows, [Arm("hpt")])


def test_arms_that_were_not_measured_are_named():
    assert "Not measured yet: random and base." in caveats([value("hpt")], ARMS)


def test_the_verdict_is_findings_then_caveats(rows):
    found = rows([0])
    arms = arms_of(found)
    assert verdict(found, arms) == [*findings(found, arms), *caveats(found, arms)]
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in verdict(found, arms))


MADE_OF = {
    "random": (),
    "b": ("net",),
    "t": ("target: moco_v2",),
    "s+t": ("source: moco_v2", "target: moco_v2"),
    "b+t": ("net", "target: moco_v2"),
    "b+s+t": ("net", "source: moco_v2", "target: moco_v2"),
    "norms": ("net", "target: moco_v2 (norms)"),
    "fresh": ("net", "target: batch statistics"),
    "other": ("net", "target: simclr"),
    "c[steps=9]": ("net", "target: moco_v2"),
    "c[steps=5]": ("net", "target: moco_v2"),
}
ASKED = [
    ("b+t", "b", "the target coat over b (b+t)"),
    ("c[steps=9]", "b", "the target coat over b (c[steps=9])"),
    ("norms", "b", "the norms-only target coat over b (norms)"),
    ("b+s+t", "b", "the coats source and target together over b (b+s+t)"),
    ("t", "random", "the target coat over random weights (t)"),
    ("s+t", "random", "the coats source and target together over random weights (s+t)"),
    ("b", "random", "starting from net (b), instead of random weights,"),
    ("b+s+t", "b+t", "the source coat below the target coat (b+s+t against b+t)"),
    ("b+t", "t", "laying the target coat on net, instead of random weights (b+t against t),"),
    ("norms", "b+t", "training the norms alone, instead of every weight (norms against b+t),"),
    ("b+t", "fresh", "the target coat over refreshed batch statistics (b+t against fresh)"),
    ("other", "b+t", "target: simclr, instead of target: moco_v2 (other against b+t),"),
    ("t", "b", "the target coat alone, instead of net (t against b),"),
    ("fresh", "b", "refreshing the batch statistics of b on target (fresh)"),
    ("c[steps=9]", "c[steps=5]", "arm c with steps=9, instead of steps=5,"),
]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("arm", "versus", "subject"), ASKED)
def test_what_a_comparison_asks_is_told_from_the_coats_whatever_the_arms_are_called(arm, versus, subject, turned):
    arms = [Arm(name, coats) for name, coats in MADE_OF.items()]
    pair = (versus, arm) if turned else (arm, versus)
    found = comparisons([gap(*pair, 0.01, 0.02)], arms)
    if turned and ("[" in versus or arm == "other"):
        assert found[0].pair == pair  # neither comes before the other: whichever was subtracted
        return
    assert [(one.pair, one.subject) for one in found] == [((arm, versus), subject)]


def test_arms_that_differ_by_several_things_are_not_told_beside_those_that_differ_by_one():
    arms = [Arm(name, coats) for name, coats in MADE_OF.items()]
    rows = [gap("b+t", "b", 0.1, 0.2), gap("norms", "t", 0.1, 0.2), gap("b+s+t", "random", 0.1, 0.2)]
    rows.append(gap("c[steps=9]", "b+t[steps=5]", 0.1, 0.2))
    assert [one.pair for one in comparisons(rows, arms)] == [("b+t", "b")]


def test_the_first_four_are_the_coat_the_norms_from_scratch_and_the_base(rows):
    pairs = [one.pair for one in comparisons(rows([0]), arms_of(rows([0])))]
    assert pairs[:4] == [("hpt", "base"), ("hpt_bn", "base"), ("target", "random"), ("base", "random")]


def test_usual_names_stand_for_their_coats_when_rows_say_nothing_of_them():
    arms = [Arm(name) for name in ("random", "base", "target", "hpt", "hpt_bn")]
    rows = [gap("hpt_bn", "base", 0.1, 0.2), gap("target", "random", 0.1, 0.2), gap("base", "random", 0.1, 0.2)]
    assert [one.subject for one in comparisons(rows, arms)] == [
        "the norms-only target coat over the base (hpt_bn)",
        "the target coat over random weights",
        "starting from base, instead of random weights,",
    ]


def test_several_seeds_are_said_once():
    rows = [value("hpt", seed=seed, eval_data="sample:noto") for seed in range(3)]
    rows.append(gap("hpt", "base", 0.01, 0.07, seed=-1, eval_data="sample:noto"))
    rows.append(gap("base", "random", 0.01, 0.07, seed=-1, eval_data="sample:noto"))
    first, second = findings(rows, ARMS)
    assert first.startswith("On noto (400 test images, 3 seeds) the target coat")
    assert "seeds" not in second
