import pytest
import timm
import torch
from torch.nn.functional import normalize

from undercoat import pretrain
from undercoat.backbones import build_backbone
from undercoat.errors import RunError, SpecError, WeightsError
from undercoat.interop import initial_backbone, load_backbone, load_into, read_state, save_backbone
from undercoat.interop.initial import identity


@pytest.fixture
def backbone():
    return build_backbone("resnet10t", seed=3)


def test_a_saved_backbone_loads_in_two_lines(backbone, tmp_path):
    backbone.set_normalisation([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    save_backbone(backbone, tmp_path)
    loaded = load_backbone(tmp_path)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(images), backbone.eval()(images))


def test_plain_timm_loads_it_too(backbone, tmp_path):
    path = save_backbone(backbone, tmp_path)
    model = timm.create_model("resnet10t", num_classes=0, checkpoint_path=str(path)).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model((images - backbone.mean) / backbone.std), backbone.eval()(images))


@pytest.mark.parametrize("prefix", ["", "module.", "encoder_q.", "module.encoder_q.", "backbone.", "model.backbone."])
def test_prefixes_of_wrappers_are_whole_words(backbone, tmp_path, prefix):
    state = {prefix + key: value for key, value in backbone.trunk.state_dict().items()}
    state[prefix + "fc.weight"] = torch.zeros(3, 512)
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "weights.pth")
    other = build_backbone("resnet10t", seed=9)
    match = load_into(other.trunk, read_state(tmp_path / "weights.pth"), source="weights.pth")
    assert match.fraction == 1.0
    assert match.unexpected == ("fc.weight",)
    assert torch.equal(other.trunk.conv1[0].weight, backbone.trunk.conv1[0].weight)


def test_the_key_encoder_is_not_mistaken_for_the_query_encoder(backbone, tmp_path):
    state = {f"encoder_k.{key}": value for key, value in backbone.trunk.state_dict().items()}
    with pytest.raises(WeightsError, match=r"fits only 0 %.*missing \(such as"):
        load_into(backbone.trunk, state, source="keys only")


def test_under_95_percent_is_refused_with_counts_and_nothing_is_loaded(backbone):
    state = dict(backbone.trunk.state_dict())
    for key in list(state)[: len(state) // 4]:
        del state[key]
    other = build_backbone("resnet10t", seed=9)
    before = {key: value.clone() for key, value in other.trunk.state_dict().items()}
    with pytest.raises(WeightsError, match=r"under 95 %: \d+ matched, \d+ missing"):
        load_into(other.trunk, state, source="three quarters")
    assert all(torch.equal(value, before[key]) for key, value in other.trunk.state_dict().items())


def test_weights_of_another_network_are_refused(tmp_path):
    path = save_backbone(build_backbone("resnet18"), tmp_path).rename(tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="missing"):
        initial_backbone(str(path), backbone="resnet10t")


def test_pickled_code_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (print, ("executed",))

    torch.save({"state_dict": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        read_state(tmp_path / "trap.pth")


@pytest.mark.parametrize(
    ("init", "error", "message"),
    [
        ("nowhere.pth", SpecError, "is no run, no file"),
        ("imagenet-lite", SpecError, "did you mean 'imagenet-lite0'"),
        ("imagenet-lite0", SpecError, "leave backbone out"),
    ],
)
def test_unknown_starts_are_refused(init, error, message):
    with pytest.raises(error, match=message):
        initial_backbone(init, backbone="resnet10t")


def test_random_needs_a_network():
    with pytest.raises(SpecError, match="add backbone"):
        initial_backbone("random")


def test_the_imagenet_base_is_whole_and_knows_its_normalisation():
    found = initial_backbone("imagenet-lite0")
    assert found.match is not None
    assert found.match.fraction == 1.0
    assert found.backbone.name == "timm/tf_efficientnet_lite0"
    assert found.backbone.mean.flatten().tolist() == [0.5] * 3
    assert found.backbone.trunk.bn1.running_var.min() != 1.0  # statistics came with the weights


def test_the_imagenet_base_tells_photographs_apart():
    """Trained weights give a photograph's views more alike features than different photographs'."""
    from skimage import data as photographs

    images = [photographs.astronaut(), photographs.coffee(), photographs.chelsea()]
    crops = []
    for image in images:
        side = min(image.shape[:2]) // 2 * 2
        tensor = torch.as_tensor(image[:side, :side].copy()).permute(2, 0, 1)[None].float() / 255
        crops += [torch.nn.functional.interpolate(t, 96, mode="area") for t in (tensor[..., 20:], tensor[..., :-20])]
    with torch.no_grad():
        features = normalize(initial_backbone("imagenet-lite0").backbone.eval()(torch.cat(crops)), dim=1)
    cosine = features @ features.T
    for photograph in range(3):
        own = cosine[2 * photograph, 2 * photograph + 1]
        others = torch.cat([cosine[2 * photograph, : 2 * photograph], cosine[2 * photograph, 2 * photograph + 2 :]])
        assert own > others.max()


def test_a_file_is_known_by_its_content(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"same")
    (tmp_path / "b.pth").write_bytes(b"same")
    (tmp_path / "c.pth").write_bytes(b"other")
    a, b, c = (identity(str(tmp_path / name)) for name in ("a.pth", "b.pth", "c.pth"))
    assert a == b != c


def test_an_unfinished_run_has_no_backbone(tmp_path):
    with pytest.raises(RunError, match="no finished backbone"):
        load_backbone(tmp_path)


def test_a_coat_on_a_run_keeps_the_arguments_of_its_backbone(tmp_path):
    settings = {"data": "sample:digits", "steps": 1, "batch": 8, "size_px": 32, "cache": tmp_path / "cache"}
    base = pretrain(**settings, out=tmp_path / "base", backbone="undercoat/alexnet", backbone_arguments={"stem": 32})
    second = pretrain(**settings, out=tmp_path / "second", init=str(base), seed=1)
    assert load_backbone(second).arguments == {"stem": 32}
    with pytest.raises(SpecError, match="leave backbone_arguments out"):
        pretrain(**settings, out=tmp_path / "third", init=str(base), backbone_arguments={"stem": 64})
