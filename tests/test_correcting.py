"""Corrections that were painted by hand: what is written is what is done, at any size of the mask."""

import pytest
import torch

from diffedit_core.correcting import MOST_LETTERS, corrected, read_corrections

MASK = torch.rand((2, 40, 60), generator=torch.Generator().manual_seed(0))


def test_runs_are_read_row_by_row():
    expected = torch.tensor([[0, 0, 1, 1], [1, -1, -1, 0], [0, 0, 0, 0]])
    assert read_corrections("4x3 2 +3 -2").equal(expected.float())
    assert read_corrections("4x3").equal(torch.zeros(3, 4))


def test_nothing_painted_changes_nothing():
    assert corrected(MASK, "") is MASK
    assert corrected(MASK, "6x4").equal(MASK)


def test_what_is_added_is_white_and_what_is_taken_away_is_black_in_every_mask():
    painted = corrected(MASK, "60x40 1200 +600 -60")  # of each, whole rows
    assert painted[:, 20:30].eq(1).all() and painted[:, 30].eq(0).all()
    assert painted[:, :20].equal(MASK[:, :20]) and painted[:, 31:].equal(MASK[:, 31:])


@pytest.mark.parametrize("size", [(4, 6), (40, 60), (400, 600), (37, 91)])
def test_it_is_laid_over_a_mask_of_any_size(size):
    painted = corrected(torch.full((1, *size), 0.25), "6x4 +12")  # the upper half
    height = size[0]
    assert painted[:, : height // 2].eq(1).all() and painted[:, -(height // 2) :].eq(0.25).all()


def test_a_painted_outline_has_no_stairs():
    """A diagonal on few cells, over a large mask: its rim never steps by a whole cell."""
    runs = " ".join(f"+{row + 1} {15 - row}" for row in range(15))
    rim = corrected(torch.zeros(1, 320, 320), f"16x16 {runs} +16")[0].sum(1)[40:280]
    assert rim.diff().abs().max() < 10  # a cell is 20 wide


BROKEN = ["4", "4x", "4x3 x", "0x3", "4x0", "257x4", "4x257", "4x3 13", "4x3 +12 1", "4x3  1", "4x3 1e3", "4x3 --1"]
TOO_LONG = "4x3 +1" + " 0" * MOST_LETTERS


@pytest.mark.parametrize("text", [*BROKEN, "4x3\n", TOO_LONG])
def test_what_cannot_be_read_is_one_clear_sentence(text):
    with pytest.raises(ValueError, match="clear them on the node, and paint them again"):
        corrected(MASK, text)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.bool, torch.uint8])
def test_a_mask_keeps_its_type(dtype):
    painted = corrected(torch.ones(1, 3, 4, dtype=dtype), "4x3 2 +3 -2")
    expected = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]])
    assert painted.dtype == dtype and painted[0].equal(expected.to(dtype))


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (0, 3, 4)])
def test_what_is_no_mask_is_refused(shape):
    with pytest.raises(ValueError, match="the mask is"):
        corrected(torch.ones(shape), "4x3 +2")
