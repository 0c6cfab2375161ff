"""The canvas cache: found again at once, never half, never wrong; broken files and full disks."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

from undercoat.data import open_data
from undercoat.data.names import Names
from undercoat.errors import DataError, SpecError


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        path = tmp_path / "set" / ("train" if number < 4 else "test") / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 40, 3), np.uint8)).save(path)
    return tmp_path / "set"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def contents(cache):
    return sorted(path.name for path in cache.iterdir() if path.name != "index")


def test_statistics_are_those_of_the_canvases(folder, cache):
    canvases = open_data(folder, cache=cache, size_px=24)
    pixels = np.asarray(canvases.images) / 255
    assert canvases.images.shape == (6, 24, 24, 3)
    assert np.allclose(canvases.mean, pixels.mean(axis=(0, 1, 2)))
    assert np.allclose(canvases.std, pixels.std(axis=(0, 1, 2)))
    assert canvases.aspect.tolist() == [2.0] * 6
    assert canvases.labels.tolist() == [0, 1, 0, 0, 1, 1]
    assert not canvases.images.flags.writeable


def test_second_run_opens_no_image(folder, cache):
    first = open_data(folder, cache=cache)
    for path in folder.rglob("*.png"):
        before = path.stat()
        path.write_bytes(b"?" * before.st_size)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = open_data(folder, cache=cache)
    assert second.digest == first.digest
    assert np.array_equal(second.images, first.images)


def test_touched_files_have_the_same_digest_and_changed_ones_another(folder, cache):
    first = open_data(folder, cache=cache)
    picture = next(folder.rglob("0.png"))
    os.utime(picture, ns=(1, 1))
    assert open_data(folder, cache=cache).digest == first.digest
    Image.new("RGB", (20, 40)).save(picture)
    assert open_data(folder, cache=cache).digest != first.digest


def test_digest_is_the_same_anywhere(folder, cache, tmp_path):
    moved = tmp_path / "elsewhere"
    first = open_data(folder, cache=cache).digest
    folder.rename(moved)
    assert open_data(moved, cache=tmp_path / "other-cache").digest == first
    assert open_data(moved, cache=cache, size_px=48).digest != first


def test_selections_have_their_own_digest(folder, cache):
    whole = open_data(folder, cache=cache)
    train, test = (open_data(f"{folder}?split={name}", cache=cache) for name in ("train", "test"))
    assert [len(train), len(test)] == [4, 2]
    assert len({whole.digest, train.digest, test.digest}) == 3
    assert train.digest.startswith(whole.digest + ".")
    assert whole.in_split("train").digest == train.digest
    assert whole.take(np.arange(6)).digest == whole.digest
    assert np.array_equal(test.batch(np.array([1])), np.asarray(whole.images)[test.rows[[1]]])
    assert list(test.keys) == [whole.keys[row] for row in test.rows]


def test_missing_split_says_what_there_is(folder, cache):
    with pytest.raises(DataError, match=r"no split 'val'; it has test \(2\), train \(4\)"):
        open_data(f"{folder}?split=val", cache=cache)


def test_unusable_files_are_listed_and_the_rest_is_used(folder, cache):
    whole = next(folder.rglob("1.png")).read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("I am no picture")
    (folder / "notes.md").write_text("hello")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.new("1", (10_000, 10_000)).save(folder / "huge.png")
    canvases = open_data(folder, cache=cache)
    reasons = dict(canvases.skipped)
    assert len(canvases) == 6
    assert sorted(reasons) == ["cut.png", "empty.jpg", "huge.png", "notes.md", "text.png"]
    assert reasons["cut.png"].startswith("damaged (")
    assert reasons["empty.jpg"] == "empty file (0 bytes)"
    assert reasons["huge.png"].startswith("100 megapixels")
    assert reasons["text.png"].startswith("not an image")
    assert canvases.labels.tolist() == [0, 1, 0, 0, 1, 1]
    again = open_data(folder, cache=cache)
    assert again.skipped == canvases.skipped
    assert list(again.keys) == list(canvases.keys)
    with pytest.raises(DataError, match=r"1 of 11 files .*notes\.md"):
        open_data(folder, cache=cache, strict=True)
    (folder / "notes.md").unlink()
    with pytest.raises(DataError, match=r"4 of 10 files .*cut\.png.* and 1 more"):
        open_data(folder, cache=cache, strict=True)


def test_nothing_readable(tmp_path, cache):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_text("no picture")
    with pytest.raises(DataError, match="none of the 1 image files"):
        open_data(tmp_path / "set", cache=cache)
    assert contents(cache) == []


def test_size_out_of_range(folder, cache):
    with pytest.raises(SpecError, match="8 to 2048"):
        open_data(folder, cache=cache, size_px=4)


def test_too_little_space_is_seen_before(folder, cache, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 1000))
    with pytest.raises(DataError, match=r"needs 0\.0 MB .*0\.0 MB"):
        open_data(folder, cache=cache)
    assert contents(cache) == []


def test_a_disk_that_fills_leaves_nothing(folder, cache):
    """A limit on file size makes the kernel refuse writes half-way, as a full disk does."""
    script = """
        import resource, signal, sys
        from undercoat.data import open_data
        from undercoat.errors import DataError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            open_data(sys.argv[1], cache=sys.argv[2], size_px=128)
        except DataError as error:
            print(error)
    """
    said = run(script, folder, cache)
    assert "canvas cache of 6 images needs 0.3 MB" in said
    assert contents(cache) == []
    assert len(open_data(folder, cache=cache, size_px=128)) == 6


def run(script, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


def test_cache_that_cannot_be_written(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        open_data(folder, cache=tmp_path / "file" / "cache")


def test_a_killed_build_leaves_no_half_cache(folder, cache):
    script = """
        import os, signal, sys, threading, time
        from undercoat.data import open_data, storing
        class Slow(storing.CanvasWriter):
            def add(self, *arguments):
                super().add(*arguments)
                if self.count == 3:
                    os.kill(os.getpid(), signal.SIGKILL)
        import undercoat.data.building as building
        building.CanvasWriter = Slow
        open_data(sys.argv[1], cache=sys.argv[2])
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(folder), str(cache)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
    assert [name.startswith(".building") for name in contents(cache)] == [True]
    canvases = open_data(folder, cache=cache)
    assert len(canvases) == 6
    assert contents(cache) == [canvases.digest]


def test_two_processes_build_one_cache(folder, cache):
    script = "import sys; from undercoat.data import open_data; print(open_data(sys.argv[1], cache=sys.argv[2]).digest)"
    command = [sys.executable, "-c", script, str(folder), str(cache)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    digests = {process.communicate(timeout=60)[0].strip() for process in both}
    assert len(digests) == 1
    assert contents(cache) == sorted(digests)


def test_a_lost_cache_is_built_again(folder, cache):
    import shutil

    first = open_data(folder, cache=cache)
    shutil.rmtree(first.folder)
    next((cache / "index").glob("*.json")).write_text("{cut")
    assert open_data(folder, cache=cache).digest == first.digest


def test_what_lies_on_disk(folder, cache):
    canvases = open_data(folder, cache=cache)
    facts = json.loads((canvases.folder / "meta.json").read_text())
    assert (facts["digest"], facts["count"]) == (canvases.digest, 6)
    assert np.load(canvases.folder / "images.npy").shape == canvases.images.shape


def test_names_keep_order_and_bytes(tmp_path):
    words = ["a", "", "ü", "\udce9x", "long " * 50]
    names = Names.of(words)
    names.save(tmp_path)
    loaded = Names.load(tmp_path)
    assert [loaded.path(i) for i in range(5)] == words
    assert loaded[3] == "\\xe9x"
    assert loaded[-1] == words[-1]
    assert loaded.take(np.array([4, 0])).take(np.array([1]))[0] == "a"
    with pytest.raises(IndexError):
        loaded[5]


def test_progress_is_silent_without_a_terminal(folder, cache, capfd):
    open_data(folder, cache=cache)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    """Opening 100,000 cached files and 1,000 differ by less than 15 MB of anonymous memory."""
    Image.new("L", (8, 8)).save(tmp_path / "a.bmp")
    picture = (tmp_path / "a.bmp").read_bytes()
    used = []
    script = """
        import sys
        from undercoat.data import open_data
        canvases = open_data(sys.argv[1], cache=sys.argv[2], size_px=8)
        print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("RssAnon")))
    """
    for count in (1_000, 100_000):
        folder = tmp_path / str(count)
        for part in range(10):
            (folder / f"class {part}").mkdir(parents=True)
        for number in range(count):
            (folder / f"class {number % 10}" / f"image number {number:06d}.bmp").write_bytes(picture)
        run(script, folder, tmp_path / "cache")
        used.append(int(run(script, folder, tmp_path / "cache")))
    assert used[1] - used[0] < 15_000, used
