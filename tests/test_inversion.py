import pytest
import torch
from worlds import DIFFUSION, FLOW, FlowGaussian, Gaussian, TwoPeaks, levels, order, standard_normal

from diffedit_core.decoding import decode, retrace
from diffedit_core.inversion import Trajectory, invert, rms, round_trip_error
from diffedit_core.solvers import SOLVERS

WORLDS = {"diffusion": (DIFFUSION, Gaussian(0.7), 3.0), "flow": (FLOW, FlowGaussian(0.7), 0.8)}
EVERYWHERE = torch.ones(1, 1, 8, 8)


@pytest.mark.parametrize(("process", "world", "top"), WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("iterations", [0, 1, 12])
def test_inversion_follows_the_flow_with_first_order(process, world, top, iterations):
    x0, errors = standard_normal(2, 4, 8, 8), {}
    for steps in (32, 64, 128, 256):
        trajectory = invert(world.denoise, x0, process, levels(top, steps), iterations=iterations)
        exact = torch.stack([world.at(x0, sigma) for sigma in trajectory.sigmas])
        errors[steps] = float((trajectory.latents - exact).abs().max())  # at the worst level
    assert order(errors) == pytest.approx(-1, abs=0.15)


@pytest.mark.parametrize(("process", "world", "top"), WORLDS.values(), ids=WORLDS)
def test_fixed_point_inversion_then_decoding_returns_the_start(process, world, top):
    x0, sigmas = standard_normal(2, 4, 8, 8), levels(top, 20)
    errors = []
    for iterations in (0, 2, 4, 20):
        trajectory = invert(world.denoise, x0, process, sigmas, iterations=iterations)
        errors.append(float((decode(world.denoise, EVERYWHERE, retrace(trajectory)) - x0).abs().max()))
    assert errors == sorted(errors, reverse=True)  # each iteration comes nearer
    assert errors[-1] < 1e-6 < errors[0]


def test_fixed_point_inversion_is_exact_where_the_model_is_not_linear_too():
    x0, sigmas = TwoPeaks().denoise(standard_normal(2, 4, 8, 8), 0.5), levels(3.0, 60)
    trajectory = invert(TwoPeaks().denoise, x0, DIFFUSION, sigmas, iterations=40)
    assert (decode(TwoPeaks().denoise, EVERYWHERE, retrace(trajectory)) - x0).abs().max() < 1e-6


def test_every_level_of_an_exact_inversion_steps_down_to_the_level_below():
    x0, sigmas = standard_normal(1, 4, 8, 8), levels(2.0, 10)
    trajectory = invert(Gaussian().denoise, x0, DIFFUSION, sigmas, iterations=20)
    for level in range(1, len(sigmas)):
        x, sigma = trajectory.latents[level], sigmas[level]
        below = x + (sigmas[level - 1] - sigma) * (x - Gaussian().denoise(x, sigma)) / sigma
        torch.testing.assert_close(below, trajectory.latents[level - 1], rtol=0, atol=1e-9)


def test_the_trajectory_keeps_every_level_the_clean_latent_first():
    x0, sigmas = standard_normal(2, 4, 8, 8, dtype=torch.float32), levels(2.0, 5)
    trajectory = invert(Gaussian().denoise, x0, DIFFUSION, sigmas)
    assert trajectory.latents.shape == (6, 2, 4, 8, 8) and trajectory.sigmas == sigmas
    assert torch.equal(trajectory.clean, x0)
    assert torch.equal(trajectory.noisiest, trajectory.latents[5])


def test_a_clean_latent_alone_is_not_inverted_and_says_so():
    clean = Trajectory(standard_normal(1, 2, 4, 8, 8), levels(2.0, 5))
    assert torch.equal(clean.clean, standard_normal(1, 2, 4, 8, 8)[0])
    with pytest.raises(ValueError, match="this picture is not inverted; invert it, or use a background that needs no"):
        _ = clean.noisiest
    with pytest.raises(ValueError, match="this picture is not inverted"):
        retrace(clean)


@pytest.mark.parametrize("level", [1, 3, 5])
def test_a_part_of_a_trajectory_is_what_an_inversion_up_to_there_gives(level):
    x0, sigmas = standard_normal(2, 4, 8, 8), levels(2.0, 5)
    part = invert(Gaussian().denoise, x0, DIFFUSION, sigmas).up_to(level)
    alone = invert(Gaussian().denoise, x0, DIFFUSION, sigmas[: level + 1])
    assert torch.equal(part.latents, alone.latents) and part.sigmas == alone.sigmas and part.solver == alone.solver
    assert torch.equal(part.noisiest, alone.latents[-1])
    clean = Trajectory(x0[None], sigmas).up_to(level)  # not inverted, and it stays so
    assert torch.equal(clean.clean, x0) and clean.sigmas == sigmas[: level + 1]
    with pytest.raises(ValueError, match="this picture is not inverted"):
        _ = clean.noisiest


def test_a_trajectory_says_whose_step_it_undoes():
    assert invert(Gaussian().denoise, standard_normal(1, 4, 4, 4), DIFFUSION, levels(1.0, 3)).solver in SOLVERS


def test_the_model_is_asked_at_the_levels_above_0_alone():
    asked = []

    def asking(x, sigma):
        asked.append(sigma)
        return Gaussian().denoise(x, sigma)

    invert(asking, standard_normal(1, 4, 4, 4), DIFFUSION, (0.0, 0.5, 1.0), iterations=1)
    assert asked == [0.5, 0.5, 1.0, 1.0]


def test_an_image_is_inverted_as_if_it_were_alone():
    x0, sigmas = standard_normal(3, 4, 8, 8, dtype=torch.float32), levels(2.0, 5)

    def inverted(images):
        return invert(Gaussian().denoise, images, DIFFUSION, sigmas, iterations=1).latents

    together = inverted(x0)
    assert torch.equal(inverted(x0.flip(0)), together.flip(1))
    for i in range(3):
        assert torch.equal(inverted(x0[i : i + 1]), together[:, i : i + 1])


def test_video_latents_are_inverted_as_their_frames_are():
    video = standard_normal(2, 4, 3, 8, 8)
    world, sigmas = FlowGaussian(), levels(0.9, 5)
    latents = invert(world.denoise, video, FLOW, sigmas).latents
    assert torch.equal(latents[:, :, :, 1], invert(world.denoise, video[:, :, 1], FLOW, sigmas).latents)


def test_the_round_trip_error_is_what_decoding_leaves_relative_to_the_picture():
    x0, sigmas = standard_normal(2, 4, 8, 8), levels(3.0, 10)
    x0[1] *= 5  # relative: the scale of an image does not matter
    plain = invert(Gaussian().denoise, x0, DIFFUSION, sigmas)
    back = decode(Gaussian().denoise, EVERYWHERE, retrace(plain))
    error = round_trip_error(Gaussian().denoise, plain)
    torch.testing.assert_close(error, rms(back - x0) / rms(x0))
    torch.testing.assert_close(error[0], error[1])
    exact = invert(Gaussian().denoise, x0, DIFFUSION, sigmas, iterations=20)
    assert (error > 0.01).all() and (round_trip_error(Gaussian().denoise, exact) < 1e-6).all()


def test_the_round_trip_of_a_black_latent_is_no_division_by_0():
    trajectory = invert(Gaussian().denoise, torch.zeros(1, 4, 4, 4), DIFFUSION, levels(1.0, 3))
    assert (round_trip_error(Gaussian().denoise, trajectory) == 0).all()


def test_steps_are_counted_with_the_iterations():
    done, x0, sigmas = [], standard_normal(1, 4, 4, 4), levels(1.0, 3)
    trajectory = invert(
        Gaussian().denoise, x0, DIFFUSION, sigmas, iterations=1, on_step=lambda i, n, x: done.append((i, n, x.shape))
    )
    assert done == [(i, 6, x0.shape) for i in range(1, 7)]
    done.clear()
    round_trip_error(Gaussian().denoise, trajectory, on_step=lambda i, n, x: done.append((i, n)))
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_an_exception_from_on_step_ends_the_loop_between_steps():
    calls, x0 = [], standard_normal(1, 4, 4, 4)
    before = x0.clone()

    def counting(x, sigma):
        calls.append(sigma)
        return x * 0.5

    def stop(done, total, x):
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        invert(counting, x0, DIFFUSION, levels(1.0, 5), on_step=stop)
    assert len(calls) == 2 and torch.equal(x0, before)


def test_an_inversion_that_overflows_says_what_to_turn():
    def overflowing(x, sigma):
        return (x.half() * 60000 * 60000).to(x)

    with pytest.raises(ValueError, match=r"NaN or infinity, which half precision \(fp16\) or guidance above 3"):
        invert(overflowing, standard_normal(1, 4, 4, 4), DIFFUSION, levels(1.0, 3))


@pytest.mark.parametrize("sigmas", [(), (0.0,), (1.0, 0.5), (0.0, 0.5, 0.5), (-1.0, 0.0, 1.0), (0.0, 1.34e154)])
def test_levels_that_do_not_climb_from_0_are_an_error(sigmas):
    with pytest.raises(ValueError, match="inversion climbs: sigmas must be"):
        invert(Gaussian().denoise, standard_normal(1, 4, 4, 4), DIFFUSION, sigmas)


def test_fewer_than_no_iterations_are_an_error():
    with pytest.raises(ValueError, match="iterations is -1; 0 is plain DDIM inversion"):
        invert(Gaussian().denoise, standard_normal(1, 4, 4, 4), DIFFUSION, levels(1.0, 3), iterations=-1)
