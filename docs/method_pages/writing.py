"""The page of a method, and the table of all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from method_pages.markdown import code, table, wrapped
from method_pages.reading import EXAMPLE, Said, built, said_of, watched
from method_pages.results import Measured
from undercoat.methods import METHODS, Method, check_arguments

__all__ = ["index", "page"]

MADE = "<!-- Made by docs/make_method_pages.py from the method's code: change it there. -->"


def page(name: str, about: Mapping[str, str], rows: list[Measured], *, how: bool = False) -> str:
    """The page of one method.

    Args:
        name: of ``METHODS``.
        about: its entry of the guide.
        rows: what its arms measured.
        how: whether ``docs/results/methods.md`` says how.
    """
    method = METHODS[name]
    said, one = said_of(method.__doc__ or ""), built(method)
    link = re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", method.paper)
    views = f"{one.number_of_views} view{'s' if one.number_of_views > 1 else ''} of each image"
    labels = "**reads labels**" if method.reads_labels else "no labels"
    parts = [
        MADE,
        f"# {about['title']}",
        wrapped(said.first),
        f"`--method {name}` · {about['kind']} · {views} · {labels} · {link} · [code]({_source(method)})",
        wrapped(f"**When.** {about['when']} **Batch:** {about['batch']}."),
        *map(wrapped, said.prose),
        wrapped(f"Reference: {said.reference}") if said.reference else "",
        *_measured_part(rows, how=how),
        *_trying(name),
        *_arguments(method, said),
        *_auto_part(method),
        *_presets(method),
        *_watching(one),
        "[All methods](index.md)",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _source(method: type[Method]) -> str:
    return f"../../src/{method.__module__.replace('.', '/')}.py"


def _measured_part(rows: list[Measured], *, how: bool) -> list[str]:
    if not rows:
        return []
    head = ("arm", "steps", "readout", "value", "untrained", "difference", "", "test images", "seeds")
    body = [(r.arm, r.steps, r.readout, r.value, r.untrained, r.difference, r.words, r.n, r.seeds) for r in rows]
    where = " ([how](../results/methods.md))" if how else ""
    said = f"With 95 % intervals{where}. One network, one data set and one short budget rank nothing beyond themselves."
    return ["## Measured", table(head, body), wrapped(said)]


def _trying(name: str) -> list[str]:
    run = f"runs/{name}"
    commands = {
        f"undercoat preview sample:noto --method {name} --out {name}.png": "what enters the network",
        f"undercoat pretrain --data sample:noto --method {name} --backbone test_resnet --steps 200 --out {run}": "",
        f"undercoat evaluate {run} --data sample:openmoji": "beside untrained weights",
        f"undercoat report {run}": "one HTML page",
    }
    column = 2 + max(len(command) for command, said in commands.items() if said)
    lines = [f"{command:<{column}}# {said}" if said else command for command, said in commands.items()]
    recipe = [
        f"name: try-{name}",
        "backbone: timm/test_resnet",
        f'stages: {{{name}: {{method: {name}, data: "sample:noto", steps: 200}}}}',
        f"arms: {{random: [], {name}: [{name}]}}",
        "seeds: [0, 1, 2]",
        'protocol: {data: "sample:openmoji", size_px: 64, readouts: {knn: {}, linear: {}}}',
    ]
    return [
        "## Try it",
        "\n".join(["```bash", *lines, "```"]),
        "The same over three seeds, as a recipe for `undercoat study run FILE`:",
        "\n".join(["```yaml", *recipe, "```"]),
        "Both show the calls, with a toy network; they do not show what the method can do.",
    ]


def _arguments(method: type[Method], said: Said) -> list[str]:
    rows = [
        (
            f"`{name}`",
            "auto" if default is None else "–" if default == "" else code(default),
            said.arguments.get(name, ""),
        )
        for name, default in check_arguments(method, {}).items()
    ]
    return ["## Arguments", "In a recipe under `method_arguments`, on the command line as `--method-arguments '{…}'`.",
            table(("name", "default", "meaning"), rows)]  # fmt: skip


def _auto_part(method: type[Method]) -> list[str]:
    auto = method.auto(EXAMPLE)
    if not auto:
        return []
    classes = f" in {EXAMPLE.classes} classes" if method.reads_labels else ""
    facts = (
        f"What `auto` gives for {EXAMPLE.images:,} images{classes}, views of {EXAMPLE.size_px} px, a batch of "
        f"{EXAMPLE.batch}, {EXAMPLE.steps:,} steps, and a backbone with batch norm from random weights:"
    )
    rows = [(f"`{name}`", code(one.value), one.reason) for name, one in auto.items()]
    return [wrapped(facts), table(("name", "value", "why"), rows)]


def _presets(method: type[Method]) -> list[str]:
    columns = []
    for preset in method.PRESETS.values():
        cells: dict[tuple[int, str], object] = {(0, "augmentation"): preset.augmentation}
        cells |= {(1, f"augmentation: {key}"): value for key, value in preset.augmentation_arguments.items()}
        cells |= {(2, f"optimiser: {key}"): value for key, value in preset.optimiser.items()}
        cells |= {(3, "batch that `lr` is for"): preset.batch} if "lr" in preset.optimiser else {}
        columns.append(cells | {(4, f"`{key}`"): value for key, value in preset.arguments.items()})
    keys = sorted(dict.fromkeys(key for cells in columns for key in cells), key=lambda key: key[0])
    body = [(key[1], *(code(cells[key]) if key in cells else "" for cells in columns)) for key in keys]
    said = (
        "`--preset NAME`. Where a cell is empty, the argument's default stands, or for the optimiser "
        "[what suits small data](../pretraining.md#what-auto-chooses-and-why)."
    )
    if any(group == 3 for group, _ in keys):
        said += " Another batch scales `lr`: in proportion for SGD, by the square root for Adam."
    return ["## Presets", wrapped(said), table(("", *(f"`{name}`" for name in method.PRESETS)), body)]


def _watching(method: Method) -> list[str]:
    seen = watched(method)
    said = []
    for name, chance in seen.numbers.items():
        guessing = "" if chance is None else f"; guessing scores {chance:.2g} in the example above"
        said.append(f"- `{name}` in `log.jsonl`{guessing}")
    if seen.embeddings:
        said.append("- the [collapse meter](../pretraining.md#while-it-runs) in `log.jsonl`")
    for name, title in seen.pictures.items():
        said.append(f"- `pictures/{name}-STEP.png`: {title[:1].lower()}{title[1:].rstrip('.')}")
    return ["## While it trains", "\n".join(said), "The [report](../report.md) shows all of it."] if said else []


def index(guide: Mapping[str, Mapping[str, str]], rows: Mapping[str, list[Measured]]) -> str:
    """The table of all methods."""
    head = ("method", "kind", "views", "labels", "batch", "use it")
    body = []
    for name, method in METHODS.items():
        about = guide[name]
        labels = "yes" if method.reads_labels else "no"
        views = str(built(method).number_of_views)
        body.append([f"[{about['title']}]({name}.md)", about["kind"], views, labels, about["batch"], about["when"]])
    parts = [
        MADE,
        "# Methods",
        wrapped(
            "What a backbone is asked to do with images, mostly without labels, so that it learns to see. Each method "
            "is one file; `undercoat preview DATA --method NAME` shows what it hands to its network, and its page has "
            "its arguments, its presets and a recipe to try it."
        ),
        table(head, body),
        *_all_measured(rows),
        wrapped(
            "No method is best everywhere: on your images, two arms of a [study](../studies.md) and the untrained "
            "backbone beside them say more than any table of ours. The accuracy that a method logs is that of its own "
            "task, and no measure of its features. [Contributing](../../CONTRIBUTING.md) says how to add a method."
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _all_measured(rows: Mapping[str, list[Measured]]) -> list[str]:
    if not rows:
        return []
    head = ("method", "arm", "readout", "value", "untrained", "difference", "")
    flat = [(name, row) for name in METHODS for row in rows.get(name, ())]
    body = [(f"[{name}]({name}.md)", r.arm, r.readout, r.value, r.untrained, r.difference, r.words) for name, r in flat]
    return ["## Measured", table(head, body)]
