"""Resolve what a stage leaves ``auto``: every value set from the data and the budget, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from undercoat.augment import augmentation
from undercoat.backbones import canonical_name
from undercoat.errors import SpecError, did_you_mean
from undercoat.methods import Facts, Preset, check_arguments, method_class
from undercoat.study.stage import Stage
from undercoat.training.optim import OptimiserSpec

__all__ = ["Resolution", "StageFacts", "resolve"]

Chosen = list[tuple[str, Any, str]]
_FROM_TRAINED = 0.3
"""Trained weights take a gentler rate than random ones, by this factor."""


@dataclass(frozen=True)
class StageFacts:
    """What a stage's ``auto`` values are resolved from.

    Attributes:
        images: of the data that pretraining may see.
        canvas_px: side of their squares.
        initialised: whether the weights before this stage are trained ones.
        batch_norm: whether the backbone keeps batch statistics.
        backbone: its full name.
        world: processes.
        classes: of the labels, when the method reads them; 0 for none.
        multi_label: whether an image can have several of them.
    """

    images: int
    canvas_px: int
    initialised: bool
    batch_norm: bool
    backbone: str
    world: int = 1
    classes: int = 0
    multi_label: bool = False


class Resolution(NamedTuple):
    """A stage with every value set, and what was set for the user: (name, value, reason)."""

    stage: Stage
    chosen: list[tuple[str, Any, str]]


def resolve(stage: Stage, facts: StageFacts | None) -> Resolution:
    """Set every value that was left ``auto``, with the reason.

    Args:
        stage: as written.
        facts: None for a stage that only loads weights.

    Raises:
        SpecError: for settings that exclude each other or that nobody knows.
    """
    if facts is None:
        backbone = None if stage.backbone is None else canonical_name(stage.backbone)
        return Resolution(stage.model_copy(update={"backbone": backbone}), [])
    chosen: Chosen = []
    came_trained = facts.initialised
    new = stage.fresh or stage.init_data is not None  # most of the network, or nothing of it was trained
    facts = replace(facts, initialised=came_trained and not new)
    batch = _batch(stage, facts, chosen)
    steps = _steps(stage, facts, batch, chosen)
    size = _size(stage, facts, chosen)
    normalise = _normalise(stage, came_trained, chosen)
    preset = _preset(stage)
    look, changed = stage.augmentation, dict(stage.augmentation_arguments)
    if look == "auto":
        look, changed = preset.augmentation, {**preset.augmentation_arguments, **changed}
        if stage.kind == "pretrain":
            chosen.append(("augmentation", look, f"what {stage.method} is fed"))
    recipe = augmentation(look, **{**changed, "size_px": size})
    update: dict[str, Any] = {
        "backbone": facts.backbone,
        "batch": batch,
        "steps": steps,
        "epochs": None,
        "size_px": size,
        "canvas_px": facts.canvas_px,
        "normalise": normalise,
        "log_every": stage.log_every or max(1, steps // 100),
        "checkpoint_every": stage.checkpoint_every or min(500, max(1, steps // 10)),
        "augmentation": look,
        "augmentation_arguments": {**changed, "size_px": recipe.size_px},
    }
    if stage.kind == "pretrain":
        told = Facts(
            images=facts.images,
            batch=batch // stage.accumulate,
            steps=steps,
            initialised=facts.initialised,
            batch_norm=facts.batch_norm,
            size_px=size,
            classes=facts.classes,
            multi_label=facts.multi_label,
        )
        arguments = _method_arguments(stage, preset, told, chosen)
        optimiser = _optimiser(stage, preset, facts, batch, steps, chosen)
        update |= {"method_arguments": arguments, "optimiser": optimiser}
    return Resolution(stage.model_copy(update=update), chosen)


def _batch(stage: Stage, facts: StageFacts, chosen: Chosen) -> int:
    batch = stage.batch
    if batch > facts.images:
        batch = max(1, facts.images)
        chosen.append(("batch", batch, f"the data has only {facts.images} images, fewer than {stage.batch}"))
    portions = facts.world * stage.accumulate
    if batch % portions:
        smaller = batch - batch % portions
        if smaller == 0:
            raise SpecError(
                f"a batch of {batch} cannot be shared by {facts.world} processes × {stage.accumulate} portions; "
                "use fewer"
            )
        chosen.append(("batch", smaller, f"divides into {facts.world} processes × {stage.accumulate} portions"))
        batch = smaller
    return batch


def _steps(stage: Stage, facts: StageFacts, batch: int, chosen: Chosen) -> int:
    if stage.steps is not None:
        return stage.steps
    if stage.epochs is None and stage.kind == "statistics":
        return max(1, -(-facts.images // batch))
    if stage.epochs is not None:
        return round(stage.epochs * facts.images / batch)
    epochs, low, high = (50, 100, 5_000) if facts.initialised else (200, 400, 50_000)
    steps = min(high, max(low, round(epochs * facts.images / batch)))
    start = "trained" if facts.initialised else "random"
    chosen.append(
        ("steps", steps, f"{epochs} epochs of {facts.images:,} images from {start} weights, {low:,} … {high:,}")
    )
    return steps


def _size(stage: Stage, facts: StageFacts, chosen: Chosen) -> int:
    if stage.size_px is not None:
        return stage.size_px
    size = min(224, facts.canvas_px)
    chosen.append(("size_px", size, f"canvases are {facts.canvas_px} px; 224 at most"))
    return size


def _normalise(stage: Stage, came_trained: bool, chosen: Chosen) -> Literal["keep", "data"]:
    if stage.normalise != "auto":
        return stage.normalise
    normalise: Literal["keep", "data"] = "keep" if came_trained else "data"
    chosen.append(("normalise", normalise, f"{'trained' if came_trained else 'random'} weights come first"))
    return normalise


def _preset(stage: Stage) -> Preset:
    """The preset that a stage names.

    Raises:
        SpecError: when its method has none of that name.
    """
    presets = method_class(stage.method).PRESETS
    if stage.preset not in presets:
        hint = did_you_mean(stage.preset, presets)
        raise SpecError(f"{stage.method} has no preset {stage.preset!r}{hint} (it has {', '.join(presets)})")
    return presets[stage.preset]


def _method_arguments(stage: Stage, preset: Preset, facts: Facts, chosen: Chosen) -> dict[str, Any]:
    method = method_class(stage.method)
    arguments = check_arguments(method, {**preset.arguments, **stage.method_arguments})
    if "seed" in arguments and "seed" not in stage.method_arguments:
        arguments["seed"] = stage.seed
    for name, auto in method.auto(facts).items():
        if arguments[name] is None:
            arguments[name] = auto.value
            chosen.append((f"{stage.method}.{name}", auto.value, auto.reason))
    return arguments


def _optimiser(
    stage: Stage, preset: Preset, facts: StageFacts, batch: int, steps: int, chosen: Chosen
) -> OptimiserSpec:
    """What was asked for, then what the preset says, then what suits small data."""
    asked, said = stage.optimiser, dict(preset.optimiser)
    given = {name for name in OptimiserSpec.model_fields if getattr(asked, name) != getattr(OptimiserSpec(), name)}
    name = asked.name if "name" in given else said.get("name", "adamw")
    if said.get("name", name) != name:
        said = {}  # another optimiser than the preset's: nothing of it fits
    if "lr" in said:
        scale = batch / preset.batch if name == "sgd" else (batch / preset.batch) ** 0.5
        scale *= _FROM_TRAINED if facts.initialised and stage.preset == "auto" else 1.0
        said["lr"] = float(f"{said['lr'] * scale:.3g}")
    defaults, reason = _small_data_optimiser(stage, facts, name, batch, steps)
    source = "the published value" if stage.preset != "auto" else f"suits {stage.method}"
    scaled = f"{source}, scaled to a batch of {batch}" if batch != preset.batch else source
    update: dict[str, Any] = {"name": name}
    if "name" not in given:
        chosen.append(("optimiser.name", name, source if "name" in said else "forgiving on small data and budgets"))
    for field, value in {**defaults, **said}.items():
        if field in given or field == "name":
            continue
        update[field] = value
        why = reason if field not in said else scaled if field == "lr" else source
        chosen.append((f"optimiser.{field}", value, why))
    return OptimiserSpec.of({**asked.model_dump(), **update}, where=f"{stage.method}'s optimiser")


def _small_data_optimiser(
    stage: Stage, facts: StageFacts, name: str, batch: int, steps: int
) -> tuple[dict[str, Any], str]:
    scale = batch / 256 if name == "sgd" else (batch / 128) ** 0.5
    if name == "sgd":
        rate = 0.03
    elif stage.train == "norm":
        rate = 1e-3
    else:
        rate = 1e-3 * (_FROM_TRAINED if facts.initialised else 1.0)
    start = "trained" if facts.initialised else "random"
    reason = f"{name} from {start} weights, {stage.train} trained, batch {batch}, {steps:,} steps"
    decay = 1e-4 if name == "sgd" else 0.01
    return {"lr": float(f"{rate * scale:.3g}"), "weight_decay": decay, "warmup_steps": steps // 20}, reason
