"""Networks whose early layers are the scattering transform."""

import pytest
import torch

from undercoat.backbones import build_backbone, frozen_parts, known_backbones, set_mode
from undercoat.errors import SpecError
from undercoat.functional.scattering import scattering
from undercoat.interop import load_backbone, save_backbone


def test_its_features_are_the_averaged_paths_and_its_layers_the_two_orders():
    backbone = build_backbone("undercoat/scattering", arguments={"scales": 2}).eval()
    images = torch.rand(2, 3, 32, 32)
    assert (backbone.dim, backbone.layer_names) == (243, ("scattering1", "scattering2"))
    paths = scattering((images - 0.5) / 0.5, scales=2)
    assert torch.allclose(backbone(images), paths.mean(dim=(3, 4)).flatten(1), atol=1e-6)
    maps = backbone.maps(images, ["scattering1", "scattering2"])
    assert torch.allclose(maps["scattering1"], paths[:, :, :17].flatten(1, 2), atol=1e-6)
    assert maps["scattering2"].shape == (2, 243, 8, 8)
    assert not list(backbone.parameters())


@pytest.mark.parametrize(
    ("stem", "size", "channels", "early", "conv5"), [(32, 32, 243, 8, 8), (64, 64, 243, 16, 7), (224, 224, 651, 28, 13)]
)
def test_alexnet_sees_it_in_place_of_two_layers(stem, size, channels, early, conv5):
    arguments = {"stem": stem, "early": "scattering", "width": "tiny"}
    backbone = build_backbone("undercoat/alexnet", arguments=arguments).eval()
    assert backbone.layer_names == ("scattering", "conv3", "conv4", "conv5")
    maps = backbone.maps(torch.rand(1, 3, size, size), backbone.layer_names)
    assert maps["scattering"].shape == (1, channels, early, early)
    assert maps["conv5"].shape == (1, 128, conv5, conv5)
    assert backbone.trunk.conv3.weights.in_channels == channels


def tiny():
    return build_backbone("undercoat/alexnet", arguments={"stem": 32, "early": "scattering", "width": "tiny"})


def test_its_norm_brings_each_path_to_mean_0_and_variance_1_and_has_no_weights():
    backbone = tiny().train()
    maps = backbone.maps(torch.rand(8, 3, 32, 32), ["scattering"])["scattering"]
    mean, variance = maps.mean(dim=(0, 2, 3)), maps.var(dim=(0, 2, 3), unbiased=False)
    assert torch.allclose(mean, torch.zeros(243), atol=1e-4)
    assert variance.median() == pytest.approx(1.0, abs=0.05)
    assert {name.split(".")[0] for name, _ in backbone.trunk.named_parameters()} == {"conv3", "conv4", "conv5"}


def test_gradients_reach_every_layer_after_it():
    backbone = tiny().train()
    backbone(torch.rand(4, 3, 32, 32)).square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for name, weight in backbone.named_parameters() if name.endswith("weight"))


def test_it_can_be_frozen_with_what_follows():
    backbone = tiny()
    assert frozen_parts(backbone, ["scattering"]).parameters == frozenset()
    assert {name.split(".")[0] for name in frozen_parts(backbone, ["conv3"]).parameters} == {"conv3"}
    set_mode(backbone, "all", frozen=["scattering"])
    assert not backbone.trunk.scattering.norm.training
    assert backbone.trunk.conv3.norm.training


@pytest.mark.parametrize("build", [tiny, lambda: build_backbone("scattering", arguments={"scales": 2})])
def test_saved_and_loaded_it_is_the_same(build, tmp_path):
    backbone, images = build().train(), torch.rand(4, 3, 32, 32)
    backbone(images)  # moves the running statistics
    save_backbone(backbone.eval(), tmp_path)
    with torch.no_grad():
        assert torch.equal(load_backbone(tmp_path)(images), backbone(images))


def test_it_is_listed_and_wrong_settings_are_refused():
    assert "undercoat/scattering" in known_backbones()
    with pytest.raises(SpecError, match="cannot have scales: 9; use one of 1"):
        build_backbone("scattering", arguments={"scales": 9})
    with pytest.raises(SpecError, match=r"cannot have scales: 2\.0"):
        build_backbone("scattering", arguments={"scales": 2.0})
    with pytest.raises(SpecError, match="takes no argument 'scale'; did you mean 'scales'"):
        build_backbone("scattering", arguments={"scale": 2})
    with pytest.raises(SpecError, match="is no model of ours; did you mean 'scattering'"):
        build_backbone("undercoat/scatterin")
    backbone = build_backbone("undercoat/scattering", arguments={"scales": 3})
    with pytest.raises(SpecError, match="smallest it takes are 8 × 8"):
        backbone(torch.rand(1, 3, 6, 6))
