import numpy as np
import pytest
import torch

from undercoat.backbones.backbone import Backbone
from undercoat.errors import RunError, SpecError, UndercoatError
from undercoat.evaluation.features import EvaluationView, extract

VIEW = EvaluationView(size_px=8)


def test_features_are_the_backbone_in_evaluation_mode(backbone, make):
    canvases = make(10)
    features = extract(backbone.train(), canvases, view=VIEW, batch=4)
    images = torch.from_numpy(canvases.images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        expected = backbone.eval()(images)
    assert features.dtype == np.float32
    assert np.allclose(features, expected.numpy(), atol=1e-5)


def test_the_batch_size_changes_nothing(backbone, make):
    canvases = make(11)
    assert np.allclose(
        extract(backbone, canvases, view=VIEW, batch=3), extract(backbone, canvases, view=VIEW), atol=1e-6
    )


def test_backbone_is_left_as_it_was(backbone, make):
    backbone.train()
    backbone.trunk.norm.eval()  # a trainable part may keep its norms in evaluation mode
    state = {name: value.clone() for name, value in backbone.state_dict().items()}
    modes = {name: module.training for name, module in backbone.named_modules()}
    extract(backbone, make(6), view=VIEW)
    assert {name: module.training for name, module in backbone.named_modules()} == modes
    assert all(torch.equal(value, state[name]) for name, value in backbone.state_dict().items())
    assert all(parameter.requires_grad for parameter in backbone.parameters())


def test_what_a_module_caches_for_evaluation_is_dropped(make):
    class Caching(torch.nn.Module):
        cached = None

        def train(self, mode=True):
            self.cached = None if mode else self.cached
            return super().train(mode)

        def forward(self, images):
            self.cached = images.mean() if self.cached is None else self.cached
            return images.mean(dim=(2, 3))

    backbone = Backbone(Caching(), name="", dim=3, channels=3, mean=[0.0], std=[1.0]).train()
    extract(backbone, make(4), view=VIEW)
    assert backbone.trunk.cached is None


def test_a_backbone_that_changes_itself_is_named(make):
    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, images):
            self.seen += len(images)
            return images.mean(dim=(2, 3))

    backbone = Backbone(Counting(), name="", dim=3, channels=3, mean=[0.0], std=[1.0])
    with pytest.raises(RunError, match=r"trunk\.seen"):
        extract(backbone, make(4), view=VIEW)


def test_modes_come_back_after_a_crash(make):
    class Broken(torch.nn.Module):
        def forward(self, images):
            raise ArithmeticError

    backbone = Backbone(Broken(), name="", dim=3, channels=3, mean=[0.0], std=[1.0]).train()
    with pytest.raises(ArithmeticError):
        extract(backbone, make(4), view=VIEW)
    assert backbone.trunk.training


def test_features_that_are_not_finite_stop(backbone, make):
    backbone.trunk.norm.running_var.fill_(float("nan"))
    with pytest.raises(RunError, match="4 of 4 images"):
        extract(backbone, make(4), view=VIEW)


def test_second_time_runs_no_forward(backbone, make, tmp_path):
    canvases = make(10)
    first = extract(backbone, canvases, view=VIEW, cache=tmp_path / "features", stage="abc")
    calls = backbone.trunk.calls
    second = extract(backbone, canvases, view=VIEW, cache=tmp_path / "features", stage="abc")
    assert backbone.trunk.calls == calls
    assert np.array_equal(first, second)
    assert isinstance(second, np.memmap)
    assert [path.suffix for path in (tmp_path / "features").iterdir()] == [".npy"]  # nothing temporary stays


@pytest.mark.parametrize("change", ["stage", "data", "rows", "view", "precision"])
def test_whatever_features_depend_on_is_in_the_key(change, backbone, make, tmp_path):
    canvases, settings = make(10), {"view": VIEW, "stage": "abc", "cache": tmp_path}
    extract(backbone, canvases, **settings)
    calls = backbone.trunk.calls
    if change == "stage":
        settings["stage"] = "abd"
    elif change == "data":
        canvases = make(10, seed=1)
    elif change == "rows":
        canvases = canvases.take(np.arange(10)[::-1].copy())
    elif change == "view":
        settings["view"] = EvaluationView(size_px=8, crop_fraction=0.5)
    else:
        settings["autocast_dtype"] = torch.bfloat16
    extract(backbone, canvases, **settings)
    assert backbone.trunk.calls > calls
    assert len(list(tmp_path.iterdir())) == 2


def test_labels_are_not_in_the_key(backbone, make, tmp_path):
    canvases = make(10)
    extract(backbone, canvases, view=VIEW, cache=tmp_path, stage="abc")
    extract(backbone, canvases.without_labels(), view=VIEW, cache=tmp_path, stage="abc")
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_is_kept_for_an_unnamed_stage(backbone, make, tmp_path):
    extract(backbone, make(4), view=VIEW, cache=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY not whole"])
def test_a_damaged_cache_is_made_again(damage, backbone, make, tmp_path):
    canvases = make(10)
    first = np.array(extract(backbone, canvases, view=VIEW, cache=tmp_path, stage="abc"))
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)
    assert np.array_equal(extract(backbone, canvases, view=VIEW, cache=tmp_path, stage="abc"), first)


@pytest.mark.parametrize(
    "wrong", [{"size_px": 0}, {"size_px": 8, "crop_fraction": 0}, {"size_px": 8, "crop_fraction": 2}]
)
def test_impossible_views_are_refused(wrong):
    with pytest.raises(SpecError, match="give"):
        EvaluationView(**wrong)


def test_grey_images_reach_a_backbone_of_three_channels(backbone, make):
    assert extract(backbone, make(5, channels=1), view=VIEW).shape == (5, 12)


def test_errors_are_ours():
    assert issubclass(RunError, UndercoatError)
