"""``patches:``: one photo as a data set of any size, read by everything that reads canvases."""

import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from undercoat.data import list_data, open_data
from undercoat.data import photos as photo_store
from undercoat.data.facts import richness_of_photos
from undercoat.data.inspection import inspect
from undercoat.data.loader import Batches, Order, images_on, sequential
from undercoat.data.patch_settings import PRESETS, parse_patches
from undercoat.data.patches import PatchBatch
from undercoat.errors import DataError, SpecError
from undercoat.functional.patches import PatchLaw
from undercoat.study.pretraining import pretrain

COFFEE = "patches:photo:coffee?n=500&size=16"


@pytest.fixture
def noisy(tmp_path):
    """Saves a random picture and returns its path."""

    def save(name="photo.png", width=60, height=50, mode="RGB", seed=0, **given):
        bands = len(Image.new(mode, (1, 1)).getbands())
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, bands), np.uint8)
        Image.fromarray(pixels.squeeze(), mode=mode).save(tmp_path / name, **given)
        return tmp_path / name

    return save


def opened(spec, tmp_path, **given):
    return open_data(spec, cache=tmp_path / "cache", progress=False, **given)


# --- a set like any other


def test_patches_are_canvases(tmp_path):
    data = opened(COFFEE, tmp_path)
    assert (len(data), data.size_px, data.channels, data.labels) == (500, 16, 3, None)
    assert data.images.shape == (500, 16, 16, 3)
    batch = data.batch(np.array([3, 499, 3]))
    assert batch.dtype == np.uint8
    assert batch.shape == (3, 16, 16, 3)
    assert (batch[0] == batch[2]).all()
    assert (batch[0] != batch[1]).any()
    assert list(data.keys[:2]) == ["0000000", "0000001"]
    assert not (tmp_path / "cache").exists()  # no files


def test_a_selection_shows_the_same_patches(tmp_path):
    data = opened(COFFEE, tmp_path)
    some = data.take(np.array([7, 2]))
    assert (some.batch(np.array([0, 1])) == data.batch(np.array([7, 2]))).all()
    assert list(some.keys) == ["0000007", "0000002"]
    assert some.digest.startswith(data.digest + ".")
    assert data.take(np.arange(500)).digest == data.digest
    again = some.take(np.array([1]))
    assert (again.batch(np.array([0])) == data.batch(np.array([2]))).all()


def test_a_patch_does_not_depend_on_how_many_there_are(tmp_path):
    few, many = (opened(f"patches:photo:coffee?n={n}&size=16", tmp_path) for n in (9, 10**9))
    assert (few.batch(np.arange(9)) == many.batch(np.arange(9))).all()
    assert few.digest != many.digest


def test_every_option_is_in_the_digest(tmp_path):
    specs = [COFFEE, *(f"{COFFEE}&{more}" for more in ("seed=1", "preset=code", "preset=none", "flip=0", "hue=0.2"))]
    specs += [COFFEE.replace("16", "17"), COFFEE.replace("coffee", "chelsea"), f"{COFFEE}&noise_std=0.1"]
    assert len({opened(spec, tmp_path).digest for spec in specs}) == len(specs)


def test_the_digest_is_of_the_pixels_and_not_of_the_file(tmp_path, noisy):
    path = noisy("one.png")
    Image.open(path).save(tmp_path / "other name.bmp")
    one, other = (opened(f"patches:{path}?n=5", tmp_path) for path in (path, tmp_path / "other name.bmp"))
    assert one.digest == other.digest
    assert opened(f"patches:{noisy('two.png', seed=1)}?n=5", tmp_path).digest != one.digest


def test_statistics_are_those_of_the_patches(tmp_path):
    data = opened("patches:photo:coffee?n=2000&size=32", tmp_path)
    values = data.batch(np.arange(2000)).reshape(-1, 3) / 255
    assert np.abs(values.mean(axis=0) - data.mean).max() < 0.03
    assert np.abs(values.std(axis=0) - data.std).max() < 0.03


def test_ten_million_patches_take_no_memory(tmp_path):
    opened(COFFEE, tmp_path)  # whatever is imported and kept once
    tracemalloc.start()
    data = opened("patches:photo:coffee?n=10000000&size=16", tmp_path).without_labels()
    with Batches(data, batch=8, seed=0) as batches:
        index = np.concatenate([next(batches).index for _ in range(4)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20
    assert index.max() > 1_000_000
    assert (Order(10_000_000, batch=8, seed=0).at(3)[0] == index[24:]).all()


def test_no_rows_are_no_patches(tmp_path):
    data = opened(COFFEE, tmp_path)
    assert data.batch(np.arange(0)).shape == (0, 16, 16, 3)


@pytest.mark.parametrize(("row", "said"), [(500, "row 500 of 500"), (-501, "row -501 of 500")])
def test_a_row_that_is_not_there_is_named(tmp_path, row, said):
    data = opened(COFFEE, tmp_path)
    with pytest.raises(IndexError, match=said):
        data.batch(np.array([3, row]))


# --- the loader


def test_the_loader_reads_patches_in_its_order(tmp_path):
    data = opened(COFFEE, tmp_path)
    index, _ = Order(500, batch=6, seed=4).at(2)
    halves = []
    for rank in (0, 1):
        with Batches(data, batch=6, seed=4, rank=rank, world=2, start_step=2) as batches:
            halves.append(next(batches).images)
    assert (torch.cat(halves).numpy() == data.batch(index)).all()
    assert sum(len(loaded.index) for loaded in sequential(data, 128)) == 500


def test_an_accelerator_is_handed_the_law_instead_of_pixels(tmp_path):
    data = opened(COFFEE, tmp_path)
    with Batches(data, batch=6, seed=4, device="meta") as batches:
        loaded = next(batches)
    assert isinstance(loaded.images, PatchBatch)
    wanted = data.batch(loaded.index)
    assert (loaded.images.to("cpu").numpy() == wanted).all()
    assert (loaded.images[2:4].to("cpu", non_blocking=True).numpy() == wanted[2:4]).all()
    assert images_on(data, np.arange(3), torch.device("meta")).shape == (3, 16, 16, 3)


def test_pretraining_on_patches_gives_the_same_weights_twice(tmp_path):
    spec, folders = "patches:photo:coffee?n=2000000&size=16&preset=code", (tmp_path / "one", tmp_path / "two")
    for out in folders:
        pretrain(data=spec, out=out, backbone="timm/test_resnet", method="rotnet", steps=2, batch=4, cache=tmp_path)
    one, two = ((out / "backbone.safetensors").read_bytes() for out in folders)
    assert one == two
    assert "images: 2000000" in (folders[0] / "stage.yaml").read_text()


def test_inspection_looks_at_patches(tmp_path):
    found = inspect("patches:photo:coffee?n=20000&size=8&preset=none", cache=tmp_path, progress=False)
    assert found.images == 5000
    assert found.exact[0].count == 5000  # without any operation they are all the same
    assert "of 20,000 patches" in found.notes[-2]
    assert found.notes[-1].startswith("coffee.png: 7.")


def test_a_rich_photo_is_told_from_a_dull_one(tmp_path):
    rich, dull = (
        richness_of_photos(open_data(f"patches:photo:{name}?n=5", cache=tmp_path)) for name in ("motorcycle", "retina")
    )
    assert list(rich) == ["motorcycle_left.png"]
    assert rich["motorcycle_left.png"].entropy_bits > dull["retina.jpg"].entropy_bits + 1
    assert rich["motorcycle_left.png"].edge_density > 2 * dull["retina.jpg"].edge_density
    assert richness_of_photos(open_data("sample:digits?limit=5", cache=tmp_path)) == {}


def test_a_narrow_strip_is_measured_where_it_still_has_three_lines(tmp_path, noisy):
    spec = f"patches:{noisy('strip.png', width=2000, height=8)}?n=5&size=8&scale=0.5"  # 8, 4 and then 2 lines
    assert richness_of_photos(opened(spec, tmp_path))["strip.png"].edge_density > 0.5


# --- sources


def test_photos_take_turns(tmp_path, noisy):
    dark, light = np.full((40, 40, 3), 10, np.uint8), np.full((40, 40, 3), 240, np.uint8)
    dark[0, 0], light[0, 0] = 11, 239
    for name, pixels in (("a.png", dark), ("b,c.png", light)):
        Image.fromarray(pixels).save(tmp_path / name)
    data = opened(f"patches:{tmp_path}?n=100&preset=none&scale=0.1&size=8", tmp_path)
    means = data.batch(np.arange(6)).mean(axis=(1, 2, 3))
    assert (means > 128).tolist() == [False, True] * 3
    single = opened(f"patches:{tmp_path / 'b,c.png'}?n=3&size=8", tmp_path)  # a path that exists is a path
    assert "one photo (b,c.png)" in single.notes[-1]


def test_photos_by_name_and_path_parted_by_commas(tmp_path, noisy):
    data = opened(f"patches:photo:coffee,{noisy()},photo:chelsea?n=10&size=8", tmp_path)
    assert data.images.photos.keys == ("0/coffee.png", "1/photo.png", "2/chelsea.png")


def test_fewer_source_images_are_among_more(tmp_path):
    small = opened("patches:sample:noto?n=10&size=8&images=3", tmp_path).images.photos.keys
    large = opened("patches:sample:noto?n=10&size=8&images=30", tmp_path).images.photos.keys
    other = opened("patches:sample:noto?n=10&size=8&images=3&seed=1", tmp_path).images.photos.keys
    assert large[:3] == small
    assert other != small
    joined = opened("patches:sample:noto+sample:openmoji?n=10&size=8&images=4", tmp_path)
    assert len(joined.images.photos) == 4


def test_test_images_are_left_out_unless_they_are_asked_for(tmp_path):
    listing = list_data("sample:noto")
    train = {key for key, split in zip(listing.keys, listing.splits, strict=True) if split == "train"}
    data = opened("patches:sample:noto?n=10&size=8&images=40", tmp_path)
    assert set(data.images.photos.keys) <= train
    asked = opened("patches:sample:noto?n=10&size=8&split=test&images=40", tmp_path)
    assert not set(asked.images.photos.keys) & train


def test_a_broken_photo_among_others_is_listed(tmp_path, noisy):
    noisy("good.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:200])
    spec = f"patches:{tmp_path}?n=4&size=8"
    data = opened(spec, tmp_path)
    assert [key for key, _ in data.skipped] == ["bad.png"]
    assert data.images.photos.keys == ("good.png",)
    with pytest.raises(DataError, match=r"bad\.png"):
        opened(spec, tmp_path, strict=True)


def test_many_photos_are_kept_in_a_file_and_decoded_once(tmp_path, noisy, monkeypatch):
    path = noisy()
    plain = opened(f"patches:{path}?n=20&size=8", tmp_path)
    monkeypatch.setattr(photo_store, "IN_MEMORY_TEXELS", 10)
    kept = opened(f"patches:{path}?n=20&size=8", tmp_path)
    assert len(list((tmp_path / "cache" / "photos").glob("*.npy"))) == 1
    monkeypatch.setattr(photo_store, "photo_pixels", None)  # nothing is decoded again
    again = opened(f"patches:{path}?n=20&size=8", tmp_path)
    for one in (kept, again):
        assert one.digest == plain.digest
        assert (one.batch(np.arange(20)) == plain.batch(np.arange(20))).all()


def test_a_full_disk_is_told_before_anything_is_decoded(tmp_path, noisy, monkeypatch):
    monkeypatch.setattr(photo_store, "IN_MEMORY_TEXELS", 10)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100})())
    with pytest.raises(DataError, match="make room"):
        opened(f"patches:{noisy()}?n=20&size=8", tmp_path)


# --- options


def test_presets_are_the_papers_and_the_codes():
    assert parse_patches("patches:x.png")[1].law() == PRESETS["paper"]
    law = parse_patches("patches:x.png?preset=code&shear=0&initial_crop=off")[1].law()
    assert (law.initial_crop, law.shear, law.rotation, law.scale) == (None, 0.0, 30.0, (1 / 500, 1.0))
    assert parse_patches("patches:x.png?preset=none")[1].law() == PatchLaw()


def test_one_operation_at_a_time_can_be_added_to_none():
    def law(options):
        return parse_patches(f"patches:x.png?preset=none&{options}")[1].law()

    assert law("jitter=1") == PatchLaw(jitter=1.0)
    assert law("rotation=35") == PatchLaw(rotation=35.0)
    assert law("scale=0.001&ratio=0.75") == PatchLaw(scale=(0.001, 1.0), ratio=(0.75, 4 / 3))
    assert law("scale=0.1,0.2&ratio=0.5,1") == PatchLaw(scale=(0.1, 0.2), ratio=(0.5, 1.0))


def test_the_size_can_come_from_either_side(tmp_path):
    assert opened("patches:photo:coffee?n=5", tmp_path, size_px=24).size_px == 24
    assert opened("patches:photo:coffee?n=5", tmp_path).size_px == 64
    with pytest.raises(SpecError, match="16 pixels, and 24 are asked for"):
        opened(COFFEE, tmp_path, size_px=24)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("rotate=3", "did you mean 'rotation'"),
        ("n=0", "greater than or equal to 1"),
        ("n=many", "n = 'many'"),
        ("size=4", "size"),
        ("preset=papr", "preset"),
        ("scale=0.5,0.1", "rising"),
        ("scale=0", "above 0"),
        ("scale=big", "scale=big in 'patches:photo:coffee?scale=big' is no pair of numbers"),
        ("scale=0.1,0.2,0.3", "is no pair of numbers; write for example scale=0.5,1"),
        ("ratio=off", "ratio=off in"),
        ("n=5&flip=0&n=6", "gives n twice"),
        ("ratio=4,2", "the lower first"),
        ("rotation=200", "180"),
        ("flip=2", "flip"),
        ("flip=", "has no value"),
        ("preset=none&contrast=0.4", "add jitter=1"),
        ("preset=none&ratio=0.5", "add scale="),
        ("images=2", "lower images="),
        ("split=test", "no image in split"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(tmp_path, options, said):
    with pytest.raises((SpecError, DataError)) as error:
        opened(f"patches:photo:coffee?{options}", tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "names no photo"),
        ("nowhere.jpg", "does not exist"),
        ("photo:cofee", "did you mean 'coffee'"),
        ("sample:digits", "save it as files"),
        ("photo:coffee,nowhere.jpg", "does not exist"),
        ("sample:noto?split=test", "write split= after the last"),
        ("photo:coffee?low=3", "leave them out"),
        ("patches:photo:coffee?flip=0", "patches of patches"),
    ],
)
def test_sources_that_cannot_be_used_are_refused(tmp_path, source, said):
    with pytest.raises((SpecError, DataError), match=said):
        opened(f"patches:{source}?n=5", tmp_path)


def test_photos_that_are_too_small_for_the_smallest_crop_are_refused(tmp_path, noisy):
    path = noisy(width=20, height=20)
    with pytest.raises(DataError, match="give a larger photo, or a larger scale"):
        opened(f"patches:{path}?n=5", tmp_path)
    assert len(opened(f"patches:{path}?n=5&scale=0.1", tmp_path)) == 5
