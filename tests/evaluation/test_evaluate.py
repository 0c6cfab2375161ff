import json
from dataclasses import replace

import numpy as np
import pytest

from undercoat import records
from undercoat.errors import DataError, RunError, SpecError
from undercoat.evaluation import NULL_ARM, Evaluation, Protocol, evaluate, majority_class

LINEAR = {"lrs": [0.01, 0.1], "weight_decays": [0.0, 0.01], "minimum_steps": 40, "epochs": 4}
PROTOCOL = Protocol(data="coloured", size_px=8, readouts={"knn": {"k": 5}, "linear": LINEAR})
ARM = {"study": "trial", "arm": "base", "seed": 2, "chain": "noise", "steps": 7}


@pytest.fixture
def parts(make):
    return make(90), make(45, seed=1)


def test_rows_say_what_was_measured(backbone, parts):
    found = evaluate(backbone, *parts, PROTOCOL, stage="abc", provenance=ARM)
    knn, linear = found.rows
    assert (knn.readout, linear.readout) == ("knn", "linear")
    for row in found.rows:
        assert (row.study, row.arm, row.seed, row.chain, row.steps) == ("trial", "base", 2, "noise", 7)
        assert (row.metric, row.n, row.labels, row.split, row.stage) == ("accuracy", 45, 90, "test", "abc")
        assert row.ci_low <= row.value <= row.ci_high
        assert row.interval == "Wilson"
        assert row.value == found.outcomes[row.readout].mean()
        assert (row.backbone, row.eval_data, row.device) == ("test/small", "coloured", "cpu")
        assert row.seconds > 0
        assert row.started
    assert json.loads(knn.readout_args) == {"k": 5, "temperature": 0.07}
    assert json.loads(linear.readout_args)["lr"] in (0.01, 0.1)
    assert knn.value > 0.6  # colours are easy, for a random backbone as well


def test_the_same_evaluation_gives_the_same_bits(backbone, parts):
    one, other = (evaluate(backbone, *parts, PROTOCOL) for _ in range(2))
    for name in one.predictions:
        assert np.array_equal(one.predictions[name].scores, other.predictions[name].scores)
    assert [row.value for row in one.rows] == [row.value for row in other.rows]


def test_rows_go_into_the_table_once(backbone, parts, tmp_path):
    found = evaluate(backbone, *parts, PROTOCOL, provenance=ARM)
    records.append(tmp_path, found.rows)
    assert tuple(records.read(tmp_path)) == found.rows
    with pytest.raises(ValueError, match="already holds"):
        records.append(tmp_path, found.rows)


def test_features_are_read_once_for_all_readouts(backbone, parts, tmp_path):
    evaluate(backbone, *parts, PROTOCOL, stage="abc", cache=tmp_path)
    calls = backbone.trunk.calls
    assert calls == 2  # train and test, each in one batch
    evaluate(backbone, *parts, PROTOCOL.model_copy(update={"seed": 5}), stage="abc", cache=tmp_path)
    assert backbone.trunk.calls == calls


def test_test_labels_change_the_score_but_never_the_fit(backbone, parts):
    train, test = parts
    other = replace(test, labels=np.roll(test.labels, 1))
    one, two = evaluate(backbone, train, test, PROTOCOL), evaluate(backbone, train, other, PROTOCOL)
    for name in ("knn", "linear"):
        assert np.array_equal(one.predictions[name].scores, two.predictions[name].scores)
    assert one.rows[0].eval != two.rows[0].eval


def test_several_labels_give_auroc(backbone, make):
    train, test = make(90, multi_label=True), make(45, seed=1, multi_label=True)
    found = evaluate(backbone, train, test, PROTOCOL)
    assert [row.metric for row in found.rows] == ["auroc", "auroc"]
    assert all(row.ci_low <= row.value <= row.ci_high for row in found.rows)
    assert found.outcomes["knn"].shape == (45, 3)
    assert found.rows[0].value > 0.7


def test_undefined_classes_are_named_in_row_and_notes(backbone, make):
    train, test = make(90, multi_label=True), make(45, seed=1, multi_label=True)
    test.labels[:, 2] = 0
    found = evaluate(backbone, train, test, PROTOCOL)
    assert "left out: blue" in found.rows[0].interval
    assert sum("left out: blue" in note for note in found.notes) == 1


def test_measures_can_be_named(backbone, parts):
    protocol = PROTOCOL.model_copy(update={"measures": ("accuracy", "balanced_accuracy", "auroc")})
    found = evaluate(backbone, *parts, protocol)
    assert [row.metric for row in found.rows] == ["accuracy", "balanced_accuracy", "auroc"] * 2
    assert len({row.key for row in found.rows}) == 6


def test_fewer_labels(backbone, parts):
    found = evaluate(backbone, *parts, PROTOCOL.model_copy(update={"labels_limit": 12}))
    assert {row.labels for row in found.rows} == {12}
    with pytest.raises(DataError, match="labels_limit is 1000, but train of 'coloured' has 90 labels; give at most 90"):
        evaluate(backbone, *parts, PROTOCOL.model_copy(update={"labels_limit": 1000}))


def test_unseen_classes_are_noted(backbone, parts):
    train, test = parts
    train = train.take(np.flatnonzero(train.labels != 2))
    found = evaluate(backbone, train, test, PROTOCOL)
    assert "1 classes of test are not in train (blue)" in found.notes[0]
    assert all(not found.outcomes[name][test.labels == 2].any() for name in found.outcomes)


def test_nothing_runs_before_labels_are_right(backbone, parts):
    train, test = parts
    with pytest.raises(DataError, match="no labels"):
        evaluate(backbone, train.without_labels(), test, PROTOCOL)
    with pytest.raises(DataError, match="test part of 'coloured' is empty"):
        evaluate(backbone, train, test.take(np.array([], dtype=np.int64)), PROTOCOL)
    assert backbone.trunk.calls == 0


def test_a_probe_that_diverges_is_no_number(backbone, parts):
    wild = {"linear": {**LINEAR, "lrs": [1e30], "weight_decays": [1.0]}}
    with pytest.raises(RunError, match="'linear' on layer 'final' gives scores that are not finite for 45 of 45"):
        evaluate(backbone, *parts, PROTOCOL.model_copy(update={"readouts": wild}))


def test_unknown_provenance_is_refused(backbone, parts):
    with pytest.raises(SpecError, match="did you mean 'study'"):
        evaluate(backbone, *parts, PROTOCOL, provenance={"studdy": "x"})


def test_majority_class_is_the_share_of_the_commonest_train_class(parts):
    train, test = parts
    labels = test.labels.copy()
    labels[:30] = 1
    train = train.take(np.flatnonzero((train.labels == 1) | (np.arange(90) < 40)))
    (row,) = majority_class(train, replace(test, labels=labels), PROTOCOL, provenance={"study": "trial"})
    assert (row.arm, row.readout, row.metric, row.study) == (NULL_ARM, "-", "accuracy", "trial")
    assert row.value == (labels == 1).mean()
    assert row.ci_low < row.value < row.ci_high


def test_majority_class_of_several_labels_ranks_nothing(make):
    (row,) = majority_class(make(90, multi_label=True), make(45, seed=1, multi_label=True), PROTOCOL)
    assert (row.metric, row.value, row.ci_low, row.ci_high) == ("auroc", 0.5, 0.5, 0.5)


def test_the_null_shares_the_digest_of_the_evaluation(backbone, parts):
    assert majority_class(*parts, PROTOCOL)[0].eval == evaluate(backbone, *parts, PROTOCOL).rows[0].eval


def test_saved_evaluations_come_back(backbone, parts, tmp_path):
    found = evaluate(backbone, *parts, PROTOCOL, provenance=ARM)
    path = found.save(tmp_path / "new")
    assert path.name == f"predictions-{found.rows[0].eval}.npz"
    back = Evaluation.load(path)
    assert back.rows == found.rows
    assert back.notes == found.notes
    assert list(back.predictions) == list(found.predictions)
    assert back.keys.tolist() == list(parts[1].keys)
    assert all(np.array_equal(back.outcomes[name], found.outcomes[name]) for name in found.outcomes)
    assert back.predictions["knn"].classes == ("red", "green", "blue")


def test_predictions_that_cannot_be_read_get_one_sentence(tmp_path):
    for content in (None, b"", b"PK nonsense"):
        if content is not None:
            (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(RunError, match="evaluate that run again"):
            Evaluation.load(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"readout": {}}, "did you mean 'readouts'"),
        ({"readouts": {"knnn": {}}}, "did you mean 'knn'"),
        ({"readouts": {"knn": {"kk": 3}}}, "no argument 'kk'"),
        ({"readouts": {}}, "readouts"),
        ({"measures": ["acuracy"]}, "did you mean 'accuracy'"),
        ({"crop_fraction": 1.5}, "crop_fraction"),
        ({"held_out_fraction": 0}, "held_out_fraction"),
        ({"size_px": 0}, "size_px"),
        ({"labels_limit": 1}, "labels_limit"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_protocols_get_one_sentence(wrong, sentence):
    with pytest.raises(SpecError, match=sentence):
        Protocol.of({"data": "x", "size_px": 64} | wrong, where="protocol")


def test_digest_sees_settings_images_and_labels_but_not_spelling(parts):
    train, test = parts
    digest = PROTOCOL.eval_digest(train, test)
    spelled = Protocol(data="coloured", size_px=8, readouts={"knn": {"k": 5, "temperature": 0.07}, "linear": LINEAR})
    assert spelled.eval_digest(train, test) == digest
    assert PROTOCOL.model_copy(update={"seed": 1}).eval_digest(train, test) != digest
    assert PROTOCOL.eval_digest(train.take(np.arange(80)), test) != digest
    assert PROTOCOL.eval_digest(replace(train, labels=np.roll(train.labels, 1)), test) != digest
    knn = PROTOCOL.model_copy(update={"readouts": {"knn": {"k": 6}, "linear": LINEAR}})
    assert knn.eval_digest(train, test) != digest
