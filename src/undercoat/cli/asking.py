"""Commands that ask rather than do, and the command-line forms of what Python does with objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from undercoat.errors import SpecError

if TYPE_CHECKING:
    from undercoat.augment import Augmentation
    from undercoat.study.study import Study

__all__ = ["collect_records", "data_inspect", "list_known", "study_plan", "study_run", "study_status"]

_COLUMNS = 100


def data_inspect(spec: str, *, json: bool = False, cache: Path | None = None) -> str:
    """Say what is in a data set before anything is trained on it.

    Args:
        spec: a folder, CSV, IDX or NumPy file, or ``sample:NAME``.
        json: for machines.
        cache: where decoded images are kept (default: ``.undercoat-cache``).
    """
    from undercoat.data.inspection import inspect

    found = inspect(spec, cache=cache)
    return found.to_json() if json else found.text()


def study_plan(
    recipe: Path,
    *,
    set: str = "",
    out: Path | None = None,
    device: str = "auto",
    measure: bool = True,
    workers: int = 1,
    images_per_second: float | None = None,
) -> None:
    """Print the graph of a recipe, how much is left to do, and what it takes in time and on disk.

    Args:
        recipe: YAML file.
        set: settings of the recipe to replace, such as ``"protocol.data=scans defaults.steps=50"``.
        out: the study's folder (default: ``runs/NAME``).
        device: to measure on.
        measure: take a few real steps to time them.
        workers: that will lay coats side by side.
        images_per_second: of training on another machine; nothing is measured then.
    """
    from undercoat.study.plan import make_plan
    from undercoat.study.showing_plan import print_plan

    if workers < 1:
        raise SpecError(f"workers {workers} is less than one; give --workers 1 or more")
    console = Console()
    study = _study(recipe, set, out, device=device)
    judges = study.judges()  # what cannot be judged is refused here as well
    plan = make_plan(
        study.expected_graph(),
        study.out,
        device=device,
        console=console,
        measure=measure,
        images_per_second=images_per_second,
        judges=judges,
    )
    print_plan(plan, study.out, console, workers=workers, images_per_second=images_per_second)


def study_run(
    recipe: Path,
    *,
    set: str = "",
    out: Path | None = None,
    reuse: Path | None = None,
    device: str = "auto",
    cache: Path | None = None,
    strict: bool = False,
    workers: int = 1,
    only_judge: bool = False,
) -> Path:
    """Run a recipe: lay what is not laid yet, judge every arm, write the report.

    Typed again in another terminal while it runs, it joins in as a further worker.

    Args:
        recipe: YAML file.
        set: settings of the recipe to replace, such as ``"protocol.data=scans defaults.steps=50"``.
        out: folder (default: ``runs/NAME``).
        reuse: folder of another study, whose finished coats are copied where they are the same.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        cache: where decoded images are kept.
        strict: stop at the first broken file.
        workers: processes that lay coats side by side, each with its share of cores and GPUs.
        only_judge: lay nothing; judge the arms that are finished and write the report, also while others lay the rest.
    """
    study = _study(recipe, set, out, device=device, cache=cache, strict=strict, reuse=reuse)
    return study.run(workers=workers, only_judge=only_judge)


def _study(recipe: Path, changes: str, out: Path | None, **settings: Any) -> Study:
    from undercoat.study.recipe import Recipe
    from undercoat.study.study import Study

    loaded = Recipe.load(recipe, changes)
    return Study(loaded, out=out or Path("runs") / loaded.name, **settings)


def study_status(out: Path, *, watch: bool = False, json: bool = False) -> str:
    """Show how far every coat of a study is, who lays it, and how long it will take.

    Args:
        out: the study's folder.
        watch: show it anew every two seconds until the study is finished.
        json: for machines.
    """
    from undercoat.study.status import status_of
    from undercoat.study.status_table import status_table
    from undercoat.study.status_table import watch as keep_watching

    if json:
        return _dumps(status_of(out).as_dict())
    console = Console(markup=False, emoji=False, highlight=False)
    if watch:
        keep_watching(out, console)
        return ""
    with console.capture() as shown:
        console.print(status_table(status_of(out)))
    return shown.get().rstrip()


def collect_records(root: Path, out: Path, *, overwrite: bool = False) -> str:
    """Collect all numbers below a folder into one file.

    Args:
        root: any folder.
        out: a ``.csv`` or ``.parquet`` file.
        overwrite: replace the file when it is there.

    Raises:
        SpecError: for a file of another kind.
        RunError: when there is nothing to collect, or the file is there already or cannot be written.
    """
    from undercoat.errors import RunError, SpecError
    from undercoat.files import make_folder, refuse_unwritable
    from undercoat.records import FILE_NAME, collect

    if out.suffix not in (".csv", ".parquet"):
        raise SpecError(f"out '{out}' is neither a .csv nor a .parquet file; name one of these")
    if next(root.rglob(FILE_NAME), None) is None:
        raise RunError(f"there are no records below {str(root)!r}; undercoat evaluate and study run write them")
    if out.exists() and not overwrite:
        raise RunError(f"{out} is there already; add --overwrite, or choose another name")
    refuse_unwritable(out)
    make_folder(out.parent)
    return f"{collect(root, out):,} rows in {out}"


def list_known(
    what: Literal["methods", "backbones", "readouts", "measures", "augmentations", "data", "init"],
    *,
    filter: str = "",
    json: bool = False,
) -> str:
    """List what Undercoat knows by name.

    Args:
        what: which kind.
        filter: part of the names to show; of public data sets, also where to get them, on what terms, in what layout.
        json: for machines.
    """
    known = {name: about for name, about in _known(what).items() if filter in name}
    if json:
        return _dumps(known)
    width = max(map(len, known), default=0)
    said = {name: _in_a_line(about, in_short=not filter) for name, about in known.items()}
    lines = [_entry(name, about, width, wrapped=what == "data") for name, about in said.items()]
    return "\n".join(lines) or f"nothing contains {filter!r}"


def _entry(name: str, about: str, width: int, *, wrapped: bool) -> str:
    """One name with what there is to say of it; where that is long, below itself and 100 columns wide."""
    line = f"{name:<{width}}  {about}".rstrip()
    if not wrapped:
        return line
    return fill(line, _COLUMNS, subsequent_indent=" " * (width + 2), break_long_words=False, break_on_hyphens=False)


def _describe(recipe: Augmentation) -> str:
    """Name the operations of a preset that ever happen."""
    low, high = recipe.scale
    said = [f"crops of {low:g}–{high:g} of the area"] if low < 1 else ["the whole image"]
    jitter = [f"{name} {getattr(recipe, name):g}" for name in ("brightness", "contrast", "saturation", "hue")]
    said += [f"jitter {recipe.jitter_probability:g} ({', '.join(jitter)})"] if recipe.jitter_probability else []
    for name in ("grey", "blur", "flip"):
        probability = getattr(recipe, f"{name}_probability")
        said += [f"{name} {probability:g}"] if probability else []
    return ", ".join(said)


def _in_a_line(about: str | dict[str, Any], *, in_short: bool) -> str:
    if isinstance(about, str):
        return about
    return str(about["in_short"]) if in_short and "in_short" in about else f"{about['about']} ({about['paper']})"


def _dumps(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False)


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]


def _known(what: str) -> Mapping[str, str | dict[str, Any]]:
    if what == "methods":
        from undercoat.methods import METHODS

        return {
            name: {"about": _first_line(m), "paper": m.paper, "presets": list(m.PRESETS), "labels": m.reads_labels}
            for name, m in METHODS.items()
        }
    if what == "backbones":
        from undercoat.backbones import known_backbones

        return known_backbones()
    if what == "readouts":
        from undercoat.evaluation.readouts import READOUTS

        return {name: _first_line(readout) for name, readout in READOUTS.items()}
    if what == "measures":
        from undercoat.evaluation.measures import MEASURES

        return {name: _first_line(measure) for name, measure in MEASURES.items()}
    if what == "augmentations":
        from undercoat.augment import AUGMENTATIONS

        return {name: _describe(recipe) for name, recipe in AUGMENTATIONS.items()}
    if what == "init":
        from undercoat.interop import INITIAL

        return dict(INITIAL)
    return _data()


def _data() -> dict[str, str | dict[str, Any]]:
    from undercoat.data import CARDS, READERS, SAMPLES
    from undercoat.data.readers.photo import PHOTOS

    found: dict[str, str | dict[str, Any]] = {name: _first_line(reader) for name, reader in READERS.items()}
    found["patches"] = (
        "Any number of patches of one photo or a few, rendered when they are read: patches:PHOTO?n=50000."
    )
    found["card"] = "A public set by its card, whose layout is verified before it is read: card:flowers-102:FOLDER."
    found |= {
        f"card:{name}": {"about": card.line(), "in_short": card.in_short(), **asdict(card)}
        for name, card in CARDS.items()
    }
    found |= {f"photo:{name}": f"{card.title}, {card.licence}" for name, card in PHOTOS.items()}
    for name, sample in SAMPLES.items():
        about = f"{sample.title}, {sample.images:,} images, {sample.licence}"
        found[f"sample:{name}"] = {"about": about, "paper": sample.source, **asdict(sample)}
    return found
