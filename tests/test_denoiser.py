import math

import pytest
import torch
from worlds import DIFFUSION, FLOW, Gaussian, standard_normal

from diffedit_core.denoiser import (
    Diffusion,
    Flow,
    check_strength,
    direction,
    levels_up_to,
    paired_noise,
    renoise,
    seeded_noise,
    step,
)


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
@pytest.mark.parametrize(("low", "high"), [(0.0, 0.4), (0.3, 0.8), (0.8, 1.0)])
def test_fresh_noise_brings_a_latent_to_what_the_process_has_at_the_noisier_level(process, low, high):
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)

    def again(picture, first, fresh):
        return renoise(process, process.add(picture, first, low), fresh, low, high)

    torch.testing.assert_close(again(one, zero, zero), process.add(one, zero, high))  # as much of the picture
    noises = again(zero, one, zero).square() + again(zero, zero, one).square()  # independent: variances add up
    torch.testing.assert_close(noises, process.add(zero, one, high).square())


def test_strength_runs_through_the_diffusion_table_and_between_its_levels():
    table = DIFFUSION.table
    assert DIFFUSION.sigma_at(1.0) == pytest.approx(table[-1])
    assert DIFFUSION.sigma_at(300 / 999) == pytest.approx(table[300])
    assert table[499] < DIFFUSION.sigma_at(0.5) < table[500]  # 0.5 * 999 = 499.5
    assert DIFFUSION.sigma_at(0.5) == pytest.approx(math.sqrt(table[499] * table[500]))


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_strength_of_a_flow_model_is_shifted_as_the_model_was_trained(shift):
    process = Flow(shift)
    assert process.sigma_at(1.0) == 1
    assert process.sigma_at(0.5) == pytest.approx(shift / (1 + shift))
    assert process.sigma_at(0.2) < process.sigma_at(0.4) < process.sigma_at(0.9)


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.01, math.nan])
def test_a_strength_that_is_none_is_an_error_with_the_number(strength):
    for use in (check_strength, DIFFUSION.sigma_at, FLOW.sigma_at, lambda s: levels_up_to(s, (0.0, 1.0, 2.0))):
        with pytest.raises(ValueError, match=f"strength is {strength}; it must be above 0"):
            use(strength)


def test_levels_up_to_takes_the_share_of_the_steps_that_strength_says():
    full = tuple(float(i) for i in range(11))
    assert levels_up_to(1.0, full) == full
    assert levels_up_to(0.7, full) == full[:8]  # 0.7 * 10 is 7.000000000000001 or 6.99...: never 6
    assert levels_up_to(0.01, full) == (0.0, 1.0)  # at least one step
    for tenths in range(1, 11):
        assert len(levels_up_to(tenths / 10, full)) == tenths + 1


def test_a_draw_depends_on_seed_index_and_shape_alone():
    shape = torch.Size((4, 8, 8))
    first, again = seeded_noise(7), seeded_noise(7)
    later = [first(i, shape) for i in (3, 0, 3)]  # order and repetition change nothing
    assert torch.equal(later[0], later[2]) and torch.equal(later[0], again(3, shape))
    assert not torch.equal(later[0], later[1])


def test_no_draw_of_neighbouring_seeds_or_of_seeds_beyond_32_bits_repeats():
    shape = torch.Size((4,))
    seeds = [*range(20), 2**32, 2**32 + 1, 2**63, 2**64 - 1]  # torch's generator reads 32 bits of what it is given
    draws = {tuple(seeded_noise(seed)(i, shape).tolist()) for seed in seeds for i in range(20)}
    assert len(draws) == len(seeds) * 20


def test_any_whole_number_is_a_seed():
    for seed in (-1, 0, 2**64, 10**30):
        assert seeded_noise(seed)(3, torch.Size((2, 2))).shape == (2, 2)


def test_noise_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    seeded_noise(1)(0, torch.Size((4, 8, 8)))
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_are_standard_normal():
    values = torch.cat([seeded_noise(3)(i, torch.Size((4, 32, 32))).flatten() for i in range(16)])
    assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02


def test_paired_noise_comes_in_opposites():
    shape, plain = torch.Size((4, 8, 8)), seeded_noise(1)
    paired = paired_noise(plain)
    assert torch.equal(paired(0, shape), plain(0, shape))
    assert torch.equal(paired(1, shape), -plain(0, shape))
    assert torch.equal(paired(2, shape), plain(1, shape))


def test_the_worlds_of_these_tests_solve_their_own_flow():
    """dx/dsigma of the closed form, by a central difference, is the direction under the closed-form denoiser."""
    world, x0, h = Gaussian(0.7, mean=0.4), standard_normal(1, 4, 4, 4), 1e-5
    slope = (world.at(x0, 1.3 + h) - world.at(x0, 1.3 - h)) / (2 * h)
    x = world.at(x0, 1.3)
    torch.testing.assert_close(direction(x, world.denoise(x, 1.3), 1.3), slope, rtol=1e-6, atol=1e-8)
