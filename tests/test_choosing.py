"""Choosing among tries, on worlds whose answer is known."""

import pytest
import torch
from worlds import DIFFUSION, FLOW, FlowGaussian, Gaussian, TwoPeaks, levels, pair, standard_normal

from diffedit_core.choosing import STRENGTHS, best, decode_best, likeness, steps_of
from diffedit_core.decoding import Rounds, course, decode, noised
from diffedit_core.denoiser import seeded_noise, sequence

HALF = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
HALF[..., :4] = 1
ZERO, TWO = Gaussian(0.5, 0.0), Gaussian(0.5, 2.0)  # what a source text and a target text say
SIGMAS, NOISE = levels(4.0, 6), seeded_noise(3)


def tone(value: float, count: int = 1) -> torch.Tensor:
    return torch.full((count, 4, 8, 8), value, dtype=torch.float64)


@pytest.mark.parametrize("process", [DIFFUSION, FLOW], ids=["diffusion", "flow"])
def test_what_the_target_text_says_is_more_like_it_than_what_the_source_text_says(process):
    both = pair(ZERO, TWO) if process is DIFFUSION else pair(FlowGaussian(0.3), FlowGaussian(1.5))
    values = (0.0, 0.5, 1.0, 1.5, 2.0)
    found = [float(likeness(both, tone(value), HALF, process, NOISE)) for value in values]
    assert found == sorted(found)
    assert found[0] < 0 < found[-1]


def test_halfway_between_two_texts_is_like_neither():
    """Errors of noise n: the one world's prediction is off by as much as the other's, mirrored, so they cancel."""
    mirrored = tone(1.0, count=2)
    there = likeness(pair(ZERO, TWO), mirrored, HALF, DIFFUSION, NOISE)
    back = likeness(pair(TWO, ZERO), mirrored, HALF, DIFFUSION, NOISE)
    assert torch.allclose(there, -back)
    unheard = likeness(pair(ZERO, TWO), mirrored, HALF, DIFFUSION, lambda draw, shape: torch.zeros(shape))
    assert torch.allclose(unheard, torch.zeros(2, dtype=torch.float64), atol=1e-12)


def test_only_the_inside_of_the_mask_is_judged():
    x, elsewhere = standard_normal(2, 4, 8, 8), standard_normal(2, 4, 8, 8)
    elsewhere[..., :4] = x[..., :4]
    found = [likeness(pair(ZERO, TWO), latent, HALF, DIFFUSION, NOISE) for latent in (x, elsewhere)]
    assert torch.equal(*found)
    assert torch.equal(likeness(pair(ZERO, TWO), x, HALF * 0, DIFFUSION, NOISE), torch.zeros(2, dtype=torch.float64))


def test_an_image_is_judged_alone_as_in_a_batch():
    x = standard_normal(3, 4, 8, 8)
    masks = torch.cat([HALF, HALF.flip(-1), torch.ones_like(HALF)])
    together = likeness(pair(ZERO, TwoPeaks()), x, masks, DIFFUSION, NOISE)
    for i in range(3):
        alone = likeness(pair(ZERO, TwoPeaks()), x[i : i + 1], masks[i : i + 1], DIFFUSION, NOISE)
        assert torch.allclose(alone, together[i : i + 1], rtol=1e-12)


def test_a_video_is_judged_whole():
    x = standard_normal(1, 4, 3, 8, 8)
    mask = torch.ones(1, 1, 3, 8, 8)
    assert likeness(pair(ZERO, TWO), x, mask, DIFFUSION, NOISE).shape == (1,)


def test_the_best_is_taken_image_by_image_and_the_first_of_equals():
    tries = torch.arange(12.0).view(4, 3, 1, 1, 1)
    scores = torch.tensor([[1.0, 5.0, 2.0], [3.0, 5.0, 1.0], [2.0, 4.0, 2.0], [3.0, 1.0, 9.0]])
    asked = iter(scores)
    kept = best(4, lambda number: tries[number], lambda latent: next(asked))
    assert kept.flatten().tolist() == [3.0, 1.0, 11.0]


def test_the_try_most_like_the_target_text_is_kept():
    """By hand: every try decoded from its own draws, judged on the same noise."""
    x0 = standard_normal(3, 4, 8, 8)
    world, both = TwoPeaks(), pair(ZERO, TWO)
    background, rounds = noised(x0, SIGMAS, DIFFUSION, NOISE), Rounds(2, DIFFUSION, NOISE)
    kept = decode_best(world.denoise, both, HALF, background, rounds=rounds, tries=5)
    tries = [
        decode(world.denoise, HALF, background, rounds=Rounds(2, DIFFUSION, sequence(NOISE, number)))
        for number in range(5)
    ]
    judged = torch.stack([likeness(both, x, HALF, DIFFUSION, sequence(NOISE, -1)) for x in tries])
    chosen = judged.argmax(0)
    assert len(set(chosen.tolist())) > 1, "this test wants images that choose differently"
    assert torch.equal(kept, torch.stack([tries[number][i] for i, number in enumerate(chosen.tolist())]))
    outside = HALF.expand_as(x0) == 0
    assert torch.equal(kept[outside], x0[outside])


@pytest.mark.parametrize(("rounds", "tries"), [(1, 1), (1, 4), (3, 1)])
def test_one_try_and_one_round_judge_nothing(rounds, tries):
    def never(x, sigma):
        raise AssertionError("nothing is to be chosen here")

    background = noised(standard_normal(1, 4, 8, 8), SIGMAS, DIFFUSION, NOISE)
    drawn = Rounds(rounds, DIFFUSION, NOISE)
    kept = decode_best(ZERO.denoise, never, HALF, background, rounds=drawn, tries=tries)
    assert torch.equal(kept, decode(ZERO.denoise, HALF, background, rounds=drawn))


@pytest.mark.parametrize(("rounds", "tries"), [(1, 4), (3, 1), (2, 3)])
def test_the_steps_of_all_tries_are_counted_through(rounds, tries):
    told = []
    background = noised(standard_normal(1, 4, 8, 8), SIGMAS, DIFFUSION, NOISE)
    decode_best(
        ZERO.denoise,
        pair(ZERO, TWO),
        HALF,
        background,
        rounds=Rounds(rounds, DIFFUSION, NOISE),
        tries=tries,
        on_step=lambda done, total, x: told.append((done, total, x.shape)),
    )
    total = steps_of(6, rounds, tries)
    assert total == {(1, 4): 6, (3, 1): len(course(6, 3)), (2, 3): 3 * (9 + len(STRENGTHS))}[rounds, tries]
    assert told == [(i, total, (1, 4, 8, 8)) for i in range(1, total + 1)]


def test_sequences_are_other_draws():
    shape = torch.Size((4, 8, 8))
    assert torch.equal(sequence(NOISE, 0)(7, shape), NOISE(7, shape))
    fields = [sequence(NOISE, number)(draw, shape) for number in (-1, 0, 1, 2) for draw in range(4)]
    assert len({field.sum().item() for field in fields}) == len(fields)
