"""``card:NAME:FOLDER``: the layout is checked, then the card's reader reads."""

import pytest

from data.layouts import imagenet_train, imagenet_val
from data.published_layouts import chest_xray_kids, domainnet, flowers, resisc, uc_merced
from undercoat.cli import main
from undercoat.data import CARDS, list_data
from undercoat.data.address import parse_address
from undercoat.data.cards.checking import check_whole
from undercoat.errors import DataError, SpecError


def whole_uc_merced(root, images=100):
    """As many files as are published; nothing is decoded by a listing, so they may be empty."""
    for number in range(21):
        folder = root / "UCMerced_LandUse" / "Images" / f"class{number:02d}"
        folder.mkdir(parents=True)
        for i in range(images):
            (folder / f"class{number:02d}_{i:02d}.tif").touch()
    return root


def test_a_whole_set_is_read_by_its_reader(tmp_path):
    listing = list_data(f"card:uc-merced:{whole_uc_merced(tmp_path)}?split=train")
    assert (len(listing), listing.reader, len(listing.classes)) == (2100, "uc_merced", 21)
    assert listing.name == f"card:uc-merced:{tmp_path}?split=train"
    assert list_data(f"uc_merced:{tmp_path}").stamp == listing.stamp


def test_options_and_limits_work_on_cards(tmp_path):
    address = parse_address(f"card:chest-xray-kids:{tmp_path}?labels=causes&limit=5", ("chest_xray_kids",))
    assert (address.card, address.reader, address.labels, address.limit) == (
        "chest-xray-kids",
        "chest_xray_kids",
        "causes",
        5,
    )
    assert len(list_data(f"card:uc-merced:{whole_uc_merced(tmp_path)}?limit=21")) == 63


def test_a_reader_of_one_card_stands_for_it(tmp_path):
    names = ("resisc", "uc_merced", "flowers", "chest_xray_kids")
    cards = [parse_address(f"card:{name}:{tmp_path}", ()).card for name in names]
    assert cards == ["resisc-45", "uc-merced", "flowers-102", "chest-xray-kids"]
    with pytest.raises(SpecError, match=r"'domainnet' in .* is no card of a public data set; did you mean 'domainnet-"):
        parse_address(f"card:domainnet:{tmp_path}", ())  # there are six


def test_sets_of_cards_are_joined(tmp_path):
    whole = whole_uc_merced(tmp_path / "a")
    assert len(list_data(f"card:uc-merced:{whole}+folder:{resisc(tmp_path / 'b')}")) == 2115


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (
            "setid.mat",
            r"set.setid.mat' is not there; Oxford Flowers-102 wants jpg/, imagelabels.mat and setid.mat, "
            r"from https://www.robots.ox.ac.uk/~vgg/data/flowers/102/$",
        ),
        ("jpg", "set.jpg' is not there; Oxford Flowers-102 wants jpg/"),
    ],
)
def test_what_is_missing_is_named_with_where_to_get_it(missing, said, tmp_path):
    root = flowers(tmp_path / "set")
    (root / missing).rename(root / "elsewhere")
    with pytest.raises(DataError, match=said):
        list_data(f"card:flowers-102:{root}")


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("flowers-102", flowers, "has 3 of the 102 classes of Oxford Flowers-102; unpack it again, or .* as flowers:"),
        ("domainnet-sketch", domainnet, "has 3 of the 345 classes of DomainNet sketch"),
        ("uc-merced", uc_merced, "has 3 of the 21 classes of UC Merced Land Use"),
        ("uc-merced", lambda root: whole_uc_merced(root, images=99), "has 2,079 of the 2,100 images of UC Merced"),
        ("imagenet-1k", imagenet_train, "has 4 of the 1,000 classes of ImageNet"),
    ],
)
def test_half_a_set_is_refused(name, make, said, tmp_path):
    make(tmp_path / "set")
    with pytest.raises(DataError, match=said):
        list_data(f"card:{name}:{tmp_path / 'set'}")


def test_a_card_reads_its_own_domain(tmp_path):
    for domain in ("clipart", "sketch"):
        domainnet(tmp_path / "set", domain)
    for inside in ("", "/clipart"):
        with pytest.raises(DataError, match="clipart' has 3 of the 345 classes of DomainNet clipart"):
            list_data(f"card:domainnet-clipart:{tmp_path / 'set'}{inside}")
    with pytest.raises(DataError, match=r"sketch.clipart' is not there; DomainNet clipart wants the folder clipart/"):
        list_data(f"card:domainnet-clipart:{tmp_path / 'set' / 'sketch'}")


def test_other_labels_than_the_cards_are_not_counted(tmp_path):
    listing = list_data(f"imagenet:{imagenet_val(imagenet_train(tmp_path) / 'val', in_classes=True).parent}")
    with pytest.raises(DataError, match="of the 100 classes"):
        check_whole("cifar-100", "set", listing)
    with pytest.raises(DataError, match="20 of the 60,000 images of CIFAR-100"):
        check_whole("cifar-100", "set", listing, other_labels=True)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("card:flower-102:x", "'flower-102' in .* is no card of a public data set; did you mean 'flowers-102'"),
        ("card:flowers-102", "names no folder; write card:flowers-102:FOLDER"),
        ("card:zzz:x", "see undercoat list data --filter card:"),
        ("card::x", "'' in 'card::x' is no card"),
    ],
)
def test_bad_specs_say_what_to_write(spec, said):
    with pytest.raises(SpecError, match=said):
        list_data(spec)


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(DataError, match="missing' does not exist"):
        list_data(f"card:flowers-102:{tmp_path / 'missing'}")


@pytest.mark.parametrize("name", list(CARDS))
def test_an_empty_folder_is_one_sentence_for_every_card(name, tmp_path, capsys):
    assert main(["data", "inspect", f"card:{name}:{tmp_path}", "--cache", str(tmp_path / "cache")]) != 0
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert str(tmp_path) in said.replace("\n", "")


def test_the_command_line_inspects_a_card(tmp_path, capsys):
    spec = f"card:chest-xray-kids:{chest_xray_kids(tmp_path / 'set')}?labels=causes"
    assert main(["data", "inspect", spec, "--cache", str(tmp_path / "cache")]) == 0
    said = capsys.readouterr().out
    assert "train 25, val 7, test 4" in said
    assert "BACTERIA 13" in said
