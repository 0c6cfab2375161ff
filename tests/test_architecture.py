"""Imports run one way, and the tree has no drawers for odds and ends."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "undercoat"
FILES = sorted(SOURCE.rglob("*.py"))

ALWAYS = {"errors", "files", "contact_sheet"}
PURE = {"functional", "spec", "records", "errors", "files", "contact_sheet", "_torchvision"}
ALLOWED = {
    **{name: set() for name in PURE},
    "runtime": {"functional"},
    "backbones": {"functional", "_torchvision"},
    "augment": {"functional"},
    "samples": set(),
    "data": {"functional", "augment", "samples", "spec", "_torchvision"},
    "methods": {"functional", "backbones", "augment", "runtime"},
    "training": {"functional", "backbones", "augment", "runtime", "data", "spec"},
    "evaluation": {"functional", "backbones", "augment", "runtime", "data", "spec", "training", "records"},
    "interop": {"functional", "backbones", "training", "spec"},
    "report": {"records", "functional"},
}
ALLOWED["diagnosis"] = ALLOWED["evaluation"] | {"evaluation", "interop"}
ALLOWED["study"] = set(ALLOWED) - {"study", "cli"} | {"samples"}
EXEMPT = {"__init__", "__main__", "cli"}


def package_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            if parts[0] == "undercoat":
                inner = parts[1:] or [a.name for a in node.names]
                found.add(inner[0])
    return found - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_one_way(path):
    package = package_of(path)
    if package in EXEMPT:
        return
    wrong = imports_of(path) - ALLOWED[package] - ALWAYS - {package}
    assert not wrong, f"{package} must not import {sorted(wrong)}"


def test_nothing_imports_the_command_line():
    assert [path for path in FILES if package_of(path) not in ("cli", "__main__") and "cli" in imports_of(path)] == []


def test_no_drawers_and_no_very_long_files():
    banned = {"utils", "helpers", "common", "base", "misc"}
    assert [path for path in FILES if path.stem in banned or path.parent.name in banned] == []
    long = {str(p.relative_to(SOURCE)): n for p in FILES if (n := len(p.read_text().splitlines())) > 300}
    assert long == {}


def test_no_path_of_a_machine_is_in_the_source():
    for path in FILES:
        assert "/home/" not in path.read_text(encoding="utf-8"), path
