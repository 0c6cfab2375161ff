"""Every layout makes the round trip: the backbone comes out bit by bit, and nothing else does."""

import pytest
import torch
from safetensors.torch import save_file

from foreign_checkpoints import CHECKPOINTS, HEAD, behind, lightning, moco_v3, numbered
from undercoat.backbones import build_backbone
from undercoat.errors import SpecError, WeightsError
from undercoat.interop import open_foreign, read_foreign
from undercoat.interop.formats import IMAGENET, LAYOUTS
from undercoat.interop.guessing import guess_backbone


@pytest.fixture(scope="module")
def state():
    """A ResNet-18's names with four numbers each: layouts are known by names alone."""
    names = build_backbone("timm/resnet18").trunk.state_dict()
    sizes = {name: (2, 1, 1, 2) if tensor.ndim == 4 else (4,) for name, tensor in names.items() if tensor.ndim}
    return {name: torch.randn(size) for name, size in sizes.items()}


def same(found, wanted):
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def without_heads(state):
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_backbone_comes_out_bit_by_bit_by_timms_names(name, state, tmp_path):
    layout, make = CHECKPOINTS[name]
    torch.save(make(state), tmp_path / "file.bin")
    found = read_foreign(tmp_path / "file.bin")
    assert found.layout == layout
    assert same(without_heads(found.state), state)
    assert found.other == ()


def test_every_layout_is_tested():
    assert {layout for layout, _ in CHECKPOINTS.values()} | {"byol_pytorch"} == set(LAYOUTS)


def test_byol_pytorch_takes_the_online_encoder(state, tmp_path):
    names = behind("online_encoder.net.", state) | behind("target_encoder.net.", state) | behind("net.", state)
    torch.save(names | {"online_encoder.projector.0.weight": HEAD}, tmp_path / "byol.pt")
    found = read_foreign(tmp_path / "byol.pt")
    assert found.layout == "byol_pytorch"
    assert same(found.state, state)
    assert found.dropped == {"second copy": len(state), "moving-average encoder": len(state), "head": 1}


@pytest.mark.parametrize("prefix", ["", "module.encoder_q.", "backbone."])
def test_safetensors_are_read_by_the_same_rules(prefix, state, tmp_path):
    save_file(behind(prefix, state), tmp_path / "file.safetensors")
    assert same(read_foreign(tmp_path / "file.safetensors").state, state)


def test_pytorchs_old_format_is_read_too(state, tmp_path):
    torch.save(CHECKPOINTS["moco"][1](state), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert same(without_heads(read_foreign(tmp_path / "old.pth").state), state)


def test_the_name_of_the_file_says_nothing(state, tmp_path):
    torch.save(CHECKPOINTS["vissl"][1](state), tmp_path / "moco_v2_800ep_pretrain.pth.tar")
    assert read_foreign(tmp_path / "moco_v2_800ep_pretrain.pth.tar").title == "VISSL"


def test_what_is_dropped_is_counted_by_what_it_is(state, tmp_path):
    torch.save(CHECKPOINTS["openselfsup"][1](state), tmp_path / "iter_5000.pth")
    count = len(state)
    assert read_foreign(tmp_path / "iter_5000.pth").dropped == {
        "moving-average encoder": count + 4,
        "second copy": count,
        "head": 4,
        "queue": 2,
        "training state": 2,
    }


def test_two_networks_in_one_file_are_not_mixed(state, tmp_path):
    torch.save(lightning(behind("model.", state) | behind("encoder.", state)), tmp_path / "two.ckpt")
    with pytest.raises(WeightsError, match=r"several networks \(behind .*encoder.*model.*\); save the one you want"):
        read_foreign(tmp_path / "two.ckpt")


def test_names_of_no_layout_need_a_backbone_and_then_a_fit(state, tmp_path):
    torch.save(behind("strange.", state), tmp_path / "strange.pth")
    with pytest.raises(WeightsError, match=r"no layout that is known \(such as 'strange.conv1.weight'"):
        open_foreign(tmp_path / "strange.pth")
    with pytest.raises(WeightsError, match="fits only 0 %"):
        open_foreign(tmp_path / "strange.pth", backbone="resnet10t")


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet34", "resnet50", "resnet101", "wide_resnet50_2", "resnext50_32x4d"]
)
def test_the_network_is_guessed_from_shapes(name):
    with torch.device("meta"):
        names = build_backbone(f"timm/{name}").trunk.state_dict()
    assert guess_backbone(names).name == f"timm/{name}"


@pytest.mark.parametrize(
    "name", ["resnet18d", "resnet26", "seresnet50", "resnet50_gn", "ecaresnet50t", "vit_base_patch16_rope_224"]
)
def test_relatives_are_not_guessed_as_another(name):
    with torch.device("meta"):
        names = build_backbone(f"timm/{name}").trunk.state_dict()
    found = guess_backbone(names)
    assert found is None or found.name == f"timm/{name}"


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch32_224", "vit_large_patch16_384"]
)
def test_transformers_are_guessed_with_their_size(name):
    with torch.device("meta"):
        names = build_backbone(f"timm/{name}").trunk.state_dict()
    found = guess_backbone(names)
    assert found.name == f"timm/{name}"
    assert f"size_px: {name.rsplit('_')[-1]}" in found.notes[0]


def test_moco_v3s_small_transformer_has_12_heads():
    """Its repository builds 12 heads of 32 numbers; timm's has 6 of 64, with tensors of the same shapes."""
    with torch.device("meta"):
        names = build_backbone("timm/vit_small_patch16_224").trunk.state_dict()
    assert guess_backbone(names).arguments == {}
    assert guess_backbone(names, layout="moco_v3").arguments == {"num_heads": 12}


def test_a_transformer_of_moco_v3_comes_out_with_its_heads(tmp_path):
    small = {"depth": 12, "embed_dim": 384, "num_heads": 12}
    source = build_backbone("timm/vit_small_patch16_224", arguments=small, seed=2).eval()
    torch.save(moco_v3(source.trunk.state_dict(), head="head"), tmp_path / "vit-s-300ep.pth.tar")
    opened = open_foreign(tmp_path / "vit-s-300ep.pth.tar")
    assert opened.foreign.layout == "moco_v3"
    assert opened.match.fraction == 1.0
    assert opened.backbone.mean.flatten().tolist() == pytest.approx(IMAGENET.mean)  # timm would say 0.5
    opened.backbone.set_normalisation([0.5], [0.5])
    images = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(opened.backbone.eval()(images), source(images))


def test_torchvisions_transformer_gives_the_same_features(tmp_path):
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    theirs = VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=64).eval()
    torch.nn.init.normal_(theirs.encoder.pos_embedding)
    torch.save(theirs.state_dict(), tmp_path / "vit.pth")
    shape = {"img_size": 32, "patch_size": 8, "depth": 2, "num_heads": 2, "embed_dim": 16}
    opened = open_foreign(tmp_path / "vit.pth", backbone="vit_tiny_patch16_224", arguments=shape, mean=[0.0], std=[1.0])
    assert opened.foreign.dialect == "torchvision's vision transformer"
    assert opened.foreign.dropped == {"head": 2}
    theirs.heads = torch.nn.Identity()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(opened.backbone.eval()(images), theirs(images), atol=1e-5)


def test_numbered_children_of_torchvisions_resnet_give_the_same_features(tmp_path):
    from torchvision.models import resnet18

    torch.manual_seed(0)
    theirs = resnet18().eval()
    children = torch.nn.Sequential(*list(theirs.children())[:-1])  # as lightly's examples build it
    assert set(numbered(without_heads(theirs.state_dict()))) == set(children.state_dict())
    torch.save(lightning(behind("backbone.", children.state_dict())), tmp_path / "lightly.ckpt")
    opened = open_foreign(tmp_path / "lightly.ckpt", mean=[0.0], std=[1.0])
    assert opened.backbone.name == "timm/resnet18"
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(opened.backbone.eval()(images), children(images).flatten(1), atol=1e-5)


def test_a_relu_that_numbered_layers_lack_is_told(state, tmp_path):
    """lightly's own ResNet calls its ReLU in ``forward``, so ``Sequential(*children)`` has none after ``bn1``."""
    for name, told in (("lightly", 0), ("lightly, its own ResNet", 1)):
        torch.save(CHECKPOINTS[name][1](state), tmp_path / "file.ckpt")
        notes = read_foreign(tmp_path / "file.ckpt").notes
        assert len(notes) == told
        assert all("no ReLU after the first batch norm" in note for note in notes)


def test_shapes_that_fit_several_networks_need_a_name(tmp_path):
    source = build_backbone("resnet10t").trunk.state_dict()
    torch.save(source, tmp_path / "some.pth")
    with pytest.raises(SpecError, match="do not say which network they are for; add backbone: timm/NAME"):
        open_foreign(tmp_path / "some.pth")
    assert open_foreign(tmp_path / "some.pth", backbone="resnet10t").match.fraction == 1.0
