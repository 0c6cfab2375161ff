"""From signatures to a parser: a command's flags are its function's parameters, its help their docstring."""

from __future__ import annotations

import inspect
import json
from argparse import ArgumentError
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from jsonargparse import ArgumentParser

from undercoat.cli.sentences import explain
from undercoat.errors import SpecError, did_you_mean

__all__ = ["COMMANDS", "Command", "command_of", "overview", "parse"]

_SHORT = {"-o": "--out", "-n": "--n"}
_NOT_FLAGS: set[str | int] = {"console"}  # for callers in Python


class Command(NamedTuple):
    """One command: the public function that it calls, what prints its result, and a line for the first help page."""

    function: str
    printer: str
    summary: str

    def load(self) -> tuple[Callable[..., Any], Callable[[Any], int]]:
        """Import the function and the printer; only the command that was asked for is imported."""
        module, _, name = self.function.partition(":")
        printers = import_module("undercoat.cli.printing")
        return getattr(import_module(f"undercoat.{module}"), name), getattr(printers, self.printer)


#: words typed after ``undercoat`` → command
COMMANDS: dict[str, Command] = {
    "demo": Command("study.demo:demo", "study", "the main job on real images: six arms, a table, a report"),
    "pretrain": Command(
        "study.pretraining:pretrain", "run", "lay one coat of self-supervised pretraining on a backbone"
    ),
    "resume": Command("study.pretraining:resume", "run", "go on with a run that was stopped"),
    "import": Command(
        "interop.importing:import_weights", "text", "weights from elsewhere into a folder that stages start from"
    ),
    "evaluate": Command(
        "study.evaluating:evaluate", "rows", "did it help? against random weights and the base, always"
    ),
    "report": Command("report:write_report", "path", "write one offline HTML page about a study or a run"),
    "show": Command("study.showing:show", "text", "what a run is, how far it is, and how to load its backbone"),
    "data inspect": Command(
        "cli.asking:data_inspect", "text", "what is in a data set: sizes, broken files, duplicates, leaks"
    ),
    "patches": Command(
        "data.patch_files:write_patches", "picture", "write the patches of one photo, or of a few, as image files"
    ),
    "preview": Command(
        "study.previewing:preview", "picture", "save what a method hands to its network: views, tiles, rotations"
    ),
    "study plan": Command("cli.asking:study_plan", "nothing", "what a recipe will do and cost, before it runs"),
    "study run": Command("cli.asking:study_run", "study", "run a recipe; run it again to go on"),
    "study status": Command("cli.asking:study_status", "text", "how far each coat is, and how long it will take"),
    "study tables": Command("cli.exporting:study_tables", "text", "tables for papers: arms, and paired differences"),
    "study diff": Command("cli.exporting:study_diff", "text", "what differs between two recipes, and what they share"),
    "filters": Command(
        "diagnosis.filters:filters", "analysis", "draw first-layer filters side by side, with what they are in numbers"
    ),
    "similarity": Command(
        "diagnosis.similarity:similarity", "analysis", "how alike networks are: linear CKA by layer, filters matched"
    ),
    "style": Command("diagnosis.style:style", "analysis", "paint a picture in the look of another, by early layers"),
    "find": Command("diagnosis.find:find", "found", "find one example in many images, on frozen features"),
    "records": Command(
        "cli.asking:collect_records", "text", "collect all numbers below a folder into one .csv or .parquet"
    ),
    "list": Command(
        "cli.asking:list_known", "text", "methods, backbones, readouts, measures, augmentations, data or init"
    ),
}


class _Parser(ArgumentParser):
    """Raises what is wrong instead of printing a usage block and leaving."""

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Hand the message to the caller."""
        raise ArgumentError(None, message)


def command_of(given: list[str]) -> tuple[str, list[str]]:
    """Split what was typed into the command's name and its arguments.

    Raises:
        SpecError: for an unknown command, with the nearest known one.

    Example:
        >>> command_of(["data", "inspect", "scans", "--json"])
        ('data inspect', ['scans', '--json'])
    """
    for words in (2, 1):
        name = " ".join(given[:words])
        if name in COMMANDS:
            return name, given[words:]
    group = [f"undercoat {name}" for name in COMMANDS if name.split()[0] == given[0]]
    if group:
        raise SpecError(f"'undercoat {' '.join(given[:2])}' is no command; there is {', '.join(group)}")
    heads = {name.split()[0] for name in COMMANDS}
    raise SpecError(f"{given[0]!r} is no command{did_you_mean(given[0], heads)} (undercoat --help lists them)")


def parse(function: Callable[..., Any], name: str, given: list[str]) -> dict[str, Any]:
    """Turn the typed arguments into the function's.

    Raises:
        SpecError: in one sentence, for the first thing that is wrong.
    """
    parameters = inspect.signature(function).parameters.values()
    switches = {f"--{p.name}" for p in parameters if isinstance(p.default, bool)}
    places = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in _NOT_FLAGS]
    required = [p.name for p in parameters if p.default is p.empty and p.name in places]
    lists = {p.name for p in parameters if str(p.annotation).startswith("list[")}
    usage = " ".join(["undercoat", name, *(place.upper() for place in required)])
    parser = _Parser(prog=usage, description=(inspect.getdoc(function) or "").split("\n\nArgs:")[0])
    parser.add_function_arguments(function, as_group=False, as_positional=False, sub_configs=False, skip=_NOT_FLAGS)
    try:
        settings: dict[str, Any] = parser.parse_args(_named(given, places, switches, lists)).as_dict()
    except ArgumentError as error:
        flags = [f"--{p.name}" for p in parameters if p.name not in _NOT_FLAGS]
        raise SpecError(explain(error, flags)) from error
    return settings


def _named(given: list[str], places: list[str], switches: set[str], lists: set[str]) -> list[str]:
    """Write leading arguments as flags and bare switches in full: ``runs/x --json`` → ``--run runs/x --json=true``.

    A place that takes a list takes all leading arguments: ``runs/x runs/y`` → ``--runs ["runs/x", "runs/y"]``.
    """
    named: list[str] = []
    rest = list(given)
    for place in places:
        if not rest or rest[0].startswith("-"):
            break
        count = next((i for i, argument in enumerate(rest) if argument.startswith("-")), len(rest))
        count = count if place in lists else 1
        named += [f"--{place}", json.dumps(rest[:count]) if place in lists else rest[0]]
        rest = rest[count:]
    for position, argument in enumerate(rest):
        flag = _underscored(argument)
        value_follows = rest[position + 1 : position + 2] in (["true"], ["false"])
        named.append(f"{flag}=true" if flag in switches and not value_follows else flag)
    return named


def _underscored(argument: str) -> str:
    """Let flags be spelt with hyphens: ``--size-px`` is ``--size_px``."""
    argument = _SHORT.get(argument, argument)
    if not argument.startswith("--"):
        return argument
    flag, equals, value = argument.partition("=")
    return "--" + flag[2:].replace("-", "_") + equals + value


def overview(group: str = "") -> str:
    """The first help page, or that of a group of commands such as ``study``; "" for a group that is none."""
    shown = {name: command for name, command in COMMANDS.items() if not group or name.startswith(f"{group} ")}
    if not shown:
        return ""
    width = max(map(len, shown))
    lines = ["undercoat: lay coats of self-supervised pretraining, and see whether each helped", ""]
    lines += [f"  undercoat {name:<{width}}  {command.summary}" for name, command in shown.items()]
    lines += [
        "",
        "Every command has --help; --debug shows the traceback of an error. Start with: undercoat demo --quick",
    ]
    return "\n".join(lines)
