"""A hold belongs to one process, ends with it however it ends, and expires when another machine falls silent."""

import json
import os
import signal
import subprocess
import sys

import pytest

from undercoat.study.holds import EXPIRES_S, Holder, holder, take, take_number

HOLDING = """
import sys
from pathlib import Path
from undercoat.study.holds import take
with take(Path(sys.argv[1]), worker=7):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds ``coat``, with the path of the hold."""
    path = tmp_path / "coat"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process, path
    process.kill()
    process.communicate()


def test_one_process_holds_and_the_next_one_after_it(other):
    process, path = other
    assert take(path) is None
    assert holder(path).worker == 7
    assert holder(path).process == process.pid
    process.communicate("")
    assert holder(path) is None
    assert not path.exists()
    with take(path, worker=1):
        assert holder(path) == Holder(1, os.getpid(), os.uname().nodename)


def test_a_hold_of_a_process_that_was_killed_is_free_at_once(other):
    process, path = other
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.exists()
    assert holder(path) is None
    with take(path) as hold:
        assert hold is not None
    assert not path.exists()


def test_a_hold_of_another_machine_expires(tmp_path):
    path = tmp_path / "coat"
    path.write_text(json.dumps({"worker": 3, "process": 1, "host": "elsewhere"}))
    assert take(path) is None
    assert holder(path).host == "elsewhere"
    silent = path.stat().st_mtime - EXPIRES_S - 1
    os.utime(path, (silent, silent))
    assert holder(path) is None
    with take(path) as hold:
        assert hold is not None


def test_numbers_are_the_lowest_that_are_free(tmp_path):
    first, second, third = (take_number(tmp_path) for _ in range(3))
    assert [hold.worker for hold in (first, second, third)] == [1, 2, 3]
    second.release()
    again = take_number(tmp_path)
    assert again.worker == 2
    for hold in (first, again, third):
        hold.release()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_holds_nothing(tmp_path):
    path = tmp_path / "coat"
    path.write_text("{")
    assert holder(path) is None
    with take(path) as hold:
        assert hold is not None
