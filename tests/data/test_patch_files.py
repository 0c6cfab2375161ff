"""``undercoat patches``: the same patches as files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from undercoat.cli.parser import COMMANDS, command_of, parse
from undercoat.data import open_data
from undercoat.data.patch_files import patch_sheet, write_patches
from undercoat.data.patches import PatchImages
from undercoat.errors import RunError, SpecError


def images_of(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".png", ".jpg"))


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_files_are_the_patches_of_the_set(tmp_path):
    sheet = write_patches("photo:coffee", out=tmp_path / "crops", n=70, size=24, seed=3)
    data = open_data("patches:photo:coffee?n=70&size=24&seed=3", cache=tmp_path)
    assert images_of(tmp_path / "crops") == [f"{number:07d}.png" for number in range(70)]
    for row in (0, 69):
        assert (pixels_of(tmp_path / "crops" / f"{row:07d}.png") == data.batch(np.array([row]))[0]).all()
    assert sheet == tmp_path / "crops-sheet.png"
    assert pixels_of(sheet).shape[1] >= 600
    assert len(open_data(tmp_path / "crops", cache=tmp_path, progress=False)) == 70


def test_names_and_pictures_do_not_depend_on_the_count(tmp_path):
    for n in (3, 5):
        write_patches("photo:coffee,photo:chelsea", out=tmp_path / str(n), n=n, size=16, preset="code")
    for name in images_of(tmp_path / "3"):
        assert (tmp_path / "3" / name).read_bytes() == (tmp_path / "5" / name).read_bytes()


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "mine.txt").write_text("keep")
    with pytest.raises(RunError, match="is not empty"):
        write_patches("photo:coffee", out=tmp_path / "crops", n=3, size=16)
    with pytest.raises(RunError, match="holds other files"):
        write_patches("photo:coffee", out=tmp_path / "crops", n=3, size=16, resume=True)
    assert [path.name for path in (tmp_path / "crops").iterdir()] == ["mine.txt"]


def test_an_unfinished_folder_can_be_gone_on_with(tmp_path):
    out = tmp_path / "crops"
    write_patches("photo:coffee", out=out, n=9, size=16)
    kept = (out / "0000001.png").stat().st_mtime_ns
    (out / "0000004.png").unlink()
    write_patches("photo:coffee", out=out, n=9, size=16, resume=True)
    assert len(images_of(out)) == 9
    assert (out / "0000001.png").stat().st_mtime_ns == kept
    with pytest.raises(RunError, match="other options"):
        write_patches("photo:coffee", out=out, n=9, size=16, seed=1, resume=True)


def test_the_sheet_lies_beside_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "crops").mkdir()
    monkeypatch.chdir(tmp_path / "crops")
    sheet = write_patches("photo:coffee", out=Path("."), n=2, size=16, cache=tmp_path / "cache")
    assert sheet == tmp_path / "crops-sheet.png"
    assert images_of(tmp_path / "crops") == ["0000000.png", "0000001.png"]
    with pytest.raises(RunError, match="choose another --out"):
        write_patches("photo:coffee", out=Path("/"), n=2, size=16, cache=tmp_path / "cache")


def test_a_sheet_is_never_written_over(tmp_path):
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"keep")
    with pytest.raises(RunError, match="there already"):
        write_patches("photo:coffee", out=tmp_path / "crops", n=2, size=16, sheet=mine, resume=True)
    write_patches("photo:coffee", out=tmp_path / "crops", n=2, size=16)
    write_patches("photo:coffee", out=tmp_path / "crops", n=2, size=16, sheet=mine, resume=True)
    assert mine.read_bytes() == b"keep"


def test_a_sheet_that_cannot_be_written_stops_before_the_patches_are_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="give another --sheet"):
        write_patches("photo:coffee", out=tmp_path / "crops", n=2, size=16, sheet=tmp_path / "file" / "s.png")
    assert not (tmp_path / "crops").exists()


def test_the_sheet_draws_patches_of_the_first_photo_alone(tmp_path, monkeypatch):
    data = open_data("patches:sample:noto?n=100000&size=16&images=30", cache=tmp_path, progress=False)
    asked, drawn = [], PatchImages.drawn
    monkeypatch.setattr(PatchImages, "drawn", lambda images, rows: asked.append(rows.tolist()) or drawn(images, rows))
    patch_sheet(data, tmp_path / "sheet.png")
    assert asked[-1] == [30 * number for number in range(12)]


def test_jpeg_options_and_a_sheet_of_ones_own(tmp_path):
    sheet = write_patches(
        "photo:coffee", out=tmp_path / "crops", n=2, size=16, format="jpeg", options="flip=0", sheet=tmp_path / "s.png"
    )
    assert sheet == tmp_path / "s.png"
    assert (tmp_path / "crops" / "0000001.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    assert pixels_of(tmp_path / "crops" / "0000001.jpg").shape == (16, 16, 3)
    with pytest.raises(RunError, match="there already"):
        write_patches("photo:coffee", out=tmp_path / "more", n=2, size=16, sheet=tmp_path / "s.png")
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"options": "size=3"}, "write --size"),
        ({"options": "rotatio=3"}, "did you mean 'rotation'"),
        ({"quality": 0}, "give 1 to 100"),
        ({"n": 0}, "n = "),
        ({"format": "jpg"}, "did you mean 'jpeg'"),
        ({"photo": "patches:photo:coffee?n=3"}, "--options"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(tmp_path, given, said):
    with pytest.raises(SpecError) as error:
        write_patches(**({"photo": "photo:coffee", "out": tmp_path / "crops", "n": 3} | given))
    assert said in str(error.value)
    assert not (tmp_path / "crops").exists()


def test_the_command_line_takes_short_flags():
    name, given = command_of(["patches", "photo:coffee", "-o", "crops", "-n", "12", "--size", "32"])
    settings = parse(COMMANDS[name].load()[0], name, given)
    assert (settings["photo"], str(settings["out"]), settings["n"], settings["size"]) == (
        "photo:coffee",
        "crops",
        12,
        32,
    )
