"""Contact sheets: every image in its place, words below small ones legible."""

import numpy as np
import pytest
import torch
from PIL import Image

from undercoat.contact_sheet import save_sheet, tile


def grey(level, side=8):
    return torch.full((1, side, side), level)


def test_images_lie_in_rows_with_white_between_them():
    sheet = tile([[grey(0.0), grey(0.2)], [grey(0.4)]])
    assert sheet.shape == (4 + 2 * 12, 4 + 2 * 12, 3)
    assert [int(sheet[y, x, 0]) for y, x in ((4, 4), (4, 16), (16, 4), (16, 16), (0, 0))] == [0, 51, 102, 255, 255]


def test_colours_are_kept_and_values_beyond_the_range_are_cut():
    image = torch.tensor([2.0, 0.5, -1.0])[:, None, None].expand(3, 4, 4)
    assert tile([[image]])[5, 5].tolist() == [255, 128, 0]


def test_small_images_are_enlarged_in_whole_multiples_for_their_captions():
    sheet = tile([[grey(0.0, 32)]], captions=[["ninety"]])
    black = np.argwhere(sheet[:, :, 0] == 0)
    assert (black.max(axis=0) - black.min(axis=0) + 1).tolist() == [96, 96]
    assert (sheet[101:, :, 0] < 200).any()  # there is text


def test_a_caption_is_cut_where_the_next_one_begins():
    one, two = (tile([[grey(1.0, 90), grey(1.0, 90)]], captions=[[text, ""]]) for text in ("word " * 50, ""))
    assert np.array_equal(one[:, 100:], two[:, 100:])


def test_a_sheet_is_written_as_png(tmp_path):
    path = save_sheet(tmp_path / "new folder" / "sheet.png", [[grey(0.5)]])
    with Image.open(path) as opened:
        assert opened.format == "PNG"
        assert opened.getpixel((5, 5)) == pytest.approx((128, 128, 128))
