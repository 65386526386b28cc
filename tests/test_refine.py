import math
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from diffedit_core.edges import guided_filter
from diffedit_core.masks import fit, threshold
from diffedit_core.refine import Refinement, give_room, refine

SIZE = 64


def disc(radius: float, y: float = 32, x: float = 32, size: int = SIZE) -> torch.Tensor:
    """[1, H, W] of 0 and 1."""
    rows, columns = torch.arange(size)[:, None], torch.arange(size)
    return ((rows - y) ** 2 + (columns - x) ** 2 <= radius**2).float()[None]


def box(top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, top:bottom, left:right] = 1
    return mask


def two_colours(region: torch.Tensor, noise: float = 0.02) -> torch.Tensor:
    """A picture [1, H, W, 3] whose colour changes exactly at the region's edge, with a little grain."""
    inside, outside = torch.tensor([0.8, 0.2, 0.1]), torch.tensor([0.1, 0.4, 0.7])
    picture = torch.lerp(outside.expand(1, SIZE, SIZE, 3), inside.expand(1, SIZE, SIZE, 3), region[..., None])
    return (picture + noise * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


def iou(mask: torch.Tensor, truth: torch.Tensor) -> float:
    a, b = mask > 0.5, truth > 0.5
    return float((a & b).sum() / (a | b).sum())


def soft_disc(radius: float) -> torch.Tensor:
    """1 in the middle, falling to 0 over 8 pixels around the radius."""
    rows, columns = torch.arange(SIZE)[:, None], torch.arange(SIZE)
    distance = ((rows - 32) ** 2 + (columns - 32) ** 2).sqrt()
    return ((radius + 4 - distance) / 8).clamp(0, 1)[None]


def test_the_defaults_do_nothing():
    for mask in (disc(10), soft_disc(10)):
        assert torch.equal(refine(mask, Refinement()), mask)


def test_threshold_keeps_what_is_above():
    assert torch.equal(refine(soft_disc(10), Refinement(threshold=0.3)), (soft_disc(10) > 0.3).float())


@pytest.mark.parametrize("pixels", [1, 2, 3, 5, 9])
def test_growing_and_shrinking_move_the_rim_by_that_many_pixels(pixels):
    """Nothing further than a pixel from the disc of the new radius."""
    for how, radius in ((Refinement(grow=pixels), 15 + pixels), (Refinement(grow=-pixels), 15 - pixels)):
        result = refine(disc(15), how) > 0.5
        assert (result & ~(disc(radius + 1) > 0.5)).sum() == 0  # none of it outside
        assert ((disc(radius - 1) > 0.5) & ~result).sum() == 0  # nothing missing inside


@pytest.mark.parametrize("room", [1, 3, 6])
def test_room_is_what_a_mask_is_grown_by(room):
    masks = torch.cat([disc(10), soft_disc(12), box(2, 2, 20, 50)])
    before = masks.clone()
    roomy = give_room(masks, room)
    assert torch.equal(roomy, refine(masks, Refinement(grow=room))) and (roomy >= masks).all()
    assert torch.equal(masks, before)


def test_without_room_a_mask_is_the_very_tensor():
    mask = soft_disc(12)
    assert give_room(mask, 0) is mask


def test_most_of_a_picture_gets_no_room():
    """And the other images of the batch get theirs."""
    half, more, little = box(0, 0, SIZE, 32), box(0, 0, SIZE, 33), disc(10)
    roomy = give_room(torch.cat([half, more, little]), 4)
    assert torch.equal(roomy, torch.cat([box(0, 0, SIZE, 36), more, refine(little, Refinement(grow=4))]))


def test_an_empty_mask_gets_no_room():
    assert (give_room(torch.zeros(1, SIZE, SIZE), 6) == 0).all()


@pytest.mark.parametrize("operation", ["open", "close", "grow"])
def test_the_border_of_the_picture_is_no_rim(operation):
    """A mask that runs out of the picture is neither eaten from there nor cut off there."""
    half = box(0, 0, SIZE, 32)
    result = refine(half, Refinement(**{operation: -4 if operation == "grow" else 4}))
    expected = box(0, 0, SIZE, 28) if operation == "grow" else half
    assert torch.equal(result, expected)


def test_opening_removes_what_is_thin_and_keeps_the_rest():
    body, hair = box(10, 10, 40, 40), box(24, 40, 26, 60)
    opened = refine((body + hair).clamp(max=1), Refinement(open=3))
    assert (opened * hair)[..., 44:].sum() == 0
    assert iou(opened, body) > 0.97


def test_closing_bridges_a_gap_and_keeps_the_rest():
    left, right = box(20, 10, 40, 30), box(20, 33, 40, 53)
    closed = refine(left + right, Refinement(close=3))
    assert closed[0, 24:36, 30:33].all()
    assert iou(closed, box(20, 10, 40, 53)) > 0.97


def test_islands_below_the_share_go_and_no_other():
    big, small, speck = disc(10, 20, 20), disc(4, 50, 50), box(5, 60, 6, 61)
    mask = big + small + speck
    share = float(small.mean())
    assert torch.equal(refine(mask, Refinement(min_island=share * 0.9)), big + small)
    assert torch.equal(refine(mask, Refinement(min_island=share)), big + small)
    assert torch.equal(refine(mask, Refinement(min_island=share * 1.1)), big)


def test_a_soft_island_goes_with_its_rim():
    far = torch.zeros(1, SIZE, SIZE)
    far[:, 2:11, 2:11] = (
        torch.tensor([0.1, 0.3, 0.6, 0.9, 1, 0.9, 0.6, 0.3, 0.1])
        .outer(torch.ones(9))
        .minimum(torch.tensor([0.1, 0.3, 0.6, 0.9, 1, 0.9, 0.6, 0.3, 0.1]))
    )
    mask = torch.maximum(soft_disc(12), far)
    assert torch.equal(refine(mask, Refinement(keep_largest=1)), soft_disc(12))
    assert torch.equal(refine(mask, Refinement(min_island=0.05)), soft_disc(12))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_keep_largest_keeps_that_many(count):
    parts = [disc(10, 20, 20), disc(7, 20, 48), disc(5, 50, 48), disc(3, 50, 10)]
    assert torch.equal(refine(sum(parts), Refinement(keep_largest=count)), sum(parts[:count]))


def test_touching_at_a_corner_alone_is_apart():
    mask = box(10, 10, 20, 20) + box(20, 20, 24, 24)
    assert torch.equal(refine(mask, Refinement(keep_largest=1)), box(10, 10, 20, 20))


def test_holes_up_to_the_share_are_filled_and_no_larger_ones():
    small, large = disc(2, 25, 25), disc(5, 38, 38)
    body = disc(20)
    mask = body - small - large
    share = float(small.mean())
    assert torch.equal(refine(mask, Refinement(fill_holes=share)), body - large)
    assert torch.equal(refine(mask, Refinement(fill_holes=share * 0.9)), mask)
    assert torch.equal(refine(mask, Refinement(fill_holes=1.0)), body)


def test_what_touches_the_border_is_no_hole():
    bay = box(10, 10, 50, 50) - box(20, 10, 30, 20)  # open to the left: one ground with the outside
    assert torch.equal(refine(bay, Refinement(fill_holes=1.0)), bay)
    frame = 1 - box(0, 20, 10, 30)  # a bite from the upper border
    assert torch.equal(refine(frame, Refinement(fill_holes=1.0)), frame)


def test_a_soft_hole_is_filled_with_its_rim():
    mask = soft_disc(20) * (1 - soft_disc(3))
    filled = refine(mask, Refinement(fill_holes=1.0))
    assert (filled[disc(10) > 0] == 1).all()
    assert torch.equal(filled[disc(15) == 0], mask[disc(15) == 0])


def test_invert_swaps_inside_and_outside():
    assert torch.equal(refine(soft_disc(10), Refinement(invert=True)), 1 - soft_disc(10))


@pytest.mark.parametrize("feather", [1.0, 3.0])
def test_feathering_falls_from_inside_to_outside_around_the_old_rim(feather):
    """Across a straight rim it is the integral of the Gaussian with that deviation."""
    soft = refine(box(0, 0, SIZE, 32), Refinement(feather=feather))[0, 32]
    assert (soft[1:] <= soft[:-1]).all()
    for distance in range(-4, 4):  # pixel centres lie half a pixel off the rim
        expected = 0.5 * math.erfc((distance + 0.5) / feather / math.sqrt(2))
        assert float(soft[32 + distance]) == pytest.approx(expected, abs=0.02)


def test_snapping_makes_nearly_0_and_nearly_1_exact():
    mask = torch.tensor([0.0, 0.05, 0.1, 0.11, 0.5, 0.89, 0.95, 1.0]).expand(1, 8, 8)
    snapped = refine(mask, Refinement(snap=0.1))[0, 0]
    torch.testing.assert_close(snapped, torch.tensor([0.0, 0, 0, 0.11, 0.5, 0.89, 1, 1]))
    assert set(snapped.tolist()) >= {0.0, 1.0}


def test_a_mask_is_fitted_to_a_size_or_to_the_picture():
    small = disc(4, 8, 8, size=17)
    assert refine(small, Refinement(), size=(34, 51)).shape == (1, 34, 51)
    assert refine(small, Refinement(), picture=torch.rand(1, 40, 30, 3)).shape == (1, 40, 30)
    assert refine(small, Refinement(), picture=torch.rand(1, 40, 30, 3), size=(20, 15)).shape == (1, 20, 15)
    doubled = refine(disc(8, 15.5, 15.5, size=32), Refinement(threshold=0.5), size=(64, 64))
    assert iou(doubled, disc(16, 31.5, 31.5)) > 0.95


def test_the_order_is_the_one_that_is_written():
    """Islands go before growing could join them, and inversion comes after both."""
    big, speck = disc(12, 30, 24), disc(2, 30, 42)
    how = Refinement(min_island=0.01, grow=6, invert=True)
    assert torch.equal(refine(big + speck, how), 1 - refine(big, Refinement(grow=6)))


@pytest.mark.parametrize(
    "sloppy",
    [disc(20), disc(13), disc(16, 35, 29), box(16, 16, 48, 48)],
    ids=["too large", "too small", "shifted", "a box"],
)
@pytest.mark.parametrize("with_heatmap", [False, True])
def test_grabcut_snaps_a_sloppy_mask_to_the_edge(sloppy, with_heatmap):
    truth = disc(16)
    heatmap = torch.nn.functional.avg_pool2d(truth, 8) if with_heatmap else None  # as coarse as a latent
    assert iou(sloppy, truth) < 0.9
    snapped = refine(sloppy, Refinement(edge_snap="grabcut"), picture=two_colours(truth), heatmap=heatmap)
    assert iou(snapped, truth) > 0.97
    assert set(snapped.unique().tolist()) == {0.0, 1.0}


def test_grabcut_stays_within_its_radius_of_the_mask():
    """The same colour further away is another object."""
    here, there = disc(10, 32, 16), disc(10, 32, 48)
    snapped = refine(disc(8, 32, 16), Refinement(edge_snap="grabcut", edge_radius=5), picture=two_colours(here + there))
    assert iou(snapped, here) > 0.97


def many_colours(region: torch.Tensor) -> torch.Tensor:
    """Patches of 4x4 in four colours inside and four others outside: both sides have one mean and one covariance."""
    rows, columns = torch.arange(SIZE)[:, None] // 4, torch.arange(SIZE) // 4
    which = (2 * (rows % 2) + columns % 2).expand(SIZE, SIZE)
    inside = torch.tensor([[0.0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]])
    picture = torch.lerp((1 - inside)[which], inside[which], region[0, :, :, None])
    grain = 0.02 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    return (picture * 0.8 + 0.1 + grain).clamp(0, 1)[None]


@pytest.mark.parametrize("sloppy", [disc(20), disc(16, 35, 29)], ids=["too large", "shifted"])
def test_grabcut_tells_sides_of_several_colours_apart(sloppy):
    truth = disc(16)
    snapped = refine(sloppy, Refinement(edge_snap="grabcut"), picture=many_colours(truth))
    assert iou(snapped, truth) > 0.97


def test_grabcut_leaves_a_hole_open_that_the_heatmaps_cells_are_too_coarse_to_show():
    ring = disc(16) - disc(7)
    heatmap = torch.nn.functional.avg_pool2d(ring, 8)  # [1, 8, 8]: a cell of the hole holds some of the ring
    sloppy = threshold(fit(heatmap, (SIZE, SIZE)), "otsu")
    assert (sloppy[ring == 0] > 0).float().mean() > 0.03
    snapped = refine(sloppy, Refinement(edge_snap="grabcut"), picture=two_colours(ring), heatmap=heatmap)
    assert iou(snapped, ring) > 0.97


def test_grabcut_is_the_same_every_time():
    """On colours that k-means can group in several ways, with other masks in between."""
    how, generator = Refinement(edge_snap="grabcut"), torch.Generator().manual_seed(0)
    pictures = torch.rand(8, SIZE, SIZE, 3, generator=generator)
    masks = disc(18).expand(8, -1, -1)
    first = refine(masks, how, picture=pictures)
    for i in reversed(range(8)):
        assert torch.equal(refine(masks[i : i + 1], how, picture=pictures[i : i + 1]), first[i : i + 1])


@pytest.mark.parametrize("snap", ["grabcut", "guided"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_empty_and_a_full_mask_have_no_edge_to_snap(snap, value):
    mask = torch.full((1, SIZE, SIZE), value)
    snapped = refine(mask, Refinement(edge_snap=snap), picture=two_colours(disc(16)))
    torch.testing.assert_close(snapped, mask, atol=1e-5, rtol=0)


@pytest.mark.parametrize("snap", ["grabcut", "guided"])
def test_without_an_edge_in_reach_the_rim_moves_no_further_than_the_radius(snap):
    snapped = refine(disc(14), Refinement(edge_snap=snap, edge_radius=4), picture=torch.full((1, SIZE, SIZE, 3), 0.5))
    assert ((snapped > 0.5) & (disc(14 + 5) == 0)).sum() == 0
    assert ((snapped < 0.5) & (disc(14 - 5) == 1)).sum() == 0


@pytest.mark.parametrize("sloppy", [disc(16), disc(20), disc(13), disc(16, 35, 29)])
def test_the_guided_filter_sharpens_a_blurred_mask_along_the_edge(sloppy):
    truth = disc(16)
    blurred = refine(sloppy, Refinement(feather=4.0))
    guided = refine(blurred, Refinement(edge_snap="guided", edge_radius=12), picture=two_colours(truth))
    assert iou(blurred, truth) < 0.95 and iou(guided, truth) > 0.99
    step_before, step_after = ((mask[0, 32, 47] - mask[0, 32, 50]).item() for mask in (blurred, guided))
    assert step_after > 2 * step_before and step_after > 0.5


def test_the_guided_filter_gives_a_mask_back_that_is_linear_in_the_picture():
    """With a mask a * I + b everywhere the local fit is that line, up to the regularization."""
    picture = np.random.default_rng(0).random((SIZE, SIZE, 3), np.float32)
    mask = 0.5 * picture[..., 0] + 0.3 * picture[..., 2] + 0.1
    np.testing.assert_allclose(guided_filter(mask, picture, 8, epsilon=1e-9), mask, atol=1e-4)


def test_a_radius_of_0_guides_nothing():
    snapped = refine(soft_disc(10), Refinement(edge_snap="guided", edge_radius=0), picture=two_colours(disc(16)))
    torch.testing.assert_close(snapped, soft_disc(10))


@pytest.mark.parametrize("snap", ["none", "guided", "grabcut"])
def test_each_mask_is_refined_as_if_it_were_alone(snap):
    masks = torch.cat([disc(18), box(10, 10, 40, 50), disc(9, 20, 40)])
    pictures = torch.cat([two_colours(disc(16)), two_colours(box(12, 12, 38, 48)), two_colours(disc(11, 20, 40))])
    how = Refinement(edge_snap=snap, min_island=0.01, fill_holes=0.01, grow=1, feather=1.0)
    together = refine(masks, how, picture=pictures)
    for i in range(3):
        assert torch.equal(refine(masks[i : i + 1], how, picture=pictures[i : i + 1]), together[i : i + 1])
    shared = refine(masks, how, picture=pictures[:1])
    assert torch.equal(shared[1:2], refine(masks[1:2], how, picture=pictures[:1]))


@pytest.mark.parametrize("snap", ["none", "guided", "grabcut"])
def test_one_mask_serves_several_pictures_and_one_of_anything_all_the_others(snap):
    mask, truths = disc(18), [disc(16), disc(17, 34, 30), box(16, 16, 48, 48)]
    pictures = torch.cat([two_colours(truth) for truth in truths])
    heatmaps = torch.cat([torch.nn.functional.avg_pool2d(truth, 8) for truth in truths])
    how = Refinement(edge_snap=snap, grow=1, feather=1.0)
    for theirs, heats in ((pictures, None), (pictures, heatmaps[:1]), (pictures, heatmaps), (pictures[:1], heatmaps)):
        together = refine(mask, how, picture=theirs, heatmap=heats)
        assert together.shape == (3, SIZE, SIZE)
        for i in range(3):
            picture = theirs[i : i + 1] if len(theirs) > 1 else theirs
            heatmap = heats if heats is None or len(heats) == 1 else heats[i : i + 1]
            assert torch.equal(together[i : i + 1], refine(mask, how, picture=picture, heatmap=heatmap))


def test_values_outside_0_to_1_are_clamped_and_any_dtype_is_taken():
    assert torch.equal(refine(disc(10) * 3 - 1, Refinement()), disc(10))
    for dtype in (torch.bool, torch.float16, torch.float64, torch.uint8):
        result = refine(disc(10).to(dtype), Refinement(grow=1))
        assert result.dtype == torch.float32 and torch.equal(result, refine(disc(10), Refinement(grow=1)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"edge_snap": "magic"}, "edge_snap is 'magic'; it must be one of none, guided, grabcut"),
        ({"open": -1}, "open is -1; it must be from 0 to 1024"),
        ({"close": -2}, "close is -2; it must be from 0 to 1024"),
        ({"edge_radius": -1}, "edge_radius is -1; it must be from 0 to 1024"),
        ({"feather": -0.5}, "feather is -0.5; it must be from 0 to 256"),
        ({"min_island": -0.1}, "min_island is -0.1; it must be from 0 to 1"),
        ({"fill_holes": -0.1}, "fill_holes is -0.1; it must be from 0 to 1"),
        ({"keep_largest": -1}, "keep_largest is -1; it must be from 0 to 100"),
        ({"snap": -0.1}, "snap is -0.1; it must be from 0 to 0.49"),
        ({"snap": 0.5}, "snap is 0.5; it must be from 0 to 0.49"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        replace(Refinement(), **settings)


def test_inputs_that_cannot_be_refined_are_errors_that_say_why():
    with pytest.raises(ValueError, match=re.escape("a mask to refine is [batch, height, width], this one is [8, 8]")):
        refine(torch.ones(8, 8), Refinement())
    with pytest.raises(ValueError, match="the mask contains NaN or infinity"):
        refine(torch.full((1, 8, 8), math.nan), Refinement())
    with pytest.raises(ValueError, match="edge_snap 'guided' follows the picture's edges; give it the picture"):
        refine(disc(10), Refinement(edge_snap="guided"))
    with pytest.raises(
        ValueError, match=r"3 masks and 2 pictures.* do not fit together; give one for all, or one for each"
    ):
        refine(disc(10).expand(3, -1, -1), Refinement(), picture=torch.rand(2, 8, 8, 3))
    with pytest.raises(
        ValueError, match=r"3 masks.* and 2 heatmaps do not fit together; give one for all, or one for each"
    ):
        refine(disc(10).expand(3, -1, -1), Refinement(), heatmap=torch.rand(2, 8, 8))


def blobs(height: int, width: int, seed: int = 0, scale: float = 12) -> np.ndarray:
    """Random smooth shapes, bool [H, W]."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), scale, borderType=cv2.BORDER_REFLECT) > 0


def by_kernel(solid: np.ndarray, operation: int, radius: int) -> np.ndarray:
    """Morphology by its definition, with a disc, on a mask that continues beyond the border."""
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = (rows**2 + columns**2 <= radius**2).astype(np.uint8)
    padded = np.pad(solid.astype(np.uint8), 2 * radius, mode="edge")
    return cv2.morphologyEx(padded, operation, disc)[2 * radius : -2 * radius, 2 * radius : -2 * radius] > 0


@pytest.mark.parametrize("radius", [1, 2, 5, 13])
@pytest.mark.parametrize(
    ("name", "sign", "operation"),
    [
        ("grow", 1, cv2.MORPH_DILATE),
        ("grow", -1, cv2.MORPH_ERODE),
        ("open", 1, cv2.MORPH_OPEN),
        ("close", 1, cv2.MORPH_CLOSE),
    ],
)
def test_morphology_is_that_of_a_disc(name, sign, operation, radius):
    for seed in range(3):
        solid = blobs(120, 90, seed)
        mask = torch.from_numpy(solid.astype(np.float32))[None]
        result = refine(mask, Refinement(**{name: sign * radius}))[0].numpy() > 0.5
        expected = by_kernel(solid, operation, radius)
        assert (result != expected).mean() < 0.01
        rim = by_kernel(expected, cv2.MORPH_DILATE, 1) ^ by_kernel(expected, cv2.MORPH_ERODE, 1)
        assert not (result != expected)[~rim].any()


@pytest.mark.parametrize("name", ["open", "close"])
def test_large_hairs_and_gaps_are_found_on_a_smaller_plane(name):
    """The rims of what stays are those of the mask, to the pixel."""
    radius, solid = 130, blobs(700, 900, seed=1, scale=50)
    mask = torch.from_numpy(solid.astype(np.float32))[None]
    result = refine(mask, Refinement(**{name: radius}))[0].numpy() > 0.5
    expected = by_kernel(solid, cv2.MORPH_OPEN if name == "open" else cv2.MORPH_CLOSE, radius)
    assert (result != solid).mean() > 0.05
    assert (result != expected).mean() < 0.025
    assert not (result & ~solid).any() if name == "open" else not (solid & ~result).any()


def test_the_largest_values_do_what_they_say():
    """A kernel as large as that would take minutes."""
    mask = disc(10)
    assert refine(mask, Refinement(grow=1024)).min() == 1
    assert refine(mask, Refinement(grow=-1024)).max() == 0
    assert refine(mask, Refinement(open=1024)).max() == 0
    assert torch.equal(refine(mask, Refinement(close=1024)), mask)
    assert torch.equal(refine(1 - mask, Refinement(close=1024)), torch.ones_like(mask))
    soft = refine(mask, Refinement(feather=256))
    assert soft.max() - soft.min() < 0.1 and float(soft.mean()) == pytest.approx(float(mask.mean()), abs=0.02)
    assert refine(disc(10, size=700), Refinement(grow=1024)).min() == 1


@pytest.mark.parametrize("deviation", [3.9, 4.0, 11.0, 40.0])
def test_a_wide_blur_is_that_of_a_gaussian(deviation):
    mask = blobs(300, 260, scale=20).astype(np.float32)
    expected = cv2.GaussianBlur(mask, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
    result = refine(torch.from_numpy(mask)[None], Refinement(feather=deviation))[0].numpy()
    away = round(3 * deviation)  # at the border the smaller plane continues a little differently
    inner = slice(away, -away), slice(away, -away)
    np.testing.assert_allclose(result[inner], expected[inner], atol=0.02)
    np.testing.assert_allclose(result, expected, atol=0.15)


@pytest.mark.parametrize("pixels", [6, -6])
@pytest.mark.parametrize("size", [SIZE, 1400])  # the larger one is grown on a smaller plane
def test_a_soft_rim_moves_as_it_is(pixels, size):
    rows, columns = torch.arange(size)[:, None], torch.arange(size)
    distance = ((rows - size / 2) ** 2 + (columns - size / 2) ** 2).sqrt()
    soft, moved = (((radius + 4 - distance) / 8).clamp(0, 1)[None] for radius in (16, 16 + pixels))
    torch.testing.assert_close(refine(soft, Refinement(grow=pixels)), moved, atol=0.15, rtol=0)


def large(region: np.ndarray, seed: int = 0) -> torch.Tensor:
    """A picture [1, H, W, 3] of two colours with a little grain."""
    picture = np.where(region[..., None], (0.8, 0.2, 0.1), (0.1, 0.4, 0.7))
    picture += np.random.default_rng(seed).normal(0, 0.02, picture.shape)
    return torch.from_numpy(picture.clip(0, 1).astype(np.float32))[None]


@pytest.mark.parametrize("snap", ["grabcut", "guided"])
@pytest.mark.parametrize("size", [(900, 1100), (1600, 1400)])
def test_on_a_large_picture_the_edge_is_found_to_the_pixel(snap, size):
    rows, columns = np.mgrid[: size[0], : size[1]]
    angle = np.arctan2(rows - size[0] / 2, columns - size[1] / 2)
    truth = np.hypot(rows - size[0] / 2, columns - size[1] / 2) < 250 * (1 + 0.05 * np.cos(7 * angle))
    sloppy = torch.from_numpy((np.hypot(rows - size[0] / 2 - 4, columns - size[1] / 2 + 5) < 250).astype(np.float32))[
        None
    ]
    mask = refine(sloppy, Refinement(feather=12)) if snap == "guided" else sloppy
    snapped = refine(mask, Refinement(edge_snap=snap, edge_radius=40), picture=large(truth))[0].numpy() > 0.5
    assert (snapped & truth).sum() / (snapped | truth).sum() > 0.99
    rim = by_kernel(truth, cv2.MORPH_DILATE, 3) & ~by_kernel(truth, cv2.MORPH_ERODE, 3)
    assert not (snapped != truth)[~rim].any() or snap == "guided"


def test_grabcut_that_runs_away_from_a_scattered_mask_leaves_it_as_it_was():
    generator = torch.Generator().manual_seed(0)
    picture, heatmap = torch.rand(1, 96, 96, 3, generator=generator), torch.rand(1, 12, 12, generator=generator)
    mask = threshold(fit(heatmap, (96, 96)))
    assert torch.equal(refine(mask, Refinement(edge_snap="grabcut"), picture=picture, heatmap=heatmap), mask)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mask": torch.ones(0, 8, 8)}, "a mask to refine is"),
        ({"mask": torch.ones(1, 0, 8)}, "a mask to refine is"),
        ({"picture": torch.full((1, 8, 8, 3), math.nan)}, "the picture contains NaN"),
        ({"picture": torch.ones(8, 8, 3)}, r"the picture is \[8, 8, 3\]; give pictures \[batch, height, width, 3\]"),
        ({"picture": torch.ones(1, 8, 8, 4)}, r"the picture is \[1, 8, 8, 4\]"),
        ({"picture": torch.ones(1, 8, 8, 3, dtype=torch.uint8)}, "the picture holds whole numbers"),
        ({"heatmap": torch.ones(8)}, r"the heatmap is \[8\]; give \[batch, height, width\]"),
        ({"heatmap": torch.full((1, 8, 8), math.inf)}, "the heatmap contains NaN or infinity"),
    ],
)
def test_what_a_mask_is_refined_with_must_be_whole(given, message):
    disc = torch.zeros(1, 8, 8)
    disc[:, 2:6, 2:6] = 1
    every = {"mask": disc, "picture": torch.rand(1, 8, 8, 3)} | given
    with pytest.raises(ValueError, match=message):
        refine(every.pop("mask"), Refinement(edge_snap="guided"), **every)
