"""``undercoat import``: the folder, the account, and refusals before anything is written."""

import json

import pytest
import torch
from torch.nn.functional import conv2d

import undercoat
from foreign_checkpoints import behind, moco, openselfsup, solo_learn
from undercoat import import_weights, load_backbone, pretrain, save_backbone
from undercoat.backbones import build_backbone
from undercoat.cli import main
from undercoat.errors import RunError, SpecError, WeightsError
from undercoat.interop import initial_backbone, open_foreign
from undercoat.interop.initial import identity
from undercoat.study.showing import show


@pytest.fixture(scope="module")
def source():
    backbone = build_backbone("timm/resnet18", seed=3)
    for buffer in backbone.trunk.buffers():
        buffer.copy_(torch.rand(buffer.shape) + 0.5 if buffer.ndim else torch.tensor(7))
    return backbone.eval()


@pytest.fixture(scope="module")
def checkpoint(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("moco") / "checkpoint_0199.pth.tar"
    torch.save(moco(source.trunk.state_dict()), path)
    return path


@pytest.fixture
def small(tmp_path):
    """A network of a few tensors that has to be named, in a file."""
    backbone = build_backbone("resnet10t", seed=3)
    torch.save(behind("module.encoder_q.", backbone.trunk.state_dict()), tmp_path / "small.pth")
    return tmp_path / "small.pth"


def same_weights(one, other):
    theirs = other.trunk.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.trunk.state_dict().items())


def test_a_checkpoint_becomes_a_folder_with_the_same_bits_and_features(source, checkpoint, tmp_path):
    imported = import_weights(checkpoint, to=tmp_path / "base")
    loaded = load_backbone(imported.folder)
    assert loaded.name == "timm/resnet18"
    assert same_weights(loaded, source)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(images), source(images))


def test_the_account_is_kept_and_said(checkpoint, tmp_path):
    imported = import_weights(checkpoint, to=tmp_path / "base")
    kept = json.loads((tmp_path / "base" / "import.json").read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(imported.account))
    assert (kept["layout"], kept["matched"], kept["missing"], kept["unexpected"]) == ("moco", 100, [], [])
    assert kept["source_digest"] == identity(str(checkpoint))
    assert kept["dropped"] == {"head": 4, "moving-average encoder": 120 + 4, "queue": 2, "training state": 2}
    said = str(imported)
    assert "layout   MoCo v1/v2 (query encoder)" in said
    assert "100 matched (100.0 %), 0 missing, 0 misshapen, 0 unexpected" in said
    assert "left out on purpose: head (4), moving-average encoder (124), queue (2), training state (2)" in said
    assert "mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225 (what the layout implies)" in said


def test_the_command_prints_the_account(small, tmp_path, capsys):
    assert main(["import", str(small), "--to", str(tmp_path / "base"), "--backbone", "resnet10t", "--std", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert "layout   MoCo v1/v2" in printed
    assert "std 0.5, 0.5, 0.5 (as asked)" in printed
    assert main(["import", str(small), "--to", str(tmp_path / "base")]) != 0
    assert "--overwrite" in capsys.readouterr().err


def test_a_file_is_a_start_without_an_import(source, checkpoint):
    found = initial_backbone(str(checkpoint))
    assert same_weights(found.backbone, source)
    assert str(found.match).startswith("100 matched; layout: MoCo v1/v2")


def test_a_resnet50_of_openselfsup_comes_in_whole(tmp_path):
    source = build_backbone("timm/resnet50", seed=5)
    torch.save(openselfsup(source.trunk.state_dict()), tmp_path / "iter_5000.pth")
    opened = open_foreign(tmp_path / "iter_5000.pth")
    assert opened.backbone.name == "timm/resnet50"
    assert same_weights(opened.backbone, source)
    assert len(opened.match.matched) == 265  # 53 convolutions and 4 tensors of 53 batch norms


def test_a_stage_starts_from_an_import_and_evaluate_reads_it(small, tmp_path):
    base = import_weights(small, to=tmp_path / "base", backbone="resnet10t").folder
    settings = {"data": "sample:digits", "batch": 8, "size_px": 32, "cache": tmp_path / "cache"}
    run = pretrain(**settings, steps=0, out=tmp_path / "run", init=str(base))
    assert same_weights(load_backbone(run), load_backbone(base))
    assert load_backbone(run).mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    rows = undercoat.evaluate(
        base, data="sample:digits", size_px=32, readout="knn", labels_limit=40, cache=tmp_path / "cache"
    )
    assert {row.arm for row in rows} == {"random", "base (run)", "majority class"}
    assert "imported: small.pth" in show(base)


def test_what_an_evaluation_left_is_never_replaced(small, tmp_path):
    base = import_weights(small, to=tmp_path / "base", backbone="resnet10t").folder
    (base / "records.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"more than an import \('records.jsonl'\), which is never replaced"):
        import_weights(small, to=base, backbone="resnet10t", overwrite=True)


def test_an_import_is_replaced_only_when_asked(small, tmp_path):
    first = import_weights(small, to=tmp_path / "base", backbone="resnet10t", mean="0.5")
    before = identity(str(first.folder))
    with pytest.raises(RunError, match="holds an import already; add --overwrite"):
        import_weights(small, to=tmp_path / "base", backbone="resnet10t")
    import_weights(small, to=tmp_path / "base", backbone="resnet10t", mean="0.4", overwrite=True)
    assert identity(str(first.folder)) != before  # another mean is another start


def test_a_run_of_ours_is_copied(tmp_path):
    source = build_backbone("resnet10t", channels=1, seed=3)
    source.set_normalisation([0.2], [0.3])
    save_backbone(source, tmp_path / "run")
    imported = import_weights(tmp_path / "run", to=tmp_path / "copy")
    copy = load_backbone(imported.folder)
    assert imported.account["layout"] == "undercoat"
    assert same_weights(copy, source)
    assert (copy.channels, copy.mean.item(), copy.std.item()) == (1, pytest.approx(0.2), pytest.approx(0.3))
    with pytest.raises(SpecError, match="has backbone timm/resnet10t, not resnet18; leave backbone out"):
        import_weights(tmp_path / "run", to=tmp_path / "other", backbone="resnet18")


def test_filters_for_colours_are_summed_for_grey(source, checkpoint):
    opened = open_foreign(checkpoint, channels=1)
    assert opened.match.fraction == 1.0
    assert "were summed to take 1" in opened.notes[0]
    first, folded = source.trunk.conv1.weight, opened.backbone.trunk.conv1.weight
    grey = torch.rand(2, 1, 16, 16)
    assert torch.allclose(conv2d(grey, folded), conv2d(grey.expand(-1, 3, -1, -1), first), atol=1e-5)
    assert opened.backbone.mean.item() == pytest.approx((0.485 + 0.456 + 0.406) / 3)


def test_filters_for_colours_are_spread_over_more_channels(source, checkpoint):
    opened = open_foreign(checkpoint, channels=6)
    assert "repeated and scaled" in opened.notes[0]
    colours = torch.rand(1, 3, 16, 16)  # an image repeated gives what it gave
    with torch.no_grad():
        ours = conv2d(colours.repeat(1, 2, 1, 1), opened.backbone.trunk.conv1.weight)
        assert torch.allclose(ours, conv2d(colours, source.trunk.conv1.weight), atol=1e-5)


def test_filters_that_were_summed_keep_the_librarys_mean(source, tmp_path):
    torch.save(source.trunk.state_dict(), tmp_path / "plain.pth")  # timm's names imply what timm says
    grey = open_foreign(tmp_path / "plain.pth", channels=1).backbone
    assert grey.mean.item() == pytest.approx((0.485 + 0.456 + 0.406) / 3)
    assert grey.std.item() == pytest.approx((0.229 + 0.224 + 0.225) / 3)


def test_a_grey_network_stays_grey(tmp_path):
    grey = build_backbone("timm/resnet18", channels=1)
    torch.save(solo_learn(grey.trunk.state_dict()), tmp_path / "grey.ckpt")
    opened = open_foreign(tmp_path / "grey.ckpt")
    assert opened.backbone.channels == 1
    assert same_weights(opened.backbone, grey)
    with pytest.raises(SpecError, match=r"take 1 channels, not 3; .* use channels: 1"):
        open_foreign(tmp_path / "grey.ckpt", channels=3)


def test_a_small_stem_is_seen(tmp_path):
    cifar = build_backbone("timm/resnet18", arguments={"stem": "small"}, seed=1)
    torch.save(solo_learn(cifar.trunk.state_dict()), tmp_path / "cifar.ckpt")
    opened = open_foreign(tmp_path / "cifar.ckpt")
    assert opened.backbone.arguments == {"stem": "small"}
    assert "taken as that of a network for small images" in opened.notes[0]
    assert "solo-learn pads it by 2" in opened.notes[1]
    assert same_weights(opened.backbone, cifar)


def test_a_prefix_that_others_load_in_silence_as_random_is_no_problem_or_refused(source, tmp_path):
    """``strict=False`` with another prefix leaves a random network; here it is recognised, or nothing is made."""
    state = source.trunk.state_dict()
    torch.save(behind("encoder.backbone.", state), tmp_path / "nested.pth")
    assert same_weights(open_foreign(tmp_path / "nested.pth", backbone="resnet18").backbone, source)
    torch.save(behind("encoder_q_", state), tmp_path / "letters.pth")
    with pytest.raises(WeightsError, match="fits only 0 %"):
        import_weights(tmp_path / "letters.pth", to=tmp_path / "base", backbone="resnet18")
    assert not (tmp_path / "base").exists()


def test_another_network_than_the_files_is_refused_with_the_one_that_fits(checkpoint, tmp_path):
    with pytest.raises(WeightsError, match=r"under 95 %.*80 missing.*its shapes are those of timm/resnet18$"):
        import_weights(checkpoint, to=tmp_path / "base", backbone="timm/resnet34")


def test_a_larger_network_that_holds_all_tensors_of_a_smaller_is_refused(tmp_path):
    larger = build_backbone("timm/resnet34").trunk.state_dict()
    torch.save(behind("module.", larger), tmp_path / "r34.pth")
    with pytest.raises(WeightsError, match=r"80 tensors more .* \(such as 'layer1.2.bn1.bias'\).*of timm/resnet34$"):
        import_weights(tmp_path / "r34.pth", to=tmp_path / "base", backbone="timm/resnet18")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: dict(list(s.items())[: len(s) // 2]), r"fits only \d\d % .* under 95 %: \d+ matched, \d+ missing"),
        (lambda s: behind("module.encoder_k.", s), "fits only 0 %"),
        (lambda s: {name: value[:1] for name, value in s.items() if value.ndim}, r"fits only \d+ %.*misshapen"),
        (lambda s: {"epoch": 3}, "no tensors by name"),
        (lambda s: list(s.values()), "no tensors by name"),
    ],
    ids=["half", "encoder_k only", "other shapes", "no tensors", "a list"],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(make, message, tmp_path):
    torch.save(make(build_backbone("resnet10t").trunk.state_dict()), tmp_path / "bad.pth")
    with pytest.raises(WeightsError, match=message):
        import_weights(tmp_path / "bad.pth", to=tmp_path / "base", backbone="resnet10t")
    assert not (tmp_path / "base").exists()


def test_weights_of_a_training_that_diverged_are_refused(small, tmp_path):
    content = torch.load(small, weights_only=True)
    content["module.encoder_q.layer4.0.conv1.weight"][0] = torch.nan
    torch.save(content, small)
    with pytest.raises(WeightsError, match=r"NaN or infinity\) in 1 tensors, such as 'layer4.0.conv1.weight'"):
        import_weights(small, to=tmp_path / "base", backbone="resnet10t")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weight: (100 * weight).to(torch.int8), "'layer4.0.conv1.weight' is of int8"),
        (lambda weight: weight.to(torch.complex64), "'layer4.0.conv1.weight' is of complex64"),
        (lambda weight: weight.to_sparse(), "'layer4.0.conv1.weight' is sparse"),
        (lambda weight: weight.to("meta"), "'layer4.0.conv1.weight' holds no values"),
    ],
)
def test_tensors_that_are_no_plain_numbers_are_refused(change, message, small, tmp_path):
    content = torch.load(small, weights_only=True)
    content["module.encoder_q.layer4.0.conv1.weight"] = change(content["module.encoder_q.layer4.0.conv1.weight"])
    torch.save(content, small)
    with pytest.raises(WeightsError, match=message):
        import_weights(small, to=tmp_path / "base", backbone="resnet10t")


def test_variances_below_zero_are_refused_and_odd_counters_passed_over(small, tmp_path):
    content = torch.load(small, weights_only=True)
    content["module.encoder_q.layer4.0.bn1.num_batches_tracked"] = torch.tensor([1, 2])
    torch.save(content, small)
    import_weights(small, to=tmp_path / "base", backbone="resnet10t")
    content["module.encoder_q.layer4.0.bn1.running_var"][3] = -0.5
    torch.save(content, small)
    with pytest.raises(WeightsError, match=r"variances below 0 in 1 tensors, such as 'layer4.0.bn1.running_var'"):
        import_weights(small, to=tmp_path / "other", backbone="resnet10t")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mean": "red"}, "is no list of numbers"),
        ({"mean": "123.675,116.28,103.53"}, r"not within 0..1.*divide values of 0..255"),
        ({"std": [0.0]}, "not within 0..1"),
        ({"mean": "0.5,0.5"}, "has 2 numbers for 3 channels"),
        ({"backbone": "resnet1"}, "is no timm model; did you mean"),
        ({"channels": 0}, "channels 0 is not 1 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message, small, tmp_path):
    with pytest.raises(SpecError, match=message):
        import_weights(small, to=tmp_path / "base", **{"backbone": "resnet10t", **settings})
    assert not (tmp_path / "base").exists()


def test_a_folder_of_something_else_is_never_touched(small, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("words", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="holds more than an import"):
            import_weights(small, to=tmp_path / "thesis", backbone="resnet10t", overwrite=overwrite)
    with pytest.raises(RunError, match=r"cannot be written|is a file"):
        import_weights(small, to=small, backbone="resnet10t")
