"""The steps down, on worlds whose flow is known in closed form, beside diffusers' schedulers, and round by round."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from worlds import DIFFUSION, FLOW, AsFlow, FlowGaussian, Gaussian, TwoPeaks, levels, order, standard_normal

from diffedit_core.decoding import Outside, decode
from diffedit_core.draws import Draws
from diffedit_core.solvers import ETA, SOLVERS, ancestral, ddim, multistep, sample

PROCESSES = {"diffusion": DIFFUSION, "flow": FLOW}
WORLDS = {
    "linear diffusion": (DIFFUSION, Gaussian(0.7)),
    "linear flow": (FLOW, AsFlow(Gaussian(0.7))),
    "two peaks in diffusion": (DIFFUSION, TwoPeaks()),
    "two peaks in flow": (FLOW, AsFlow(TwoPeaks())),
}
EVERYWHERE = torch.ones(1, 1, 8, 8)
PICTURES = torch.linspace(-1.7, 1.7, 64, dtype=torch.float64).view(1, 1, 8, 8)
DRAWS = Draws.of(4)
NOISE = DRAWS.solver(0)


def never(draw, shape):
    raise AssertionError("this solver draws nothing")


def ratios(process, low: float, high: float, steps: int) -> tuple[float, ...]:
    """Levels whose logarithms of noise to picture are evenly spaced: [steps + 1], ascending."""
    return tuple(process.at_ratio(low * (high / low) ** (i / steps)) for i in range(steps + 1))


def solved(step, denoise, x, sigmas):
    """Down the ascending levels: x at the first of them."""
    for sigma, sigma_next in pairwise(reversed(sigmas)):
        x, _ = step(denoise, x, sigma, sigma_next)
    return x


def test_two_peaks_and_flows_solve_their_own_flow():
    """dx/dsigma of where a picture is carried, by a central difference, is the direction under the denoiser."""
    h = 1e-4
    for world, sigma in ((TwoPeaks(), 1.3), (TwoPeaks(), 0.2), (AsFlow(TwoPeaks()), 0.4), (AsFlow(Gaussian(0.7)), 0.4)):
        slope = (world.at(PICTURES, sigma + h) - world.at(PICTURES, sigma - h)) / (2 * h)
        x = world.at(PICTURES, sigma)
        torch.testing.assert_close((x - world.denoise(x, sigma)) / sigma, slope, rtol=1e-6, atol=1e-6)
    same = AsFlow(Gaussian(0.7)), FlowGaussian(0.7)
    torch.testing.assert_close(*(world.denoise(PICTURES, 0.3) for world in same))
    torch.testing.assert_close(*(world.at(PICTURES, 0.3) for world in same))


@pytest.mark.parametrize(("process", "world"), WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize(("solver", "expected"), [("ddim", -1), ("multistep", -2)])
def test_the_order_of_convergence(process, world, solver, expected):
    errors = {}
    for steps in (32, 64, 128, 256):
        sigmas = ratios(process, 0.1, 3.0, steps)
        outside = Outside(PICTURES, world.at(PICTURES, sigmas[-1]), sigmas, lambda level, x: x)
        decoded = decode(world.denoise, EVERYWHERE, outside, step=SOLVERS[solver].begin(process, never))
        errors[steps] = float((decoded - world.at(PICTURES, sigmas[0])).abs().max())
    assert order(errors) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(("process", "world"), WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("steps", [10, 30, 100])
def test_multistep_comes_nearer_than_ddim_down_to_the_picture(process, world, steps):
    sigmas = levels(process.at_ratio(3.0), steps)
    x = world.at(PICTURES, sigmas[-1])
    errors = [(solved(step, world.denoise, x, sigmas) - PICTURES).abs().mean() for step in (multistep(process), ddim)]
    assert errors[0] < errors[1]


@pytest.mark.parametrize(("process", "world"), WORLDS.values(), ids=WORLDS)
def test_ancestral_without_fresh_noise_is_ddim(process, world):
    """Bit for bit in diffusion. A flow's level is found again from its ratio, to the root of rounding."""
    for sigmas in (ratios(process, 0.1, 3.0, 20), levels(process.at_ratio(3.0), 20), levels(process.at_ratio(0.7), 7)):
        x = world.at(PICTURES, sigmas[-1])
        still = solved(ancestral(process, NOISE, eta=0.0), world.denoise, x, sigmas)
        straight = solved(ddim, world.denoise, x, sigmas)
        rounding = 0 if process is DIFFUSION else 1e-5
        torch.testing.assert_close(still, straight, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize("eta", [ETA, 1.0])
def test_ancestral_keeps_the_variance_that_the_world_has_at_each_level(process, eta):
    """Under a linear denoiser x is a sum of the start and the draws. Place i of this latent holds draw i's share."""
    errors = {}
    world = Gaussian(0.7) if process is DIFFUSION else AsFlow(Gaussian(0.7))
    for steps in (32, 64, 128, 256):
        sigmas = ratios(process, 0.1, 3.0, steps)
        step = ancestral(process, lambda draw, shape: torch.eye(shape[-1])[draw].expand(shape), eta)
        x = torch.eye(steps + 1, dtype=torch.float64)[0].view(1, 1, 1, -1) * math.sqrt(variance(process, sigmas[-1]))
        errors[steps] = 0.0
        for sigma, sigma_next in pairwise(reversed(sigmas)):
            x, _ = step(world.denoise, x, sigma, sigma_next)
            errors[steps] = max(errors[steps], abs(float(x.square().sum()) - variance(process, sigma_next)))
    assert order(errors) == pytest.approx(-1, abs=0.15)
    assert errors[256] < 0.05
    assert (x[..., 1:] != 0).all() and x[..., 0] ** 2 < 0.5 * x.square().sum()  # most of the start is replaced


def variance(process, sigma: float) -> float:
    picture, noise = process.scales(sigma)
    return (0.7 * picture) ** 2 + noise**2


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_ancestral_replaces_the_share_of_the_noise_that_its_name_says(process):
    """What DDPM would replace at this step, times eta squared; of a picture that is known for certain."""
    sigma, sigma_next = process.at_ratio(2.0), process.at_ratio(1.5)
    x0, first, fresh = (standard_normal(1, 4, 8, 8, seed=seed) for seed in range(3))
    x = process.add(x0, first, sigma)
    kept, drawn = process.scales(sigma_next)[1], 0.0
    for eta in (0.3, ETA, 1.0):
        step = ancestral(process, lambda draw, shape: fresh[0], eta)
        moved, seen = step(lambda x, sigma: x0, x, sigma, sigma_next)
        share = eta * math.sqrt(1 - (1.5 / 2.0) ** 2)
        drawn, kept = share, math.sqrt(1 - share**2)
        expected = process.add(x0, kept * first + drawn * fresh, sigma_next)
        torch.testing.assert_close(moved, expected)
        assert torch.equal(seen, x0)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize("solver", ["ddim", "multistep"])
def test_a_picture_known_for_certain_is_reached_on_a_straight_line(process, solver):
    x0, noise = standard_normal(1, 4, 8, 8), standard_normal(1, 4, 8, 8, seed=1)
    sigmas, step = ratios(process, 0.1, 3.0, 5), SOLVERS[solver].begin(process, never)
    x = process.add(x0, noise, sigmas[-1])
    for sigma, sigma_next in pairwise(reversed(sigmas)):
        x, _ = step(lambda x, sigma: x0, x, sigma, sigma_next)
        torch.testing.assert_close(x, process.add(x0, noise, sigma_next))


def test_pure_noise_is_no_division_by_0():
    """A flow's highest level holds nothing of the picture: its ratio is infinite."""
    world, sigmas = FlowGaussian(0.7), levels(1.0, 20)
    for name, solver in SOLVERS.items():
        x = solved(solver.begin(FLOW, NOISE), world.denoise, standard_normal(1, 4, 32, 32), sigmas)
        assert x.isfinite().all() and float(x.std()) == pytest.approx(0.7, rel=0.1), name


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("process", "world"), WORLDS.values(), ids=WORLDS)
def test_a_step_asks_once_shows_what_it_was_told_and_ends_in_it_bit_for_bit(process, world, solver):
    asked, sigmas = [], levels(process.at_ratio(3.0), 6)
    step = SOLVERS[solver].begin(process, NOISE)
    x = world.at(PICTURES, sigmas[-1])

    def asking(x, sigma):
        asked.append((sigma, world.denoise(x, sigma)))
        return asked[-1][1]

    for done, (sigma, sigma_next) in enumerate(pairwise(reversed(sigmas)), start=1):
        x, shown = step(asking, x, sigma, sigma_next)
        assert len(asked) == done and asked[-1][0] == sigma and torch.equal(shown, asked[-1][1])
    assert torch.equal(x, asked[-1][1])  # at level 0


@pytest.mark.parametrize("solver", SOLVERS)
def test_only_the_ancestral_solver_draws_noise(solver):
    drawn = []

    def drawing(draw, shape):
        drawn.append(draw)
        return NOISE(draw, shape)

    x = solved(SOLVERS[solver].begin(DIFFUSION, drawing), TwoPeaks().denoise, PICTURES, levels(3.0, 6))
    assert x.shape == PICTURES.shape and SOLVERS[solver].meaning
    assert len(drawn) == (5 if solver == "ancestral" else 0)  # none on the step to the picture
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("world", [Gaussian(0.7), TwoPeaks()], ids=["linear", "two peaks"])
def test_a_flow_that_is_a_diffusion_in_disguise_takes_the_same_steps(solver, world):
    sigmas = levels(3.0, 12)
    flow = tuple(sigma / (1 + sigma) for sigma in sigmas)
    ours, theirs = SOLVERS[solver].begin(DIFFUSION, NOISE), SOLVERS[solver].begin(FLOW, NOISE)
    x = world.at(PICTURES, sigmas[-1])
    disguised = x / (1 + sigmas[-1])
    for level in range(12, 0, -1):
        x, shown = ours(world.denoise, x, sigmas[level], sigmas[level - 1])
        disguised, also_shown = theirs(AsFlow(world).denoise, disguised, flow[level], flow[level - 1])
        torch.testing.assert_close(disguised, x / (1 + sigmas[level - 1]))
        torch.testing.assert_close(also_shown, shown)


# diffusers keeps latents at the variance of the data: x / sqrt(1 + sigma^2)
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def output_of(prediction: str, x, x0, sigma: float):
    """What a network would have put out, of that prediction x0."""
    eps = (x - x0) / sigma
    return eps if prediction == "epsilon" else (eps - sigma * x0) / math.sqrt(1 + sigma**2)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("eta", [ETA, 1.0])
def test_ancestral_is_diffusers_ddim_with_that_eta(prediction, eta):
    scheduler = DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=True, prediction_type=prediction)
    scheduler.set_timesteps(20)
    alphas = scheduler.alphas_cumprod.double()
    table = ((1 - alphas) / alphas).sqrt().tolist()
    sigmas = [*(table[t] for t in scheduler.timesteps), 0.0]
    noises = standard_normal(len(sigmas), 4, 8, 8)
    step = ancestral(DIFFUSION, lambda draw, shape: noises[draw], eta)
    x = standard_normal(2, 4, 8, 8, seed=1) * math.sqrt(1 + sigmas[0] ** 2)
    for i, t in enumerate(scheduler.timesteps):
        x0 = TwoPeaks().denoise(x, sigmas[i])
        z, output = x / math.sqrt(1 + sigmas[i] ** 2), output_of(prediction, x, x0, sigmas[i])
        theirs = scheduler.step(output, t, z, eta=eta, variance_noise=noises[i + 1].expand_as(z)).prev_sample
        x, _ = step(TwoPeaks().denoise, x, sigmas[i], sigmas[i + 1])
        torch.testing.assert_close(x / math.sqrt(1 + sigmas[i + 1] ** 2), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("steps", [2, 5, 20])
def test_multistep_is_diffusers_dpm_solver(steps):
    scheduler = DPMSolverMultistepScheduler(**SCHEDULE, algorithm_type="dpmsolver++", solver_type="midpoint")
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas.double().tolist()
    step = multistep(DIFFUSION)
    x = standard_normal(2, 4, 8, 8) * math.sqrt(1 + sigmas[0] ** 2)
    for i, t in enumerate(scheduler.timesteps):
        output = output_of("epsilon", x, TwoPeaks().denoise(x, sigmas[i]), sigmas[i])
        theirs = scheduler.step(output, t, x / math.sqrt(1 + sigmas[i] ** 2)).prev_sample
        x, _ = step(TwoPeaks().denoise, x, sigmas[i], sigmas[i + 1])
        torch.testing.assert_close(x / math.sqrt(1 + sigmas[i + 1] ** 2), theirs, rtol=0, atol=1e-5)


def test_multistep_is_diffusers_dpm_solver_of_flow_models():
    """Theirs asks for flow levels of its own; the latents are in one unit."""
    scheduler = DPMSolverMultistepScheduler(
        algorithm_type="dpmsolver++",
        solver_type="midpoint",
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=3.0,
    )
    scheduler.set_timesteps(20)
    sigmas, world = scheduler.sigmas.double().tolist(), AsFlow(TwoPeaks())
    step, x = multistep(FLOW), standard_normal(2, 4, 8, 8)
    for i, t in enumerate(scheduler.timesteps):
        velocity = (x - world.denoise(x, sigmas[i])) / sigmas[i]
        theirs = scheduler.step(velocity, t, x).prev_sample
        x, _ = step(world.denoise, x, sigmas[i], sigmas[i + 1])
        torch.testing.assert_close(x, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("process", "world"), WORLDS.values(), ids=WORLDS)
def test_each_way_down_begins_anew(process, world, solver):
    """What a step remembers belongs to its way down. The next one has its own."""
    sigmas = ratios(process, 0.1, 3.0, 6)
    x, step = world.at(PICTURES, sigmas[-1]), SOLVERS[solver].begin(process, NOISE)
    first = solved(step, world.denoise, x, sigmas)
    assert torch.equal(solved(SOLVERS[solver].begin(process, NOISE), world.denoise, x, sigmas), first)
    assert torch.equal(solved(step, world.denoise, x, sigmas), first) == (solver == "ddim")


def test_no_draw_of_a_solver_comes_twice_in_a_decoding():
    """Noise that comes again at the next level adds up, and is no fresh noise."""
    drawn, sigmas = [], levels(3.0, 6)

    def drawing(draw, shape):
        drawn.append(draw)
        return NOISE(draw, shape)

    outside = Outside(PICTURES, TwoPeaks().at(PICTURES, 3.0), sigmas, lambda level, x: x)
    decode(TwoPeaks().denoise, EVERYWHERE, outside, step=ancestral(DIFFUSION, drawing))
    assert drawn == [1, 2, 3, 4, 5]  # none on the step to the picture


def test_sampling_is_ddim_all_the_way():
    done, x, sigmas = [], standard_normal(1, 4, 8, 8), levels(3.0, 6)
    sampled = sample(TwoPeaks().denoise, x, sigmas, lambda i, n, x0: done.append((i, n)))
    assert torch.equal(sampled, solved(ddim, TwoPeaks().denoise, x, sigmas))
    assert done == [(i, 6) for i in range(1, 7)]
