import pytest

from undercoat.errors import SpecError
from undercoat.study.expansion import expand, protocols_of
from undercoat.study.recipe import Recipe

STAGES = {"base": {"init": "imagenet-lite0"}, "target": {"data": "sample:digits", "steps": 5}}


def recipe(**changes):
    return Recipe.of({"name": "r", "stages": STAGES, **changes}, where="recipe")


def test_the_standard_arms_are_written_out():
    leaves = expand(recipe())
    assert [leaf.arm for leaf in leaves] == ["random", "base", "target", "hpt", "hpt_bn"]
    by_arm = {leaf.arm: leaf.stages for leaf in leaves}
    assert by_arm["random"][0].init == "random"
    assert by_arm["random"][0].backbone == "timm/tf_efficientnet_lite0"
    assert [stage.train for stage in by_arm["hpt_bn"]] == ["all", "norm"]
    assert by_arm["target"][0].init == "random"
    assert by_arm["hpt"][1].init is None


def test_seeds_multiply():
    leaves = expand(recipe(seeds=[0, 1, 2], arms=["target", "hpt"]))
    assert [(leaf.arm, leaf.seed) for leaf in leaves] == [(a, s) for a in ("target", "hpt") for s in (0, 1, 2)]
    assert {stage.seed for leaf in leaves if leaf.seed == 2 for stage in leaf.stages} == {2}


def test_an_axis_repeats_only_the_arms_that_it_changes():
    leaves = expand(recipe(axes={"stages.target.steps": [5, 50]}))
    assert sorted(leaf.arm for leaf in leaves) == sorted(
        ["random", "base"] + [f"{arm}[steps={n}]" for arm in ("target", "hpt", "hpt_bn") for n in (5, 50)]
    )
    assert {leaf.stages[-1].steps for leaf in leaves if leaf.arm == "hpt[steps=50]"} == {50}


def test_an_axis_of_the_network_is_of_every_arm():
    given = {"backbone": "undercoat/alexnet", "backbone_arguments": {"width": "tiny"}, "arms": ["random"]}
    leaves = expand(recipe(**given, axes={"backbone_arguments.stem": [32, 64]}))
    assert [leaf.arm for leaf in leaves] == ["random[stem=32]", "random[stem=64]"]


def test_two_axes_make_a_grid():
    axes = {"stages.target.steps": [1, 2], "stages.target.train": ["all", "norm"]}
    leaves = expand(recipe(arms=["hpt"], axes=axes))
    assert [leaf.arm for leaf in leaves] == [
        f"hpt[steps={steps}, train={train}]" for steps in (1, 2) for train in ("all", "norm")
    ]


def test_axes_that_touch_different_arms_do_not_multiply():
    axes = {"stages.target.steps": {"values": [1, 2], "arms": ["hpt"]}, "stages.target.batch": [8, 9]}
    leaves = expand(recipe(arms=["random", "target", "hpt"], axes=axes))
    assert [leaf.arm for leaf in leaves] == [
        "random",
        *(f"target[batch={batch}]" for batch in (8, 9)),
        *(f"hpt[steps={steps}, batch={batch}]" for steps in (1, 2) for batch in (8, 9)),
    ]
    assert {leaf.of for leaf in leaves} == {"random", "target", "hpt"}
    assert [leaf.stages[-1].steps for leaf in leaves if leaf.of == "target"] == [5, 5]


def test_an_axis_over_named_data_has_labels_of_its_own():
    given = {"data": {"d": "a"}, "stages": {"t": {"data": "d"}}, "backbone": "timm/test_resnet"}
    axes = {"data.d": {"values": {"1 %": "a?limit=10", "all": "a"}, "name": "images"}}
    leaves = expand(recipe(**given, arms={"x": ["t"], "random": []}, axes=axes))
    assert [leaf.arm for leaf in leaves] == ["x[images=1 %]", "x[images=all]", "random"]
    assert [leaf.stages[0].data for leaf in leaves[:2]] == ["a?limit=10", "a"]


def test_an_axis_of_the_protocol_repeats_judging_and_no_arm():
    protocol = {"data": "sample:digits", "size_px": 32}
    one = recipe(protocol=protocol, axes={"protocol.labels_limit": [20, 40]}, arms=["random", "hpt"])
    assert [leaf.arm for leaf in expand(one)] == ["random", "hpt"]
    found = protocols_of(one)
    assert [(str(point[0]), judged_by.labels_limit) for point, judged_by in found] == [
        ("labels_limit=20", 20),
        ("labels_limit=40", 40),
    ]
    assert protocols_of(recipe()) == []
    with pytest.raises(SpecError, match="the recipe has none"):
        protocols_of(recipe(axes={"protocol.labels_limit": [20]}))


def test_defaults_lie_under_what_a_stage_and_an_arm_say():
    leaves = expand(
        recipe(
            defaults={"batch": 7, "optimiser": {"lr": 0.5, "name": "sgd"}},
            arms={"a": ["target"], "b": [{"use": "target", "batch": 9, "optimiser": {"lr": 0.1}}]},
        )
    )
    assert [leaf.stages[0].batch for leaf in leaves] == [7, 9]
    assert [(leaf.stages[0].optimiser.lr, leaf.stages[0].optimiser.name) for leaf in leaves] == [
        (0.5, "sgd"),
        (0.1, "sgd"),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arm": {}}, "did you mean 'arms'"),
        ({"arms": ["hbt"]}, "'hbt' is not a standard arm; did you mean"),
        ({"arms": {"a": ["tarjet"]}}, "did you mean 'target'"),
        ({"arms": {"a": [3]}}, "must be a stage's name or a mapping"),
        ({"arms": {"a": [{"use": "target", "stps": 3}]}}, "did you mean 'steps'"),
        ({"arms": {"a": ["target", "base"]}}, "has init, but its weights come from the coat before"),
        ({"axes": {"stages.tarjet.steps": [1]}}, "leads nowhere at 'tarjet'"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [-1]}, "greater than or equal to 0"),  # -1 is the seed of rows that speak for several
        ({"arms": {}}, "has no arms"),
        ({"arms": {"a": [{"use": ["target"]}]}}, "did you mean 'target'"),
        ({"axes": {"stages.target.steps": []}}, "has no values"),
        ({"axes": {"stages.base.name": ["a"]}, "arms": ["random"], "backbone": "timm/test_resnet"}, "changes no coat"),
        ({"axes": {"stages.target.steps": {"values": [1], "arms": ["hbt"]}}}, "did you mean 'hpt'"),
        ({"axes": {"seeds.x": [1]}}, "changes no coat"),
        ({"stages": {"target": {"data": "x"}}, "arms": ["target"]}, "names no backbone"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(SpecError, match=message):
        expand(recipe(**changes))


def test_a_missing_or_broken_file_is_a_sentence(tmp_path):
    with pytest.raises(SpecError, match="there is no recipe"):
        Recipe.load(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1,\nb: 2")
    with pytest.raises(SpecError, match="is not valid YAML at line"):
        Recipe.load(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(SpecError, match="must hold a mapping"):
        Recipe.load(tmp_path / "list.yaml")


def test_data_may_stand_under_defaults():
    recipe = Recipe.of(
        {
            "backbone": "timm/test_resnet",
            "defaults": {"data": "sample:digits", "steps": 2},
            "stages": {"one": {"method": "moco_v2"}, "base": {"init": "imagenet-lite0"}},
            "arms": {"one": ["one"], "base": ["base"], "frozen": ["base", {"frozen": ["conv1"]}]},
        },
        where="recipe",
    )
    one, base, frozen = (leaf.stages[-1] for leaf in expand(recipe))
    assert (frozen.data, frozen.steps) == ("sample:digits", 2)  # only what trains can be frozen in part
    assert (one.data, one.init, one.backbone, one.steps) == ("sample:digits", "random", "timm/test_resnet", 2)
    assert base.data is None
