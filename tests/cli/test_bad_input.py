"""Bad input: one clear sentence, exit status 2, no traceback, nothing lost."""

import os

import numpy as np
import pytest
from PIL import Image

from undercoat.cli import main

TINY = ["--backbone", "resnet10t", "--steps", "2", "--batch", "8", "--size_px", "32", "--device", "cpu"]


def said(capsys, *arguments):
    """Run a command that must fail; return its one sentence."""
    assert main([str(a) for a in arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("undercoat: ")]
    assert len(lines) == 1
    assert "Traceback" not in lines[0]
    return lines[0]


@pytest.fixture
def images(tmp_path):
    """A folder of twelve small images in two classes."""
    folder = tmp_path / "my images"
    for label in ("ä", "b"):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"img {number}.png")
    return folder


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["lst"], "'lst' is no command; did you mean 'list'?"),
        (["study"], "undercoat study plan"),
        (["data", "inspct"], "undercoat data inspect"),
        (["pretrain", "--dta", "x"], "--dta is no flag of this command; did you mean '--data'?"),
        (["pretrain", "--data"], "--data needs a value"),
        (["pretrain", "--data", "x"], "out is missing"),
        (
            ["pretrain", "--data", "x", "--out", "y", "--steps", "abc"],
            "--steps 'abc' cannot be used: it takes a whole number",
        ),
        (["pretrain", "--data", "x", "--out", "y", "--train", "nrm"], "did you mean 'norm'?"),
        (["list", "method"], "did you mean 'methods'?"),
        (["show", "nowhere"], "nowhere holds no run"),
        (["report", "nowhere"], "nowhere"),
        (["resume", "nowhere"], "nowhere holds no run to resume"),
        (["evaluate", "nowhere", "--data", "sample:digits"], "nowhere holds no run"),
        (["study", "run", "nowhere.yaml"], "there is no recipe 'nowhere.yaml'"),
        (["study", "status", "nowhere"], "nowhere holds no study"),
        (["data", "inspect", "sample:digitz"], "did you mean 'digits'?"),
    ],
)
def test_wrong_commands_get_a_sentence(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sentence in said(capsys, *arguments)
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--method", "moco"], "'moco' is no method; did you mean 'moco_v2'?"),
        (["--backbone", "resnet1"], "is no timm model; did you mean 'resnet18'?"),
        (["--init", "imagenet-lite"], "did you mean 'imagenet-lite0'?"),
        (["--init", "nothing.pth"], "is no run, no file and no known name"),
        (["--augmentation", "mocov2"], "did you mean 'moco_v2'?"),
        (["--method_arguments", "{queue_sise: 3}"], "did you mean 'queue_size'?"),
        (["--optimiser", "{lrr: 3}"], "did you mean 'lr'?"),
        (["--backbone", "vit_tiny_patch16_224", "--train", "statistics"], "keeps no batch statistics"),
        (["--epochs", "3"], "both steps and epochs"),
        (["--labels", "nowhere"], "nowhere"),
    ],
)
def test_wrong_settings_are_refused_before_training(arguments, sentence, images, capsys, tmp_path):
    out = tmp_path / "run"
    assert sentence in said(capsys, "pretrain", "--data", images, "--out", out, *TINY, *arguments)
    assert not (out / "log.jsonl").exists()


def test_an_empty_folder(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in said(capsys, "pretrain", "--data", tmp_path / "empty", "--out", tmp_path / "run", *TINY)


def test_no_readable_image(capsys, tmp_path):
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "a.png").write_bytes(b"this is no image")
    (tmp_path / "junk" / "b.jpg").write_bytes(b"")
    sentence = said(capsys, "pretrain", "--data", tmp_path / "junk", "--out", tmp_path / "run", *TINY)
    assert "junk" in sentence


def test_broken_files_are_left_out_and_named_and_strict_stops(images, capsys, tmp_path):
    (images / "b" / "broken.png").write_bytes((images / "b" / "img 0.png").read_bytes()[:200])
    (images / "b" / "empty.jpg").touch()
    assert (
        "broken.png" in said(capsys, "pretrain", "--data", images, "--out", tmp_path / "strict", *TINY, "--strict")
        or "empty.jpg" in capsys.readouterr().err
    )
    assert main(["pretrain", "--data", str(images), "--out", str(tmp_path / "run"), *TINY]) == 0
    printed = capsys.readouterr()
    assert "2 files left out" in printed.err
    assert (tmp_path / "run" / "backbone.safetensors").exists()


def test_fewer_images_than_the_batch_shrinks_and_says_so(images, capsys, tmp_path):
    arguments = ["pretrain", "--data", str(images), "--out", str(tmp_path / "run"), *TINY, "--batch", "64"]
    assert main(arguments) == 0
    assert "batch = 12" in capsys.readouterr().err


def test_a_folder_with_other_things_in_it_is_left_alone(images, capsys, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to grandma.txt").write_text("dear")
    assert "to grandma.txt" in said(capsys, "pretrain", "--data", images, "--out", tmp_path / "letters", *TINY)
    assert sorted(path.name for path in (tmp_path / "letters").iterdir()) == ["to grandma.txt"]


def test_another_run_in_the_folder_and_a_resume_with_another_spec(images, capsys, tmp_path):
    run = ["pretrain", "--data", str(images), "--out", str(tmp_path / "run"), *TINY]
    assert main(run) == 0
    weights = (tmp_path / "run" / "backbone.safetensors").read_bytes()
    assert "seed: 0 → 1" in said(capsys, *run, "--seed", "1")
    assert "cannot be resumed with another spec" in said(capsys, *run, "--resume", "--seed", "1")
    assert "this very run, finished" in said(capsys, *run)
    Image.new("RGB", (40, 40)).save(images / "b" / "new.png")
    assert "images: 12 → 13" in said(capsys, *run, "--resume")
    assert (tmp_path / "run" / "backbone.safetensors").read_bytes() == weights


def test_weights_that_do_not_fit_are_refused_with_counts(images, capsys, tmp_path):
    assert main(["pretrain", "--data", str(images), "--out", str(tmp_path / "first"), *TINY]) == 0
    (tmp_path / "first" / "backbone.safetensors").rename(tmp_path / "weights.safetensors")
    other = [*TINY, "--backbone", "resnet18", "--init", str(tmp_path / "weights.safetensors")]
    sentence = said(capsys, "pretrain", "--data", images, "--out", tmp_path / "run", *other)
    assert "matched" in sentence
    assert "missing" in sentence


def test_labels_of_one_class_cannot_prove_anything(images, capsys, tmp_path):
    assert main(["pretrain", "--data", str(images), "--out", str(tmp_path / "run"), *TINY]) == 0
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n" + "".join(f"my images/b/img {n}.png,only\n" for n in range(6)), encoding="utf-8")
    assert "class" in said(capsys, "evaluate", tmp_path / "run", "--data", table)


def test_a_hundred_megapixels_are_not_decoded(images, capsys, tmp_path):
    Image.new("1", (10_001, 10_001)).save(images / "b" / "huge.png")
    assert main(["pretrain", "--data", str(images), "--out", str(tmp_path / "run"), *TINY]) == 0
    assert "huge.png" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(capsys, tmp_path):
    (tmp_path / "secret").mkdir(mode=0o000)
    assert "secret" in said(capsys, "pretrain", "--data", tmp_path / "secret", "--out", tmp_path / "run", *TINY)


def test_debug_shows_the_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="nowhere"):
        main(["--debug", "show", "nowhere"])


def test_help_needs_no_torch():
    import subprocess
    import sys

    code = "import sys; from undercoat.cli import main; main(['--help']); assert 'torch' not in sys.modules"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "undercoat pretrain" in printed


@pytest.mark.parametrize(
    ("method", "arguments", "sentence"),
    [
        ("rotation_contrast", "{theta: .nan}", "theta"),
        ("rotation_contrast", "{theta: .inf}", "theta"),
        ("jigsaw", "{tile_px: 4000}", "4000"),
        ("jigsaw", "{permutations: 400000}", "362,880"),
        ("deep_cluster", "{clusters: 13}", "13"),
        ("simclr", "{temprature: 0.1}", "did you mean 'temperature'?"),
    ],
)
def test_wrong_settings_of_a_method_get_a_sentence(method, arguments, sentence, images, capsys, tmp_path):
    line = said(
        capsys,
        *("pretrain", "--data", images, "--out", tmp_path / "run", *TINY),
        *("--method", method, "--method_arguments", arguments),
    )
    assert sentence in line
    assert not (tmp_path / "run" / "stage.yaml").exists()  # so that the corrected command may use the folder


def test_a_refused_run_leaves_no_sheet_of_other_views_behind(images, capsys, tmp_path):
    wrong = ["--backbone", "vit_tiny_patch16_224"]  # takes 224 px only, which its first step finds out
    line = said(capsys, "pretrain", "--data", images, "--out", tmp_path / "run", *TINY, *wrong)
    assert "takes images of 224 × 224 px, not 32 × 32" in line
    assert not (tmp_path / "run" / "views.png").exists()


def test_supervised_needs_labels_and_says_so(images, capsys, tmp_path):
    for path in images.rglob("*.png"):
        path.rename(images / path.name.replace("img", f"{path.parent.name} img"))
    for folder in ("ä", "b"):
        (images / folder).rmdir()
    paths = sorted(images.iterdir())
    table = images / "table.csv"
    rows = [f"{path.name},{'test' if number < 3 else 'train'}" for number, path in enumerate(paths)]
    table.write_text("\n".join(["path,split", *rows]) + "\n")
    line = said(capsys, "pretrain", "--data", table, "--out", tmp_path / "run", *TINY, "--method", "supervised")
    assert "labels" in line


def test_supervised_refuses_data_without_a_test_split(images, capsys, tmp_path):
    line = said(capsys, "pretrain", "--data", images, "--out", tmp_path / "run", *TINY, "--method", "supervised")
    assert "names no test images" in line


def test_an_image_of_one_pixel_is_an_image(tmp_path, capsys):
    for number in range(8):
        Image.new("RGB", (1, 1), (number, 0, 0)).save(tmp_path / f"{number}.png")
    sheet = tmp_path / "out" / "sheet.png"
    assert main(["preview", str(tmp_path), "--method", "simclr", "--out", str(sheet)]) == 0
    assert sheet.exists()
    line = said(capsys, "preview", tmp_path, "--method", "jigsaw", "--size_px", "16", "--out", tmp_path / "no.png")
    assert "too small for a tile" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ("filters", "random", "--out", "file/f.png"),
        ("similarity", "random", "random", "--data", "sample:digits", "--out", "file/s.csv"),
        ("style", "random", "--content", "photo.png", "--style", "photo.png", "--out", "file/s.png"),
        ("find", "random", "--example", "photo.png", "--data", "my images", "--out", "file/m.png"),
        ("preview", "my images", "--method", "simclr", "--out", "file/p.png"),
        ("patches", "photo.png", "--n", "3", "--out", "file/patches"),
        ("pretrain", "--data", "my images", "--out", "file/run", *TINY),
        ("records", ".", "--out", "file/all.csv"),
        ("similarity", "random", "random", "--data", "my images", "--images", "10", "--cache", "file/cache"),
        pytest.param(
            ("similarity", "random", "random", "--data", "my images", "--images", "10", "--cache", "/proc/x/y"),
            marks=pytest.mark.skipif(not os.path.exists("/proc/self"), reason="no /proc"),
        ),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_place_that_cannot_be_written_gets_a_sentence(arguments, images, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "records.jsonl").write_text('{"metric": "accuracy", "value": 0.5, "n": 1}\n')
    Image.open(images / "b" / "img 0.png").save(tmp_path / "photo.png")
    analysis = arguments[0] in ("filters", "similarity", "style", "find")
    line = said(capsys, *arguments, *(["--backbone", "timm/test_resnet"] if analysis else []))
    assert "cannot be written" in line
    assert (tmp_path / "file").read_text() == "mine"


def test_records_go_into_tables_only(capsys, tmp_path):
    (tmp_path / "records.jsonl").write_text('{"metric": "accuracy", "value": 0.5, "n": 1}\n')
    assert "neither a .csv nor a .parquet" in said(capsys, "records", tmp_path, "--out", tmp_path / "all.xlsx")
    assert main(["records", str(tmp_path), "--out", str(tmp_path / "new" / "all.csv")]) == 0


def test_a_preview_never_overwrites(tmp_path, capsys):
    (tmp_path / "sheet.png").write_bytes(b"mine")
    assert "--overwrite" in said(capsys, "preview", "sample:digits", "--out", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes() == b"mine"


def test_an_unknown_preset_is_named_with_those_there_are(images, capsys, tmp_path):
    line = said(capsys, "pretrain", "--data", images, "--out", tmp_path / "run", *TINY, "--preset", "papr")
    assert "moco_v2 has no preset 'papr'; did you mean 'paper'?" in line
