from dataclasses import replace

import numpy as np
import pytest

from undercoat.errors import DataError
from undercoat.evaluation.labels import check_classes, labelled, unseen


def with_labels(canvases, labels):
    return replace(canvases, labels=np.asarray(labels))


def test_unlabelled_images_are_left_out(make):
    canvases = with_labels(make(6), [0, -1, 1, 2, -1, 0])
    assert labelled(canvases, "train").labels.tolist() == [0, 1, 2, 0]
    several = make(6, multi_label=True)
    several.labels[2] = 255
    assert len(labelled(several, "train")) == 5


@pytest.mark.parametrize("empty", ["images", "labels", "all labels"])
def test_no_labels_or_no_images_are_refused(empty, make):
    canvases = make(6)
    if empty == "images":
        canvases = canvases.take(np.array([], dtype=np.int64))
    elif empty == "labels":
        canvases = canvases.without_labels()
    else:
        canvases = with_labels(canvases, [-1] * 6)
    with pytest.raises(DataError, match="'coloured'"):
        labelled(canvases, "test")


def test_a_single_class_is_refused(make):
    with pytest.raises(DataError, match="all 6 train images of 'coloured' are labelled 'green'"):
        check_classes(with_labels(make(6), [1] * 6), make(6), chooses=False)
    several = make(6, multi_label=True)
    several.labels[:] = 1
    with pytest.raises(DataError, match="off others"):
        check_classes(several, several, chooses=False)


def test_a_class_with_one_image_is_refused_only_when_a_part_is_held_out(make):
    train = with_labels(make(6), [0, 0, 1, 1, 2, 0])
    check_classes(train, make(6), chooses=False)
    with pytest.raises(DataError, match=r"1 classes of 'coloured' have a single train image \(blue\)"):
        check_classes(train, make(6), chooses=True)


def test_different_classes_are_refused(make):
    with pytest.raises(DataError, match="same classes"):
        check_classes(make(6, classes=3), make(6, classes=2), chooses=False)


def test_classes_that_train_lacks_are_counted_and_named(make):
    train = with_labels(make(6), [0, 0, 1, 1, 0, 1])
    assert unseen(train, make(9)) == ("1 classes of test are not in train (blue): their 3 images count as wrong",)
    assert unseen(make(6), make(9)) == ()
