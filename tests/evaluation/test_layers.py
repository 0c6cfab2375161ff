import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from undercoat.backbones import build_backbone
from undercoat.backbones.backbone import Backbone
from undercoat.errors import RunError, SpecError
from undercoat.evaluation import Evaluation, Protocol, compare, evaluate, majority_class, pooled
from undercoat.evaluation.features import extract, extract_layers
from undercoat.evaluation.layers import LayerReading, layer_reading, read_layers
from undercoat.evaluation.view import EvaluationView, Pass

ONCE = Pass(view=EvaluationView(size_px=32), device=torch.device("cpu"), autocast_dtype=None, batch=4)
LINEAR = {"lrs": [0.01], "weight_decays": [0.01], "minimum_steps": 20, "epochs": 2}
PROTOCOL = Protocol(
    data="coloured", size_px=32, layers="all", max_features=64, readouts={"knn": {"k": 3}, "linear": LINEAR}
)


def small_net(name="timm/test_resnet", **arguments):
    return build_backbone(name, arguments=arguments, seed=0)


class Three(nn.Module):
    """Three convolutions, the last of which is called twice; no layer has a name."""

    def __init__(self, gain=1.0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.second, self.third = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Conv2d(6, 6, 1)
            self.idle = nn.Conv2d(1, 1, 1)
        self.gain, self.calls = gain, []

    def forward(self, images):
        images = self.first(images * self.gain)
        self.calls.append("first")
        images = self.second(torch.relu_(images))  # writes over what the layer gave
        self.calls.append("second")
        images = self.third(self.third(images))
        self.calls.append("third")
        return images.mean(dim=(2, 3))


def three(gain=1.0):
    return Backbone(Three(gain), name="three", dim=6, channels=3, mean=[0.5] * 3, std=[0.25] * 3)


def test_layers_are_the_maps_of_the_network_pooled(make):
    backbone = small_net()
    images = torch.rand(3, 3, 32, 32)
    reading = layer_reading(backbone, "all", size_px=32, max_features=10**6)
    with torch.no_grad():
        found = read_layers(backbone.eval(), images, reading)
        maps = backbone.maps(images, backbone.layer_names)
        assert list(found) == [*backbone.layer_names, "final"]
        assert all(torch.equal(found[layer], maps[layer]) for layer in maps)
        assert torch.equal(found["final"].flatten(1), backbone(images))


@pytest.mark.parametrize(
    ("name", "arguments", "layers"),
    [
        ("undercoat/alexnet", {"stem": 32}, ["conv1", "conv2", "conv3", "conv4", "conv5", "final"]),
        ("timm/test_resnet", {}, ["conv1", "layer1", "layer2", "layer3", "layer4", "final"]),
        ("timm/test_efficientnet", {}, ["conv1", "layer1", "layer2", "layer3", "layer4", "layer5", "final"]),
        ("timm/test_vit", {"img_size": 32}, ["layer1", "layer2", "layer3", "layer4", "layer5", "layer6", "final"]),
    ],
)
def test_every_kind_of_network_is_read(name, arguments, layers):
    backbone = small_net(name, **arguments)
    reading = layer_reading(backbone, "all", size_px=32)
    assert list(reading.layers) == layers
    with torch.no_grad():
        found = read_layers(backbone.eval(), torch.rand(2, 3, 32, 32), reading)
    assert all(values.flatten(1).shape[1] <= 9600 for values in found.values())
    assert all(values.dtype == torch.float32 and values.ndim == 4 for values in found.values())


def test_a_layer_is_what_it_gave_before_the_next_module_wrote_over_it():
    backbone = three()
    images = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        found = read_layers(backbone, images, LayerReading(layers=("first",), max_features=10**6))["first"]
        expected = backbone.trunk.first((images - 0.5) / 0.25)
    assert (expected < 0).any()
    assert torch.equal(found, expected)


def test_the_pass_stops_after_the_last_layer_that_is_asked_for():
    backbone = three()
    assert layer_reading(backbone, ["second", "first"], size_px=8).last == "second"
    assert layer_reading(backbone, ["first", "final"], size_px=8).last is None
    assert layer_reading(backbone, "second", size_px=8).layers == ("second",)
    assert layer_reading(backbone, ["first", "third"], size_px=8).last is None  # its first call is not its last
    reading = layer_reading(backbone, ["first"], size_px=8)
    backbone.trunk.calls.clear()
    with torch.no_grad():
        found = read_layers(backbone, torch.rand(2, 3, 8, 8), reading)
    assert backbone.trunk.calls == []
    assert list(found) == ["first"]
    assert backbone(torch.rand(2, 3, 8, 8)).shape == (2, 6)  # and only then
    assert not backbone.trunk.first._forward_hooks


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        (["conv1", "layer33"], "no layer 'layer33'; did you mean 'layer3'"),
        (["fc"], "'fc' of timm/test_resnet gives no map"),
    ],
)
def test_unknown_layers_get_one_sentence(layers, sentence):
    with pytest.raises(SpecError, match=sentence):
        layer_reading(small_net(), layers, size_px=32)


def test_networks_without_names_and_modules_without_use():
    with pytest.raises(SpecError, match="has no layers by name"):
        layer_reading(three(), "all", size_px=8)
    with pytest.raises(SpecError, match="'idle' of three is not used"):
        layer_reading(three(), ["first", "idle"], size_px=8)


def test_pooling_is_checked_before_any_image_is_read(make):
    with pytest.raises(SpecError, match="here they are 96 × 32 × 32"):
        evaluate(
            small_net("undercoat/alexnet", stem=32), make(40), make(20, seed=1),
            PROTOCOL.model_copy(update={"pooling": "paper"}),
        )  # fmt: skip


def test_looking_at_the_maps_leaves_no_trace():
    backbone = small_net().train()
    state = {name: value.clone() for name, value in backbone.state_dict().items()}
    layer_reading(backbone, "all", size_px=32)
    assert backbone.training
    assert all(torch.equal(value, state[name]) for name, value in backbone.state_dict().items())


def test_kept_layers_are_float16_and_the_final_features_are_what_they_were(make, tmp_path):
    backbone, canvases = small_net(), make(10)
    reading = layer_reading(backbone, ["conv1", "layer2", "final"], size_px=32, max_features=64)
    found = extract_layers(backbone, canvases, reading, ONCE, cache=tmp_path, stage="abc")
    assert {name: rows.dtype.name for name, rows in found.items()} == {
        "conv1": "float16", "layer2": "float16", "final": "float32",
    }  # fmt: skip
    assert all(isinstance(rows, np.memmap) for rows in found.values())
    alone = extract(backbone, canvases, view=ONCE.view, batch=4)
    assert np.array_equal(found["final"], alone)
    in_memory = extract_layers(backbone, canvases, reading, ONCE)
    assert all(np.array_equal(found[name], in_memory[name]) for name in found)
    with torch.no_grad():
        images = torch.from_numpy(canvases.images).permute(0, 3, 1, 2).float() / 255
        images = nn.functional.interpolate(images, 32, mode="bilinear", antialias=True)
        maps = backbone.eval().maps(images, ["layer2"])["layer2"]
    pooled_maps = nn.functional.adaptive_max_pool2d(maps, 1).flatten(1).numpy()
    assert np.allclose(found["layer2"], pooled_maps, rtol=2e-3, atol=1e-3)


def test_only_what_is_missing_is_read_again(make, tmp_path):
    backbone, canvases = three(), make(10)
    kept = {"cache": tmp_path, "stage": "abc"}
    first = extract_layers(backbone, canvases, layer_reading(backbone, ["first"], size_px=32), ONCE, **kept)
    backbone.trunk.calls.clear()
    both = extract_layers(backbone, canvases, layer_reading(backbone, ["first", "second"], size_px=32), ONCE, **kept)
    assert len(list(tmp_path.glob("layer-*.npy"))) == 2
    assert np.array_equal(first["first"], both["first"])
    calls = len(backbone.trunk.calls)
    extract_layers(backbone, canvases, layer_reading(backbone, ["second", "first"], size_px=32), ONCE, **kept)
    assert len(backbone.trunk.calls) == calls + 3  # the look at the maps alone, once to the end
    other = layer_reading(backbone, ["first"], size_px=32, max_features=6)
    assert extract_layers(backbone, canvases, other, ONCE, **kept)["first"].shape == (10, 6)


@pytest.mark.parametrize("gain", [1e7, 1e-6])
def test_values_that_float16_cannot_hold_are_kept_wide(gain, make, tmp_path):
    backbone, canvases = three(gain), make(10)
    for bias in (backbone.trunk.first.bias, backbone.trunk.second.bias):
        nn.init.zeros_(bias)
    reading = layer_reading(backbone, ["first", "second"], size_px=32)
    found = extract_layers(backbone, canvases, reading, ONCE, cache=tmp_path, stage="abc")
    assert {rows.dtype.name for rows in found.values()} == {"float32"}
    plain = three()
    for bias in (plain.trunk.first.bias, plain.trunk.second.bias):
        nn.init.zeros_(bias)
    expected = extract_layers(plain, canvases, reading, ONCE)
    assert all(np.allclose(found[name] / gain, expected[name], rtol=2e-3, atol=2e-3) for name in found)


def test_maps_that_are_not_finite_name_their_layer(make):
    backbone = three()
    backbone.trunk.second.bias.data.fill_(float("nan"))
    with pytest.raises(RunError, match="second maps of 10 of 10 images"):
        extract_layers(backbone, make(10), LayerReading(layers=("first", "second")), ONCE)


@pytest.fixture
def two_arms(make):
    train, test = make(60), make(30, seed=1)
    known = [{"arm": "a", "seed": seed} for seed in (0, 1)] + [{"arm": "b", "seed": seed} for seed in (0, 1)]
    return [
        evaluate(build_backbone("timm/test_resnet", seed=seed), train, test, PROTOCOL, provenance=about)
        for seed, about in enumerate(known)
    ]


def test_rows_and_scores_carry_their_layer(two_arms, tmp_path):
    found = two_arms[0]
    layers = ["conv1", "layer1", "layer2", "layer3", "layer4", "final"]
    assert [(row.readout, row.layer) for row in found.rows] == [(r, n) for r in ("knn", "linear") for n in layers]
    assert list(found.predictions) == [
        name if layer == "final" else f"{name}@{layer}" for name in ("knn", "linear") for layer in layers
    ]
    for row in found.rows:
        assert found.predictions_of(row).correct.mean() == row.value
    assert len({row.key for row in found.rows}) == len(found.rows)
    back = Evaluation.load(found.save(tmp_path))
    assert list(back.predictions) == list(found.predictions)
    assert back.rows == found.rows


def test_layers_are_compared_and_pooled_each_by_itself(two_arms):
    first, second = two_arms[:2], two_arms[2:]
    for row in compare(first, second):
        values = [
            np.mean(
                [next(r.value for r in one.rows if (r.readout, r.layer) == (row.readout, row.layer)) for one in arm]
            )
            for arm in (first, second)
        ]
        assert row.value == pytest.approx(values[0] - values[1])
    for row in pooled(first):
        mine = [r.value for one in first for r in one.rows if (r.readout, r.layer) == (row.readout, row.layer)]
        assert row.value == pytest.approx(np.mean(mine))
    assert len(compare(first, second)) == len(pooled(first)) == 12


def test_reading_layers_changes_nothing_for_the_final_features(make):
    parts = make(60), make(30, seed=1)
    backbone = build_backbone("timm/test_resnet", seed=0)
    alone = evaluate(backbone, *parts, PROTOCOL.model_copy(update={"layers": None}))
    among = evaluate(backbone, *parts, PROTOCOL)
    for name in ("knn", "linear"):
        assert np.array_equal(alone.predictions[name].scores, among.predictions[name].scores)
    assert alone.rows[0].eval != among.rows[0].eval


def test_the_digest_of_a_protocol_without_layers_is_as_it_always_was(make):
    """Written before layers existed: files named by it must still be found."""
    plain = Protocol(data="coloured", size_px=8, readouts={"knn": {"k": 5}, "linear": {}})
    assert plain.eval_digest(make(90), make(45, seed=1)) == "466ded7615e3fa8e"
    assert plain.model_copy(update={"max_features": 7}).eval_digest(make(90), make(45, seed=1)) == "466ded7615e3fa8e"
    (row,) = majority_class(make(90), make(45, seed=1), plain)
    assert row.layer == "final"


def test_each_setting_of_layers_is_another_evaluation(make):
    parts = make(90), make(45, seed=1)
    changes = [{}, {"layers": ("conv1",)}, {"max_features": 32}, {"pooling": "paper"}, {"layers": None}]
    digests = [PROTOCOL.model_copy(update=change).eval_digest(*parts) for change in changes]
    assert len(set(digests)) == len(changes)
    paper = {"readouts": {"linear": {"preset": "paper"}}}
    spelled = {"readouts": {"linear": {"lrs": [0.01], "weight_decays": [1e-5], "epochs": 36, "minimum_steps": 1,
               "batch": 192, "drops": [10, 20, 30], "initial": "uniform", "statistics": "channel"}}}  # fmt: skip
    one, other = (PROTOCOL.model_copy(update=change).eval_digest(*parts) for change in (paper, spelled))
    assert one == other


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"layers": []}, "layers is empty"),
        ({"layers": ["conv1", "conv1"]}, "names 'conv1' twice"),
        ({"layers": 3}, "layers"),
        ({"pooling": "zang"}, "did you mean 'zhang'"),
        ({"max_features": 0}, "max_features"),
    ],
)
def test_bad_settings_of_layers_get_one_sentence(wrong, sentence):
    with pytest.raises(SpecError, match=sentence):
        Protocol.of({"data": "x", "size_px": 64} | wrong, where="protocol")


def test_layers_can_be_written_with_commas():
    protocol = Protocol.of({"data": "x", "size_px": 64, "layers": "conv1, layer1.0.bn2"}, where="protocol")
    assert protocol.layers == ("conv1", "layer1.0.bn2")


def test_notes_of_a_layer_name_it(make):
    parts = make(60), make(30, seed=1)
    edge = {"lrs": [1e-6, 1e-5], "weight_decays": [0.0], "minimum_steps": 5, "epochs": 1}
    protocol = PROTOCOL.model_copy(update={"layers": ("conv1", "final"), "readouts": {"linear": edge}})
    notes = evaluate(build_backbone("timm/test_resnet", seed=0), *parts, protocol).notes
    assert [note.partition(":")[0] for note in notes] == ["conv1", "linear probe"]


def test_seconds_count_from_the_start_of_the_readout(two_arms):
    seconds = [row.seconds for row in two_arms[0].rows if row.readout == "linear"]
    assert seconds == sorted(seconds)
    assert json.loads(two_arms[0].rows[-1].readout_args) == {"lr": 0.01, "weight_decay": 0.01}


def test_a_damaged_layer_is_read_again(make, tmp_path):
    backbone, canvases = three(), make(10)
    reading = LayerReading(layers=("first", "final"))
    kept = {"cache": tmp_path, "stage": "abc"}
    good = {name: np.array(rows) for name, rows in extract_layers(backbone, canvases, reading, ONCE, **kept).items()}
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-7])
    again = extract_layers(backbone, canvases, reading, ONCE, **kept)
    assert all(np.array_equal(again[name], good[name]) for name in good)
    assert replace(reading, last="first").taps == ("first",)


def test_final_features_come_with_the_layers_where_somebody_will_want_them(make, tmp_path):
    backbone, parts = three(), (make(60), make(30, seed=1))
    protocol = PROTOCOL.model_copy(update={"layers": ("first", "second"), "readouts": {"knn": {"k": 3}}})
    kept = {"cache": tmp_path, "stage": "abc"}
    found = evaluate(backbone, *parts, protocol, also_final=True, **kept)
    assert [row.layer for row in found.rows] == ["first", "second"]
    calls = len(backbone.trunk.calls)
    for part in parts:
        assert extract(backbone, part, view=protocol.view, **kept).shape == (len(part), 6)
    assert len(backbone.trunk.calls) == calls
