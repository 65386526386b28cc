"""Choosing among tries, on worlds whose answer is known."""

import pytest
import torch
from worlds import DIFFUSION, FLOW, FlowGaussian, Gaussian, TwoPeaks, levels, pair, standard_normal

from diffedit_core.choosing import STRENGTHS, best, decode_best, likeness
from diffedit_core.decoding import Descent, decode, levels_visited, noised
from diffedit_core.draws import Draws

HALF = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
HALF[..., :4] = 1
ZERO, TWO = Gaussian(0.5, 0.0), Gaussian(0.5, 2.0)  # what a source text and a target text say
SIGMAS, DRAWS = levels(4.0, 6), Draws.of(3)
NOISE = DRAWS.noise


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


def descent(number: int, rounds: int, solver: str) -> Descent:
    """Of one try."""
    return Descent(DIFFUSION, DRAWS.rounds(number), DRAWS.solver(number), rounds, solver)


@pytest.mark.parametrize(("rounds", "solver"), [(2, "ddim"), (1, "ancestral"), (2, "ancestral"), (2, "multistep")])
def test_the_try_most_like_the_target_text_is_kept(rounds, solver):
    """By hand: every try decoded from its own draws, judged on the same noise."""
    x0, masks = standard_normal(3, 4, 8, 8), torch.cat([HALF, HALF.flip(-1), HALF.mT])
    world, both = TwoPeaks(), pair(ZERO, TWO)
    outside = noised(x0, SIGMAS, DIFFUSION, NOISE)
    how = {"rounds": rounds, "solver": solver}
    kept = decode_best(world.denoise, both, masks, outside, process=DIFFUSION, draws=DRAWS, tries=5, **how)
    tries = [decode(world.denoise, masks, outside, descent=descent(number, **how)) for number in range(5)]
    judged = torch.stack([likeness(both, x, masks, DIFFUSION, DRAWS.judging) for x in tries])
    chosen = judged.argmax(0)
    assert len(set(chosen.tolist())) > 1, "this test wants images that choose differently"
    assert torch.equal(kept, torch.stack([tries[number][i] for i, number in enumerate(chosen.tolist())]))
    elsewhere = masks.expand_as(x0) == 0
    assert torch.equal(kept[elsewhere], x0[elsewhere])


@pytest.mark.parametrize(
    ("rounds", "tries", "solver"),
    [(1, 1, "ddim"), (1, 4, "ddim"), (3, 1, "ddim"), (1, 4, "multistep"), (1, 1, "ancestral"), (3, 1, "ancestral")],
)
def test_one_try_and_one_round_without_fresh_noise_judge_nothing(rounds, tries, solver):
    def never(x, sigma):
        raise AssertionError("nothing is to be chosen here")

    outside, how = noised(standard_normal(1, 4, 8, 8), SIGMAS, DIFFUSION, NOISE), {"rounds": rounds, "solver": solver}
    kept = decode_best(ZERO.denoise, never, HALF, outside, process=DIFFUSION, draws=DRAWS, tries=tries, **how)
    assert torch.equal(kept, decode(ZERO.denoise, HALF, outside, descent=descent(0, **how)))


@pytest.mark.parametrize(
    ("rounds", "tries", "solver", "total"),
    [
        (1, 4, "ddim", 6),
        (1, 4, "multistep", 6),
        (1, 4, "ancestral", 4 * (6 + len(STRENGTHS))),
        (3, 1, "ddim", len(levels_visited(6, 3))),
        (2, 3, "ddim", 3 * (9 + len(STRENGTHS))),
    ],
)
def test_the_steps_of_all_tries_are_counted_through(rounds, tries, solver, total):
    told = []
    outside = noised(standard_normal(1, 4, 8, 8), SIGMAS, DIFFUSION, NOISE)
    decode_best(
        ZERO.denoise,
        pair(ZERO, TWO),
        HALF,
        outside,
        process=DIFFUSION,
        draws=DRAWS,
        rounds=rounds,
        solver=solver,
        tries=tries,
        on_step=lambda done, total, x: told.append((done, total, x.shape)),
    )
    assert told == [(i, total, (1, 4, 8, 8)) for i in range(1, total + 1)]
