from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from undercoat.errors import DataError, SpecError
from undercoat.evaluation import Protocol
from undercoat.evaluation.few_labels import every_class_held_out, few, limited
from undercoat.evaluation.label_list import read_label_list, write_label_list
from undercoat.evaluation.preparation import prepare
from undercoat.spec import amount

CHOOSES = {"fine_tune": {}}


def with_labels(canvases, labels):
    return replace(canvases, labels=np.asarray(labels))


def rare_and_common(make, count=60):
    """Several labels an image: one class on half of them, one on a tenth, one on two images; ten images without any."""
    canvases = make(count, multi_label=True)
    labels = np.zeros((count, 3), np.uint8)
    labels[: count // 2, 0] = 1
    labels[::10, 1] = 1
    labels[[7, 33], 2] = 1
    return with_labels(canvases, labels)


def kept(canvases, limit, *, chooses=False, seed=0, listed=None):
    found, notes = few(canvases, limit=limit, listed=listed, chooses=chooses, seed=seed)
    return found, notes


@pytest.mark.parametrize(
    ("given", "meant"),
    [(None, None), (2, 2), ("1000", 1000), (1e3, 1000), ("10%", 0.1), (0.1, 0.1), (" 12.5 %", 0.125), ("100%", 1.0)],
)
def test_a_limit_is_a_count_or_a_share(given, meant):
    found = Protocol(data="x", size_px=8, labels_limit=given).labels_limit
    assert found == meant
    assert type(found) is type(meant)
    assert Protocol(data="x", size_px=8, labels_limit=found).labels_limit == meant


@pytest.mark.parametrize("given", [0, 1, -5, 2.5, "0%", "101%", "ten", "%", True, float("nan"), float("inf"), [3]])
def test_no_other_limit_is_taken(given):
    with pytest.raises(SpecError, match=r"give a count of 2 or more such as 1000, or a share such as 10% or 0\.1"):
        amount(given, name="labels_limit", least=2)


def test_fewer_labels_keep_the_shares_and_are_nested(make):
    canvases = with_labels(make(100), [0] * 60 + [1] * 30 + [2] * 10)
    chosen = {limit: limited(canvases, limit, seed=0) for limit in (3, 6, 10, 20, 50, 100)}
    assert [len(rows) for rows in chosen.values()] == [3, 6, 10, 20, 50, 100]
    assert np.bincount(canvases.labels[chosen[50]]) == pytest.approx([30, 15, 5], abs=1)
    assert np.bincount(canvases.labels[chosen[3]]).tolist() == [1, 1, 1]
    assert np.bincount(canvases.labels[chosen[6]]).tolist() == [2, 2, 2]
    sets = [set(rows.tolist()) for rows in chosen.values()]
    assert all(small <= large for small, large in pairwise(sets))
    assert limited(canvases, 20, seed=1).tolist() != chosen[20].tolist()
    assert limited(canvases, 20, seed=0).tolist() == chosen[20].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_several_labels_an_image_start_with_the_rarest_class(seed, make):
    canvases = rare_and_common(make)
    chosen = {limit: limited(canvases, limit, seed=seed) for limit in (3, 6, 12, 24, 60)}
    assert (canvases.labels[chosen[3]].sum(axis=0) >= 1).all()
    assert (canvases.labels[chosen[6]].sum(axis=0) >= 2).all()
    sets = [set(rows.tolist()) for rows in chosen.values()]
    assert all(small <= large for small, large in pairwise(sets))
    shares = canvases.labels[chosen[24]].mean(axis=0)
    assert shares[0] == pytest.approx(0.5, abs=0.1)  # and images without a label keep their share too


def test_a_share_is_of_the_labels_there_are(make):
    found, notes = kept(make(90), 0.1)
    assert (len(found), notes) == (9, ())
    assert len(kept(make(90), 1.0)[0]) == 90


def test_a_share_that_is_too_small_is_raised_and_said(make):
    found, notes = kept(make(90), 0.01)
    assert np.bincount(found.labels).tolist() == [1, 1, 1]
    assert notes == ("labels_limit 0.01 of 90 train labels is 1, too few for one of each of 3 classes: 3 are used",)
    assert np.bincount(kept(make(90), 0.01, chooses=True)[0].labels).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("limit", "chooses", "sentence"),
    [
        (91, False, "labels_limit is 91, but train of 'coloured' has 90 labels; give at most 90"),
        (2, False, "labels_limit is 2, but one of each of 3 classes take 3 images; give at least 3"),
        (5, True, r"two of each of 3 classes \(one to fit, one to choose settings on\) take 6 images"),
    ],
)
def test_a_count_that_cannot_be_met_is_refused(limit, chooses, sentence, make):
    with pytest.raises(DataError, match=sentence):
        kept(make(90), limit, chooses=chooses)


def test_a_class_without_an_image_is_refused_where_labels_are_few(make):
    train = with_labels(make(6), [0, 0, 1, 1, 0, 1])
    with pytest.raises(DataError, match=r"1 classes of 'coloured' have no labelled train image \(blue\)"):
        kept(train, 4)
    assert kept(train, None)[0] is train


def test_a_list_makes_the_round_trip(make, tmp_path):
    train, test = make(90), make(30, seed=1)
    protocol = Protocol(data="coloured", size_px=8, labels_limit=12, readouts={"knn": {}})
    prepared = prepare(train, test, protocol)
    path = write_label_list(tmp_path, prepared.train, name=prepared.eval)
    assert path.name == f"labels-{prepared.eval}.txt"
    assert read_label_list(path) == list(prepared.train.keys)
    listed = protocol.model_copy(update={"labels_limit": None, "labels_from": str(path)})
    again = prepare(train, test, listed)
    assert list(again.train.keys) == list(prepared.train.keys)
    elsewhere = write_label_list(tmp_path / "other", prepared.train, name="mine")
    assert prepare(train, test, listed.model_copy(update={"labels_from": str(elsewhere)})).eval == again.eval


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "names no image"),
        ("0/0000.png\n0/0000.png\n", "names '0/0000.png' twice"),
        ("0/0000.png\nelsewhere.png\n", r"names 1 images that are no labelled train images .*\(elsewhere.png\)"),
        ("0/0000.png\n0/0003.png\n", r"names no image of 2 classes \(green, blue\)"),
        (None, r"cannot be read \(No such file"),
        (b"\xff", r"cannot be read \(it is no UTF-8 text\)"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(text, sentence, make, tmp_path):
    path = tmp_path / "list.txt"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(DataError, match=sentence):
        kept(make(9), None, listed=str(path))


def test_a_list_written_by_hand_is_read(make, tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"0/0002.png\r\n\r\n0/0000.png\r\n0/0001.png")
    assert list(kept(make(9), None, listed=str(path))[0].keys) == ["0/0000.png", "0/0001.png", "0/0002.png"]


def test_a_limit_and_a_list_exclude_each_other():
    with pytest.raises(SpecError, match="give one of them"):
        Protocol.of({"data": "x", "size_px": 8, "labels_limit": 5, "labels_from": "a.txt"}, where="protocol")


def test_evaluations_from_before_keep_their_digest(make):
    plain = Protocol(data="coloured", size_px=8, readouts={"knn": {}})
    assert prepare(make(30), make(12, seed=1), plain).eval == "d2344ea41c2ce91a"


def test_every_class_is_held_out_where_two_images_are(make):
    train = with_labels(make(9), [0, 0, 0, 0, 0, 1, 1, 2, 2])
    part = np.array([True] + [False] * 8)
    found = every_class_held_out(train, part, seed=0)
    assert part.sum() == 1
    assert np.bincount(train.labels[found]).tolist() == [1, 1, 1]
    assert np.bincount(train.labels[~found]).tolist() == [4, 1, 1]
    named = replace(train, splits=np.array(["val"] + ["train"] * 8))
    assert every_class_held_out(named, part, seed=0).tolist() == part.tolist()
    grouped = replace(train, groups=np.array(["a"] * 9))
    assert every_class_held_out(grouped, part, seed=0).tolist() == part.tolist()


def test_no_class_loses_its_only_image_to_the_held_out_part(make):
    train = make(4, multi_label=True)
    train = with_labels(train, np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]], np.uint8))
    found = every_class_held_out(train, np.array([False, False, False, True]), seed=0)
    assert found.tolist() == [False, True, False, True]  # image 0 has the only label of the second class


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_named_validation_images_are_one_of_each_class_too(seed, several, make):
    train = replace(make(60), splits=np.array(["train"] * 45 + ["val"] * 15))
    if several:
        train = with_labels(train, np.eye(3, dtype=np.uint8)[train.labels])
    chosen = {limit: limited(train, limit, seed=seed) for limit in (6, 12, 30)}
    held = train.take(chosen[6]).splits == "val"
    marks = np.asarray(train.labels)[chosen[6]] if several else np.eye(3)[train.labels[chosen[6]]]
    assert marks[held].sum(axis=0).tolist() == marks[~held].sum(axis=0).tolist() == [1, 1, 1]
    assert set(chosen[6]) < set(chosen[12]) < set(chosen[30])


@pytest.mark.parametrize("several", [False, True])
def test_a_limit_of_everything_is_no_limit(several, make):
    train, test = (make(count, seed=count, multi_label=several) for count in (45, 20))
    readouts = {"linear": {"epochs": 2, "lrs": [0.1, 1.0]}}
    plain, full = (
        prepare(train, test, Protocol(data="coloured", size_px=8, readouts=readouts, labels_limit=limit))
        for limit in (None, "100%")
    )
    assert full.notes == plain.notes
    assert full.train.rows.tolist() == plain.train.rows.tolist()
    assert full.held_out.tolist() == plain.held_out.tolist()


def test_a_protocol_that_chooses_gets_two_of_each_class(make):
    protocol = Protocol(data="coloured", size_px=8, labels_limit="1%", readouts=CHOOSES)
    prepared = prepare(make(90), make(30, seed=1), protocol)
    assert np.bincount(prepared.train.labels).tolist() == [2, 2, 2]
    assert prepared.held_out.any()
    assert "too few for two of each" in prepared.notes[0]
