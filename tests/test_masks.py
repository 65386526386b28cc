import logging
import math
import re

import numpy as np
import pytest
import torch
from worlds import standard_normal

from diffedit_core.masks import (
    GRID,
    RULES,
    WIDE,
    advice,
    cells,
    coarse,
    cover,
    coverage,
    cut,
    fit,
    is_wide,
    otsu_threshold,
    spared,
    threshold,
    warn_if_unlikely,
)


def blob(height: int = 20, width: int = 20) -> torch.Tensor:
    """A heatmap with a strong middle of 6x6 in a weak, uneven ground: [1, h, w]."""
    heatmap = 0.1 + 0.05 * torch.rand(1, height, width, generator=torch.Generator().manual_seed(0))
    heatmap[:, 7:13, 7:13] += 1
    return heatmap


TRUE_BLOB = blob() > 0.5


@pytest.mark.parametrize("rule", ["auto", "otsu", "ratio", "minmax", "zscore"])
def test_every_rule_finds_a_region_that_stands_out(rule):
    assert torch.equal(threshold(blob(), rule), TRUE_BLOB.float())


def test_top_keeps_the_share_it_is_given():
    assert torch.equal(threshold(blob(), "top", 36 / 400), TRUE_BLOB.float())
    for share in (0.0, 0.25, 0.5, 1.0):
        assert coverage(threshold(blob(), "top", share)) == share


def test_ratio_is_diffusers_rule():
    """Clamped at ratio * mean, divided by it, above 0.5: all in all, above ratio / 2 means."""
    heatmap = standard_normal(1, 16, 16, dtype=torch.float32).abs()
    for ratio in (0.5, 2.0, 3.0):
        assert torch.equal(threshold(heatmap, "ratio", ratio), (heatmap > ratio / 2 * heatmap.mean()).float())


def test_a_ratio_of_0_keeps_all_that_is_not_0():
    heatmap = blob() * (torch.arange(20) % 2)
    assert torch.equal(threshold(heatmap, "ratio", 0.0), (heatmap > 0).float())


def test_minmax_is_not_led_astray_by_outliers():
    heatmap = torch.linspace(0, 1, 1001).reshape(1, 7, 143)
    outlier = heatmap.clone()
    outlier[0, -1, -1] = 1000.0
    assert coverage(threshold(heatmap, "minmax")) == pytest.approx(0.5, abs=0.01)
    assert torch.equal(threshold(outlier, "minmax"), threshold(heatmap, "minmax"))
    assert coverage(threshold(heatmap, "minmax", 0.75)) == pytest.approx(0.255, abs=0.01)


def test_zscore_counts_deviations_from_the_mean():
    heatmap = standard_normal(1, 64, 64, dtype=torch.float32) + 10
    assert torch.equal(threshold(heatmap, "zscore"), (heatmap > heatmap.mean()).float())
    assert coverage(threshold(heatmap, "zscore", 1.0)) == pytest.approx(0.159, abs=0.02)  # of a normal distribution
    assert coverage(threshold(heatmap, "zscore", -1.0)) == pytest.approx(0.841, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_otsus_threshold_is_the_best_of_all_splits(seed):
    """Against trying every one."""
    values = standard_normal(60, seed=seed, dtype=torch.float32)
    values[:20] += 3
    between = {}
    for split in values.sort().values[:-1].tolist():
        low, high = values[values <= split].double(), values[values > split].double()
        between[split] = len(low) * len(high) * float(low.mean() - high.mean()) ** 2
    best = max(between, key=between.__getitem__)
    assert torch.equal(values > otsu_threshold(values), values > best)


def test_otsus_factor_moves_the_threshold_up_and_down():
    heatmap = standard_normal(1, 32, 32, dtype=torch.float32).abs()
    assert (
        coverage(threshold(heatmap, "otsu", 0.5))
        > coverage(threshold(heatmap))
        > coverage(threshold(heatmap, "otsu", 1.5))
    )


def test_otsu_is_the_default():
    assert torch.equal(threshold(blob()), threshold(blob(), "otsu", 1.0))


def ground(height: int = 20, width: int = 20) -> torch.Tensor:
    """A heatmap that is hot nearly everywhere, unevenly, around a cold thing of 6x6: [1, h, w]."""
    heatmap = 0.3 + 0.7 * torch.rand(1, height, width, generator=torch.Generator().manual_seed(1))
    heatmap[:, 7:13, 7:13] = 0.02
    return heatmap


def test_auto_is_otsu_and_lower_for_an_area_each_image_by_itself():
    both = torch.cat([blob(), ground()])
    assert is_wide(both).tolist() == [False, True]
    for value in (1.0, 0.8):
        things, areas = threshold(both, "otsu", value), threshold(both, "otsu", 0.5 * value)
        assert torch.equal(threshold(both, "auto", value), torch.stack([things[0], areas[1]]))
        assert not torch.equal(things[1], areas[1])
    assert torch.equal(threshold(both, "auto"), threshold(both, "auto", 1.0))
    assert torch.equal(threshold(ground(), "auto"), (ground() > 0.1).float())  # all of it, where otsu leaves half out
    assert coverage(threshold(ground())) < 0.6


def test_the_heat_of_a_thing_peaks_and_that_of_an_area_does_not():
    """Above so many times the mean: where a share of the picture is hot and the rest cold, the mean is that share."""
    for share in (0.1, 0.24, 0.26, 0.5, 1.0):
        heatmap = torch.zeros(1, 10, 10)
        heatmap.view(-1)[: round(100 * share)] = 1
        for scale in (1e-4, 1.0, 1e4):
            assert bool(is_wide(scale * heatmap)) == (1 / share < WIDE)
    assert not is_wide(torch.zeros(2, 8, 8)).any()  # nothing is nowhere


@pytest.mark.parametrize("shape", [(2, 32, 48), (2, 3, 32, 48)], ids=["picture", "video"])
def test_maps_are_compared_on_a_grid_of_means(shape):
    """A cell of the grid is the mean of the cells in it; what is small enough stays as it is."""
    planes = standard_normal(*shape, dtype=torch.float32)
    grid = coarse(planes).view(*shape[:-2], GRID, GRID)
    torch.testing.assert_close(grid[..., 1, 2], planes[..., 2:4, 6:9].mean((-2, -1)))
    torch.testing.assert_close(grid.mean((-2, -1)), planes.mean((-2, -1)))
    small = standard_normal(2, 5, 9, dtype=torch.float32)
    assert torch.equal(coarse(small), small.flatten(1))
    mixed = coarse(standard_normal(2, 5, 32, dtype=torch.float32))
    assert mixed.shape == (2, 5 * GRID)


@pytest.mark.parametrize("rule", RULES)
def test_each_image_is_judged_by_itself(rule):
    """diffusers takes one mean over the batch, so that a strong edit wipes out a weak one."""
    weak, strong = blob() / 50, blob().roll(5, 2) * 50
    together = threshold(torch.cat([weak, strong]), rule)
    assert torch.equal(together, torch.cat([threshold(weak, rule), threshold(strong, rule)]))
    assert together[0].any() and together[1].any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("level", [0.0, 0.7])
def test_without_contrast_the_mask_is_empty(rule, level):
    """diffusers answers two equal texts with a full mask: 0 / 0 is not <= 0.5."""
    flat = torch.full((1, 16, 16), level)
    assert (threshold(flat, rule) == 0).all()
    assert (threshold(flat + 1e-6 * blob(16, 16), rule) == 0).all()  # rounding is no contrast


def test_one_cell_is_a_picture_too():
    for rule in RULES:
        assert threshold(torch.ones(2, 1, 1), rule).shape == (2, 1, 1)


def test_grey_keeps_the_heat_and_its_half_is_where_otsu_cuts():
    heatmap = blob()
    grey, middle = threshold(heatmap, "grey"), 2 * otsu_threshold(heatmap)
    torch.testing.assert_close(grey, (heatmap / middle).clamp(max=1))
    assert torch.equal((grey > 0.5).float(), threshold(heatmap, "otsu"))
    torch.testing.assert_close(threshold(heatmap, "grey", 2.0), (heatmap / middle / 2).clamp(max=1))
    assert (threshold(heatmap, "grey", 0.0) == 1).all()  # all that is warm at all


def test_fast_mask_is_above_the_mean_grown_by_one_cell():
    heatmap = torch.zeros(1, 9, 9)
    heatmap[0, 4, 4], heatmap[0, 0, 8] = 1.0, 1.0
    expected = torch.zeros(1, 9, 9)
    expected[0, 3:6, 3:6], expected[0, :2, 7:] = 1, 1
    assert torch.equal(threshold(heatmap, "fast"), expected)


def test_fast_mask_without_contrast_is_empty():
    assert (threshold(torch.ones(1, 8, 8), "fast") == 0).all()


def test_fast_masks_rise_with_their_value_and_frames_do_not_grow_into_one_another():
    heatmap = standard_normal(2, 3, 12, 12, dtype=torch.float32).abs()
    grown = [threshold(heatmap, "fast", value) for value in (0.0, 1.0, 2.0)]
    assert (grown[0] >= grown[1]).all() and (grown[1] >= grown[2]).all() and not torch.equal(grown[0], grown[2])
    spot = torch.zeros(1, 3, 9, 9)
    spot[0, 1, 4, 4] = 1
    expected = torch.zeros(1, 3, 9, 9)
    expected[0, 1, 3:6, 3:6] = 1
    assert torch.equal(threshold(spot, "fast"), expected)


@pytest.mark.parametrize("rule", RULES)
def test_a_heatmap_is_brought_to_size_before_it_is_cut_but_where_the_rule_sees_cells(rule):
    heatmap, size = standard_normal(2, 8, 8, dtype=torch.float32).abs(), (50, 70)
    mask = cut(heatmap, size, rule, 0.5)
    assert mask.shape == (2, 50, 70) and mask.min() >= 0 and mask.max() == 1
    assert (mask % 1 > 0).any() == (rule == "grey")
    first, last = threshold(fit(heatmap, size), rule, 0.5), (fit(threshold(heatmap, rule, 0.5), size) > 0.5).float()
    assert torch.equal(mask, last if rule == "fast" else first) and not torch.equal(first, last)
    assert torch.equal(cut(heatmap, size, rule), cut(heatmap, size, rule, RULES[rule].default))


@pytest.mark.parametrize("size", [(24, 40), (5, 10), (8, 80)])
def test_fit_moves_nothing(size):
    """A ramp stays that ramp, in its own coordinates, away from the rim."""
    h, w = size
    ramp = ((torch.arange(20) + 0.5) / 20).expand(1, 10, 20)
    fitted = fit(ramp, size)
    expected = ((torch.arange(w) + 0.5) / w).expand(1, h, w)
    inner = slice(w // 4, -w // 4)
    torch.testing.assert_close(fitted[..., inner], expected[..., inner], atol=1e-5, rtol=0)
    assert fitted.shape == (1, h, w) and fitted.dtype == torch.float32


def test_a_mask_thinner_than_a_cell_is_not_blended_away():
    thin, wide = torch.zeros(2, 64, 64)
    thin[21:24, 8:56] = 1
    wide[16:48, 16:48] = 1
    both = cells(torch.stack([thin, wide]), (8, 8), soft=True)
    assert torch.equal(both[0], cells(thin[None], (8, 8), soft=False)[0]) and both[0].max() == 1
    assert torch.equal(both[1], fit(wide[None], (8, 8))[0]) and (both[1] % 1 > 0).any()


def test_fitting_to_fewer_cells_averages_what_it_cannot_show():
    checkerboard = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2).float()[None]
    torch.testing.assert_close(fit(checkerboard, (8, 8)), torch.full((1, 8, 8), 0.5), atol=0.02, rtol=0)
    line = torch.zeros(1, 64, 64)
    line[:, :, 13] = 1
    assert float(fit(line, (8, 8)).mean()) == pytest.approx(1 / 64, rel=0.05)


def test_fit_at_the_same_size_changes_no_value_and_gives_floats():
    mask = TRUE_BLOB
    assert torch.equal(fit(mask, (20, 20)), mask.float()) and fit(mask, (20, 20)).dtype == torch.float32


def test_fit_keeps_the_planes_of_a_video_apart():
    video = standard_normal(2, 3, 8, 8, dtype=torch.float32)
    assert torch.equal(fit(video, (16, 16))[:, 1], fit(video[:, 1], (16, 16)))


def test_a_cell_covers_every_pixel_that_asks_for_it():
    mask = torch.zeros(1, 32, 32)
    mask[0, 7, 8], mask[0, 31, 31] = 1.0, 0.3
    cells = cover(mask, (4, 4))
    expected = torch.zeros(1, 4, 4)
    expected[0, 0, 1], expected[0, 3, 3] = 1.0, 0.3
    assert torch.equal(cells, expected)


def test_coverage_is_the_share_of_each_image():
    mask = torch.zeros(2, 10, 10)
    mask[1, :5] = 1
    assert coverage(mask).tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (0, "the mask is empty: the two texts make no difference to this picture"),
        (4, "the mask covers only 0.40 % of the picture; cut the heatmap at a lower value, or grow the mask"),
        (5, None),
        (600, None),
        (601, "the mask covers 60 % of the picture; let the two texts differ in fewer words"),
        (1000, "the mask covers 100 % of the picture; let the two texts differ in fewer words"),
    ],
)
def test_a_warning_says_which_knob_to_turn(cells, expected, caplog):
    mask = torch.zeros(1, 20, 50)
    mask.view(-1)[:cells] = 1
    with caplog.at_level(logging.WARNING, logger="diffedit_core"):
        warn_if_unlikely(mask)
    if expected is None:
        assert advice(mask) is None and not caplog.records
    else:
        assert advice(mask).startswith(expected)
        assert [record.getMessage() for record in caplog.records] == [advice(mask)]


def test_a_large_mask_is_what_an_area_asks_for(caplog):
    nearly_all = torch.ones(1, 20, 50)
    with caplog.at_level(logging.WARNING, logger="diffedit_core"):
        warn_if_unlikely(nearly_all, ("area",))
        assert not caplog.records
        warn_if_unlikely(nearly_all, ("object", "addition"))
        warn_if_unlikely(torch.zeros(1, 20, 50), ("area",))  # and an empty one is not
    assert ["covers 100 %" in caplog.text, "the mask is empty" in caplog.text] == [True, True]


def test_the_worst_image_of_a_batch_is_warned_about():
    masks = torch.zeros(3, 10, 10)
    masks[0, :2] = 1
    assert advice(masks).startswith("2 of 3 masks are empty")
    masks[1:] = 1
    assert "100 %" in advice(masks)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_heatmap_with_nan_is_an_error_that_names_half_precision(value):
    heatmap = blob()
    heatmap[0, 3, 3] = value
    for rule in RULES:
        with pytest.raises(ValueError, match=re.escape("NaN or infinity, which half precision (fp16)")):
            threshold(heatmap, rule)


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        ("best", None, f"rule is 'best'; it must be one of {', '.join(RULES)}"),
        ("top", 1.5, f"rule 'top' was given 1.5; it must be from 0 to 1 ({RULES['top'].value})"),
        ("minmax", -0.1, f"rule 'minmax' was given -0.1; it must be from 0 to 1 ({RULES['minmax'].value})"),
        ("ratio", -1.0, f"rule 'ratio' was given -1.0; it must be from 0 to inf ({RULES['ratio'].value})"),
        ("otsu", -1.0, f"rule 'otsu' was given -1.0; it must be from 0 to inf ({RULES['otsu'].value})"),
        ("zscore", math.nan, "rule 'zscore' was given nan; it must be from -inf to inf"),
        ("fast", math.nan, "rule 'fast' was given nan; it must be from -inf to inf"),
    ],
)
def test_rules_and_values_that_cannot_be_are_named(rule, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        threshold(blob(), rule, value)


def test_a_heatmap_without_a_batch_is_an_error():
    with pytest.raises(ValueError, match=re.escape("a heatmap is [batch, ..., height, width], this one is [16]")):
        threshold(torch.rand(16))


def test_numpy_agrees_on_the_published_rules():
    """The same heatmap through the formulas as their authors wrote them."""
    heatmap = standard_normal(1, 32, 32, dtype=torch.float32).abs()
    v = heatmap[0].numpy()
    clamped = np.clip(v, 0, 3 * v.mean()) / (3 * v.mean())
    assert np.array_equal(threshold(heatmap, "ratio")[0].numpy(), np.where(clamped <= 0.5, 0, 1))
    assert np.array_equal(threshold(heatmap, "zscore")[0].numpy(), (v - v.mean()) / v.std() > 0)


@pytest.mark.parametrize("shape", [(0, 4, 4), (2, 0, 4), (), (3,)])
def test_an_empty_heatmap_is_an_error(shape):
    for ask in (lambda heatmap: threshold(heatmap), lambda heatmap: cut(heatmap, (8, 8))):
        with pytest.raises(ValueError, match="a heatmap is"):
            ask(torch.rand(shape))


def test_a_mask_of_one_cell_is_cut_and_spared():
    one = torch.ones(1, 1, 1)
    assert (
        otsu_threshold(one) == 1 and torch.equal(spared(one, one), one) and torch.equal(spared(one, one * 0), one * 0)
    )


@pytest.mark.parametrize("rule", RULES)
def test_a_heatmap_may_lie_in_memory_in_any_way(rule):
    heatmap = torch.rand(2, 3, 12, 9, generator=torch.Generator().manual_seed(0))
    for other in (heatmap.mT.contiguous().mT, heatmap.transpose(0, 1).contiguous().transpose(0, 1)):
        assert torch.equal(threshold(other, rule), threshold(heatmap, rule))
