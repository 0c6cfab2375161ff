"""Data cards: sound, in step with the readers, and what ``undercoat list data`` prints."""

import json

import pytest

from undercoat.cli import main
from undercoat.data import CARDS, READERS, SAMPLES


@pytest.mark.parametrize("name", list(CARDS))
def test_cards_are_sound(name):
    card = CARDS[name]
    assert card.reader in READERS
    assert card.url.startswith(("https://", "http://"))
    assert card.paper
    assert set(card.images) <= {"train", "val", "test"} or set(card.images) == {"all"} or not card.images
    assert min(card.images.values(), default=1) > 0
    assert not card.whole or card.whole == sum(card.images.values())
    assert len(card.mean) == len(card.std)
    assert len(card.mean) in (0, card.channels)
    assert all(0 < value < 1 for value in card.mean + card.std)


@pytest.mark.parametrize("name", ["cifar-10", "cifar-100", "imagenet-1k", "places205", "places365", "fashion-mnist"])
def test_sets_that_are_balanced_have_as_many_test_images_of_every_class(name):
    (count,) = (count for part, count in CARDS[name].images.items() if part != "train")
    assert count % CARDS[name].classes == 0


def test_the_list_has_every_card_and_is_100_columns_wide(capsys):
    assert main(["list", "data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert len(set(names)) == len(names) >= len(CARDS) + len(READERS) + len(SAMPLES)
    assert {f"card:{name}" for name in CARDS} < set(names)
    assert max(map(len, lines)) <= 100
    (line,) = [line for line in lines if line.startswith("card:mnist ")]
    assert line.endswith("handwritten digits, 60,000 + 10,000, 10 classes, accuracy")


def test_a_filter_shows_all_that_one_needs_to_get_a_set(capsys):
    assert main(["list", "data", "--filter", "imagenet-1k"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in ("1,281,167 train + 50,000 val", "1000 classes", "non-commercial", "https://www.image-net.org", "flat"):
        assert part in said


def test_json_has_all_fields(capsys):
    assert main(["list", "data", "--json", "--filter", "cifar-100"]) == 0
    (card,) = json.loads(capsys.readouterr().out).values()
    assert card["images"] == {"train": 50000, "test": 10000}
    assert (card["classes"], card["reader"], card["size_px"]) == (100, "cifar", [32, 32])
    assert main(["list", "data", "--json", "--filter", "sample:noto"]) == 0
    assert json.loads(capsys.readouterr().out)["sample:noto"]["licence"] == "Apache-2.0"
