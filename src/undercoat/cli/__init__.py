"""The command line: sub-commands made from the signatures of the public functions.

Bad input ends in one sentence and exit status 2; a run stopped by Ctrl-C ends with 130 after saving.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    Example:
        >>> main(["list", "methods", "--filter", "moco"])  # doctest: +ELLIPSIS
        moco_v2 ...
        0
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    try:
        return _run(given)
    except Exception as error:
        if debug:
            raise
        return _fail(error)
    except KeyboardInterrupt:
        print("undercoat: stopped; the same command goes on with what was saved", file=sys.stderr)
        return 130


def _run(given: list[str]) -> int:
    from undercoat.cli.parser import COMMANDS, command_of, overview, parse

    if given in ([], ["--help"], ["-h"]):
        print(overview())
        return 0
    if given[1:] in (["--help"], ["-h"]) and given[0] not in COMMANDS and overview(given[0]):
        print(overview(given[0]))
        return 0
    if given == ["--version"]:
        from undercoat import __version__

        print(f"undercoat {__version__}")
        return 0
    name, rest = command_of(given)
    function, printer = COMMANDS[name].load()
    return printer(function(**parse(function, name, rest)))


def _fail(error: Exception) -> int:
    from undercoat.errors import UndercoatError

    if isinstance(error, BrokenPipeError):  # the reader of our output (head, less) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, UndercoatError):
        print(f"undercoat: {error}", file=sys.stderr)
        return 130 if type(error).__name__ == "Interrupted" else 2
    if isinstance(error, PermissionError):
        print(f"undercoat: {error.filename!r} cannot be opened: permission denied; check who owns it", file=sys.stderr)
        return 2
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        print("undercoat: the disk is full; what was saved before is whole, so make room and resume", file=sys.stderr)
        return 2
    print(f"undercoat: {type(error).__name__}: {error} (this is a fault of ours; --debug shows where)", file=sys.stderr)
    return 1
