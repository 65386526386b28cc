import math
import re

import pytest
import torch
from worlds import DIFFUSION, FLOW, Gaussian, levels, order, pair, standard_normal

from diffedit_core.contrast import STATISTICS, contrast, purist_contrast
from diffedit_core.draws import paired_noise, seeded_noise
from diffedit_core.masks import RULES, threshold

NOISE = seeded_noise(0)


def shifted_mean(shape=(4, 8, 8)) -> torch.Tensor:
    """A text whose mean differs from 0 in the upper left quarter, in another way in every channel."""
    mean = torch.zeros(shape, dtype=torch.float64)
    mean[:, :4, :4] = torch.tensor([1.0, -2.0, 0.5, 0.0], dtype=torch.float64)[:, None, None]
    return mean


@pytest.mark.parametrize("process", [DIFFUSION, FLOW], ids=["diffusion", "flow"])
def test_two_means_give_the_closed_form_where_they_differ_and_0_elsewhere(process):
    """x0_target - x0_source = sigma^2 / (s^2 + sigma^2) * the means' difference, whatever the noise."""
    source, target, sigma = Gaussian(0.8), Gaussian(0.8, shifted_mean()), 0.9
    x0, scale = standard_normal(2, 4, 8, 8), 0.9 / (0.8**2 + 0.9**2)
    expected = {
        "mean_abs": scale * shifted_mean().abs().mean(0).expand(2, 8, 8).float(),
        "signed": scale * shifted_mean().norm(dim=0).expand(2, 8, 8).float(),
    }
    for statistic in STATISTICS:
        how = {"noise": NOISE, "draws": 3, "statistic": statistic}
        heatmap = contrast(pair(source, target), x0, process, sigma, **how).heatmap
        torch.testing.assert_close(heatmap, expected[statistic], rtol=1e-5, atol=1e-6)
        assert (heatmap[:, 4:] == 0).all() and (heatmap[:, :, 4:] == 0).all()


def test_what_the_noise_contributes_cancels_in_signed_with_paired_draws():
    """Texts that differ in their deviation differ by (k - k') (x0 + sigma * noise): pairs leave |k - k'| |x0|."""
    x0, sigma = standard_normal(1, 4, 8, 8), 1.5
    wide, narrow = Gaussian(1.0), Gaussian(0.5)
    gap = 1 / (1 + sigma**2) - 0.25 / (0.25 + sigma**2)
    signed = {
        "paired": contrast(
            pair(wide, narrow), x0, DIFFUSION, sigma, noise=paired_noise(NOISE), draws=4, statistic="signed"
        ).heatmap,
        "plain": contrast(pair(wide, narrow), x0, DIFFUSION, sigma, noise=NOISE, draws=4, statistic="signed").heatmap,
    }
    expected = (gap / sigma * x0.norm(dim=1)).float()
    torch.testing.assert_close(signed["paired"], expected, rtol=1e-5, atol=1e-6)
    assert (signed["plain"] - expected).abs().max() > 0.05


def test_the_purist_contrast_converges_to_the_flows_own_difference():
    """Denoised in full, x arrives at mean + (x - mean) / sqrt(1 + sigma^2 / s^2) under either text."""
    source, target, top = Gaussian(0.8), Gaussian(0.8, shifted_mean()), 3.0
    truth = shifted_mean().abs().mean(0) * (1 - 1 / math.sqrt(1 + (top / 0.8) ** 2))
    errors = {}
    for steps in (16, 32, 64):
        heatmap = purist_contrast(
            source.denoise,
            target.denoise,
            standard_normal(1, 4, 8, 8),
            DIFFUSION,
            levels(top, steps),
            noise=NOISE,
            draws=2,
        ).heatmap
        errors[steps] = float((heatmap[0] - truth).abs().max())
    assert order(errors) == pytest.approx(-1, abs=0.15)


def test_one_purist_step_is_the_plain_contrast_in_the_latents_own_units():
    source, target, x0 = Gaussian(0.8), Gaussian(0.8, shifted_mean()), standard_normal(1, 4, 8, 8)
    plain = contrast(pair(source, target), x0, DIFFUSION, 2.0, noise=NOISE, draws=3)
    purist = purist_contrast(source.denoise, target.denoise, x0, DIFFUSION, (0.0, 2.0), noise=NOISE, draws=3)
    torch.testing.assert_close(purist.heatmap, plain.heatmap * 2.0)
    torch.testing.assert_close(purist.agreement, plain.agreement)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_equal_texts_give_exactly_0_and_an_empty_mask_under_every_rule(statistic):
    world, x0 = Gaussian(0.8, shifted_mean()), standard_normal(2, 4, 8, 8)
    heatmap = contrast(pair(world, world), x0, DIFFUSION, 1.0, noise=NOISE, statistic=statistic).heatmap
    purist = purist_contrast(
        world.denoise, world.denoise, x0, DIFFUSION, levels(1.0, 3), noise=NOISE, statistic=statistic
    ).heatmap
    assert (heatmap == 0).all() and (purist == 0).all()
    for rule in RULES:
        assert (threshold(heatmap, rule) == 0).all()


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_chunk_changes_nothing(statistic):
    worlds = pair(Gaussian(0.8), Gaussian(0.5, shifted_mean()))
    x0 = standard_normal(3, 4, 8, 8, dtype=torch.float32)
    one, *others = (
        contrast(worlds, x0, DIFFUSION, 1.0, noise=NOISE, draws=7, statistic=statistic, chunk=chunk)
        for chunk in (1, 2, 3, 7, 50)
    )
    for other in others:
        assert torch.equal(one.heatmap, other.heatmap) and torch.equal(one.agreement, other.agreement)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_an_images_heatmap_depends_on_no_other_image(statistic):
    worlds = pair(Gaussian(0.8), Gaussian(0.5))
    x0 = standard_normal(3, 4, 8, 8, dtype=torch.float32)

    def found(images):
        both = contrast(worlds, images, DIFFUSION, 1.0, noise=NOISE, draws=3, statistic=statistic, chunk=2)
        return both.heatmap, both.agreement

    for turned, theirs in zip(found(x0.flip(0)), found(x0), strict=True):
        assert torch.equal(turned, theirs.flip(0))
    for i in range(3):
        for alone, theirs in zip(found(x0[i : i + 1]), found(x0), strict=True):
            assert torch.equal(alone, theirs[i : i + 1])


def test_video_latents_give_a_heatmap_per_frame():
    world = pair(Gaussian(0.8), Gaussian(0.8, torch.full((4, 1, 1, 1), 0.5, dtype=torch.float64)))
    assert contrast(world, standard_normal(2, 4, 3, 8, 8), FLOW, 0.5, noise=NOISE).heatmap.shape == (2, 3, 8, 8)


def test_no_more_than_a_chunk_goes_through_the_model_at_a_time():
    sizes = []

    def counting(x, sigma):
        sizes.append(len(x))
        return x, x

    contrast(counting, standard_normal(2, 4, 8, 8), DIFFUSION, 1.0, noise=NOISE, draws=7, chunk=3)
    assert sizes == [6, 6, 2]  # of 2 images


@pytest.mark.parametrize("statistic", STATISTICS)
def test_each_step_shows_the_heatmap_of_the_draws_so_far(statistic):
    worlds, x0, seen = pair(Gaussian(), Gaussian(mean=1.0)), standard_normal(2, 4, 8, 8), []
    about = {"noise": NOISE, "statistic": statistic}
    for chunk in (1, 3):
        seen.clear()
        contrast(
            worlds,
            x0,
            DIFFUSION,
            1.0,
            draws=5,
            chunk=chunk,
            on_step=lambda done, total, shown: seen.append((done, total, shown)),
            **about,
        )
        assert [step[:2] for step in seen] == [(i, 5) for i in range(1, 6)]
        for done, _, shown in seen:
            assert torch.equal(shown, contrast(worlds, x0, DIFFUSION, 1.0, draws=done, **about).heatmap)


def test_steps_of_the_purist_contrast_count_every_prediction():
    done = []
    purist_contrast(
        Gaussian().denoise,
        Gaussian().denoise,
        standard_normal(1, 4, 4, 4),
        DIFFUSION,
        levels(1.0, 3),
        noise=NOISE,
        draws=2,
        on_step=lambda i, total, x0: done.append((i, total)),
    )
    assert done == [(i, 12) for i in range(1, 13)]


@pytest.mark.parametrize("purist", [False, True])
def test_an_exception_from_on_step_ends_the_loop_between_steps(purist):
    calls, x0 = [], standard_normal(1, 4, 8, 8)
    before = x0.clone()

    def counting(x, sigma):
        calls.append(sigma)
        return x

    def stop(done, total, x):
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        if purist:
            purist_contrast(counting, counting, x0, DIFFUSION, levels(1.0, 4), noise=NOISE, on_step=stop)
        else:
            contrast(lambda x, s: (counting(x, s), x), x0, DIFFUSION, 1.0, noise=NOISE, on_step=stop)
    assert len(calls) == 2 and torch.equal(x0, before)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_predictions_that_overflow_half_precision_are_an_error_that_says_so(statistic):
    def overflowing(x, sigma):
        big = x.half() * 60000 * 60000  # infinity, and infinity - infinity is NaN
        return big, big

    with pytest.raises(ValueError, match=re.escape("NaN or infinity, which half precision (fp16)")):
        contrast(overflowing, standard_normal(1, 4, 8, 8), DIFFUSION, 1.0, noise=NOISE, statistic=statistic)


@pytest.mark.parametrize("shape", [(), (4,), (2, 4), (1, 4, 8), (0, 4, 8, 8), (1, 4, 0, 8)])
def test_what_is_no_latent_is_an_error_with_its_shape(shape):
    x0 = torch.zeros(shape)
    with pytest.raises(ValueError, match=re.escape(f"the latent is {list(shape)}")):
        contrast(lambda x, s: (x, x), x0, DIFFUSION, 1.0, noise=NOISE)
    with pytest.raises(ValueError, match=re.escape(f"the latent is {list(shape)}")):
        purist_contrast(lambda x, s: x, lambda x, s: x, x0, DIFFUSION, levels(1.0, 2), noise=NOISE)
