import errno
import os

import pytest

from undercoat.errors import RunError
from undercoat.files import atomic, write_json


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})

    def half_write():
        with atomic(tmp_path / "a.json") as temporary:
            temporary.write_text("half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        half_write()
    assert (tmp_path / "a.json").read_text() == '{\n "old": 1\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_is_a_sentence_with_what_is_free(tmp_path):
    def fill():
        with atomic(tmp_path / "a.bin") as temporary:
            temporary.write_bytes(b"x")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RunError, match=r"the disk is full \([\d,]+ bytes free\).*make room and resume"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_the_mode_follows_the_umask(tmp_path):
    with atomic(tmp_path / "a") as temporary:
        temporary.touch(mode=0o600)
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask
