"""One example in many images: a planted crop is found where it was planted, and chance finds nothing."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score

from undercoat.backbones import build_backbone
from undercoat.cli import main
from undercoat.cli.printing import found as analysis_found
from undercoat.diagnosis import Found, Match, find
from undercoat.diagnosis.dense_maps import DenseMaps
from undercoat.diagnosis.detector import DetectorSettings, fit_detector, peaks
from undercoat.diagnosis.example import Box
from undercoat.diagnosis.ranking import average_precision, weighted_precision
from undercoat.diagnosis.scanning import scan, template_scanner
from undercoat.errors import DataError, RunError, SpecError
from undercoat.interop import save_backbone

SIDE, CROP = 64, 20


def texture(seed, height=SIDE, width=SIDE):
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    smooth = gaussian_filter(noise, (2, 2, 0))
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def crop():
    picture = texture(1000, CROP, CROP)
    picture[4:16, 4:8], picture[4:8, 4:16] = (255, 40, 0), (0, 60, 255)
    return picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve textures of which the last four hold the crop; eight negatives; a network; and the crop."""
    root = tmp_path_factory.mktemp("search")
    places = {}
    for name in ("data/with", "data/without", "negatives"):
        (root / name).mkdir(parents=True)
    for number in range(12):
        pixels = texture(number)
        if number >= 8:
            top, left = 4 * (number - 6), 3 * (14 - number)  # off the cells' grid, too
            pixels[top : top + CROP, left : left + CROP] = crop()
            places[f"with/{number}.png"] = (left, top)
        Image.fromarray(pixels).save(root / "data" / ("with" if number >= 8 else "without") / f"{number}.png")
    for number in range(8):
        Image.fromarray(texture(100 + number)).save(root / "negatives" / f"{number}.png")
    Image.fromarray(crop()).save(root / "crop.png")
    save_backbone(build_backbone("timm/test_resnet"), root / "run")
    return root, places


def asked(root, **changes):
    plain = {
        "example": root / "crop.png",
        "data": str(root / "data"),
        "negatives": str(root / "negatives"),
        "size_px": SIDE,
        "layer": "conv1",
        "cache": root / "cache",
        "out": root / "m.png",
        "overwrite": True,
        "device": "cpu",
    }
    return plain | changes


@pytest.mark.parametrize("method", ["exemplar_svm", "correlation_filter"])
def test_a_planted_crop_is_found_at_its_place(folder, method):
    root, places = folder
    found = find(str(root / "run"), **asked(root, method=method, top=12))
    stride = 2  # of that layer
    assert {match.key for match in found.matches[:4]} == set(places)
    for match in found.matches[:4]:
        left, top = places[match.key]
        assert abs(match.left - left) <= stride
        assert abs(match.top - top) <= stride
        assert match.false_positives == 0
    assert found.matches[3].score > found.matches[4].score + 0.3


def test_the_class_comes_first_and_baselines_stand_beside(folder):
    root, _ = folder
    found = find(str(root / "run"), **asked(root, label="with"))
    rows = {row.first: row for row in found.findings}
    assert list(rows) == ["exemplar_svm", "raw pixels (cross-correlation)", "exemplar_svm, random weights"]
    assert rows["exemplar_svm"].value == 1
    assert rows["raw pixels (cross-correlation)"].value == 1  # the very same pixels are there
    assert all(0.2 < row.null < 0.6 for row in rows.values())  # a third of the images have it


def test_a_box_in_a_whole_picture_is_the_same_question(folder):
    root, places = folder
    left, top = places["with/9.png"]
    whole = asked(root, example=root / "data" / "with" / "9.png", box=f"{left},{top},{CROP},{CROP}")
    best = find(str(root / "run"), **whole).matches
    assert {match.key for match in best[:4]} == set(places)


def test_without_negatives_it_says_what_it_does_not_know(folder):
    root, places = folder
    found = find(str(root / "run"), **asked(root, negatives=None))
    assert found.matches[0].key in places
    assert found.matches[0].false_positives is None
    assert "not known" in found.notes[0]


def test_command_writes_the_sheet_and_the_table(folder, capsys):
    root, places = folder
    words = [str(root / "run"), "--example", str(root / "crop.png"), "--data", str(root / "data")]
    words += ["--negatives", str(root / "negatives"), "--size-px", "64", "--cache", str(root / "cache")]
    words += ["--out", str(root / "new.png"), "--top", "5", "--device", "cpu"]
    assert main(["find", *words, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    with (root / "new.csv").open() as table:
        assert [row["key"] for row in csv.DictReader(table)] == [match["key"] for match in shown["matches"]]
    with Image.open(root / "new.png") as sheet:
        assert sheet.width > 5 * 160
    assert main(["find", *words]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["find", *words, "--overwrite"]) == 0
    assert next(iter(places)).split("/")[0] in capsys.readouterr().out


def test_keys_are_printed_as_they_are(capsys):
    matches = [Match(key, "", 1.0, 0, 0, 9, 9, None) for key in ("a[/b].png", "x[red]y:smile:.png")]
    analysis_found(Found(picture=Path("m.png"), table=Path("m.csv"), matches=matches))
    printed = capsys.readouterr().out
    assert all(match.key in printed for match in matches)


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({"example_px": 65}, DataError, "65 × 65 pixels where the data's images are 64"),
        ({"example_px": 1}, DataError, "smaller than one cell"),
        ({"label": "wiht"}, SpecError, "did you mean 'with'"),
        ({"box": "1,2,3"}, SpecError, "four numbers"),
        ({"box": "1,2,3,0"}, SpecError, "no area"),
        ({"box": "10,10,20,20"}, SpecError, "outside"),
        ({"box": "nan,1,2,3"}, SpecError, "outside"),
        ({"box": "1,1,nan,3"}, SpecError, "no area"),
        ({"box": "1,1,3,3", "example_px": 9}, SpecError, "leave it out with box"),
        ({"example_px": 0}, SpecError, "at least 1"),
        ({"size_px": 0}, SpecError, "out of range"),
        ({"out": "m.svg"}, SpecError, "name a .png"),
        ({"layer": "conv9"}, SpecError, "no layer 'conv9'"),
        ({"margin": 2.0}, SpecError, "margin is 2.0"),
        ({"method": "hog"}, SpecError, "method 'hog'"),
        ({"example": "nowhere.png"}, DataError, "no picture"),
        ({"top": 0}, SpecError, "top has to be at least 1"),
    ],
)
def test_wrong_questions_get_a_sentence(folder, changes, kind, sentence):
    root, _ = folder
    with pytest.raises(kind, match=sentence):
        find(str(root / "run"), **asked(root, **changes))


def test_a_network_whose_numbers_are_not_finite_gets_a_sentence(folder, tmp_path):
    root, _ = folder
    broken = build_backbone("timm/test_resnet")
    torch.nn.init.constant_(next(broken.trunk.parameters()), float("nan"))
    save_backbone(broken, tmp_path / "run")
    with pytest.raises(RunError, match=r"'conv1' of timm/test_resnet gives numbers that are not finite"):
        find(str(tmp_path / "run"), **asked(root))


def test_nothing_is_overwritten_silently(folder):
    root, _ = folder
    (root / "kept.png").write_bytes(b"mine")
    with pytest.raises(RunError, match="--overwrite"):
        find(str(root / "run"), **asked(root, out=root / "kept.png", overwrite=False))
    assert (root / "kept.png").read_bytes() == b"mine"


def cells(count, seed, height=9, width=9):
    drawn = torch.randn(count, 6, height, width, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=1)


def test_mining_learns_what_was_mistaken():
    positives = cells(1, 0, 3, 3)
    negatives = list(cells(6, 1))
    negatives[2][:, 4:7, 2:5] = torch.nn.functional.normalize(positives[0] + 0.6 * cells(1, 2, 3, 3)[0], dim=0)
    blind, taught = (fit_detector(positives, negatives, DetectorSettings(rounds=rounds)) for rounds in (0, 4))
    assert blind.mined == 0
    assert taught.mined > 0
    hard = negatives[2][:, 4:7, 2:5]
    assert (taught.weight * hard).sum() + taught.bias < (blind.weight * hard).sum() + blind.bias + 1e-6
    assert (taught.weight * positives[0]).sum() + taught.bias == pytest.approx(1, abs=0.02)


def test_a_margin_of_one_is_the_exemplar_svm():
    positives, negatives = cells(3, 0, 3, 3), list(cells(5, 1))
    plain = fit_detector(positives, negatives, DetectorSettings(method="exemplar_svm", rounds=2))
    same = fit_detector(positives, negatives, DetectorSettings(method="correlation_filter", margin=1.0, rounds=2))
    assert torch.allclose(plain.weight, same.weight)
    other = fit_detector(positives, negatives, DetectorSettings(method="correlation_filter", margin=0.1, rounds=2))
    assert not torch.allclose(plain.weight, other.weight, atol=1e-2)


def test_a_sharper_filter_answers_less_beside_the_place():
    smooth = torch.from_numpy(gaussian_filter(np.random.default_rng(0).normal(size=(40, 4, 14, 14)), (0, 0, 1.5, 1.5)))
    maps = torch.nn.functional.normalize(smooth.float(), dim=1)
    positives, negatives = maps[:1, :, 4:10, 4:10], list(maps[1:])

    def beside(method):
        detector = fit_detector(positives, negatives, DetectorSettings(method=method, margin=0.02, rounds=0))
        answers = detector.plane(maps[0]) - detector.bias
        return ((answers[4, 3] + answers[4, 5] + answers[3, 4] + answers[5, 4]) / 4 / answers[4, 4]).item()

    assert beside("correlation_filter") < beside("exemplar_svm") - 0.1


def test_peaks_keep_their_distance():
    plane = torch.zeros(9, 9)
    plane[4, 4], plane[4, 5], plane[0, 8] = 3, 2.9, 1
    assert [place[1:] for place in peaks(plane, (4, 4), count=2)] == [(4, 4), (0, 8)]


def test_several_places_in_one_image_do_not_overlap():
    boxes = [(3.0, Box(0, 0, 10, 10)), (2.0, Box(1, 1, 10, 10)), (1.0, Box(30, 0, 10, 10))]
    ((best, hits),) = scan([torch.zeros(3, 40, 40)], lambda pictures: [boxes], per_image=2)
    assert best == 3
    assert [hit.score for hit in hits] == [3.0, 1.0]


def test_raw_pixels_find_themselves_but_not_in_smaller_images():
    picture = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))
    scanner = template_scanner(picture[:, 5:13, 7:17])
    (((score, box),),) = scanner([picture * 0.5 + 0.2])  # brightness and contrast do not matter
    assert score == pytest.approx(1, abs=1e-4)
    assert (box.left, box.top, box.width, box.height) == (7, 5, 10, 8)
    assert scanner([picture[:, :7]]) == [[]]


def test_precision_of_chance_is_the_prevalence():
    rng = np.random.default_rng(0)
    found = average_precision("x", rng.normal(size=800), rng.random(800) < 0.3)
    assert found.value == pytest.approx(0.3, abs=0.05)
    assert found.null == pytest.approx(0.3, abs=0.03)
    assert found.low < found.value < found.high
    perfect = average_precision("x", np.array([1.0, 2, -np.inf, 0]), np.array([True, True, False, False]))
    assert perfect.value == 1


def test_precision_is_that_of_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(0)
    scores, relevant = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.4
    weights = rng.integers(0, 3, (5, 40))
    expected = [average_precision_score(relevant, scores, sample_weight=row) for row in weights]
    assert weighted_precision(scores, relevant, weights) == pytest.approx(expected)


def test_pictures_of_several_sizes_are_seen_as_they_would_be_alone():
    maps = DenseMaps(build_backbone("timm/test_resnet").eval(), "layer1", device=torch.device("cpu"), size_px=64)
    sizes = [(32, 48), (64, 64), (32, 48), (40, 40)]
    pictures = [torch.rand(3, *size, generator=torch.Generator().manual_seed(i)) for i, size in enumerate(sizes)]
    maps.fit(pictures)
    assert maps.stride == 4
    for together, picture in zip(maps.many(pictures), pictures, strict=True):
        assert torch.allclose(together, maps(picture), atol=1e-4)
        assert torch.allclose(together.norm(dim=0), torch.ones(()))


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_images_are_searched_by_networks_of_either_kind(channels, tmp_path):
    (tmp_path / "data").mkdir()
    for number in range(4):
        pixels = texture(number)[..., 0]
        if number == 2:
            pixels[10:30, 20:40] = crop()[..., 2]
        Image.fromarray(pixels).save(tmp_path / "data" / f"{number}.png")
    Image.fromarray(crop()[..., 2]).save(tmp_path / "crop.png")
    save_backbone(build_backbone("timm/test_resnet", channels=channels), tmp_path / "run")
    found = find(str(tmp_path / "run"), **asked(tmp_path, negatives=None, example=tmp_path / "crop.png", layer="conv1"))
    assert found.matches[0].key == "2.png"
    assert abs(found.matches[0].left - 20) <= 2
    assert abs(found.matches[0].top - 10) <= 2
