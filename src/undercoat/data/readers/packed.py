"""A handful of named files that belong together, in a folder or in the ``.tar.gz`` they were published in."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from undercoat.data.readers.idx import stamp_of
from undercoat.errors import DataError

__all__ = ["Packed", "PackedFolder", "PackedTar", "is_tar_name", "open_packed"]

_TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar")
_FILE_LIMIT_BYTES = 1 << 29
_MEMBER_LIMIT = 1000  # sets that are published this way have about ten files


class Packed(Protocol):
    """Files by their names, without folders."""

    names: frozenset[str]

    def read(self, name: str) -> bytes:
        """Read one file whole."""

    def size(self, name: str) -> int:
        """Bytes of one file."""

    def begins(self, name: str) -> bytes:
        """The first byte of a file."""

    def in_file_order(self, names: Iterable[str]) -> list[str]:
        """The same names in the order in which they are read fastest."""

    def stamp(self, names: Iterable[str]) -> str:
        """Changes whenever one of the files does."""


class PackedFolder:
    """Files of known names in one folder, which may hold a million others."""

    def __init__(self, folder: Path, known: Iterable[str]) -> None:
        self.folder = folder
        self.names = frozenset(name for name in known if (folder / name).is_file())

    def read(self, name: str) -> bytes:
        """Read one file whole."""
        _check_size(self.size(name), str(self.folder / name))
        return (self.folder / name).read_bytes()

    def size(self, name: str) -> int:
        """Bytes of one file."""
        return (self.folder / name).stat().st_size

    def begins(self, name: str) -> bytes:
        """The first byte of a file."""
        with (self.folder / name).open("rb") as file:
            return file.read(1)

    def in_file_order(self, names: Iterable[str]) -> list[str]:
        """The names as they are: files of a folder lie beside each other."""
        return list(names)

    def stamp(self, names: Iterable[str]) -> str:
        """Changes whenever one of the files does."""
        return stamp_of([self.folder / name for name in names])


class PackedTar:
    """Files of a tar archive, plain or gzipped, at most one folder deep; nothing is unpacked to disk."""

    def __init__(self, path: Path, archive: tarfile.TarFile) -> None:
        self.path, self.archive = path, archive
        self._members: dict[str, tarfile.TarInfo] = {}
        for number, member in enumerate(archive):
            if number == _MEMBER_LIMIT:
                raise DataError(f"'{path}' has more than {_MEMBER_LIMIT:,} members; unpack it and give the folder")
            parts = member.name.removeprefix("./").split("/")
            if member.isfile() and len(parts) <= 2:
                self._members[parts[-1]] = member
        self.names = frozenset(self._members)

    def read(self, name: str) -> bytes:
        """Read one file whole."""
        _check_size(self.size(name), f"{self.path}: {name}")
        file = self.archive.extractfile(self._members[name])
        data = file.read() if file else b""
        if len(data) < self.size(name):
            raise DataError(f"'{self.path}' is cut off in {name}; fetch it again")
        return data

    def size(self, name: str) -> int:
        """Bytes of one file."""
        return self._members[name].size

    def begins(self, name: str) -> bytes:
        """The first byte of a file."""
        file = self.archive.extractfile(self._members[name])
        return file.read(1) if file else b""

    def in_file_order(self, names: Iterable[str]) -> list[str]:
        """The names as they follow in the archive: going back means to unpack from its beginning."""
        return sorted(names, key=lambda name: self._members[name].offset_data)

    def stamp(self, names: Iterable[str]) -> str:
        """Changes whenever the archive does."""
        del names
        return stamp_of([self.path])


def is_tar_name(name: str) -> bool:
    """Whether a file's name ends like that of a tar archive."""
    return name.lower().endswith(_TAR_SUFFIXES)


def open_packed(path: Path, known: Iterable[str]) -> AbstractContextManager[Packed]:
    """Open a folder, or a tar archive, of files that belong together; ``known`` are names to look for in a folder.

    Raises:
        DataError: inside the ``with`` as well, for an archive that is none, or is cut off.
    """
    return _tar(path) if path.is_file() else _folder(path, known)


@contextmanager
def _folder(path: Path, known: Iterable[str]) -> Iterator[Packed]:
    yield PackedFolder(path, known)


@contextmanager
def _tar(path: Path) -> Iterator[Packed]:
    try:
        with tarfile.open(path) as archive:
            yield PackedTar(path, archive)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")  # tarfile goes on with a line for each compression
        raise DataError(f"'{path}' is no tar archive, or it is cut off ({reason}); fetch it again") from None


def _check_size(size: int, where: str) -> None:
    if size > _FILE_LIMIT_BYTES:
        raise DataError(f"'{where}' has {size / 1e9:.1f} GB, more than a file of such a set; fetch it again")
