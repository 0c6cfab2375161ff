"""COCO, VOC, CheXpert and BDD100K as published: labels by hand, splits that leak nothing, faults in a sentence."""

import csv
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.annotated_layouts import CATEGORIES, COCO_SHOWN, bdd100k, chexpert, coco, voc
from data.layouts import picture
from undercoat.data import list_data, open_data
from undercoat.data.readers.chexpert import FINDINGS
from undercoat.errors import DataError, SpecError

FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")


def of(listing, split):
    return [key for key, name in zip(listing.keys, listing.splits, strict=True) if name == split]


class TestCoco:
    @pytest.mark.parametrize(("year", "images"), [("2014", ""), ("2017", "images")])
    def test_presence_in_the_published_order(self, tmp_path, year, images):
        data = open_data(f"coco:{coco(tmp_path / 'set', year, images)}", cache=tmp_path / "cache")
        assert data.classes == ("person", "bicycle", "stop sign", "toothbrush")
        wanted = [[int(number in shown) for number, _ in CATEGORIES] for shown in COCO_SHOWN]
        assert data.labels.tolist() == [*wanted, *wanted]
        assert data.labels.dtype == np.uint8
        assert np.abs(data.batch(np.arange(8))[:, 0, 0, 0] - 20.0 * np.arange(8)).max() <= 2  # the right pixels (JPEG)
        assert data.notes[0] == f"COCO {year}"

    def test_val_is_halved(self, tmp_path):
        listing = list_data(f"coco:{coco(tmp_path, val=40)}")
        assert [len(of(listing, split)) for split in ("train", "val", "test")] == [8, 20, 20]
        assert all("val2014" in key for key in of(listing, "val") + of(listing, "test"))
        assert "the split is Undercoat's own (50% test of the published val" in listing.notes[-1]
        assert of(list_data(f"coco:{tmp_path}"), "test") == of(listing, "test")

    def test_images_that_are_missing(self, tmp_path):
        for i in (0, 7, 14, 21):
            (coco(tmp_path) if not i else tmp_path).joinpath(f"train2014/COCO_train2014_{100 + i:012d}.jpg").unlink()
        with pytest.raises(
            DataError, match=r"4 of the 8 images that 'instances_train2014.json' .*000000000100.jpg, .* 1"
        ):
            list_data(f"coco:{tmp_path}")

    @pytest.mark.parametrize(
        ("change", "hint"),
        [
            (lambda root, path: path.write_text(path.read_text()[:-300]), "is cut off or no JSON"),
            (
                lambda root, path: path.write_text('{"images": [{"id": 1}]}'),
                "an entry without 'file_name', so it is no COCO",
            ),
            (lambda root, path: path.write_text('{"images": [3]}'), "so it is no COCO"),
            (lambda root, path: path.write_text('{"images": [], "annotations": []}'), "has no list 'categories'"),
            (lambda root, path: path.unlink(), "no instances_val2014.json"),
            (lambda root, path: shutil.rmtree(root / "val2014"), "no folder val2014/"),
            (lambda root, path: shutil.rmtree(root / "annotations"), "give the folder that holds annotations/inst"),
            (lambda root, path: path.write_text(path.read_text().replace("bicycle", "bike")), "other categories than"),
            (
                lambda root, path: path.write_text(path.read_text().replace('"image_id": 200', '"image_id": 9')),
                "first: i",
            ),
        ],
    )
    def test_mistakes(self, tmp_path, change, hint):
        root = coco(tmp_path)
        change(root, root / "annotations" / "instances_val2014.json")
        with pytest.raises(DataError) as error:
            list_data(f"coco:{root}")
        assert hint in str(error.value)
        assert str(error.value).count("; ") == 1

    def test_lists_that_name_the_categories_in_different_orders(self, tmp_path):
        path = coco(tmp_path) / "annotations" / "instances_val2014.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, "categories": content["categories"][::-1]}))
        listing = list_data(f"coco:{tmp_path}")
        assert listing.classes == ("person", "bicycle", "stop sign", "toothbrush")
        wanted = [[int(number in shown) for number, _ in CATEGORIES] for shown in COCO_SHOWN]
        assert listing.labels.tolist() == [*wanted, *wanted]

    @pytest.mark.parametrize(
        ("change", "hint"),
        [
            (lambda found: found["images"].append({**found["images"][0], "id": 999}), "name 1 images twice"),
            (lambda found: found["images"].append(found["images"][0]), "has image 149 twice"),
            (lambda found: found.update(categories=[], annotations=[]), "has no categories"),
            (lambda found: found["categories"].append({"id": 91, "name": "person"}), "or two of one name"),
        ],
    )
    def test_lists_with_something_twice(self, tmp_path, change, hint):
        path = coco(tmp_path) / "annotations" / "instances_train2014.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        with pytest.raises(DataError, match=hint):
            list_data(f"coco:{tmp_path}")

    def test_unhashable_numbers_are_no_traceback(self, tmp_path):
        root = coco(tmp_path)
        path = root / "annotations" / "instances_train2014.json"
        path.write_text(path.read_text().replace('"image_id": 100', '"image_id": [100]'))
        with pytest.raises(DataError, match="so it is no COCO"):
            list_data(f"coco:{root}")


class TestVoc:
    def test_both_years(self, tmp_path):
        data = open_data(f"voc:{voc(tmp_path / 'set')}", cache=tmp_path / "cache")
        assert data.classes == ("aeroplane", "cat", "tvmonitor")
        row = [[1, 0, 0], [0, 0, 1], [0, 1, 0]]  # by image: 1, 0 (hard) and -1 in turns, shifted by class
        assert data.labels.tolist() == [row[i % 3] for count in (6, 5, 4) for i in range(count)]
        assert len(set(data.keys)) == 15
        assert {"VOC2007/JPEGImages/000001.jpg", "VOC2012/JPEGImages/000001.jpg"} < set(data.keys)
        assert of(data, "test") == [f"VOC2007/JPEGImages/00000{i}.jpg" for i in (7, 8, 9)] + [
            "VOC2007/JPEGImages/000010.jpg"
        ]
        assert len(of(data, "train")) > len(of(data, "val")) > 0
        assert data.batch(np.array([6]))[0, 0, 0, 0] == pytest.approx(0, abs=2)  # the first of 2012

    def test_only_the_test_of_2007_has_labels(self, tmp_path):
        wanted = list_data(f"voc:{voc(tmp_path)}")
        lists = tmp_path / "VOCdevkit" / "VOC2012" / "ImageSets" / "Main"
        for path in list(lists.glob("*_trainval.txt")):
            (lists / path.name.replace("trainval", "test")).write_text("2008_999999  0\n")
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))  # as Windows saves it
        found = list_data(f"voc:{tmp_path}")
        assert found.notes == wanted.notes
        assert (list(found.keys), found.labels.tolist()) == (list(wanted.keys), wanted.labels.tolist())

    def test_an_image_of_trainval_and_of_test(self, tmp_path):
        for path in voc(tmp_path).glob("VOCdevkit/VOC2007/ImageSets/Main/*_trainval.txt"):
            path.with_name(path.name.replace("trainval", "test")).write_bytes(path.read_bytes())
        with pytest.raises(DataError, match=r"name 6 images twice \(VOC2007/JPEGImages/000001.jpg"):
            list_data(f"voc:{tmp_path}")

    def test_the_devkit_itself_and_one_year(self, tmp_path):
        shutil.rmtree(voc(tmp_path) / "VOCdevkit" / "VOC2007")
        listing = list_data(f"voc:{tmp_path / 'VOCdevkit'}")
        assert len(listing) == 5
        assert "there is no test part; unpack VOCtest_06-Nov-2007" in listing.notes

    @pytest.mark.parametrize(
        ("name", "text", "hint"),
        [
            ("cat_trainval.txt", "000001 2\n", "line 1 of"),
            ("cat_trainval.txt", "000001 1\n", "does not list the same images as 'aeroplane_trainval.txt'"),
            ("cat_test.txt", None, "the other classes have theirs"),
            ("dog_trainval.txt", "000001 1\n", "have not lists of the same classes (dog)"),
            ("cat_trainval.txt", "000001 1\n000001 -1\n", "line 2 of"),
            ("cat_trainval.txt", "\n", "is empty"),
        ],
    )
    def test_mistakes(self, tmp_path, name, text, hint):
        path = voc(tmp_path) / "VOCdevkit/VOC2007/ImageSets/Main" / name
        path.unlink() if text is None else path.write_text(text)
        with pytest.raises(DataError) as error:
            list_data(f"voc:{tmp_path}")
        assert hint in str(error.value)

    def test_images_that_are_missing(self, tmp_path):
        (voc(tmp_path) / "VOCdevkit/VOC2012/JPEGImages/2008_000002.jpg").unlink()
        with pytest.raises(DataError, match=r"1 of the 5 images that 'VOC2012/.*2008_000002.jpg\); unpack VOC2012"):
            list_data(f"voc:{tmp_path}")


class TestChexpert:
    def test_small_with_zeros(self, tmp_path):
        data = open_data(f"chexpert:{chexpert(tmp_path / 'set')}", cache=tmp_path / "cache")
        assert data.classes == FIVE
        first = data.labels[[key.endswith("view1_frontal.jpg") for key in data.keys]]
        assert (first == [1, 0, 0, 0, 0]).all()  # atelectasis; uncertain edema counts as absent, blanks too
        second = data.labels[["view2" in key for key in data.keys]]
        assert (second == [1, 0, 0, 0, 1]).all()
        assert len(of(data, "test")) == 4
        assert set(np.char.partition(list(data.keys), "/")[:, 0][data.splits == "test"]) == {"valid"}
        assert data.keys[0] == "train/patient00001/study1/view1_frontal.jpg"

    def test_policies(self, tmp_path):
        root = chexpert(tmp_path)
        first = np.array([key.endswith("view1_frontal.jpg") for key in list_data(f"chexpert:{root}").keys])
        train = np.array([key.startswith("train") for key in list_data(f"chexpert:{root}").keys])
        ones = list_data(f"chexpert:{root}?uncertain=ones").labels
        assert (ones[first & train] == [1, 0, 0, 1, 0]).all()
        ignore = list_data(f"chexpert:{root}?uncertain=ignore").labels
        assert (ignore[first & train] == 255).all()
        assert (ignore[~(first & train)] <= 1).all()

    def test_all_findings(self, tmp_path):
        listing = list_data(f"chexpert:{chexpert(tmp_path)}?labels=all&uncertain=ones")
        assert listing.classes == FINDINGS
        present = {FINDINGS[i] for i in np.flatnonzero(listing.labels[0])}
        assert present == {"No Finding", "Edema", "Atelectasis", "Support Devices"}

    @pytest.mark.parametrize("inside", ["", "CheXpert-v1.0"])
    def test_full_size_and_a_folder_of_another_name(self, tmp_path, inside):
        root = chexpert(tmp_path, name="CheXpert-v1.0")
        if not inside:
            root = (root / "CheXpert-v1.0").rename(tmp_path / "mine")
        assert len(list_data(f"chexpert:{root}")) == 24

    @settings(max_examples=10, deadline=None)
    @given(views=st.lists(st.integers(1, 4), min_size=5, max_size=12))
    def test_no_patient_is_on_two_sides(self, tmp_path_factory, views):
        root = chexpert(tmp_path_factory.mktemp("set"), len(views), views=views)
        specs = ("", "?labels=all", "?uncertain=ignore")
        listings = [list_data(f"chexpert:{root}{options}") for options in specs]
        sides = {}
        for group, split in zip(listings[0].groups, listings[0].splits, strict=True):
            assert sides.setdefault(group, split) == split
        assert set(sides.values()) == {"train", "val", "test"}
        assert all((listing.splits == listings[0].splits).all() for listing in listings)  # whatever the labels

    def test_the_share_of_val(self, tmp_path):
        listing = list_data(f"chexpert:{chexpert(tmp_path, 60)}")
        train, val = len(of(listing, "train")), len(of(listing, "val"))
        assert val / (train + val) == pytest.approx(0.2, abs=0.02)

    @pytest.mark.parametrize("options", ["?labels=five", "?uncertain=one", "?uncertain=u-zeros"])
    def test_choices_that_there_are_not(self, tmp_path, options):
        with pytest.raises(SpecError, match="is no choice of '"):
            list_data(f"chexpert:{chexpert(tmp_path)}{options}")

    def test_an_option_that_stands_twice(self, tmp_path):
        with pytest.raises(SpecError, match=r"option 'uncertain' stands twice"):
            list_data(f"chexpert:{chexpert(tmp_path)}?uncertain=ones&uncertain=zeros")

    def test_the_option_is_for_chexpert(self, tmp_path):
        with pytest.raises(SpecError, match=r"option 'uncertain' in .* is for chexpert"):
            list_data(f"bdd100k:{bdd100k(tmp_path)}?uncertain=ones")

    @pytest.mark.parametrize(
        ("change", "hint"),
        [
            (lambda rows: [[cell.replace("Edema", "Oedema") for cell in row] for row in rows], "has no column 'Edema'"),
            (lambda rows: [rows[0], ["x.jpg", *rows[1][1:]]], "line 2 of"),
            (lambda rows: [rows[0], [cell.replace("-1.0", "maybe") for cell in rows[1]]], "has 'maybe' for Edema"),
            (
                lambda rows: [[cell.replace("patient00002", "patient64541") for cell in row] for row in rows],
                "1 patients of",
            ),
            (lambda rows: [*rows, [rows[1][0].replace("view1", "view9"), *rows[1][1:]]], "1 of the 25 images"),
            (lambda rows: [[]], "has no column 'Path', 'Atelectasis'"),
            (lambda rows: [rows[0], rows[1][:2]], "line 2 of"),
            (lambda rows: [*rows[:-1], rows[-1][:9]], "has not as many fields as its head, as when a copy broke off"),
            (lambda rows: [*rows, rows[1]], "name 1 images twice (train/patient00001/study1/view1_frontal.jpg)"),
            (lambda rows: rows[:1], "train.csv' names no image"),
        ],
    )
    def test_mistakes(self, tmp_path, change, hint):
        file = chexpert(tmp_path) / "CheXpert-v1.0-small" / "train.csv"
        rows = change(list(csv.reader(file.read_text().splitlines())))
        with file.open("w", newline="") as text:
            csv.writer(text).writerows(rows)
        with pytest.raises(DataError) as error:
            list_data(f"chexpert:{tmp_path}")
        assert hint in str(error.value)

    def test_valid_is_missing(self, tmp_path):
        (chexpert(tmp_path) / "CheXpert-v1.0-small" / "valid.csv").unlink()
        with pytest.raises(DataError, match=r"valid.csv' is not there"):
            list_data(f"chexpert:{tmp_path}")


class TestBdd100k:
    def test_a_value_that_is_null_is_undefined(self, tmp_path):
        path = bdd100k(tmp_path) / "labels" / "bdd100k_labels_images_train.json"
        path.write_text(path.read_text().replace('"weather": "clear"', '"weather": null', 1))
        listing = list_data(f"bdd100k:{tmp_path}")
        assert listing.classes == ("clear", "overcast", "rainy", "snowy")
        assert listing.labels[0] == -1

    def test_an_image_of_train_and_of_val(self, tmp_path):
        folder = bdd100k(tmp_path) / "images" / "100k"
        shutil.copy(folder / "train" / "unlisted.jpg", folder / "val")
        with pytest.raises(DataError, match=r"1 images of .* are in train and in val \(unlisted.jpg\)"):
            list_data(f"bdd100k:{tmp_path}")

    def test_an_empty_list(self, tmp_path):
        (bdd100k(tmp_path) / "labels" / "bdd100k_labels_images_val.json").write_text("[]")
        with pytest.raises(DataError, match="names no image"):
            list_data(f"bdd100k:{tmp_path}")

    def test_weather(self, tmp_path):
        data = open_data(f"bdd100k:{bdd100k(tmp_path / 'set')}", cache=tmp_path / "cache")
        assert data.classes == ("clear", "overcast", "rainy", "snowy")
        number = {0: 0, 1: 2, 2: 1, 3: 3, 4: -1}  # clear, rainy, overcast, snowy, undefined
        assert data.labels.tolist() == [*(number[i % 5] for i in range(20)), -1, *(number[i % 5] for i in range(6))]
        assert data.keys[20] == "images/100k/train/unlisted.jpg"
        assert [len(of(data, split)) for split in ("train", "val", "test")] == [17, 4, 6]
        assert all("/val/" in key for key in of(data, "test"))
        assert data.notes[0] == "classes are by weather; 6 images are of none and stay unlabelled"

    def test_other_attributes_are_cut_alike(self, tmp_path):
        root = bdd100k(tmp_path / "bdd100k")
        weather, scene = list_data(f"bdd100k:{tmp_path}"), list_data(f"bdd100k:{root}?labels=scene")
        assert scene.classes == ("city street", "highway")
        assert (scene.splits == weather.splits).all()
        assert list_data(f"bdd100k:{root}?labels=timeofday").classes == ("night",)
        with pytest.raises(SpecError, match="did you mean 'weather'"):
            list_data(f"bdd100k:{root}?labels=wether")

    @pytest.mark.parametrize(
        ("change", "hint"),
        [
            (lambda path: path.write_text(path.read_text()[:-500]), "is cut off or no JSON"),
            (lambda path: path.write_text('{"frames": []}'), "it is no list, but has frames"),
            (lambda path: path.write_text('[{"name": "a.jpg"}]'), "a frame without 'attributes'"),
            (lambda path: path.unlink(), "is not there; unpack the labels"),
            (
                lambda path: path.write_text(path.read_text().replace("clear", "foggy")),
                "has foggy, which train has not",
            ),
            (lambda path: path.write_text(path.read_text().replace("v0000001", "w")), "1 of the 6 images that"),
        ],
    )
    def test_mistakes(self, tmp_path, change, hint):
        change(bdd100k(tmp_path) / "labels" / "bdd100k_labels_images_val.json")
        with pytest.raises(DataError) as error:
            list_data(f"bdd100k:{tmp_path}")
        assert hint in str(error.value)


def test_cards_refuse_what_is_half_there(tmp_path):
    root = coco(tmp_path / "coco")
    shutil.rmtree(root / "val2014")
    with pytest.raises(DataError, match=r"val2014' is not there; COCO 2014 wants train2014/, val2014/ and"):
        list_data(f"card:coco-2014:{root}")
    with pytest.raises(DataError, match=r"has 24 of the 223,648 images of CheXpert"):
        list_data(f"card:chexpert:{chexpert(tmp_path / 'chexpert')}")


def test_labels_are_read_again_and_pixels_are_not(tmp_path):
    root, cache = coco(tmp_path / "set"), tmp_path / "cache"
    before = open_data(f"coco:{root}", cache=cache)
    path = root / "annotations" / "instances_train2014.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "annotations": content["annotations"][2:]}))
    after = open_data(f"coco:{root}", cache=cache)
    assert after.digest == before.digest
    assert after.labels[0].tolist() == [0, 0, 0, 0]
    assert before.labels[0].tolist() == [1, 0, 0, 0]


def test_a_table_with_groups_keeps_them_together(tmp_path):
    from undercoat.data.splits import split_rows

    rows = ["path,label,group"]
    for i in range(30):
        picture(tmp_path / f"{i}.jpg", i)
        rows.append(f"{i}.jpg,{'ab'[i % 2]},patient{i // 3}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    data = open_data(tmp_path / "t.csv", cache=tmp_path / "cache")
    fit, held = split_rows(data, (0.8, 0.2), seed=3)
    assert not set(data.groups[fit]) & set(data.groups[held])
    assert len(held) == 6
