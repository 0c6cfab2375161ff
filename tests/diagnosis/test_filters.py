"""Networks side by side: the picture, the table, and what both say of copies and of strangers."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from undercoat.backbones import build_backbone
from undercoat.cli import main
from undercoat.diagnosis import FirstLayer, compare_filters, filters, open_networks
from undercoat.diagnosis.filter_sheet import filter_panel, save_filter_sheet
from undercoat.errors import RunError, SpecError
from undercoat.interop import save_backbone

SMALL = {"stem": "small", "width": "small"}


def layer(seed=0, count=24, channels=3, size=5):
    return FirstLayer(torch.zeros(count, channels, size, size)).by_chance(draw=seed)


def compared(first, second, **settings):
    rows = compare_filters([("a", FirstLayer(first)), ("b", FirstLayer(second))], **settings)
    return {row.measure: row for row in rows}


def test_copies_match_and_strangers_do_as_chance_does():
    first = layer(1)
    copy = compared(first, -3 * first[torch.randperm(24, generator=torch.Generator().manual_seed(0))])
    stranger = compared(first, layer(2))
    for measure in ("matched cosine", "matched cosine, layout"):
        assert copy[measure].value == pytest.approx(1)
        assert copy[measure].null_high < 0.7
        assert stranger[measure].null_low - 0.03 < stranger[measure].value < stranger[measure].null_high + 0.03


def test_colours_alone_are_no_likeness_of_layout():
    tint = torch.tensor([1.0, 0.2, -0.5])[None, :, None, None]
    first, second = (layer(seed, channels=1) * tint for seed in (1, 2))
    found = compared(first, second)
    assert found["matched cosine"].value > found["matched cosine"].null_high  # they share a colour
    strict = found["matched cosine, layout"]
    assert strict.value < strict.null_high + 0.02  # but no shape


def test_a_shuffled_network_of_edges_still_looks_through_them():
    edges = build_backbone("undercoat/alexnet", arguments={"sobel": True}).sobel.kernels
    first = FirstLayer(layer(channels=2, size=11), edges)
    assert first.shuffled().shape == first.filters.shape
    assert first.shuffled().sum(dim=(2, 3)).abs().max() < 1e-3  # no edge filter sees flat grey


def test_a_panel_shows_each_filter_over_its_own_range():
    one = torch.tensor([[-2.0, 0.0], [1.0, 2.0]]).expand(3, 2, 2)
    panel = filter_panel(torch.stack([one, one / 100]), cell_px=4)
    first, second = panel[4:8, 4:8], panel[4:8, 12:16]
    assert (first == second).all()
    assert first[::2, ::2, 0].tolist() == [[0, 128], [191, 255]]
    assert (first[:2, :2] == first[0, 0]).all()  # whole pixels, not smoothed
    faint = filter_panel(torch.stack([one, one / 100]), cell_px=4, scale="layer")[4:8, 12:16]
    assert np.ptp(faint) < 4


def test_every_network_has_its_panel(tmp_path):
    layers = [("big", layer(count=96, size=11)), ("grey", layer(channels=1)), ("tiny", layer(count=7, size=3))]
    with Image.open(save_filter_sheet(tmp_path / "sheet.png", layers)) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    assert pixels.shape[1] > 3 * 3 * 36
    dark = (pixels < 250).any(axis=(0, 2)).astype(int)
    gaps = np.flatnonzero(np.diff(dark) == 1)
    assert len(gaps) >= 3


@pytest.fixture
def runs(tmp_path):
    """Two networks of one kind, one of edges, each in a folder."""
    for name, arguments, seed in (("one", SMALL, 0), ("two", SMALL, 1), ("edges", {"sobel": True}, 0)):
        save_backbone(build_backbone("undercoat/alexnet", arguments=arguments, seed=seed), tmp_path / name)
    return [str(tmp_path / name) for name in ("one", "two", "edges")]


def test_command_writes_both_files_and_loses_none(runs, tmp_path, capsys):
    out = tmp_path / "pictures" / "f.png"
    assert main(["filters", *runs, "chance=random", "--out", str(out)]) == 0
    assert "one ~ two" in capsys.readouterr().out
    with out.with_suffix(".csv").open() as table:
        rows = list(csv.DictReader(table))
    assert {row["first"] for row in rows} == {"one", "two", "edges", "chance"}
    assert len([row for row in rows if row["second"]]) == 6 * 2
    assert all(0 <= float(row["value"]) <= 1 for row in rows)
    with pytest.raises(RunError, match="--overwrite"):
        filters(runs, out=out)
    assert filters(runs[:1], out=out, overwrite=True).picture == out


def test_random_weights_are_those_of_the_network_beside(runs):
    found = open_networks(["random", runs[0]])
    assert [network.label for network in found] == ["random", "one"]
    assert found[0].backbone.arguments == SMALL
    twice = open_networks(["random", "random", runs[0]])
    assert [network.label for network in twice] == ["random", "random (2)", "one"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ([], "no network"),
        (["nowhere"], "no run, no file"),
        (["random"], "does not say which network"),
        (["a=imagenet-lite"], "did you mean 'imagenet-lite0'"),
    ],
)
def test_wrong_networks_get_a_sentence(asked, sentence, tmp_path):
    with pytest.raises(SpecError, match=sentence):
        filters(asked, out=tmp_path / "f.png")


def test_wrong_files_get_a_sentence(runs, tmp_path):
    for name in ("f.csv", "f.svg", "f", ""):
        with pytest.raises(SpecError, match="no picture"):
            filters(runs, out=tmp_path / name if name else name)
    with pytest.raises(SpecError, match="cell_px is 0"):
        filters(runs, out=tmp_path / "f.png", cell_px=0)


def test_what_cannot_be_drawn_gets_a_sentence(tmp_path):
    with pytest.raises(SpecError, match="filters of 2 channels"):
        filters(["random"], out=tmp_path / "f.png", backbone="undercoat/alexnet", backbone_arguments=SMALL, channels=2)
    broken = build_backbone("undercoat/alexnet", arguments=SMALL)
    torch.nn.init.constant_(next(broken.trunk.parameters()), float("nan"))
    save_backbone(broken, tmp_path / "run")
    with pytest.raises(RunError, match="not finite"):
        filters([str(tmp_path / "run")], out=tmp_path / "f.png")
    assert not (tmp_path / "f.png").exists()


def test_names_are_printed_as_they_are(runs, tmp_path, capsys):
    assert main(["filters", f"[/b]={runs[0]}", f"[red]:smile:={runs[1]}", "--out", str(tmp_path / "f.png")]) == 0
    assert "[/b] ~ [red]:smile:" in capsys.readouterr().out


def test_an_arm_with_a_point_on_an_axis_is_no_label(runs, tmp_path):
    study = tmp_path / "study"
    (study / "stages").mkdir(parents=True)
    (tmp_path / "two").rename(study / "stages" / "s1")
    arms = [{"name": "rotnet[steps=50]", "stages": {"0": ["s1"]}}]
    (study / "study.json").write_text(json.dumps({"arms": arms}))
    found = open_networks([f"{study}/rotnet[steps=50]", f"mine={study}/rotnet[steps=50]"])
    assert [network.label for network in found] == ["rotnet[steps=50]", "mine"]


def test_labels_stay_apart_whatever_they_are(runs):
    labels = [f"{name}={runs[0]}" for name in ("a", "a", "a (2)")]
    assert len({network.label for network in open_networks(labels)}) == 3
