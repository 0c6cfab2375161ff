import errno
import os
from pathlib import Path

import pytest

from undercoat.errors import RunError
from undercoat.files import atomic, make_folder, refuse_unwritable, write_json


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


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("file/x.json", r"'.*file/x.json' cannot be written \(Not a directory\); give another place"),
        ("folder", r"folder' is a folder; give the name of a file in it"),
        (300 * "x", "cannot be written .*too long"),
        (250 * "x", "cannot be written .*too long"),  # with the suffix of the temporary file
        pytest.param(
            "/proc/x/y.png",
            "cannot be written",
            marks=pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc"),
        ),
    ],
)
def test_a_place_that_takes_no_file_is_a_sentence_and_nothing_is_left(place, sentence, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match=sentence):
        write_json(tmp_path / place, {})
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_place_is_refused_before_work_and_no_folder_is_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="give a better name"), atomic(tmp_path / "file" / "x", instead="a better name"):
        pytest.fail("the work began")
    refuse_unwritable(tmp_path / "a" / "b" / "c.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(RunError, match="cannot be written"):
        make_folder(tmp_path / "file" / "folder")


def test_an_error_about_another_file_is_not_called_unwritable(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a"):
        (tmp_path / "input").read_bytes()


def test_the_mode_follows_the_umask(tmp_path):
    with atomic(tmp_path / "a") as temporary:
        temporary.touch(mode=0o600)
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask
