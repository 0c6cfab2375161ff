import math

import pytest
import torch
from torch.nn.functional import normalize

from networks import tiny_backbone
from undercoat.errors import SpecError
from undercoat.functional.contrastive import info_nce
from undercoat.functional.noise_contrastive import noise_contrastive
from undercoat.methods import PIRL, Facts


def facts(**changes):
    known = {"images": 500, "batch": 64, "steps": 1000, "initialised": False, "batch_norm": False, "size_px": 64}
    return Facts(**{**known, **changes})


@pytest.fixture
def pirl():
    return lambda norm=False, **arguments: PIRL(tiny_backbone(norm=norm), **{"images": 32, "dim": 8, **arguments})


@pytest.fixture
def batch(make_batch):
    return lambda step=0, size=8: make_batch(step, size=size, pixels=48)


def embeddings(method, batch):
    with torch.no_grad():
        image = normalize(method.image_head(method.backbone(batch.views[0])), dim=1)
        tiles = torch.stack([method.backbone(tile) for tile in method.inputs(batch)[1:]], dim=1)
        return image, normalize(method.tiles_head(method.tile_head(tiles).flatten(1)), dim=1)


@pytest.mark.parametrize(("name", "loss"), [("nce", noise_contrastive), ("info_nce", info_nce)])
def test_loss_weighs_tiles_and_image_against_the_bank(name, loss, pirl, batch):
    method = pirl(loss=name, temperature=0.3, weight=0.25, random_rows=True)
    rows, first = method.bank.rows.clone(), batch()
    image, tiles = embeddings(method, first)
    own = first.index[:, None] == torch.arange(32)[None, :]
    others = {"temperature": 0.3, "excluded": own}
    expected = 0.25 * loss(tiles, rows[:8], rows, **others) + 0.75 * loss(image, rows[:8], rows, **others)
    output = method(first)
    assert output["loss"].item() == pytest.approx(expected.item(), abs=1e-4)
    assert torch.allclose(output["embeddings"], torch.stack([image, tiles]), atol=1e-5)
    mixed = 0.25 * output["loss_tiles"] + 0.75 * output["loss_image"]
    assert mixed.item() == pytest.approx(output["loss"].item(), abs=1e-5)


def test_the_bank_follows_the_image_branch(pirl, batch):
    method, first = pirl(bank_momentum=0.5), batch()
    image, _ = embeddings(method, first)
    before = method.bank.rows.clone()
    method(first)
    assert torch.allclose(method.bank.rows[:8], image, atol=1e-5)  # the first visit replaces the random row
    assert torch.equal(method.bank.rows[8:], before[8:])
    again = batch()
    again.views = again.views[::-1]
    second, _ = embeddings(method, again)
    method(again)
    assert torch.allclose(method.bank.rows[:8], normalize(image + second, dim=1), atol=1e-5)


def test_unseen_images_are_no_negatives_and_their_positive_is_their_own_embedding(pirl, batch):
    method = pirl(loss="info_nce", temperature=0.5)
    assert method(batch(0))["loss"].item() == pytest.approx(0.0, abs=1e-6)  # nobody to be told apart from
    second = batch(1)
    image, tiles = embeddings(method, second)
    rows = method.bank.rows[:8].clone()  # those of the first batch, no more
    expected = [info_nce(query, image, rows, temperature=0.5).item() for query in (tiles, image)]
    output = method(second)
    assert [output["loss_tiles"].item(), output["loss_image"].item()] == pytest.approx(expected, abs=1e-4)


def test_an_image_is_never_its_own_negative(pirl, batch):
    method = pirl(images=8, loss="info_nce", weight=0.0)
    first = batch()
    first.views = (torch.ones(8, 3, 48, 48),) * 2
    method(first)
    assert method(first)["loss"].item() == pytest.approx(math.log(8), abs=1e-4)  # seven others, all alike


def test_negatives_are_drawn_anew_each_step_and_never_more_than_there_are(pirl, batch):
    assert pirl(negatives=32_000).negatives == 31
    few = pirl(negatives=10)
    drawn = [few._chosen_rows(batch(step)) for step in (0, 0, 1)]
    assert drawn[0].shape == (10,)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert 0 <= min(d.min() for d in drawn) <= max(d.max() for d in drawn) < 32
    assert torch.equal(pirl()._chosen_rows(batch()), torch.arange(32))


def test_tiles_are_laid_in_any_order(pirl, make_batch):
    cell = torch.arange(9.0).view(3, 3).repeat_interleave(16, 0).repeat_interleave(16, 1) / 10
    shown = make_batch(size=300, pixels=48)
    shown.views = (shown.views[0], cell.expand(300, 3, 48, 48))
    tiles = torch.stack(pirl(images=400).inputs(shown)[1:], dim=1)
    cells = (tiles.mean(dim=(2, 3, 4)) * 10).round().long()
    assert (cells.sort(dim=1).values == torch.arange(9)).all()
    assert len(cells.unique(dim=0)) > 290
    counts = torch.stack([(cells == tile).sum(dim=0) for tile in range(9)])
    assert counts.min() > 300 / 9 - 5 * math.sqrt(300 / 9)  # every tile comes to every place


def test_running_statistics_are_those_of_whole_images(pirl, batch):
    method, first = pirl(norm=True), batch()
    expected = tiny_backbone(norm=True).train()
    expected(first.views[0])
    method.train()(first)
    for mine, other in zip(method.backbone.buffers(), expected.buffers(), strict=True):
        if mine.dtype.is_floating_point:
            assert torch.allclose(mine, other)
    assert method.backbone.trunk[1].momentum == 0.1


def test_it_learns_to_know_images_by_what_they_show(pirl, batch):
    """Thirty-two images in colours of their own, under noise that differs from view to view."""
    colours = torch.rand(32, 3, 1, 1, generator=torch.Generator().manual_seed(1))

    def shown(step):
        four = batch(step % 4)
        noise = torch.rand(2, 8, 3, 48, 48, generator=torch.Generator().manual_seed(step))
        four.views = tuple(0.8 * colours[four.index] + 0.2 * noise)
        return four

    method = pirl(loss="info_nce", temperature=0.2)
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    losses = []
    for step in range(80):
        loss = method(shown(step))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-4:]) / 4 < 0.6 * math.log(32)
    image, tiles = embeddings(method, shown(100))
    assert (image @ tiles.T).argmax(dim=1).eq(torch.arange(8)).sum() >= 6  # tiles find their image


def test_pictures_show_each_image_with_its_tiles(pirl, batch):
    with torch.no_grad():
        (picture,) = pirl().eval().pictures(batch())
    assert [len(row) for row in picture.rows] == [8, 8]
    assert len({image.shape for row in picture.rows for image in row}) == 1


@pytest.mark.parametrize("images", [2, 100, 1906, 10**6])
def test_auto_has_fewer_negatives_than_images(images):
    auto = PIRL.auto(facts(images=images))
    assert auto["images"].value == images
    assert 1 <= auto["negatives"].value < images
    assert auto["negatives"].value <= 4096
    assert all(value.reason for value in auto.values())


def test_what_cannot_be_done_is_refused_in_one_sentence(pirl):
    with pytest.raises(SpecError, match="the data has 1;"):
        PIRL.auto(facts(images=1))
    with pytest.raises(SpecError, match="views of 16 px"):
        PIRL.auto(facts(size_px=16))
    with pytest.raises(SpecError, match="None images"):
        pirl(images=None)
    with pytest.raises(SpecError, match="with 0 negatives"):
        pirl(negatives=0)
    with pytest.raises(SpecError, match="nce or info_nce"):
        pirl(loss="triplet")


def test_paper_values_are_arguments_of_the_method(pirl):
    method = pirl(**PIRL.PRESETS["paper"].arguments)
    assert (method.temperature, method.weight, method.bank.momentum, method.negatives) == (0.07, 0.5, 0.5, 31)
    assert method.bank.seen.all()
    assert len(method.image_head) == len(method.tiles_head) == 1
    later = pirl(**PIRL.PRESETS["mlp"].arguments)
    assert later.loss is info_nce
    assert later.image_head[0].out_features == later.tiles_head[0].out_features == 2048
