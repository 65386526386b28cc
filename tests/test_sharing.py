"""Several edits of one latent: what belongs to whom, in closed form and for whatever Hypothesis comes up with."""

from itertools import permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffedit_core.sharing import OVERLAPS, ROOM, Drawn, joined, shares

few = settings(max_examples=40, deadline=None, derandomize=True)
counts, batches, sides = st.integers(1, 4), st.integers(1, 3), st.integers(1, 9)
seeds, overlaps = st.integers(0, 2**32 - 1), st.sampled_from(list(OVERLAPS))
floats = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
latents = st.one_of(
    st.tuples(batches, st.integers(1, 4), sides, sides),  # pictures
    st.tuples(batches, st.integers(1, 4), st.integers(1, 3), sides, sides),  # videos
)


def row(*values: float) -> torch.Tensor:
    """[1, 1, 1, w]"""
    return torch.tensor(values, dtype=torch.float32)[None, None, None]


def random(shape, seed: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def normal(shape, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_masks(shape, seed: int, is_soft: bool) -> torch.Tensor:
    """0 in about half of the cells; elsewhere 1, or anything up to it."""
    values = random(shape, seed)
    return (values > 0.5) * (2 * values - 1 if is_soft else 1.0)


def claim(mask: torch.Tensor, room: torch.Tensor, heat: torch.Tensor | None = None) -> torch.Tensor:
    return Drawn(mask, mask, room, heat).claim


def together(drawn, masks, heats) -> list[Drawn]:
    """Edits whose masks leave no room."""
    return [Drawn(latent, mask, mask, heat) for latent, mask, heat in zip(drawn, masks, heats, strict=True)]


# ---- claims


def test_a_mask_claims_as_much_as_its_heat_and_its_room_far_less():
    mask, roomy, heat = row(0, 1, 1, 0), row(1, 1, 1, 0), row(5.0, 2.0, 0.5, 7.0)
    torch.testing.assert_close(claim(mask, roomy, heat), row(5 * ROOM, 2, 0.5, 0))
    torch.testing.assert_close(claim(mask, roomy), row(ROOM, 1, 1, 0))


def test_a_mask_without_any_heat_has_a_claim_all_the_same():
    assert (claim(row(1, 0.5), row(1, 1), row(0, 0)) > 0).all()


def test_room_gives_way_to_the_mask_of_another_however_much_hotter_it_is():
    """Up to hundreds of times, which no heatmap is."""
    mine, yours = (row(1, 1, 0, 0), row(1, 1, 1, 0)), (row(0, 0, 1, 1), row(0, 1, 1, 1))
    for heat in (1.0, 0.3, 1 / 500):
        claims = torch.stack([claim(*mine, row(1, 1, 1, 1)), claim(*yours, heat * row(1, 1, 1, 1))])
        found = shares(torch.stack([mine[1], yours[1]]), claims)
        assert torch.equal(found, torch.stack([row(1, 1, 0, 0), row(0, 0, 1, 1)]))


# ---- shares


def test_the_stronger_claim_has_the_cell_or_both_are_mixed():
    masks = torch.stack([row(1, 1, 1, 0, 0), row(0, 1, 1, 1, 0)])
    claims = masks * torch.stack([row(2, 2, 1, 9, 9), row(9, 1, 3, 1, 9)])
    assert torch.equal(shares(masks, claims, "stronger"), torch.stack([row(1, 1, 0, 0, 0), row(0, 0, 1, 1, 0)]))
    assert torch.equal(shares(masks, claims, "shared"), torch.stack([row(1, 0.5, 0.5, 0, 0), row(0, 0.5, 0.5, 1, 0)]))


def test_without_a_word_the_stronger_has_it():
    masks, claims = torch.ones(2, 1, 1, 3, 3), normal((2, 1, 1, 3, 3), 0).abs()
    assert torch.equal(shares(masks, claims), shares(masks, claims, "stronger"))
    assert not torch.equal(shares(masks, claims), shares(masks, claims, "shared"))


def test_a_claim_where_there_is_no_mask_counts_for_nothing():
    found = shares(torch.stack([row(1), row(0)]), torch.stack([row(1), row(9)]))
    assert torch.equal(found, torch.stack([row(1), row(0)]))


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_equal_claims_are_shared_by_what_the_masks_hold(overlap):
    for masks in ((1.0, 1.0), (0.25, 0.75), (0.2, 0.2, 0.4)):
        planes = torch.stack([row(mask) for mask in masks])
        expected = planes / sum(masks)
        torch.testing.assert_close(shares(planes, torch.full_like(planes, 0.7), overlap), expected)


@few
@given(seed=seeds, count=counts, batch=batches, h=sides, w=sides, is_soft=st.booleans(), overlap=overlaps)
def test_shares_are_1_in_all_within_the_masks_and_0_outside(seed, count, batch, h, w, is_soft, overlap):
    masks = random_masks((count, batch, 1, h, w), seed, is_soft)
    found = shares(masks, (4 * random(masks.shape, seed + 1)).round() + 1, overlap)  # with equal ones among them
    assert found.shape == masks.shape and (found >= 0).all()
    assert (found[masks == 0] == 0).all()
    within = (masks > 0).any(0)
    torch.testing.assert_close(found.sum(0), within.float())
    if count == 1:
        assert torch.equal(found, (masks > 0).float())


@few
@given(seed=seeds, count=st.integers(2, 4), h=sides, w=sides, is_soft=st.booleans())
def test_the_strongest_of_different_claims_has_all_of_the_cell(seed, count, h, w, is_soft):
    masks = random_masks((count, 2, 1, h, w), seed, is_soft)
    claims = torch.randperm(masks.numel(), generator=torch.Generator().manual_seed(seed)).view_as(masks) + 1.0
    found = shares(masks, claims)
    assert set(found.unique().tolist()) <= {0.0, 1.0}
    owner = torch.where(masks > 0, claims, 0).argmax(0)
    has_one = (masks > 0).any(0)
    assert torch.equal(found.argmax(0)[has_one], owner[has_one])


# ---- joined


@few
@given(seed=seeds, shape=latents, overlap=overlaps, dtype=st.sampled_from(floats))
def test_one_edit_is_itself(seed, shape, overlap, dtype):
    x0, drawn = normal(shape, seed).to(dtype), normal(shape, seed + 1).to(dtype)
    mask = random_masks((1, 1, *shape[2:]), seed, is_soft=True)
    assert torch.equal(joined(x0, together([drawn], [mask], [mask]), overlap), drawn)


@few
@given(
    seed=seeds,
    shape=latents,
    count=st.integers(2, 4),
    overlap=overlaps,
    dtype=st.sampled_from(floats),
    is_soft=st.booleans(),
    is_shared=st.booleans(),
)
def test_outside_all_masks_it_is_the_picture_and_where_there_is_one_that_edit_bit_for_bit(
    seed, shape, count, overlap, dtype, is_soft, is_shared
):
    x0 = normal(shape, seed).to(dtype)
    drawn = [normal(shape, seed + 1 + i).to(dtype) for i in range(count)]
    planes = (count, 1 if is_shared else shape[0], 1, *shape[2:])
    masks = random_masks(planes, seed, is_soft)
    before = [each.clone() for each in (x0, *drawn, masks)]
    found = joined(x0, together(drawn, masks, random(planes, seed + 9) + 0.1), overlap)
    assert found.dtype == dtype and found.shape == x0.shape
    holders = (masks > 0).sum(0).expand_as(x0)
    assert torch.equal(found[holders == 0], x0[holders == 0])
    for mask, each in zip(masks, drawn, strict=True):
        alone = (mask > 0).expand_as(x0) & (holders == 1)
        assert torch.equal(found[alone], each[alone])
    low, high = torch.stack(drawn).aminmax(dim=0)
    slack = 4 * torch.finfo(dtype).eps
    inside = holders > 0
    assert (found >= low - slack * (1 + low.abs()))[inside].all()
    assert (found <= high + slack * (1 + high.abs()))[inside].all()
    assert all(torch.equal(a, b) for a, b in zip(before, (x0, *drawn, masks), strict=True))


@few
@given(
    seed=seeds,
    shape=latents,
    overlap=overlaps,
    dtype=st.sampled_from(floats),
    is_soft=st.booleans(),
    has_ties=st.booleans(),
)
def test_the_order_of_three_edits_changes_nothing_bit_for_bit(seed, shape, overlap, dtype, is_soft, has_ties):
    x0, planes = normal(shape, seed).to(dtype), (3, shape[0], 1, *shape[2:])
    drawn = [normal(shape, seed + 1 + i).to(dtype) for i in range(3)]
    masks, claims = random_masks(planes, seed, is_soft), random(planes, seed + 9) + 0.1
    claims = claims.round() + 1 if has_ties else claims
    found = joined(x0, together(drawn, masks, claims), overlap)
    for order in permutations(range(3)):
        swapped = [[list(each)[i] for i in order] for each in (drawn, masks, claims)]
        assert torch.equal(joined(x0, together(*swapped), overlap), found)


def test_masks_and_claims_that_serve_all_pictures_stand_beside_those_of_each():
    x0, drawn = normal((3, 4, 5, 6), 0), [normal((3, 4, 5, 6), 1), normal((3, 4, 5, 6), 2)]
    one, each = random_masks((1, 1, 5, 6), 3, False), random_masks((3, 1, 5, 6), 4, True)
    found = joined(x0, together(drawn, [one, each], [0.5 * one, each]), "stronger")
    spread = [one.expand(3, -1, -1, -1), each]
    assert torch.equal(found, joined(x0, together(drawn, spread, [0.5 * spread[0], each]), "stronger"))
    for i in range(3):
        own = together([latent[[i]] for latent in drawn], [one, each[[i]]], [0.5 * one, each[[i]]])
        alone = joined(x0[[i]], own, "stronger")
        assert torch.equal(found[[i]], alone)
