"""Undercoat lays coats of self-supervised pretraining on an image backbone, and measures whether each helped.

    >>> import undercoat
    >>> undercoat.__version__
    '0.1.0'

Everything public is named in ``__all__`` and loaded when first used, so that ``import undercoat`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from undercoat.backbones import build_backbone
    from undercoat.data import open_data
    from undercoat.data.inspection import inspect
    from undercoat.errors import UndercoatError
    from undercoat.evaluation import Protocol
    from undercoat.interop import import_weights, load_backbone, save_backbone
    from undercoat.records import Record
    from undercoat.report import build as build_report
    from undercoat.study.demo import demo
    from undercoat.study.evaluating import evaluate
    from undercoat.study.pretraining import pretrain, resume
    from undercoat.study.recipe import Recipe
    from undercoat.study.study import Study

__all__ = [
    "Protocol",
    "Recipe",
    "Record",
    "Study",
    "UndercoatError",
    "build_backbone",
    "build_report",
    "demo",
    "evaluate",
    "import_weights",
    "inspect",
    "load_backbone",
    "open_data",
    "pretrain",
    "resume",
    "save_backbone",
]

_HOME = {
    "Protocol": "evaluation",
    "Recipe": "study.recipe",
    "Record": "records",
    "Study": "study.study",
    "UndercoatError": "errors",
    "build_backbone": "backbones",
    "build_report": "report",
    "demo": "study.demo",
    "evaluate": "study.evaluating",
    "import_weights": "interop",
    "inspect": "data.inspection",
    "load_backbone": "interop",
    "open_data": "data",
    "pretrain": "study.pretraining",
    "resume": "study.pretraining",
    "save_backbone": "interop",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'undercoat' has no attribute {name!r}")
    return getattr(import_module(f"undercoat.{_HOME[name]}"), "build" if name == "build_report" else name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
