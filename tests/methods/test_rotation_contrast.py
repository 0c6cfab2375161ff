import math

import numpy as np
import pytest
import torch

from networks import tiny_backbone
from undercoat.augment.batch import Batch
from undercoat.errors import SpecError
from undercoat.functional.draws import Draws
from undercoat.functional.rotation import disc, rotate
from undercoat.methods import Facts, MoCoV2, SimCLR, check_arguments
from undercoat.methods.rotation_contrast import RotationContrast

FACTS = Facts(images=64, batch=8, steps=10, initialised=False, batch_norm=False)


def resolved(**given):
    arguments = check_arguments(RotationContrast, given)
    automatic = RotationContrast.auto(FACTS)
    return arguments | {key: auto.value for key, auto in automatic.items() if arguments[key] is None}


def test_pairs_are_the_view_and_the_view_turned_through_one_kernel(make_batch):
    method, batch = RotationContrast(tiny_backbone(), theta=30.0), make_batch(views=1)
    first, second = method.inputs(batch)
    assert torch.equal(first, rotate(batch.views[0], 0.0, kernel="round", outside=0.5))
    assert torch.equal(second, rotate(batch.views[0], 30.0, kernel="round", outside=0.5))


@pytest.mark.parametrize("theta", [-90, 0, 90, 180, 270, 360, 450])
def test_multiples_of_90_are_exact_within_the_disc(make_batch, theta):
    batch = make_batch(views=1)
    first, second = RotationContrast(tiny_backbone(), theta=theta).inputs(batch)
    inside = disc(16)
    assert torch.equal(first[..., inside], batch.views[0][..., inside])
    assert torch.equal(second[..., inside], torch.rot90(batch.views[0], theta // 90, (2, 3))[..., inside])


@pytest.mark.parametrize("over", ["moco_v2", "simclr"])
def test_the_loss_is_the_contrasting_methods_on_those_pairs(make_batch, over):
    batch = make_batch(views=1)
    method = RotationContrast(tiny_backbone(), **resolved(over=over, theta=40.0, seed=3))
    kind = {"moco_v2": MoCoV2, "simclr": SimCLR}[over]
    arguments = {key: auto.value for key, auto in kind.auto(FACTS).items()}
    alone = kind(tiny_backbone(), **arguments, seed=3)
    for step in range(2):  # MoCo has no negatives in its first step
        batch = make_batch(step, views=1)
        pairs = Batch(tuple(method.inputs(batch)), batch.index, batch.draws, batch.step)
        output = method(batch)
        assert torch.equal(output["loss"], alone(pairs)["loss"])
    assert output["loss"] > 0.1
    assert output["embeddings"].shape == (2, 8, 128)


def test_what_is_left_auto_is_resolved_for_the_method_that_was_chosen():
    moco = RotationContrast(tiny_backbone(), **resolved(over_arguments={"temperature": 0.07})).over
    assert (len(moco.queue.rows), moco.ema_momentum, moco.temperature) == (32, 0.99, 0.07)
    simclr = RotationContrast(tiny_backbone(), **resolved(over="simclr", over_arguments={"dim": 4})).over
    assert (simclr.temperature, simclr.projector[-1].out_features) == (0.5, 4)
    assert all(auto.reason for auto in RotationContrast.auto(FACTS).values())


def test_views_are_one_or_two_and_both_end_up_in_the_pair(make_batch):
    assert RotationContrast(tiny_backbone()).number_of_views == RotationContrast.number_of_views == 1
    method, batch = RotationContrast(tiny_backbone(), views="independent", theta=90), make_batch(views=2)
    assert method.number_of_views == 2
    first, second = method.inputs(batch)
    assert torch.equal(first[..., disc(16)], batch.views[0][..., disc(16)])
    assert torch.equal(second[..., disc(16)], torch.rot90(batch.views[1], 1, (2, 3))[..., disc(16)])


def test_drawn_angles_fill_their_range_and_belong_to_the_image(make_batch):
    method = RotationContrast(tiny_backbone(), theta_at="random", theta_range=(-20.0, 100.0), theta=7.0)
    batch = make_batch(size=400, views=1, pixels=3)
    degrees = method._degrees(batch)
    counts, _ = np.histogram(degrees, bins=6, range=(-20, 100))
    assert counts.sum() == 400
    assert (abs(counts - 400 / 6) < 4 * math.sqrt(400 / 6)).all()
    mine = slice(7, 9)
    draws = Draws(0, batch.draws.epoch[mine], batch.draws.index[mine])
    part = Batch((batch.views[0][mine],), batch.index[mine], draws, 0)
    for some, all_of_them in zip(method.inputs(part), method.inputs(batch), strict=True):
        assert torch.allclose(some, all_of_them[mine], atol=1e-6)


def test_unsafe_settings_touch_the_second_view_only(make_batch):
    batch = make_batch(views=1)
    arguments = {**RotationContrast.PRESETS["paper"].arguments, "over_arguments": {"queue_size": 8}}
    first, second = RotationContrast(tiny_backbone(), **arguments).inputs(batch)
    assert torch.equal(first, batch.views[0])
    assert torch.equal(second, rotate(batch.views[0], 30.0, fill="zero"))
    assert (second[..., 0, 0] == 0).all()


def test_published_arguments_are_those_of_moco_v2():
    arguments = RotationContrast.PRESETS["paper"].arguments["over_arguments"]
    moco = RotationContrast(tiny_backbone(), over_arguments={**arguments, "queue_size": 16}).over
    assert (moco.temperature, moco.ema_momentum, moco.own_negatives) == (0.2, 0.999, True)


def test_each_parameter_is_there_once_and_the_target_moves(make_batch):
    method = RotationContrast(tiny_backbone(), **resolved())
    parameters = list(method.parameters())
    assert len({id(parameter) for parameter in parameters}) == len(parameters)
    assert method.over.backbone is method.backbone
    before = next(method.over.target.parameters()).clone()
    with torch.no_grad():
        next(method.backbone.parameters()).add_(1.0)
    method.after_step(0.1)
    moved = next(method.over.target.parameters()) - before
    assert torch.allclose(moved, torch.full_like(moved, 0.01), atol=1e-5)  # m = 0.99


def test_grey_images_are_turned_as_they_are(make_batch):
    batch = make_batch(views=1)
    batch.views = (batch.views[0][:, :1],)
    method = RotationContrast(tiny_backbone(), **resolved())
    assert all(view.shape == (8, 1, 16, 16) for view in method.inputs(batch))
    assert torch.isfinite(method(batch)["loss"])


@torch.no_grad()
def test_pictures_show_pairs_with_their_angles_then_what_the_contrast_shows(make_batch):
    for over in ("moco_v2", "simclr"):
        method = RotationContrast(tiny_backbone(), **resolved(over=over, theta=45)).eval()
        pictures = method.pictures(make_batch(size=64, views=1))
        assert [len(row) for row in pictures[0].rows] == [8, 8]
        assert pictures[0].captions[0][0] == "0°"
        assert pictures[0].captions[1][0] == "45°"
        assert (pictures[1:] != []) == (over == "simclr")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"theta": math.nan}, r"theta is nan, which is no angle: give it in degrees"),
        ({"theta": -math.inf}, r"theta is -inf, which is no angle"),
        ({"theta_range": (0.0, math.inf)}, r"theta_range is \(0.0, inf\), which is no angle"),
        ({"theta_range": (50.0, 10.0)}, r"theta_range is \(50.0, 10.0\): give two angles in degrees, the lower first"),
        ({"theta_range": 50.0}, r"theta_range is 50.0: give two angles"),
        ({"theta_at": "eval"}, r"theta_at is 'eval', not one of pretrain, random"),
        ({"fill": "black"}, r"fill is 'black', not one of zero, mean, reflect, disc"),
        ({"resample": "boht"}, r"did you mean 'both'"),
        ({"views": "one"}, r"views is 'one', not one of same, independent"),
        ({"over": "simcrl"}, r"did you mean 'simclr'"),
        ({"over_arguments": {"queue_sise": 3}}, r"did you mean 'queue_size'"),
        ({"over_facts": {"pictures": 3}}, r"over_facts cannot be read"),
    ],
)
def test_bad_settings_end_in_a_sentence(arguments, sentence):
    with pytest.raises(SpecError, match=sentence):
        RotationContrast(tiny_backbone(), **arguments)


def test_an_image_of_one_pixel_is_refused(make_batch):
    with pytest.raises(SpecError, match="1 × 1 pixels"):
        RotationContrast(tiny_backbone())(make_batch(views=1, pixels=1))
