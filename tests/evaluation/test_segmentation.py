"""The segmentation readout: it learns what is there, from few masks, and leaves the backbone as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.networks import tiny_backbone

from undercoat.backbones import build_backbone
from undercoat.data.canvases import Canvases
from undercoat.errors import DataError, SpecError
from undercoat.evaluation import Evaluation, Protocol, compare, evaluate, majority_class, pooled
from undercoat.evaluation.masks import commonest_mask, shown_masks
from undercoat.evaluation.measures import MaskPredictions
from undercoat.evaluation.preparation import prepare
from undercoat.evaluation.readouts import build_readout
from undercoat.evaluation.readouts.segmenting.network import build_decoder, encoder_maps, levels_of

pytest.importorskip("segmentation_models_pytorch")


def discs(count, *, seed=0, size=32, empty=0):
    """A bright disc on noise, anywhere."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    images, masks = rng.normal(90, 25, (count, size, size, 1)), np.zeros((count, size, size), np.uint8)
    for row in range(count - empty):
        at, radius = rng.uniform(8, size - 8, 2), rng.uniform(4, 8)
        masks[row] = (x - at[0]) ** 2 + (y - at[1]) ** 2 < radius**2
        images[row, masks[row] == 1] += 90
    return Canvases(
        name="discs",
        digest=f"discs-{seed}-{count}",
        images=np.clip(images, 0, 255).astype(np.uint8),
        low=0.0,
        high=255.0,
        mean=(0.4,),
        std=(0.2,),
        aspect=np.ones(count, np.float32),
        keys=[f"{row:03d}" for row in range(count)],
        classes=(),
        labels=None,
        splits=np.full(count, ""),
        groups=np.full(count, ""),
        rows=np.arange(count),
        skipped=(),
        folder=Path(),
        masks=masks,
        mask_classes=("background", "disc"),
        mask_digest=f"masks-{seed}-{count}",
    )


def protocol(settings=None, **changes):
    quick = {"steps": 60, "lrs": [3e-3], "channels": 8} | (settings or {})
    given = {"data": "discs", "size_px": 32, "readouts": {"segmentation": quick}} | changes
    return Protocol.of(given, where="protocol")


def dice_of(found):
    return next(row.value for row in found.rows if row.metric == "dice")


@pytest.fixture(scope="module")
def sets():
    return discs(30), discs(20, seed=1, empty=2)


@pytest.fixture(scope="module")
def network():
    return build_backbone("timm/test_resnet")


@pytest.fixture(scope="module")
def result(sets, network):
    return evaluate(network, *sets, protocol(), provenance={"arm": "random"})


def test_discs_are_found_from_few_masks(result, sets):
    """What marks everything, and what marks the usual place, are far below."""
    assert dice_of(result) > 0.8
    assert {row.metric for row in result.rows} == {"dice", "iou"}
    assert all(row.labels == 30 and row.n == 20 and row.layer == "final" for row in result.rows)
    assert any("2 of 20 test images have no disc" in note for note in result.notes)
    assert all(row.value < 0.3 for row in majority_class(*sets, protocol()))


def test_weights_trained_by_the_same_labels_help(network, sets):
    """An encoder that was fine-tuned on other discs beats the random one when only a linear decoder may learn."""
    from undercoat.evaluation.readouts.labelled import Trunk
    from undercoat.evaluation.view import Pass

    linear = protocol({"decoder": "linear", "steps": 30, "lrs": [1e-2]})
    tuned = {"decoder": "linear", "encoder": "fine_tuned", "lrs": [1e-2], "encoder_lr_factor": 0.5, "steps": 30}
    readout = build_readout("segmentation", tuned)
    once = Pass(view=linear.view, device=torch.device("cpu"), autocast_dtype=None, batch=16)
    trained = readout.fit_images(
        Trunk(backbone=network, reading=linear.reading(network), once=once), discs(30, seed=5)
    ).predict.segmenter.encoder
    arms = [evaluate(net, *sets, linear, provenance={"arm": name}) for net, name in ((trained, "a"), (network, "b"))]
    assert dice_of(arms[0]) > dice_of(arms[1]) + 0.05
    (difference, _) = compare(arms[:1], arms[1:])
    assert difference.ci_low > 0
    assert (difference.metric, difference.n) == ("dice_difference", 20)


def test_the_same_seed_gives_the_same_bits_and_the_backbone_stays(network, sets):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    short = {"steps": 5}
    first, again, other = (evaluate(network, *sets, protocol(short, seed=seed)) for seed in (0, 0, 1))
    counts = [found.predictions["segmentation"].counts for found in (first, again, other)]
    assert np.array_equal(counts[0], counts[1])
    assert not np.array_equal(counts[0], counts[2])
    evaluate(network, *sets, protocol({"encoder": "fine_tuned", "steps": 2}))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_the_learning_rate_is_chosen_on_held_out_images_alone(network, sets):
    train, test = sets
    asked = protocol({"decoder": "linear", "lrs": [1e-6, 3e-2], "steps": 15, "seeds": 2})
    first = evaluate(network, train, test, asked)
    assert '"lr":0.03' in first.rows[0].readout_args.replace(" ", "")
    assert "held_out_dice_std" in first.rows[0].readout_args
    assert any("highest tried" in note for note in first.notes)
    shuffled = replace(test, masks=np.ascontiguousarray(test.masks[::-1]), mask_digest="other")
    second = evaluate(network, train, shuffled, asked)
    assert second.rows[0].readout_args == first.rows[0].readout_args
    assert second.rows[0].eval != first.rows[0].eval


def test_evaluations_are_saved_pooled_and_paired(result, tmp_path, sets):
    loaded = Evaluation.load(result.save(tmp_path))
    found = loaded.predictions["segmentation"]
    assert isinstance(found, MaskPredictions)
    assert np.array_equal(found.counts, result.predictions["segmentation"].counts)
    assert found.classes == ("background", "disc")
    assert loaded.rows == result.rows
    assert loaded.outcomes["segmentation"].shape == (20, 2)
    second = replace(result, rows=tuple(replace(row, seed=1) for row in result.rows))
    assert pooled([result, second])[0].value == pytest.approx(dice_of(result))
    assert compare([result], [loaded])[0].value == 0


def test_labels_and_masks_are_measured_side_by_side(network, sets):
    """One protocol, two kinds of answers: each has its own measures, in one file."""
    labelled = [replace(part, labels=np.arange(len(part)) % 2, classes=("even", "odd")) for part in sets]
    both = protocol(readouts={"knn": {}, "segmentation": {"steps": 3, "lrs": [1e-3], "channels": 4}})
    found = evaluate(network, *labelled, both)
    assert [(row.readout, row.metric) for row in found.rows] == [
        ("knn", "accuracy"),
        ("segmentation", "dice"),
        ("segmentation", "iou"),
    ]
    assert {row.metric for row in majority_class(*labelled, both)} == {"accuracy", "dice", "iou"}
    alone = Protocol.of({"data": "discs", "size_px": 32, "readouts": {"knn": {}}}, where="protocol")
    without = [replace(part, masks=None, mask_classes=(), mask_digest="") for part in labelled]
    assert alone.eval_digest(*labelled) == alone.eval_digest(*without)  # masks change nothing where they are not read


def test_measures_fit_their_readouts(sets):
    chosen = protocol(measures=["iou:disc", "balanced_accuracy"])
    assert chosen.measure_names(sets[1], masks=True) == ("iou:disc",)
    assert chosen.measure_names(sets[1]) == ("balanced_accuracy",)


def test_a_limit_counts_images(sets):
    prepared = prepare(*sets, protocol(labels_limit=7))
    assert len(prepared.train) == 7
    assert set(prepared.train.keys) < set(prepare(*sets, protocol(labels_limit=12)).train.keys)
    assert len(prepare(*sets, protocol(labels_limit="50%")).train) == 15


def test_the_commonest_mask_knows_only_the_place(sets):
    train = replace(sets[0], masks=np.stack([np.eye(32, dtype=np.uint8)] * 30))
    answer = commonest_mask(train, protocol().view)
    assert np.array_equal(answer, np.eye(32, dtype=np.uint8))
    assert np.array_equal(shown_masks(train, np.array([3]), protocol().view)[0], answer)


@pytest.mark.parametrize(
    ("name", "size_px", "arguments", "sides", "missing"),
    [
        ("timm/test_resnet", 50, {}, (25, 13, 7, 4, 2), ()),
        ("timm/test_vit", 64, {}, (32, 16, 8, 4), (2, 4, 8)),
        ("undercoat/alexnet", 224, {"width": "tiny"}, (112, 55, 27, 13), (2,)),
        ("undercoat/alexnet", 32, {"width": "tiny", "stem": 32}, (32, 15, 7), ()),
    ],
)
def test_any_backbone_is_an_encoder(name, size_px, arguments, sides, missing):
    backbone = build_backbone(name, arguments=arguments).eval()
    if name == "timm/test_vit":
        size_px = backbone.trunk.patch_embed.img_size[0]
        sides = tuple(size_px // 2**level for level in range(1, 5))
    levels = levels_of(backbone, size_px)
    assert (levels.sides, levels.missing) == (sides, missing)
    images = torch.rand(2, 3, size_px, size_px)
    maps = encoder_maps(backbone, images, levels)
    assert [found.shape[1] for found in maps] == list(levels.channels)
    for kind in ("unet", "linear"):
        decoder = build_decoder(kind, levels, classes=4, channels=4, seed=0)
        assert decoder(maps, size_px).shape == (2, 4, size_px, size_px)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"lrs": []}, "learning rates above 0"),
        ({"lrs": [0.0]}, "learning rates above 0"),
        ({"decoder": "fpn"}, "decoders are 'unet' and 'linear'"),
        ({"encoder": "thawed"}, "encoders"),
        ({"batch": 1}, "batch of 2 or more"),
        ({"dice_weight": -1}, "0 or more"),
        ({"augmentation": "large_crops"}, "did you mean 'large_crop'"),
        ({"steps": 2.5}, "whole number"),
    ],
)
def test_bad_settings_get_one_sentence(arguments, sentence):
    with pytest.raises(SpecError, match=sentence) as caught:
        build_readout("segmentation", arguments)
    assert "\n" not in str(caught.value)


def test_data_that_cannot_be_segmented_stops_before_the_backbone_runs(sets, network):
    train, test = sets
    bare = replace(train, masks=None)
    with pytest.raises(DataError, match="'discs' has no masks, so nothing can be segmented"):
        evaluate(network, bare, test, protocol())
    with pytest.raises(DataError, match="none of the 2 test masks of 'discs' marks anything"):
        evaluate(network, train, test.take(np.array([18, 19])), protocol())
    with pytest.raises(DataError, match="have the classes background, disc and those of test background, ring"):
        evaluate(network, train, replace(test, mask_classes=("background", "ring")), protocol())
    split = replace(train, splits=np.array(["train"] * 28 + ["val"] * 2))
    masks = split.masks.copy()
    masks[28:] = 0
    with pytest.raises(DataError, match="nothing is marked on the 2 images of 'discs' to choose on"):
        evaluate(network, replace(split, masks=masks), test, protocol({"lrs": [1e-3, 1e-2]}))
    with pytest.raises(SpecError, match="has no layers by name, so it cannot be an encoder"):
        evaluate(tiny_backbone(), train, test, protocol())
