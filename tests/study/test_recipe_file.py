"""A recipe can extend another, name its data sets, and have single settings replaced from the command line."""

import pytest

from undercoat.errors import SpecError
from undercoat.study.expansion import expand
from undercoat.study.recipe import Recipe

BELOW = """
name: below
backbone: timm/resnet18
data: {home: "sample:noto", probe: "sample:digits"}
defaults: {steps: 5, size_px: 32}
stages: {coat: {data: home, optimiser: {lr: 0.1}}}
arms: {random: [], coat: [coat], other: [{use: coat, data: "sample:openmoji"}]}
protocol: {data: probe, size_px: 32}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "below.yaml").write_text(BELOW, "utf-8")
    (tmp_path / "above.yaml").write_text("extends: below.yaml\nname: above\ndefaults: {steps: 1}\n", "utf-8")
    return tmp_path


def test_names_of_data_are_looked_up_in_stages_and_protocol(folder):
    recipe = Recipe.load(folder / "below.yaml")
    by_arm = {leaf.arm: leaf.stages for leaf in expand(recipe)}
    assert by_arm["coat"][0].data == "sample:noto"
    assert by_arm["other"][0].data == "sample:openmoji"
    assert recipe.judged_by.data == "sample:digits"


def test_a_recipe_that_extends_another_says_only_what_differs(folder):
    above = Recipe.load(folder / "above.yaml")
    assert above.name == "above"
    assert above.defaults == {"steps": 1, "size_px": 32}
    assert above.stages == Recipe.load(folder / "below.yaml").stages


def test_arms_are_replaced_and_other_mappings_laid_over(folder):
    (folder / "one.yaml").write_text("extends: below.yaml\narms: {only: [coat]}\ndata: {probe: x}\n", "utf-8")
    one = Recipe.load(folder / "one.yaml")
    assert list(one.arms) == ["only"]
    assert one.data == {"home": "sample:noto", "probe": "x"}


def test_changes_from_the_command_line_come_last(folder):
    changed = Recipe.load(folder / "above.yaml", 'data.probe="my folder" defaults.steps=7 stages.coat.optimiser.lr=0.2')
    assert changed.judged_by.data == "my folder"
    assert changed.defaults["steps"] == 7
    assert changed.stages["coat"]["optimiser"] == {"lr": 0.2}


def test_settings_can_be_put_where_the_file_has_none(tmp_path):
    (tmp_path / "bare.yaml").write_text("backbone: timm/resnet18\narms: [random]\n", "utf-8")
    changed = Recipe.load(tmp_path / "bare.yaml", "defaults.steps=7 data.home=photos backbone_arguments.stem=small")
    assert (changed.defaults, changed.data) == ({"steps": 7}, {"home": "photos"})
    assert changed.backbone_arguments == {"stem": "small"}


def test_the_network_of_a_recipe_is_that_of_every_untrained_start(folder):
    recipe = Recipe.load(folder / "below.yaml", '"backbone_arguments={zero_init_last: false}"')
    first = {leaf.arm: leaf.stages[0] for leaf in expand(recipe)}
    assert {stage.backbone for stage in first.values()} == {"timm/resnet18"}
    assert [stage.backbone_arguments for stage in first.values()] == [{"zero_init_last": False}] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("steps", "sets nothing"),
        ("stages.tarjet.steps=3", "leads nowhere at 'tarjet'"),
        ("defaults.steps='5", "cannot be read"),
        ("data.home={", "no YAML"),
        ("nme=x", "did you mean 'name'"),
        ("arms.other.3=coat", "a list of 1 is there"),
        ("arms.other.first.data=x", "a list of 1 is there"),
        ("arms.other.first=coat", "a list of 1 is there"),
    ],
)
def test_a_change_that_means_nothing_is_refused_in_a_sentence(folder, changes, message):
    with pytest.raises(SpecError, match=message):
        Recipe.load(folder / "below.yaml", changes)


def test_recipes_that_extend_each_other_or_a_missing_one_are_refused(folder):
    (folder / "a.yaml").write_text("extends: b.yaml\n", "utf-8")
    (folder / "b.yaml").write_text("extends: a.yaml\n", "utf-8")
    (folder / "c.yaml").write_text("extends: d.yaml\n", "utf-8")
    (folder / "e.yaml").write_text("extends: [a.yaml]\n", "utf-8")
    for name, message in (("a", "extends itself"), ("c", "no recipe"), ("e", "give the name of one file")):
        with pytest.raises(SpecError, match=message):
            Recipe.load(folder / f"{name}.yaml")
