from dataclasses import replace

import numpy as np
import pytest

from undercoat.errors import DataError
from undercoat.evaluation.splitting import held_out, train_and_test


def test_named_test_images_are_used(make):
    canvases = replace(make(12), splits=np.array(["train", "test", "val"] * 4))
    train, test = train_and_test(canvases, test_fraction=0.5, seed=0)
    assert set(test.splits) == {"test"}
    assert set(train.splits) == {"train", "val"}
    assert held_out(train, 0.2, seed=0).tolist() == (train.splits == "val").tolist()


def test_without_named_test_images_a_stratified_part_is_drawn(make):
    canvases = make(90)
    train, test = train_and_test(canvases, test_fraction=0.2, seed=0)
    assert np.bincount(test.labels).tolist() == [6, 6, 6]
    assert not set(train.keys) & set(test.keys)
    again = train_and_test(canvases, test_fraction=0.2, seed=0)[1]
    other = train_and_test(canvases, test_fraction=0.2, seed=1)[1]
    assert again.keys == test.keys != other.keys


def test_validation_images_never_become_test(make):
    canvases = replace(make(60), splits=np.array(["val"] * 20 + [""] * 40))
    _, test = train_and_test(canvases, test_fraction=0.3, seed=0)
    assert set(test.splits) == {""}


def test_a_group_stays_on_one_side(make):
    groups = np.array([f"patient {i // 6}" for i in range(60)])
    canvases = replace(make(60), groups=groups)
    train, test = train_and_test(canvases, test_fraction=0.3, seed=0)
    assert not set(train.groups) & set(test.groups)
    part = held_out(train, 0.25, seed=0)
    assert not set(train.groups[part]) & set(train.groups[~part])


def test_named_test_images_of_a_patient_who_was_learned_from_are_refused(make):
    groups = np.array(["ann", "ben", "ann", "", "", ""])
    canvases = replace(make(6), groups=groups, splits=np.array(["train", "train", "test", "test", "train", "val"]))
    with pytest.raises(DataError, match=r"1 groups of .* are on both sides, .* \(such as 'ann'\)"):
        train_and_test(canvases, test_fraction=0.2, seed=0)
    apart = replace(canvases, groups=np.array(["ann", "ben", "cat", "", "", ""]))
    assert set(train_and_test(apart, test_fraction=0.2, seed=0)[1].groups) == {"cat", ""}


@pytest.mark.parametrize("splits", [["test"] * 4, ["val"] * 4])
def test_one_part_alone_is_refused(splits, make):
    with pytest.raises(DataError, match="none would be for"):
        train_and_test(replace(make(4), splits=np.array(splits)), test_fraction=0.2, seed=0)


def test_too_few_groups_to_hold_out_are_refused(make):
    canvases = replace(make(9), groups=np.full(9, "one patient"))
    with pytest.raises(DataError, match="held_out_fraction"):
        held_out(canvases, 0.2, seed=0)
