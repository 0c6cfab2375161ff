from dataclasses import fields

import pytest

from undercoat.augment import AUGMENTATIONS, Augmentation, augmentation
from undercoat.errors import SpecError


@pytest.mark.parametrize("preset", AUGMENTATIONS)
def test_presets_can_be_changed_field_by_field(preset):
    changed = augmentation(preset, size_px=32, scale=[0.5, 1.0])
    assert (changed.size_px, changed.scale) == (32, (0.5, 1.0))
    assert changed.flip_probability == AUGMENTATIONS[preset].flip_probability


def test_unknown_names_get_a_suggestion():
    with pytest.raises(SpecError, match=r"'mocov2' is no augmentation; did you mean 'moco_v2'\?"):
        augmentation("mocov2")
    with pytest.raises(SpecError, match=r"'size' is no field of an augmentation; did you mean 'size_px'\?"):
        augmentation("moco_v2", size=64)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size_px": 0},
        {"size_px": 20.5},
        {"scale": (0.5, 1.5)},
        {"scale": (1.0, 0.5)},
        {"scale": 0.5},
        {"ratio": (0.0, 1.0)},
        {"hue": 0.6},
        {"hue": "much"},
        {"grey_probability": -0.1},
        {"brightness": float("nan")},
        {"blur_sigma_px": (1.0,)},
        {"blur_sigma_px": (1.0, float("inf"))},
        {"rotation_degrees": (0.0, 1000.0)},
        {"flip_probability": None},
    ],
)
def test_values_out_of_range_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(SpecError, match=f"augmentation's {name} is"):
        Augmentation(**wrong)


def test_every_field_is_documented():
    for field in fields(Augmentation):
        assert f"{field.name}: " in (Augmentation.__doc__ or ""), field.name
