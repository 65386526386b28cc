"""What must hold for every size, batch, type, rule and setting: Hypothesis looks for one for which it does not."""

import pytest
import torch
from hypothesis import strategies as st
from soak.properties import always, is_mask
from soak.strategies import batches, floats, heatmaps, normal, refinements, rules, seeds, shapes, uniform
from worlds import DIFFUSION, FLOW, FlowGaussian, Gaussian, TwoPeaks, levels, pair

from diffedit_core.choosing import decode_best
from diffedit_core.compositing import paste, soften_inwards
from diffedit_core.contrast import STATISTICS, contrast
from diffedit_core.decoding import noised, retrace, source
from diffedit_core.drafting import draft
from diffedit_core.draws import Draws, paired_noise, seeded_noise
from diffedit_core.inversion import invert
from diffedit_core.masks import RULES, cells, cover, cut, fit, threshold
from diffedit_core.refine import refine
from diffedit_core.solvers import SOLVERS
from diffedit_core.strength import levels_up_to, sigma_at


@always(heatmap=heatmaps(), rule=rules(), dtype=floats)
def test_rules_give_masks_of_the_same_shape_without_touching_the_heatmap(heatmap, rule, dtype):
    heatmap = heatmap.clamp(max=6e4).to(dtype)
    before = heatmap.clone()
    mask = threshold(heatmap, *rule)
    assert mask.shape == heatmap.shape and is_mask(mask)
    assert rule[0] == "grey" or set(mask.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(heatmap, before) and torch.equal(threshold(heatmap, *rule), mask)
    for i in range(len(heatmap)):
        assert torch.equal(threshold(heatmap[i : i + 1], *rule), mask[i : i + 1])


@always(heatmap=heatmaps(), rule=rules([name for name in RULES if name != "fast"]), higher=st.floats(0, 2))
def test_a_mask_is_an_upper_set_and_shrinks_as_its_rule_is_tightened(heatmap, rule, higher):
    """No cell outside is hotter than one inside; a higher value (a smaller share of "top") takes nothing new."""
    name, value = rule
    value = RULES[name].default if value is None else value
    mask = threshold(heatmap, name, value)
    for image, inside in zip(heatmap.flatten(1), mask.flatten(1) > 0, strict=True):
        if inside.any() and not inside.all():
            assert image[inside].min() >= image[~inside].max()
    tighter = max(0.0, value - higher) if name == "top" else min(value + higher, RULES[name].high)
    assert (threshold(heatmap, name, tighter) <= mask).all()


@always(heatmap=heatmaps())
def test_the_fast_mask_holds_the_mask_above_the_mean(heatmap):
    fast = threshold(heatmap, "fast")
    assert (fast >= threshold(heatmap, "zscore")).all() and is_mask(fast)
    assert (threshold(heatmap, "fast", 1.0) <= fast).all()


@always(heatmap=heatmaps(), rule=rules(), height=st.integers(1, 60), width=st.integers(1, 60))
def test_cut_masks_have_any_size_and_are_hard_but_for_the_greys(heatmap, rule, height, width):
    before = heatmap.clone()
    mask = cut(heatmap, (height, width), *rule)
    assert mask.shape == (*heatmap.shape[:-2], height, width)
    assert is_mask(mask) and torch.equal(heatmap, before)
    assert rule[0] == "grey" or set(mask.unique().tolist()) <= {0.0, 1.0}


@always(mask=heatmaps(), height=st.integers(1, 60), width=st.integers(1, 60), soft=st.booleans())
def test_masks_are_fitted_to_any_size_within_their_range(mask, height, width, soft):
    mask = mask / mask.max().clamp_min(1e-9)
    before = mask.clone()
    for fitted in (fit(mask, (height, width)), cover(mask, (height, width)), cells(mask, (height, width), soft)):
        assert fitted.shape == (*mask.shape[:-2], height, width)
        assert fitted.isfinite().all() and fitted.min() >= -1e-6 and fitted.max() <= 1 + 1e-6
    assert torch.equal(mask, before)
    rows, columns = mask.shape[-2:]
    h, w = min(height, rows), min(width, columns)
    own = cover(mask, (h, w))[..., torch.arange(rows) * h // rows, :][..., torch.arange(columns) * w // columns]
    assert (own >= mask).all()  # the cell a pixel lies in takes at least what the pixel asks for


@always(
    examples=80,
    batch=batches,
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    how=refinements(),
    seed=seeds,
    kind=st.sampled_from(["noise", "blob", "empty", "full"]),
    heat=st.booleans(),
    flat=st.booleans(),
)
def test_refined_masks_are_masks(batch, height, width, how, seed, kind, heat, flat):
    mask = {
        "noise": uniform((batch, height, width), seed),
        "blob": fit((normal((batch, 4, 4), seed) > 0).float(), (height, width)),
        "empty": torch.zeros(batch, height, width),
        "full": torch.ones(batch, height, width),
    }[kind]
    picture = torch.full((batch, height, width, 3), 0.5) if flat else uniform((batch, height, width, 3), seed + 1)
    heatmap = uniform((batch, 5, 5), seed + 2) if heat else None
    before = mask.clone(), picture.clone()
    result = refine(mask, how, picture=picture, heatmap=heatmap)
    assert result.shape == mask.shape and is_mask(result)
    assert torch.equal(mask, before[0]) and torch.equal(picture, before[1])
    assert torch.equal(refine(mask, how, picture=picture, heatmap=heatmap), result)
    for i in range(batch):
        alone = refine(
            mask[i : i + 1],
            how,
            picture=picture[i : i + 1],
            heatmap=None if heatmap is None else heatmap[i : i + 1],
        )
        assert torch.equal(alone, result[i : i + 1])


@always(
    shape=shapes,
    dtype=floats,
    statistic=st.sampled_from(list(STATISTICS)),
    process=st.sampled_from([DIFFUSION, FLOW]),
    draws=st.integers(1, 5),
    chunk=st.integers(1, 6),
    sure=st.sampled_from([-1.0, 0.0, 0.5, 0.8, 1.0]),
    paired=st.booleans(),
    seed=seeds,
)
def test_heatmaps_are_finite_and_the_same_for_any_chunk_and_batch(
    shape, dtype, statistic, process, draws, chunk, sure, paired, seed
):
    """Also where some images of a batch are sure after two draws and others are not."""
    x0, worlds = normal(shape, seed, dtype), pair(Gaussian(0.8), TwoPeaks())
    before, noise = x0.clone(), paired_noise(seeded_noise(seed)) if paired else seeded_noise(seed)

    def found(images, chunk):
        how = {"noise": noise, "draws": draws, "statistic": statistic, "sure": sure, "chunk": chunk}
        return contrast(worlds, images, process, 0.7, **how)

    result = found(x0, chunk)
    heatmap, agreement = result.heatmap, result.agreement
    assert heatmap.shape == (shape[0], *shape[2:]) and heatmap.dtype == torch.float32
    assert heatmap.isfinite().all() and (heatmap >= 0).all()
    assert agreement.shape == (shape[0],) and (agreement.abs() <= 1 + 1e-5).all()
    assert torch.equal(heatmap, found(x0, 1).heatmap) and torch.equal(x0, before)
    for i in range(len(x0)):
        alone = found(x0[i : i + 1], chunk)
        assert torch.equal(alone.heatmap, heatmap[i : i + 1])
        torch.testing.assert_close(alone.agreement, agreement[i : i + 1])


@always(
    shape=shapes,
    dtype=floats,
    flow=st.booleans(),
    steps=st.integers(1, 6),
    iterations=st.integers(0, 2),
    background=st.sampled_from(["retrace", "noised", "source"]),
    solver=st.sampled_from(list(SOLVERS)),
    tries=st.integers(1, 3),
    is_changed=st.booleans(),
    seed=seeds,
)
def test_inverted_and_decoded_latents_keep_shape_type_and_background(
    shape, dtype, flow, steps, iterations, background, solver, tries, is_changed, seed
):
    """The same again, and the same alone as in a batch, whichever try is kept."""
    process, world, top = (FLOW, FlowGaussian(), 0.8) if flow else (DIFFUSION, Gaussian(), 3.0)
    x0, sigmas = normal(shape, seed, dtype), levels(top, steps)
    mask = (uniform((shape[0], 1, *shape[2:]), seed + 1) > 0.5).float()
    change = normal(shape, seed + 3, dtype) if is_changed else None
    before = x0.clone(), mask.clone()
    trajectory = invert(world.denoise, x0, process, sigmas, iterations=iterations)
    assert trajectory.latents.shape == (steps + 1, *shape) and trajectory.latents.dtype == dtype
    assert torch.equal(trajectory.clean, x0)
    latents = trajectory.latents.clone()

    def decoded(images, mask, change, up):
        outside = {
            "retrace": lambda: retrace(up),
            "noised": lambda: noised(images, sigmas, process, seeded_noise(seed + 2)),
            "source": lambda: source(up, world.denoise),
        }[background]
        both = pair(world, Gaussian(0.5, 1.0))
        how = {"process": process, "draws": Draws.of(seed + 2), "solver": solver, "tries": tries, "change": change}
        return decode_best(lambda x, sigma: world.denoise(x, sigma) + 1, both, mask, outside(), **how)

    result = decoded(x0, mask, change, trajectory)
    assert result.shape == shape and result.dtype == dtype and result.isfinite().all()
    assert torch.equal(result, decoded(x0, mask, change, trajectory))
    everywhere = mask.expand(shape) == 0
    if background != "source":
        assert torch.equal(result[everywhere], x0[everywhere])
    for i in range(shape[0]):
        one = slice(i, i + 1)
        up = invert(world.denoise, x0[one], process, sigmas, iterations=iterations)
        alone = decoded(x0[one], mask[one], None if change is None else change[one], up)
        assert torch.equal(alone, result[one])
    assert torch.equal(x0, before[0]) and torch.equal(mask, before[1])
    assert torch.equal(trajectory.latents, latents)


@always(shape=shapes, dtype=floats, flow=st.booleans(), steps=st.integers(1, 6), agree=st.booleans(), seed=seeds)
def test_drafts_keep_shape_and_type_and_are_the_same_alone_as_in_a_batch(shape, dtype, flow, steps, agree, seed):
    process, world, top = (FLOW, FlowGaussian(), 0.8) if flow else (DIFFUSION, TwoPeaks(), 3.0)
    x0, sigmas = normal(shape, seed, dtype), levels(top, steps)
    before = x0.clone()

    def drafted(images):
        target = world.denoise if agree else lambda x, sigma: world.denoise(x, sigma) + 1
        return draft(world.denoise, target, images, process, sigmas, noise=seeded_noise(seed))

    result = drafted(x0)
    assert result.shape == shape and result.dtype == dtype and result.isfinite().all()
    assert torch.equal(result, drafted(x0)) and torch.equal(x0, before)
    assert torch.equal(result, x0) == agree
    for i in range(shape[0]):
        assert torch.equal(drafted(x0[i : i + 1]), result[i : i + 1])


@always(
    batch=batches,
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    rim=st.floats(0, 12),
    soft=st.booleans(),
    seed=seeds,
)
def test_pasting_keeps_the_original_outside_and_stays_between_the_two(batch, height, width, rim, soft, seed):
    original, edited = uniform((batch, height, width, 3), seed), uniform((batch, height, width, 3), seed + 1)
    mask = uniform((batch, height, width), seed + 2)
    mask = mask * (mask > 0.4) if soft else (mask > 0.4).float()
    before = original.clone(), edited.clone(), mask.clone()
    weight = soften_inwards(mask, rim)
    assert is_mask(weight) and (weight <= mask + 1e-6).all() and ((weight == 0) == (mask == 0)).all()
    result = paste(original, edited, mask, rim)
    assert torch.equal(result[mask == 0], original[mask == 0])
    assert (result >= torch.minimum(original, edited) - 1e-6).all()
    assert (result <= torch.maximum(original, edited) + 1e-6).all()
    assert all(torch.equal(a, b) for a, b in zip(before, (original, edited, mask), strict=True))


@always(strength=st.floats(0, 1, exclude_min=True), steps=st.integers(1, 1000))
def test_levels_up_to_any_strength_are_a_rising_start_of_the_schedule(strength, steps):
    full = levels(10.0, steps)
    part = levels_up_to(strength, full)
    assert 2 <= len(part) <= len(full) and part == full[: len(part)]
    assert len(part) - 1 == pytest.approx(strength * steps, abs=1)


@always(strengths=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)), gain=st.floats(1, 12))
def test_more_strength_is_more_noise(strengths, gain):
    low, high = sorted(strengths)
    for process in (DIFFUSION, FLOW):
        assert 0 < sigma_at(process, low, gain) <= sigma_at(process, high, gain) <= sigma_at(process, high, 2 * gain)
