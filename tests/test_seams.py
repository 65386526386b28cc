"""What is pasted has the colour and light of what is around it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffedit_core.changes import worth_pasting
from diffedit_core.compositing import paste
from diffedit_core.refine import give_room
from diffedit_core.seams import SEAMS, fit_seam

TINT = torch.tensor([8.0, -8.0, 5.0]) / 255


def ground(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """A smooth picture with grain, [1, H, W, 3], far enough from 0 and 1 for any tint."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    smooth = np.stack([rows, columns, 1 - rows], -1) * 0.4 + 0.3
    return torch.tensor(smooth + rng.normal(0, 0.02, smooth.shape), dtype=torch.float32)[None].clamp(0.1, 0.9)


def box(height: int, width: int, top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    mask = torch.zeros(1, height, width)
    mask[:, top:bottom, left:right] = 1
    return mask


def redrawn(picture: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What an edit should give: another colour in the mask."""
    new = torch.tensor([0.75, 0.25, 0.3])
    return torch.where(mask[..., None] > 0, new, picture)


def off(picture: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> float:
    """In levels, inside the mask."""
    return float(255 * (picture - truth)[mask > 0].abs().max())


PLACES = {"middle": (40, 50, 90, 110), "corner": (0, 0, 40, 60), "side to side": (50, 0, 80, 160)}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("how", ["colour", "light"])
def test_a_tint_of_the_whole_is_taken_off(how, place):
    picture, mask = ground(120, 160), box(120, 160, *place)
    truth = redrawn(picture, mask)
    assert off(truth + TINT, truth, mask) > 7.9
    assert off(fit_seam(picture, truth + TINT, mask, how), truth, mask) < 1
    assert torch.equal(fit_seam(picture, truth + TINT, mask, "none"), truth + TINT)


@pytest.mark.parametrize("how", ["colour", "light"])
def test_an_edit_of_colour_keeps_its_colour(how):
    picture, mask = ground(120, 160), box(120, 160, 40, 50, 90, 110)
    truth = redrawn(picture, mask)
    assert off(fit_seam(picture, truth, mask, how), truth, mask) < 0.1


@pytest.mark.parametrize(("how", "most"), [("colour", 1.0), ("light", 8.0)])
def test_a_shadow_beside_the_mask_is_no_tint(how, most):
    """A third of the ring differs by 60 levels: something was drawn there."""
    picture, mask = ground(120, 160), box(120, 160, 40, 50, 90, 110)
    truth = redrawn(picture, mask)
    edited = truth.clone()
    edited[:, 90:, :] -= 60 / 255
    assert off(fit_seam(picture, edited, mask, how), truth, mask) < most


@pytest.mark.parametrize("side", [1, 8])
def test_light_that_differs_from_place_to_place_is_fitted_there(side):
    """From -8 to 8 levels across the picture, at any size."""
    height, width = 120 * side, 160 * side
    picture, mask = ground(height, width), box(height, width, *(side * at for at in (40, 50, 90, 110)))
    truth = redrawn(picture, mask)
    slope = torch.linspace(-8, 8, width)[None, None, :, None] / 255
    assert off(fit_seam(picture, truth + slope, mask, "light"), truth, mask) < 1.5
    assert off(fit_seam(picture, truth + slope, mask, "colour"), truth, mask) > 2


@pytest.mark.parametrize("how", SEAMS)
def test_where_there_is_no_ring_nothing_is_fitted(how):
    picture = ground(40, 50)
    for mask in (torch.ones(1, 40, 50), torch.zeros(1, 40, 50)):
        assert torch.equal(fit_seam(picture, picture + TINT, mask, how), picture + TINT)


def test_each_of_a_batch_by_itself():
    pictures = torch.cat([ground(60, 80, seed) for seed in range(3)])
    masks = torch.cat([box(60, 80, 10 * i, 20, 10 * i + 20, 50) for i in range(3)])
    edited = redrawn(pictures, masks) + torch.stack([TINT, -TINT, 0 * TINT])[:, None, None]
    together = fit_seam(pictures, edited, masks, "light")
    for i in range(3):
        alone = fit_seam(pictures[i : i + 1], edited[i : i + 1], masks[i : i + 1], "light")
        assert torch.equal(together[i : i + 1], alone)
    one_mask = fit_seam(pictures, edited, masks[:1], "colour")
    assert torch.equal(one_mask[:1], fit_seam(pictures[:1], edited[:1], masks[:1], "colour"))


def test_the_ring_lies_outside_the_room():
    """What is drawn in the room around a mask is no tint."""
    picture, mask = ground(120, 160), box(120, 160, 50, 60, 80, 100)
    roomy = box(120, 160, 44, 54, 86, 106)
    edited = redrawn(picture, roomy)
    fitted, pasted = worth_pasting(picture, edited, mask, give_room(mask, 6), "colour")
    assert off(fitted, edited, roomy) < 0.1
    assert pasted[0, 46, 80] == 1  # it changed, and touches the mask
    assert not pasted[roomy == 0].any()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    size=st.sampled_from([(1, 1), (1, 9), (3, 500), (500, 3), (17, 23), (64, 64), (700, 900)]),
    how=st.sampled_from(list(SEAMS)),
    seed=st.integers(0, 99),
)
def test_outside_the_mask_the_paste_is_exact_at_any_size(size, how, seed):
    random = torch.Generator().manual_seed(seed)
    picture, edited = torch.rand(2, 1, *size, 3, generator=random)
    mask = (torch.rand(1, *size, generator=random) > 0.8).float()
    mask[:, size[0] // 2 :, : size[1] // 2] = 1
    fitted = fit_seam(picture, edited, mask, how)
    assert fitted.isfinite().all() and fitted.min() >= 0 and fitted.max() <= 1
    assert torch.equal(paste(picture, fitted, mask)[mask == 0], picture[mask == 0])
