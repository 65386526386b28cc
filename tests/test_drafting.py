"""Drafts, on worlds whose answer is known: the change that two texts ask for, put somewhere."""

import math
from itertools import pairwise

import pytest
import torch
from worlds import (
    DIFFUSION,
    FLOW,
    AsFlow,
    FlowGaussian,
    Gaussian,
    Somewhere,
    TwoPeaks,
    levels,
    order,
    standard_normal,
)

from diffedit_core.denoiser import NoiseProcess
from diffedit_core.drafting import draft
from diffedit_core.draws import Draws, seeded_noise
from diffedit_core.solvers import step

NOISE = seeded_noise(0)
SIGMAS = levels(2.0, 8)
X0 = 0.1 * standard_normal(4, 3, 12, 12)
VIEWS = {"diffusion": (DIFFUSION, lambda world: world), "flow": (FLOW, AsFlow)}


def thing(y: int, x: int) -> torch.Tensor:
    """[C, h, w]: a square of 3x3 cells."""
    picture = torch.zeros(3, 12, 12, dtype=torch.float64)
    picture[:, y : y + 3, x : x + 3] = 1
    return picture


PLACES = torch.stack([thing(y, x) for y in (0, 4, 8) for x in (0, 4, 8)])
NONE, SOMEWHERE = Gaussian(0.3), Somewhere(PLACES)


def drafted(source, target, x0=X0, process: NoiseProcess = DIFFUSION, sigmas=SIGMAS, noise=NOISE, **how):
    return draft(source.denoise, target.denoise, x0, process, sigmas, noise=noise, **how)


@pytest.mark.parametrize(("process", "view"), VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_where_both_texts_agree_the_draft_is_the_picture_bit_for_bit(process, view, dtype):
    """Everywhere, or in all but the corner that the texts differ in."""
    x0, sigmas = X0.to(dtype), [process.at_ratio(sigma) for sigma in SIGMAS]
    for world in (view(Gaussian(0.7, 0.4)), view(TwoPeaks()), view(Somewhere(PLACES.to(dtype)))):
        assert torch.equal(drafted(world, world, x0, process, sigmas), x0)
    corner = torch.zeros(12, 12, dtype=dtype)
    corner[:5, :5] = 1
    made = drafted(view(Gaussian(0.7)), view(Gaussian(0.7, corner)), x0, process, sigmas)
    assert made.dtype == dtype
    assert torch.equal(made[..., corner == 0], x0[..., corner == 0])
    assert (made - x0)[..., corner == 1].min() > 0.3


@pytest.mark.parametrize(("process", "view"), VIEWS.values(), ids=VIEWS)
def test_of_two_means_it_follows_the_ode_of_their_difference_with_first_order(process, view):
    """dD/dsigma = (D - gap) * sigma / (s^2 + sigma^2) from D = 0 at the top: D = gap * (1 - s / sqrt(s^2 + top^2))."""
    gap, deviation, top, errors = standard_normal(3, 12, 12, seed=1), 0.7, 3.0, {}
    source, target = view(Gaussian(deviation, 0.2)), view(Gaussian(deviation, 0.2 + gap))
    exact = X0 + gap * (1 - deviation / math.sqrt(deviation**2 + top**2))
    for steps in (32, 64, 128, 256):
        sigmas = [process.at_ratio(sigma) for sigma in levels(top, steps)]
        errors[steps] = float((drafted(source, target, process=process, sigmas=sigmas) - exact).abs().max())
    assert order(errors) == pytest.approx(-1, abs=0.15)


@pytest.mark.parametrize("source", [NONE, TwoPeaks()], ids=["linear", "two peaks"])
@pytest.mark.parametrize("target", [Gaussian(0.5, 1.0), TwoPeaks(), SOMEWHERE], ids=["mean", "two peaks", "somewhere"])
def test_a_flow_and_a_diffusion_give_the_same_draft(source, target):
    made = drafted(source, target)
    sigmas = [FLOW.at_ratio(sigma) for sigma in SIGMAS]
    same = drafted(AsFlow(source), AsFlow(target), process=FLOW, sigmas=sigmas)
    torch.testing.assert_close(same, made)
    assert source == target or (made - X0).abs().max() > 0.3


def test_it_settles_on_one_of_many_places_and_another_draft_on_another():
    """What the noisier levels put somewhere is there when the next one looks."""
    chosen = []
    for number in range(6):
        made = drafted(NONE, SOMEWHERE, noise=Draws.of(0).draft(number)) - X0
        shares = (made[:, None] * PLACES).flatten(2).mean(2) / PLACES[0].mean()  # [B, K]
        first, second = shares.topk(2).values.T
        assert (first > 0.6).all() and (second < 0.25).all()
        chosen.append(shares.argmax(1).tolist())
    assert all(len(set(each)) > 2 for each in zip(*chosen, strict=True))


@pytest.mark.parametrize("process", [DIFFUSION, FLOW], ids=["diffusion", "flow"])
def test_at_every_level_both_texts_see_one_noise_fresh_for_it(process):
    """The picture is noised anew each time, and the target text sees what has changed on top."""
    source_saw, target_saw, sigmas, change = [], [], levels(0.8, 4), torch.zeros_like(X0)

    def source(x, sigma):
        source_saw.append((x, sigma))
        return torch.zeros_like(x)

    def target(x, sigma):
        target_saw.append((x, sigma))
        return torch.ones_like(x)

    made = draft(source, target, X0, process, sigmas, noise=NOISE)
    assert len(source_saw) == len(target_saw) == 4
    for number, (sigma, below) in enumerate(pairwise(reversed(sigmas)), start=1):
        noisy = process.add(X0, NOISE(number, X0.shape[1:]).to(X0), sigma)
        (seen, at), (changed, also_at) = source_saw[number - 1], target_saw[number - 1]
        assert at == also_at == sigma and torch.equal(seen, noisy) and torch.equal(changed, noisy + change)
        change = step(change, torch.ones_like(X0), sigma, below)
    assert torch.equal(made, X0 + change) and torch.equal(change, torch.ones_like(X0))


def test_no_draw_is_drawn_twice():
    drawn = []

    def drawing(draw, shape):
        drawn.append((draw, shape))
        return NOISE(draw, shape)

    drafted(NONE, SOMEWHERE, noise=drawing)
    assert drawn == [(draw, X0.shape[1:]) for draw in range(1, 9)]  # draw 0 is the background's


def test_an_image_is_drafted_as_if_it_were_alone():
    x0 = X0.float()
    for target in (Gaussian(0.5, 1.0), Somewhere(PLACES.float())):
        together = drafted(NONE, target, x0)
        assert torch.equal(drafted(NONE, target, x0.flip(0)), together.flip(0))
        for i in range(len(x0)):
            assert torch.equal(drafted(NONE, target, x0[i : i + 1]), together[i : i + 1])


def test_a_video_is_drafted_as_its_frames_are():
    video, noise = standard_normal(2, 4, 3, 8, 8), standard_normal(9, 4, 3, 8, 8, seed=1)
    source, target = FlowGaussian(0.5), FlowGaussian(1.5)
    how = {"process": FLOW, "sigmas": levels(0.8, 8)}
    whole = drafted(source, target, video, noise=lambda draw, shape: noise[draw], **how)
    frame = drafted(source, target, video[:, :, 1], noise=lambda draw, shape: noise[draw, :, 1], **how)
    assert torch.equal(whole[:, :, 1], frame)


def test_inputs_are_left_as_they_were_and_a_draft_is_always_the_same():
    before = X0.clone()
    assert torch.equal(drafted(NONE, SOMEWHERE), drafted(NONE, SOMEWHERE))
    assert not torch.equal(drafted(NONE, SOMEWHERE), drafted(NONE, SOMEWHERE, noise=seeded_noise(1)))
    assert torch.equal(X0, before)


def test_steps_are_counted_and_show_what_the_target_text_predicts():
    told = []
    made = drafted(NONE, SOMEWHERE, on_step=lambda done, total, x0: told.append((done, total, x0)))
    assert [each[:2] for each in told] == [(i, 8) for i in range(1, 9)]
    last = DIFFUSION.add(X0, NOISE(8, X0.shape[1:]).to(X0), SIGMAS[1])
    torch.testing.assert_close(made, X0 + told[-1][2] - NONE.denoise(last, SIGMAS[1]))  # down to 0 it is the contrast


def test_an_exception_from_on_step_ends_the_loop_between_steps():
    calls, before = [], X0.clone()

    def counting(x, sigma):
        calls.append(sigma)
        return NONE.denoise(x, sigma)

    def stop(done, total, x):
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        draft(counting, counting, X0, DIFFUSION, SIGMAS, noise=NOISE, on_step=stop)
    assert len(calls) == 2 * 2 and torch.equal(X0, before)


def test_a_draft_that_overflows_says_what_to_do():
    def overflowing(x, sigma):
        return (x.half() * 60000 * 60000).to(x)

    with pytest.raises(
        ValueError,
        match=r"the draft ended in NaN or infinity, which half precision .* run the model in float32 or bfloat16",
    ):
        draft(NONE.denoise, overflowing, X0, DIFFUSION, SIGMAS, noise=NOISE)
