"""Choosing among tries, on worlds whose answer is known."""

from itertools import pairwise

import pytest
import torch
from worlds import DIFFUSION, FLOW, AsFlow, FlowGaussian, FlowOf, Gaussian, TwoPeaks, levels, pair, standard_normal

from diffedit_core.choosing import STRENGTHS, best, decode_best, likeness
from diffedit_core.decoding import decode, noised
from diffedit_core.draws import Draws
from diffedit_core.solvers import SOLVERS

HALF = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
HALF[..., :4] = 1
ZERO, TWO = Gaussian(0.5, 0.0), Gaussian(0.5, 2.0)  # what a source text and a target text say
SIGMAS, DRAWS = levels(3.4, 12), Draws.of(9)
NOISE, WORLD = DRAWS.noise, TwoPeaks()
X0 = standard_normal(3, 4, 8, 8)
MASKS = torch.cat([HALF, HALF.flip(-1), HALF.mT])
SCHEDULES = {"no details": (levels(4.0, 6), 0), "some": (SIGMAS, 2), "all but one": (levels(0.5, 5), 4)}
"""Levels, and from which of them down there are only details left to come."""
families = pytest.mark.parametrize(
    ("process", "world"), [(DIFFUSION, WORLD), (FLOW, AsFlow(WORLD))], ids=["diffusion", "flow"]
)
schedules = pytest.mark.parametrize(("sigmas", "until"), SCHEDULES.values(), ids=SCHEDULES)


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
    (kept,) = best(4, lambda number: (tries[number],), lambda found: next(asked))
    assert kept.flatten().tolist() == [3.0, 1.0, 11.0]


def test_all_that_belongs_to_a_try_is_kept_together():
    """Whatever its shape and type, a number for each image among it."""
    scores = torch.tensor([[1.0, 5.0], [3.0, 4.0]])
    found = [(torch.full((2, 4, 8, 8), number), torch.tensor([number, 10.0 + number])) for number in (0, 1)]
    latent, points = best(2, lambda number: found[number], lambda each: scores[int(each[1][0])])
    assert latent.shape == (2, 4, 8, 8) and latent[:, 0, 0, 0].tolist() == [1, 0]
    assert points.tolist() == [1.0, 10.0]


def test_each_try_is_made_once_and_judged_as_it_was_made():
    made, judged = [], []

    def attempt(number):
        made.append(number)
        return torch.full((1, 1), float(number)), torch.full((1,), -float(number))

    best(4, attempt, lambda found: [judged.append(float(found[0])), found[1]][1])
    assert made == [0, 1, 2, 3] and judged == [0.0, 1.0, 2.0, 3.0]


def never(x, sigma):
    raise AssertionError("nothing is to be chosen here")


def start_of(number: int, mask, outside):
    """By hand: the picture's own noise, or in all tries but the first fresh noise inside the mask."""
    noise = DRAWS.solver(number)(0, X0.shape[1:]).to(X0)
    return outside.start if number == 0 else torch.lerp(outside.start, X0 + outside.sigmas[-1] * noise, mask)


def steps_down(number: int, x, mask, outside, begin: int, end: int):
    """By hand: a try's steps from one level to another, each with the draw of its place: (x, the last x0)."""
    noise, x0, sigmas = DRAWS.solver(number), x, outside.sigmas
    for place, (level, below) in enumerate(pairwise(range(len(sigmas) - 1, -1, -1)), start=1):
        if begin >= level > end:
            step = SOLVERS["ancestral"].begin(DIFFUSION, lambda draw, shape, place=place: noise(place, shape))
            edited, x0 = step(WORLD.denoise, x, sigmas[level], sigmas[below])
            x = torch.lerp(outside.at(below, x), edited, mask)
    return x, x0


@schedules
def test_tries_are_judged_where_details_begin_and_the_one_most_like_the_target_text_is_finished(sigmas, until):
    """By hand: every try begun with its own draws, what it predicts judged on the same noise."""
    mask, both = MASKS.expand(3, 4, 8, 8), pair(ZERO, TWO)
    outside, top = noised(X0, sigmas, DIFFUSION, NOISE), len(sigmas) - 1
    how = {"process": DIFFUSION, "draws": DRAWS, "tries": 5}
    kept = decode_best(WORLD.denoise, both, MASKS, outside, **how)

    begun = [steps_down(n, start_of(n, mask, outside), mask, outside, top, until) for n in range(5)]
    shown = [torch.lerp(X0, x0, mask) for _, x0 in begun]
    judged = torch.stack([likeness(both, x0, MASKS, DIFFUSION, DRAWS.judging) for x0 in shown])
    chosen = judged.argmax(0).tolist()
    assert len(set(chosen)) > 1, "this test wants images that choose differently"
    x = torch.stack([begun[number][0][i] for i, number in enumerate(chosen)])
    x, _ = steps_down(0, x, mask, outside, until, 0)
    assert torch.equal(kept, x)
    elsewhere = mask == 0
    assert torch.equal(kept[elsewhere], X0[elsewhere])


@schedules
@families
@pytest.mark.parametrize("solver", ["ddim", "ancestral"])
def test_one_try_is_the_first_of_many_where_that_one_is_kept(process, world, solver, sigmas, until):
    """The same noise at every level, also below the one where the others are left. (A memory would end there.)"""
    outside = noised(X0, [process.at_ratio(sigma) for sigma in sigmas], process, NOISE)

    def decoded(tries, pair):
        how = {"process": process, "draws": DRAWS, "tries": tries, "solver": solver}
        return decode_best(world.denoise, pair, MASKS, outside, **how)

    def indifferent(x, sigma):
        return x, x

    alone = decoded(1, never)
    assert torch.equal(decoded(4, indifferent), alone)  # the first of equals
    step = SOLVERS[solver].begin(process, DRAWS.solver(0))
    assert torch.equal(alone, decode(world.denoise, MASKS, outside, step=step))


def test_an_image_gets_the_same_try_alone_and_in_a_batch():
    x0 = X0.float()

    def decoded(images, masks, tries):
        outside = noised(images, SIGMAS, DIFFUSION, NOISE)
        how = {"process": DIFFUSION, "draws": DRAWS, "tries": tries}
        return decode_best(WORLD.denoise, pair(ZERO, TWO), masks, outside, **how)

    together = decoded(x0, MASKS, 4)
    assert not torch.equal(together, decoded(x0, MASKS, 1))
    for i in range(3):
        assert torch.equal(decoded(x0[i : i + 1], MASKS[i : i + 1], 4), together[i : i + 1])
    shared = decoded(x0[:1], MASKS, 4)  # one image, judged under each mask by itself
    for i in range(3):
        assert torch.equal(decoded(x0[:1], MASKS[i : i + 1], 4), shared[i : i + 1])


@families
def test_a_try_is_judged_in_its_picture(process, world):
    """Outside the mask stands the picture itself, with the noise of the judging."""
    seen, sigmas = [], [process.at_ratio(sigma) for sigma in SIGMAS]

    def judging(x, sigma):
        seen.append((x, sigma))
        return x, x

    how = {"process": process, "draws": DRAWS, "tries": 3}
    decode_best(world.denoise, judging, MASKS, noised(X0, sigmas, process, NOISE), **how)
    outside = MASKS.expand_as(X0) == 0
    assert len(seen) == 3 * len(STRENGTHS)
    for x, sigma in seen:
        shown = process.add(X0, DRAWS.judging(0, X0.shape[1:]).to(X0), sigma)
        assert torch.equal(x[outside], shown[outside]) and not torch.equal(x, shown)


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_try_judges_nothing(solver):
    outside = noised(standard_normal(1, 4, 8, 8), SIGMAS, DIFFUSION, NOISE)
    how = {"process": DIFFUSION, "draws": DRAWS, "tries": 1, "solver": solver}
    kept = decode_best(WORLD.denoise, never, HALF, outside, **how)
    step = SOLVERS[solver].begin(DIFFUSION, DRAWS.solver(0))
    assert torch.equal(kept, decode(WORLD.denoise, HALF, outside, step=step))


@pytest.mark.parametrize("is_changed", [False, True], ids=["", "changed"])
@pytest.mark.parametrize("solver", SOLVERS)
@families
def test_tries_differ_from_their_start_on(process, world, solver, is_changed):
    """Inside the mask each but the first has noise of its own, on the picture or on the picture with the change."""
    starts, sigmas = [], [process.at_ratio(sigma) for sigma in SIGMAS]
    outside, top = noised(X0, sigmas, process, NOISE), sigmas[-1]
    change = standard_normal(3, 4, 8, 8, seed=5) if is_changed else None

    def watching(x, sigma):
        starts.extend([x] if sigma == top else [])
        return world.denoise(x, sigma)

    how = {"process": process, "draws": DRAWS, "tries": 3, "solver": solver, "change": change}
    decode_best(watching, pair(ZERO, TWO), MASKS, outside, **how)
    inside, noises = MASKS.expand_as(X0) > 0, (NOISE, DRAWS.solver(1), DRAWS.solver(2))
    assert len(starts) == 3
    for start, noise in zip(starts, noises, strict=True):
        own = process.add(X0 if change is None else X0 + change, noise(0, X0.shape[1:]).to(X0), top)
        torch.testing.assert_close(start[inside], own[inside])
        assert torch.equal(start[~inside], outside.start[~inside])


@pytest.mark.parametrize(
    ("tries", "solver", "sigmas", "calls"),
    [
        (1, "ancestral", SIGMAS, 12),
        (4, "ancestral", SIGMAS, 4 * 10 + 2),  # two levels are left when the tries are judged
        (4, "ddim", SIGMAS, 4 * 10 + 2),
        (3, "ancestral", levels(4.0, 6), 3 * 6),
        (3, "ancestral", levels(0.5, 5), 3 * 1 + 4),  # one step at least belongs to each
        (3, "ancestral", levels(0.5, 1), 3 * 1),
    ],
)
@families
def test_only_the_best_try_is_finished_and_all_steps_are_counted_through(process, world, tries, solver, sigmas, calls):
    told, asked, sigmas = [], [], [process.at_ratio(sigma) for sigma in sigmas]
    judged = tries * len(STRENGTHS) if tries > 1 else 0

    def counting(x, sigma):
        asked.append(sigma)
        return world.denoise(x, sigma)

    decode_best(
        counting,
        pair(ZERO, TWO),
        HALF,
        noised(standard_normal(1, 4, 8, 8), sigmas, process, NOISE),
        process=process,
        draws=DRAWS,
        solver=solver,
        tries=tries,
        on_step=lambda done, total, x: told.append((done, total, x.shape)),
    )
    total = calls + judged
    assert len(asked) == calls
    assert told == [(i, total, (1, 4, 8, 8)) for i in range(1, total + 1)]


def test_an_exception_from_on_step_ends_it_between_steps():
    asked = []

    def counting(x, sigma):
        asked.append(sigma)
        return WORLD.denoise(x, sigma)

    def stop(done, total, x):
        if done == 20:  # in the second try: 10 steps and a judgement belong to the first
            raise InterruptedError

    outside, how = noised(X0, SIGMAS, DIFFUSION, NOISE), {"process": DIFFUSION, "draws": DRAWS, "tries": 3}
    with pytest.raises(InterruptedError):
        decode_best(counting, pair(ZERO, TWO), MASKS, outside, **how, on_step=stop)
    assert len(asked) == 20 - len(STRENGTHS)


@families
@pytest.mark.parametrize("tries", [1, 3])
def test_a_change_is_where_it_starts_from_and_no_part_of_what_stands_outside(process, world, tries):
    outside = noised(X0, [process.at_ratio(sigma) for sigma in levels(1.0, 8)], process, NOISE)

    def decoded(change):
        how = {"process": process, "draws": DRAWS, "tries": tries, "change": change}
        return decode_best(world.denoise, pair(ZERO, TWO), MASKS, outside, **how)

    plain, change = decoded(None), 3 * torch.ones_like(X0)
    assert torch.equal(decoded(0 * change), plain)
    inside = MASKS.expand_as(X0) > 0
    for found in (plain, decoded(change)):
        assert torch.equal(found[~inside], X0[~inside])
    assert (decoded(change)[inside] > 0).float().mean() > 0.95 > (plain[inside] > 0).float().mean()  # the upper peak


def test_a_flow_that_is_a_diffusion_in_disguise_keeps_the_same_tries():
    """The same levels of noise to picture are early and late, and likeness weighs them alike."""

    def decoded(process, world, source, target, tries):
        outside = noised(X0, [process.at_ratio(sigma) for sigma in SIGMAS], process, NOISE)
        how = {"process": process, "draws": DRAWS, "tries": tries}
        return decode_best(world.denoise, pair(source, target), MASKS, outside, **how)

    ours = decoded(DIFFUSION, WORLD, ZERO, TWO, tries=4)
    torch.testing.assert_close(decoded(FlowOf(), AsFlow(WORLD), AsFlow(ZERO), AsFlow(TWO), tries=4), ours)
    assert (decoded(DIFFUSION, WORLD, ZERO, TWO, tries=1) - ours).abs().max() > 0.1  # another than the first is kept
