"""What the documents say is true: code runs, commands parse, recipes expand, links lead somewhere."""

import importlib.util
import inspect
import re
import runpy
import shlex
import sys
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import pytest
import yaml

import undercoat
from undercoat.augment import augmentation
from undercoat.cli.parser import COMMANDS, command_of, parse
from undercoat.data.address import parse_address
from undercoat.data.opening import READERS
from undercoat.evaluation.readouts import READOUTS
from undercoat.methods import METHODS, check_arguments, method_class
from undercoat.records import Record
from undercoat.study.expansion import expand
from undercoat.study.recipe import Recipe

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "recipes").rglob("*.md")])
RECIPES = sorted([*(ROOT / "recipes").rglob("*.yaml"), *(ROOT / "src" / "undercoat" / "recipes").glob("*.yaml")])
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

MOST_LEFT_OUT = 4  # code that no test runs; say why above each block, and keep it rare
FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n\s*)?^```(?P<language>\w*)\n(?P<code>.*?)^```", re.M | re.S
)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)|<img[^>]*src=\"(?P<image>[^\"]+)\"")
SHELLS = ("bash", "console", "sh", "shell")


def name_of(path):
    return str(path.relative_to(ROOT))


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, and the line it starts on."""

    page: Path
    line: int
    language: str
    code: str
    reason: str

    def __str__(self):
        return f"{name_of(self.page)}:{self.line}"


def blocks(page, *languages):
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start("code"))
        block = Block(page, line, found["language"], found["code"], found["reason"] or "")
        if block.language in languages:
            yield block


def commands(page):
    """Every ``undercoat …`` line of a page's shell blocks, as (where, words after undercoat)."""
    for block in blocks(page, *SHELLS):
        lines = block.code.replace("\\\n", " ").splitlines()
        for line in lines if block.language != "console" else [ln[2:] for ln in lines if ln.startswith("$ ")]:
            words = shlex.split(line.removeprefix("$ "), comments=True)
            for position, word in enumerate(words):
                starts = position == 0 or words[position - 1] in ("-m", "srun") or "=" in words[position - 1]
                if starts and Path(word).name == "undercoat":
                    yield pytest.param(words[position + 1 :], id=f"{block}-{line.strip()[:60]}")


def of_all_pages(find):
    return [found for page in PAGES for found in find(page)]


@pytest.mark.parametrize("page", [p for p in PAGES if any(blocks(p, "python"))], ids=name_of)
def test_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for block in blocks(page, "python"):
        if not block.reason:
            code = compile("\n" * block.line + block.code, str(page), "exec")  # tracebacks show the page's lines
            exec(code, namespace)


def test_little_is_left_out_and_never_without_a_reason():
    left_out = [block for block in of_all_pages(lambda page: blocks(page, "python", "yaml")) if block.reason]
    assert len(left_out) <= MOST_LEFT_OUT, [f"{block}: {block.reason}" for block in left_out]
    comments = sum(page.read_text(encoding="utf-8").count("<!-- not run:") for page in PAGES)
    assert comments == len(left_out), "a 'not run' comment stands right above its block and gives a reason"


@pytest.mark.parametrize("words", of_all_pages(commands))
def test_commands_parse(words):
    if words in ([], ["--help"], ["--version"]):
        return
    name, rest = command_of(words)
    if "--help" not in rest:
        function, _ = COMMANDS[name].load()
        settings = parse(function, name, [word for word in rest if word != "--debug"])
        if settings.get("data"):
            parse_address(settings["data"], tuple(READERS))


def test_every_command_is_shown_somewhere():
    shown = {
        command_of(found.values[0])[0]
        for found in of_all_pages(commands)
        if found.values[0][:1] not in ([], ["--help"])
    }
    assert set(COMMANDS) - shown == set()


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set()
    for block in of_all_pages(lambda page: blocks(page, *SHELLS)):
        named |= set(re.findall(r"^(?:\$ )?make ([a-z-]+)", block.code, re.M))
    assert named <= targets


def check_recipe(recipe):
    """Expand a recipe as ``study plan`` does before it opens any data."""
    leaves = expand(recipe)
    assert leaves
    for stage in {stage.model_dump_json(): stage for leaf in leaves for stage in leaf.stages}.values():
        method = method_class(stage.method)
        check_arguments(method, stage.method_arguments)
        automatic = method.PRESETS[stage.preset].augmentation
        named = automatic if stage.augmentation == "auto" else stage.augmentation
        augmentation(named, **stage.augmentation_arguments)


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_recipes_expand(path):
    check_recipe(Recipe.load(path))  # with what it extends


@pytest.mark.parametrize("block", of_all_pages(lambda page: blocks(page, "yaml")), ids=str)
def test_recipes_in_pages_expand(block):
    if not block.reason:
        check_recipe(Recipe.of(yaml.safe_load(block.code), where=str(block)))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for found in LINK.finditer(text):
        target = (found["target"] or found["image"]).split("#")[0]
        if target and "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("path", EXAMPLES, ids=name_of)
def test_examples_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [path.name, "--smoke"])
    runpy.run_path(str(path), run_name="__main__")


@pytest.mark.parametrize("name", undercoat.__all__)
def test_public_names_import_and_say_what_they_are(name):
    thing = getattr(undercoat, name)
    assert inspect.getdoc(thing)
    assert name in dir(undercoat)


def test_the_records_page_names_every_column():
    text = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert named == [field.name for field in fields(Record)]


def test_the_index_leads_to_every_page():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {
        (ROOT / "docs" / found["target"].split("#")[0]).resolve() for found in LINK.finditer(text) if found["target"]
    }
    pages = {page for page in (ROOT / "docs").rglob("*.md") if page.name != "index.md"}
    assert {name_of(page) for page in pages - linked} == set()


def test_the_pages_of_methods_are_current(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    made = runpy.run_path(str(ROOT / "docs" / "make_method_pages.py"))
    assert made["main"](["--check"]) == 0, capsys.readouterr().out


@pytest.fixture(scope="module")
def guide():
    """What the Python blocks of the contribution guide define, and how long they are."""
    namespace = {"__name__": "guide"}
    for block in blocks(ROOT / "CONTRIBUTING.md", "python"):
        assert len(block.code.strip().splitlines()) <= 40, f"{block} is no miniature"
        exec(compile(block.code, str(block), "exec"), namespace)
    return namespace


def contract(path):
    found = importlib.util.spec_from_file_location("contract", ROOT / "tests" / path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_guides_method_keeps_the_contract(guide, monkeypatch, make_batch):
    monkeypatch.setitem(METHODS, "miniature", guide["UpsideDown"])
    suite = contract("methods/test_contract.py")

    def batch_of(name):
        return partial(make_batch, views=METHODS[name].number_of_views)

    suite.test_loss_is_finite_and_is_a_number("miniature", batch_of)
    suite.test_state_makes_the_round_trip("miniature", batch_of)
    suite.test_same_seed_same_bits_other_seed_other_bits("miniature", batch_of)
    suite.test_two_and_two_steps_are_four("miniature", batch_of)
    for part in ("all", "norm", "head"):
        suite.test_exactly_the_trainable_parameters_get_gradients("miniature", part, batch_of)


def test_the_guides_readout_keeps_the_contract(guide, monkeypatch):
    monkeypatch.setitem(READOUTS, "miniature", guide["NearestMean"])
    suite = contract("evaluation/test_readouts.py")
    for several in (False, True):
        suite.test_every_readout_meets_the_contract("miniature", several)
