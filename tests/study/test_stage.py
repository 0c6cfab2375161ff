import pytest

from undercoat.errors import SpecError
from undercoat.study.resolution import StageFacts, resolve
from undercoat.study.stage import Stage, stage_digest

FACTS = StageFacts(images=1000, canvas_px=64, initialised=True, batch_norm=True, backbone="timm/resnet18")


def digest(stage, data="images", parent=""):
    return stage_digest(resolve(stage, FACTS).stage, data_digest=data, parent=parent)


STAGE = Stage(data="sample:digits", steps=10)


def test_a_golden_digest_stays_as_it_is():
    """Finished runs are found by this hash: a change here makes every one of them be run again."""
    assert digest(STAGE) == "658d08c95b187ff8"


def test_a_digest_is_the_same_in_another_process():
    import subprocess
    import sys

    code = (
        "from undercoat.study.stage import *; from undercoat.study.resolution import *;"
        "f = StageFacts(images=1000, canvas_px=64, initialised=True, batch_norm=True, backbone='timm/resnet18');"
        "print(stage_digest(resolve(Stage(data='sample:digits', steps=10), f).stage, data_digest='images', parent=''))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == digest(STAGE)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 11},
        {"seed": 1},
        {"train": "norm"},
        {"batch": 64},
        {"method_arguments": {"temperature": 0.1}},
        {"size_px": 32},
    ],
)
def test_what_touches_the_weights_changes_the_digest(change):
    assert digest(STAGE.model_copy(update=change)) != digest(STAGE)


@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"checkpoint_every": 3}, {"log_every": 2}, {"data": "elsewhere"}]
)
def test_what_does_not_touch_the_weights_leaves_it(change):
    assert digest(STAGE.model_copy(update=change)) == digest(STAGE)


def test_images_and_parent_are_part_of_it():
    assert len({digest(STAGE), digest(STAGE, data="others"), digest(STAGE, parent="abc")}) == 3


def test_writing_out_a_default_changes_nothing():
    spelt_out = resolve(STAGE, FACTS).stage
    assert stage_digest(spelt_out, data_digest="images", parent="") == digest(STAGE)


def test_a_batch_larger_than_the_data_shrinks_and_says_so():
    small = StageFacts(images=20, canvas_px=64, initialised=False, batch_norm=True, backbone="timm/resnet18")
    resolution = resolve(STAGE, small)
    assert resolution.stage.batch == 20
    assert ("batch", 20, "the data has only 20 images, fewer than 128") in resolution.chosen


def test_every_automatic_value_has_a_reason():
    chosen = resolve(Stage(data="x"), FACTS).chosen
    names = {name for name, _, _ in chosen}
    assert {"steps", "size_px", "normalise", "moco_v2.queue_size", "moco_v2.ema_momentum", "optimiser.lr"} <= names
    assert all(reason for _, _, reason in chosen)


def test_the_paper_preset_gives_the_published_numbers():
    stage = resolve(Stage(data="x", preset="paper", batch=256, steps=5000), FACTS).stage
    assert stage.batch == 256
    assert stage.optimiser.model_dump(exclude_none=True) == {
        "name": "sgd", "lr": 0.03, "weight_decay": 1e-4, "momentum": 0.9,
        "warmup_steps": 0, "schedule": "cosine", "decay_all": True,
    }  # fmt: skip
    expected = {"dim": 128, "queue_size": 65536, "temperature": 0.2, "ema_momentum": 0.999, "own_negatives": True}
    assert expected.items() <= stage.method_arguments.items()


def test_the_paper_rate_follows_the_batch():
    facts = StageFacts(images=1000, canvas_px=64, initialised=True, batch_norm=True, backbone="timm/resnet18")
    assert resolve(Stage(data="x", preset="paper", batch=64, steps=1), facts).stage.optimiser.lr == 0.0075


def test_what_the_user_gives_is_kept():
    asked = Stage.of(
        {"data": "x", "steps": 7, "optimiser": {"lr": 0.5}, "method_arguments": {"queue_size": 9}}, where="stage"
    )
    stage = resolve(asked, FACTS).stage
    assert (stage.optimiser.lr, stage.method_arguments["queue_size"], stage.steps) == (0.5, 9, 7)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stps": 3}, r"stage 't' has no setting 'stps'; did you mean 'steps'"),
        ({"optimiser": {"lrr": 3}}, r"optimiser.lrr'; did you mean 'lr'"),
        ({"train": "norms"}, r"train = 'norms' cannot be used"),
        ({"batch": 0}, r"batch = 0 cannot be used"),
        ({"steps": 3, "epochs": 2}, r"stage 't': it has both steps and epochs; keep one"),
        ({"steps": "many"}, r"steps = 'many' cannot be used"),
    ],
)
def test_wrong_settings_are_named(values, message):
    with pytest.raises(SpecError, match=message):
        Stage.of(values, where="stage 't'")


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Stage(data="x", method="moco"), "did you mean 'moco_v2'"),
        (Stage(data="x", augmentation="moco"), "moco_v2"),
        (Stage(data="x", method_arguments={"queue": 3}), "did you mean 'queue_size'"),
    ],
)
def test_wrong_stages_are_refused_before_any_work(stage, message):
    with pytest.raises(SpecError, match=message):
        resolve(stage, FACTS)
