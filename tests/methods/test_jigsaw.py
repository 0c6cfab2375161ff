import numpy as np
import pytest
import torch
from torch import nn

from networks import tiny_backbone
from undercoat.augment.batch import Batch
from undercoat.errors import SpecError
from undercoat.functional.draws import Draws
from undercoat.functional.jigsaw import hamming_distances, permutation_set
from undercoat.methods import Facts
from undercoat.methods.jigsaw import Jigsaw


def facts(**changes):
    known = {"images": 500, "batch": 64, "steps": 1000, "initialised": False, "batch_norm": False, "size_px": 64}
    return Facts(**{**known, **changes})


def numbered(batch):
    """Replace the view by one whose cells 0 … 8 have the brightness 0.0 … 0.8 all over."""
    size = batch.views[0].shape[-1]
    cell = torch.arange(9.0).view(3, 3).repeat_interleave(size // 3, 0).repeat_interleave(size // 3, 1) / 10
    batch.views = (cell.expand_as(batch.views[0]).clone(),)
    return batch


def test_tiles_are_laid_in_the_order_that_is_asked_for(make_batch):
    method = Jigsaw(tiny_backbone(), permutations=24, normalise_tiles=False)
    batch = numbered(make_batch(views=1, pixels=48, size=64))
    seen = torch.stack([tile.mean(dim=(1, 2, 3)) for tile in method.inputs(batch)], dim=1)
    cells = (seen * 10).round().long()
    number = (cells[:, None] == method.permutations[None]).all(dim=2)
    assert (number.sum(dim=1) == 1).all()  # each puzzle lies in exactly one order of the set
    assert len(number.long().argmax(dim=1).unique()) > 12  # and not always in the same

    def knows_the_order(tiles):
        return number.float() * 50

    method._logits = knows_the_order
    output = method(batch)
    assert output["accuracy"].item() == 1.0
    assert output["loss"].item() < 1e-6


def test_an_order_depends_on_the_image_and_its_visit_not_on_its_place(make_batch):
    method, batch = Jigsaw(tiny_backbone(), permutations=24), make_batch(views=1, pixels=48)
    turned = np.arange(7, -1, -1)
    draws = Draws(batch.draws.seed, batch.draws.epoch[turned], batch.draws.index[turned])
    backwards = Batch((batch.views[0][turned.copy()],), batch.index[turned.copy()], draws, 0)
    for tile, other in zip(method.inputs(batch), method.inputs(backwards), strict=True):
        assert torch.equal(tile, other.flip(0))
    later = Batch(batch.views, batch.index, Draws(0, batch.draws.epoch + 1, batch.draws.index), 0)
    assert not torch.equal(method.inputs(batch)[0], method.inputs(later)[0])


def test_the_backbone_sees_each_tile_with_mean_0_and_deviation_1(make_batch):
    backbone = tiny_backbone()
    for tile in Jigsaw(backbone, permutations=24).inputs(make_batch(views=1, pixels=48)):
        seen = (tile - backbone.mean) / backbone.std
        assert tile.shape == (8, 3, 12, 12)
        assert seen.mean(dim=(2, 3)).abs().max() < 1e-5
        assert (seen.std(dim=(2, 3), correction=0) - 1).abs().max() < 1e-4


def test_light_and_contrast_of_the_picture_change_nothing(make_batch):
    method, batch = Jigsaw(tiny_backbone(), permutations=24), make_batch(views=1, pixels=48)
    loss = method(batch)["loss"].item()
    batch.views = (0.3 + 0.4 * batch.views[0],)
    assert method(batch)["loss"].item() == pytest.approx(loss, abs=1e-4)


def test_grey_puzzles_are_grey_as_often_as_asked(make_batch):
    batch = make_batch(views=1, pixels=48, size=400)
    for probability in (0.0, 0.3, 1.0):
        method = Jigsaw(tiny_backbone(), permutations=24, grey_probability=probability, normalise_tiles=False)
        tiles = torch.stack(method.inputs(batch), dim=1)
        grey = (tiles.amax(dim=2) - tiles.amin(dim=2)).amax(dim=(1, 2, 3)) < 1e-6
        assert grey.float().mean().item() == pytest.approx(probability, abs=0.07)


def test_one_channel_is_shown_to_a_backbone_of_three(make_batch):
    batch = make_batch(views=1, pixels=48)
    batch.views = (batch.views[0][:, :1],)
    method = Jigsaw(tiny_backbone(), permutations=24, grey_probability=0.5, channel_shift_px=1)
    assert torch.isfinite(method(batch)["loss"])


def test_bfloat16_views_stay_bfloat16_and_the_loss_float32(make_batch):
    batch, method = make_batch(views=1, pixels=48), Jigsaw(tiny_backbone(), permutations=24)
    batch.views = (batch.views[0].bfloat16(),)
    assert method.inputs(batch)[0].dtype is torch.bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert method(batch)["loss"].dtype is torch.float32


def test_it_learns_where_parts_lie(make_batch):
    """Pictures with a sky, a middle and a ground, and a left and a right: nine textures, each in its place."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    texture = torch.sin(x * (0.4 + 0.5 * (y // 16))) * torch.sin(y * (0.4 + 0.5 * (x // 16)))

    def scenes(step, size=32):
        batch = make_batch(step, size=size, views=1, pixels=48)
        batch.views = (0.5 + 0.3 * texture.expand_as(batch.views[0]) + 0.1 * batch.views[0],)
        return batch

    method = Jigsaw(tiny_backbone(), permutations=24)
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
    for step in range(60):
        loss = method(scenes(step))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert method(scenes(1000, size=200))["accuracy"].item() > 10 * method.chance["accuracy"]


def test_pictures_show_puzzles_as_laid_and_as_solved(make_batch):
    batch = numbered(make_batch(views=1, pixels=48))
    (picture,) = Jigsaw(tiny_backbone(), permutations=24).eval().pictures(batch)
    laid, solved = picture.rows
    assert len(laid) == len(solved) == 8
    assert laid[0].shape == solved[0].shape == (3, 38, 38)
    for words, image in zip(picture.captions[1], solved, strict=True):
        corners = [image[0, 13 * (k // 3), 13 * (k % 3)].item() for k in range(9)]
        assert (words == "right") == (corners == sorted(corners))


def test_distances_of_the_set_can_be_read():
    method = Jigsaw(tiny_backbone(), permutations=30, seed=2, choose="minimum")
    assert method.distances == hamming_distances(permutation_set(30, 2, "minimum"))
    assert method.chance == {"accuracy": 1 / 30}
    mean, least = hamming_distances(permutation_set(30))
    assert (
        f"{mean:.1f} of 9 tiles on average, in {least} at least" in Jigsaw.auto(facts(steps=150))["permutations"].reason
    )


def test_a_published_set_takes_the_place_of_ours(tmp_path):
    chosen = permutation_set(40, seed=9)
    np.save(tmp_path / "set.npy", chosen + 1)
    method = Jigsaw(tiny_backbone(), permutations=100, permutation_file=str(tmp_path / "set.npy"))
    assert (method.permutations.numpy() == chosen).all()
    assert method.head[-1].out_features == 40


def test_more_steps_get_more_permutations_and_larger_views_larger_tiles():
    assert [Jigsaw.auto(facts(steps=n))["permutations"].value for n in (10, 250, 10**6)] == [24, 50, 100]
    assert [Jigsaw.auto(facts(size_px=n))["tile_px"].value for n in (24, 48, 64, 224, 255)] == [8, 12, 16, 56, 64]
    assert Jigsaw(tiny_backbone()).cutter.tile_px is None  # then the view decides


def test_what_cannot_be_a_puzzle_is_refused_in_one_sentence(make_batch):
    with pytest.raises(SpecError, match="views of 1 px"):
        Jigsaw.auto(facts(size_px=1))
    with pytest.raises(SpecError, match="views of 2 px"):
        Jigsaw(tiny_backbone())(make_batch(views=1, pixels=2))
    with pytest.raises(SpecError, match="tiles of 17 px do not fit the 16 px cells of a 48 px view"):
        Jigsaw(tiny_backbone(), tile_px=17)(make_batch(views=1, pixels=48))
    with pytest.raises(SpecError, match="give 1 to 362,880"):
        Jigsaw(tiny_backbone(), permutations=400_000)
    with pytest.raises(SpecError, match="nothing to tell apart"):
        Jigsaw(tiny_backbone(), permutations=1)


def test_paper_values_are_arguments_of_the_method():
    arguments = {**Jigsaw.PRESETS["paper"].arguments, "permutations": 50}
    method = Jigsaw(tiny_backbone(), **arguments)
    assert method.tile_head[0].out_features == 1024
    assert isinstance(method.head[0], nn.Linear)
    assert method.head[0].out_features == 4096
