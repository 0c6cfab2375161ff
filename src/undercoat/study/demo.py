"""The main job on real images that ship with the package, from a real ImageNet base."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from rich.console import Console

from undercoat.study.recipe import Recipe
from undercoat.study.study import Study

__all__ = ["demo", "demo_recipe"]


def demo_recipe(*, quick: bool = False) -> Recipe:
    """The recipe of the demo: six arms on ``sample:twemoji`` from ``imagenet-lite0``."""
    file = resources.files("undercoat") / "recipes" / ("demo-quick.yaml" if quick else "demo.yaml")
    with resources.as_file(file) as path:
        return Recipe.load(path)


def demo(
    *, quick: bool = False, out: Path | str | None = None, device: str = "auto", console: Console | None = None
) -> Path:
    """Lay coats on an ImageNet backbone with real images, and show what each brought.

    Six arms: random weights; the ImageNet base; the base with new batch statistics; pretraining on the target alone;
    the target coat on the base (HPT); and the same with norms only (HPT-BN). Called again, it goes on where it was.

    Args:
        quick: the same with tiny budgets, in under a minute.
        out: folder (default: ``runs/demo`` or ``runs/demo-quick``).
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        console: where to print.

    Returns:
        the path of the report.
    """
    folder = Path(out) if out is not None else Path("runs") / ("demo-quick" if quick else "demo")
    return Study(demo_recipe(quick=quick), out=folder, device=device, console=console).run()
