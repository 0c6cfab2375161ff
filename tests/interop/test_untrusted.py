"""Files that anybody may have made: settings of other libraries are passed over, and no code is ever run."""

import argparse
import collections
import os
import pathlib
import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from undercoat.errors import WeightsError
from undercoat.interop import read_foreign
from undercoat.interop.untrusted import Array, read_content

STATE = {"conv1.weight": torch.rand(8, 3, 3, 3), "bn1.weight": torch.rand(2)}


class Trap:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("old_format", [False, True])
def test_settings_beside_the_tensors_are_passed_over(old_format, tmp_path):
    settings = {
        "args": argparse.Namespace(lr=0.1, nested=argparse.Namespace(out="runs")),
        "best": np.float64(0.7),
        "half": np.float32(0.5),
        "counts": collections.defaultdict(int, a=1),
    }
    torch.save({"state_dict": STATE, **settings}, tmp_path / "f.pth", _use_new_zipfile_serialization=not old_format)
    assert set(read_foreign(tmp_path / "f.pth").state) == set(STATE)


def test_settings_of_libraries_that_are_not_here_are_passed_over(tmp_path, monkeypatch):
    """Nothing of these is imported: the modules are gone when the file is read."""
    names = [("omegaconf.dictconfig", "DictConfig", object), ("mmcv.utils.config", "ConfigDict", dict)]
    names += [("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint", object)]
    made = {}
    with monkeypatch.context() as patched:
        for module, name, kind in names:
            made[name] = type(name, (kind,), {"__module__": module})
            for depth in range(module.count(".") + 1):
                patched.setitem(sys.modules, module.rsplit(".", depth)[0], types.SimpleNamespace())
            patched.setattr(sys.modules[module], name, made[name], raising=False)
        config = made["DictConfig"]()
        config.content = {"lr": 0.1, "path": pathlib.PurePosixPath("/data")}
        content = {"hyper_parameters": config, "meta": made["ConfigDict"](a=1), "state_dict": STATE}
        torch.save({**content, "callbacks": made["ModelCheckpoint"]}, tmp_path / "f.ckpt")
    assert set(read_foreign(tmp_path / "f.ckpt").state) == set(STATE)
    assert read_content(tmp_path / "f.ckpt")["meta"] == {"a": 1}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "int64"])
def test_numpy_arrays_are_tensors_too(kind, order, tmp_path):
    """As in weights that were converted for detectron2."""
    array = np.asarray(np.arange(24).reshape(2, 3, 4, 1), dtype=kind, order=order)
    torch.save({"model": {"stem.conv1.weight": array}}, tmp_path / "f.pth")
    found = read_content(tmp_path / "f.pth")["model"]["stem.conv1.weight"]
    assert isinstance(found, Array)
    assert torch.equal(found.tensor(), torch.from_numpy(np.ascontiguousarray(array)))


def test_arrays_of_texts_are_no_tensors(tmp_path):
    torch.save({"classes": np.array(["cat", "dog"]), "state_dict": STATE}, tmp_path / "f.pth")
    assert set(read_foreign(tmp_path / "f.pth").state) == set(STATE)


@pytest.mark.parametrize("function", [os.system, print, eval, os.mkdir])
@pytest.mark.parametrize("old_format", [False, True])
def test_code_is_refused_by_its_name_and_not_run(function, old_format, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save(
        {"state_dict": STATE, "x": Trap(function, "made")}, "f.pth", _use_new_zipfile_serialization=not old_format
    )
    with pytest.raises(WeightsError, match=rf"names code to run \(.*{function.__name__}\), which is never done; where"):
        read_content("f.pth")
    assert os.listdir() == ["f.pth"]
    assert capsys.readouterr().out == ""


def test_a_whole_module_is_refused_with_the_lines_that_convert_it(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    with pytest.raises(WeightsError, match=r"torch.nn.modules.linear.Linear.*torch.save\(\{'state_dict'"):
        read_content(tmp_path / "model.pth")


def test_a_stand_in_is_gone_after_reading(tmp_path):
    torch.save({"state_dict": STATE, "args": argparse.Namespace(a=1)}, tmp_path / "f.pth")
    read_content(tmp_path / "f.pth")
    with pytest.raises(Exception, match=r"argparse\.Namespace"):
        torch.load(tmp_path / "f.pth", weights_only=True)


@pytest.mark.parametrize("name", ["f.pth", "f.safetensors"])
@pytest.mark.parametrize("kept", [0, 20, 200, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_one_sentence(name, kept, tmp_path):
    path = tmp_path / name
    save_file(STATE, path) if path.suffix == ".safetensors" else torch.save({"state_dict": STATE}, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(WeightsError, match="is empty" if not kept else "cannot be read as weights"):
        read_content(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "only a pointer of git LFS"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"\n<!doctype html>\n<HTML>", "is a web page"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "cannot be read as weights"),
        (b"hello there, these are no weights at all", "cannot be read as weights"),
    ],
)
def test_what_is_often_taken_for_weights_is_said_to_be_what_it_is(content, message, tmp_path):
    (tmp_path / "f.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_content(tmp_path / "f.pth")


@pytest.mark.parametrize("name", ["model-00001-of-00002.safetensors", "model.safetensors.index.json"])
def test_weights_in_several_files_are_said_to_be_that(name, tmp_path):
    save_file(STATE, tmp_path / name)
    with pytest.raises(WeightsError, match="one part of weights in several files; join them"):
        read_content(tmp_path / name)


@pytest.mark.parametrize("name", ["f.pth", "f.SafeTensors", "f.bin"])
def test_safetensors_are_known_by_their_content(name, tmp_path):
    save_file(STATE, tmp_path / name)
    assert read_content(tmp_path / name).keys() == STATE.keys()


def test_a_dictionary_that_holds_itself_ends(tmp_path):
    content = {"state_dict": dict(STATE)}
    content["state_dict"]["self"] = content["state_dict"]
    torch.save(content, tmp_path / "f.pth")
    assert "conv1.weight" in read_foreign(tmp_path / "f.pth").state


def test_no_reader_anywhere_trusts_a_pickle():
    source = pathlib.Path(__file__).parents[2] / "src"
    trusting = [path for path in source.rglob("*.py") if "weights_only=False" in path.read_text(encoding="utf-8")]
    assert trusting == []
