import math

import pytest
import torch
from worlds import DIFFUSION, FLOW, Gaussian, standard_normal

from diffedit_core.denoiser import Diffusion, direction, renoise
from diffedit_core.solvers import step


@pytest.mark.parametrize("process", [DIFFUSION, FLOW], ids=["diffusion", "flow"])
def test_the_direction_under_a_perfect_prediction_is_the_processes_own_slope(process):
    x0, noise = standard_normal(2, 4, 8, 8), standard_normal(2, 4, 8, 8, seed=1)
    low, high = process.add(x0, noise, 0.3), process.add(x0, noise, 0.8)
    torch.testing.assert_close(direction(high, x0, 0.8), (high - low) / 0.5)
    torch.testing.assert_close(step(high, x0, 0.8, 0.3), low)  # straight paths: one step of any length is exact


def test_the_last_step_is_the_prediction_itself_bit_for_bit():
    x, x0 = standard_normal(1, 4, 8, 8, dtype=torch.float32), standard_normal(1, 4, 8, 8, dtype=torch.float32, seed=1)
    assert torch.equal(step(x, x0, 0.1, 0.0), x0)


def test_a_table_from_alphas_is_the_noise_level_of_every_timestep():
    alphas = torch.linspace(0.999, 0.01, 100, dtype=torch.float64)
    process = Diffusion.from_alphas(alphas)
    sigmas = torch.tensor(process.table, dtype=torch.float64)
    torch.testing.assert_close(1 / (1 + sigmas.square()), alphas)


def test_zero_terminal_snr_ends_high_but_finite():
    table = Diffusion.from_alphas(torch.tensor([0.99, 0.5, 0.0])).table
    assert math.isfinite(table[-1]) and 4000 < table[-1] < 5000


def test_same_input_is_what_a_diffusion_network_sees_unchanged():
    x = standard_normal(1, 4, 8, 8)
    moved = DIFFUSION.same_input(x, 0.5, 3.0)
    torch.testing.assert_close(moved / math.sqrt(1 + 3.0**2), x / math.sqrt(1 + 0.5**2))
    assert torch.equal(FLOW.same_input(x, 0.5, 0.9), x)


@pytest.mark.parametrize("process", [DIFFUSION, FLOW], ids=["diffusion", "flow"])
def test_the_scales_are_what_the_process_adds_and_their_ratio_finds_its_level(process):
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for sigma in (0.0, 0.01, 0.3, 0.8, 0.99):
        picture, noise = process.scales(sigma)
        assert picture == process.add(one, zero, sigma) and noise == process.add(zero, one, sigma)
        assert process.at_ratio(noise / picture) == pytest.approx(sigma, rel=1e-12)


@pytest.mark.parametrize("process", [DIFFUSION, FLOW], ids=["diffusion", "flow"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 0.4), (0.3, 0.8), (0.8, 1.0)])
def test_fresh_noise_brings_a_latent_to_what_the_process_has_at_the_noisier_level(process, low, high):
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)

    def again(picture, first, fresh):
        return renoise(process, process.add(picture, first, low), fresh, low, high)

    torch.testing.assert_close(again(one, zero, zero), process.add(one, zero, high))  # as much of the picture
    noises = again(zero, one, zero).square() + again(zero, zero, one).square()  # independent: variances add up
    torch.testing.assert_close(noises, process.add(zero, one, high).square())


def test_no_process_goes_past_the_noisiest_level_that_the_model_knows():
    assert DIFFUSION.at_ratio(1e6) == DIFFUSION.table[-1]
    assert FLOW.at_ratio(1e6) == pytest.approx(1, abs=1e-5) and FLOW.at_ratio(1e6) < 1


def test_the_worlds_of_these_tests_solve_their_own_flow():
    """dx/dsigma of the closed form, by a central difference, is the direction under the closed-form denoiser."""
    world, x0, h = Gaussian(0.7, mean=0.4), standard_normal(1, 4, 4, 4), 1e-5
    slope = (world.at(x0, 1.3 + h) - world.at(x0, 1.3 - h)) / (2 * h)
    x = world.at(x0, 1.3)
    torch.testing.assert_close(direction(x, world.denoise(x, 1.3), 1.3), slope, rtol=1e-6, atol=1e-8)
