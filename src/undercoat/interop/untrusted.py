"""Read files of weights that anybody may have made: names and tensors come out, and no code of theirs is run.

PyTorch's files are pickles. They are read by torch's restricted reader (``weights_only=True``). Where a checkpoint also
holds settings as objects of other libraries (``argparse.Namespace``, OmegaConf, numpy numbers), a stand-in of ours that
does nothing takes the place of each such class: the class itself is neither imported nor called. Other names, those of
functions above all, are refused.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor
from torch.serialization import safe_globals

from undercoat.errors import WeightsError

__all__ = ["Array", "read_content"]

_NUMBERS = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "b1": torch.bool,
}


class _Inert:
    """Takes the place of an object that is of no use here: whatever it is given, it keeps nothing."""

    def __new__(cls, *given: Any, **named: Any) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *given: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _NumberType:
    """Takes the place of ``numpy.dtype``: keeps its code, such as ``f4``, and its byte order."""

    def __init__(self, code: Any = "", *rest: Any) -> None:
        self.code, self.order = str(code), "<"

    def __setstate__(self, state: Any) -> None:
        self.order = str(state[1])


class Array:
    """Takes the place of ``numpy.ndarray``: keeps what :meth:`tensor` needs."""

    def __init__(self, *given: Any) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.state = tuple(state)

    def tensor(self) -> Tensor | None:
        """The numbers as a tensor; None for an array of anything else."""
        if len(self.state) != 5:
            return None
        _, shape, kind, is_fortran, raw = self.state
        known = isinstance(kind, _NumberType) and kind.code in _NUMBERS and kind.order in "<|="
        if not known or not isinstance(raw, bytes) or not raw:
            return None
        flat = torch.frombuffer(bytearray(raw), dtype=_NUMBERS[kind.code])
        sides = tuple(int(side) for side in shape)
        return flat.reshape(sides[::-1]).permute(*range(len(sides))[::-1]) if is_fortran else flat.reshape(sides)


def _plain_dict(*given: Any) -> dict[Any, Any]:
    return {}


_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
#: names in files → what is called in their place
_STAND_INS: list[tuple[Any, str]] = [
    (_NumberType, "numpy.dtype"),
    (Array, "numpy.ndarray"),
    *((Array, f"{module}._reconstruct") for module in _MULTIARRAY),
    *((_Inert, f"{module}.scalar") for module in _MULTIARRAY),
    (_plain_dict, "collections.defaultdict"),
]
#: classes that hold settings, by whole dotted names; never functions
_SETTINGS = re.compile(
    r"argparse\.Namespace|types\.SimpleNamespace|typing\.Any|datetime\.(datetime|timedelta)"
    r"|pathlib\.(_local\.)?(Pure)?(Posix|Windows)?Path|builtins\.(dict|list|tuple|int|float|str|bool|object)"
    r"|omegaconf\.(\w+\.)*(DictConfig|ListConfig|ContainerMetadata|Metadata|\w*Node|\w*Config)"
    r"|numpy\.dtypes\.\w+DType|numpy\.(float|int|uint|bool_?)\d*"
    r"|(pytorch_lightning|lightning|torchmetrics)\.(\w+\.)*[A-Z]\w*"
)
#: dictionaries with other manners, such as Lightning's AttributeDict and mmcv's ConfigDict
_DICTIONARIES = re.compile(r"(\w+\.)+(AttributeDict|AttrDict|ConfigDict|EasyDict)")
#: names in every file of tensors, which torch's own reader checks one by one
_TORCHS = re.compile(
    r"torch\.(_utils|_tensor|storage|Size|\w*Storage|nn\.parameter|\w+\d+$)|collections\.|_codecs\.encode"
)
_HOW_TO_CONVERT = (
    "where you trust the file, keep its tensors alone: with its own software load it, and there "
    "torch.save({'state_dict': model.state_dict()}, 'weights.pth')"
)
#: as torch reads them
_OF_PYTHON_2 = {"__builtin__.long": "builtins.int", "__builtin__.unicode": "builtins.str"}
#: how files begin that are often taken for weights
_NOT_WEIGHTS = {
    b"version https://git-lfs": "is only a pointer of git LFS; fetch the file itself: git lfs pull",
    b"<!doctype": "is a web page; download the file itself",
    b"<html": "is a web page; download the file itself",
}
#: names of weights that were cut into several files, and of the list of them
_PART = re.compile(r"-\d+-of-\d+\.\w+$|\.index\.json$")


def read_content(path: Path | str) -> Any:
    """Read ``.safetensors`` or a PyTorch file as nested dictionaries; pickled code is never run.

    Args:
        path: of the file.

    Returns:
        what the file holds: tensors, :class:`Array` for numpy's, numbers, texts, and blanks for other objects.

    Raises:
        WeightsError: when the file is missing, empty, cut off, of another kind, or names code to run.
    """
    file = Path(path)
    if not file.is_file():
        raise WeightsError(
            f"there is no file of weights at {str(file)!r}; give a run, a file, or a name that init knows"
        )
    with file.open("rb") as opened:
        start = opened.read(512)
    if not start:
        raise WeightsError(f"{str(file)!r} is empty; fetch the weights again")
    for beginning, reason in _NOT_WEIGHTS.items():
        if start.lstrip().lower().startswith(beginning):
            raise WeightsError(f"{str(file)!r} {reason}")
    if _PART.search(file.name):
        raise WeightsError(f"{str(file)!r} is one part of weights in several files; join them into one and give that")
    try:
        if start[8:10] == b'{"' or file.suffix.lower() == ".safetensors":  # the first bytes, whatever it is called
            from safetensors.torch import load_file

            return load_file(file)
        with safe_globals(_stand_ins(file)):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(_why_not(file, error)) from error


def _named_in(file: Path) -> set[str]:
    """Every class and function that a pickle names, found by looking at its instructions without following them."""
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                pickles = [archive.read(name) for name in archive.namelist() if name.endswith("data.pkl")]
            return {name for content in pickles for name in _names(BytesIO(content))}
        with file.open("rb") as opened:  # PyTorch's old format: pickles one after the other, the fourth has the content
            return {name for _ in range(4) for name in _names(opened)}
    except Exception:  # the file is broken in a way that reading it will tell of
        return set()


def _names(opened: IO[bytes]) -> set[str]:
    found = {str(argument).replace(" ", ".") for op, argument, _ in pickletools.genops(opened) if op.name == "GLOBAL"}
    return {_OF_PYTHON_2.get(name, name).replace("__builtin__.", "builtins.") for name in found}


def _stand_ins(file: Path) -> list[Any]:
    fixed = {name for _, name in _STAND_INS}
    named = sorted(_named_in(file) - fixed)
    found: list[Any] = list(_STAND_INS)
    found += [(_Inert, name) for name in named if _SETTINGS.fullmatch(name) and not _DICTIONARIES.fullmatch(name)]
    return found + [(dict, name) for name in named if _DICTIONARIES.fullmatch(name)]


def _is_known(name: str) -> bool:
    fixed = {name for _, name in _STAND_INS}
    return name in fixed or bool(_SETTINGS.fullmatch(name) or _DICTIONARIES.fullmatch(name) or _TORCHS.match(name))


def _why_not(file: Path, error: Exception) -> str:
    start = f"{str(file)!r} cannot be read as weights"
    others = sorted(name for name in _named_in(file) if not _is_known(name))
    if others:
        more = f" and {len(others) - 3} others" if len(others) > 3 else ""
        return f"{start}: it names code to run ({', '.join(others[:3])}{more}), which is never done; {_HOW_TO_CONVERT}"
    if isinstance(error, OSError | RuntimeError | EOFError) or type(error).__name__ == "SafetensorError":
        return f"{start} ({type(error).__name__}): it is cut off or of another kind; fetch it again"
    return f"{start} ({type(error).__name__}); it must be .safetensors, or a PyTorch file of plain tensors"
