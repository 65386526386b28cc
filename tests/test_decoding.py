from itertools import pairwise

import pytest
import torch
from worlds import DIFFUSION, FLOW, FlowGaussian, Gaussian, levels, order, standard_normal

from diffedit_core.decoding import Outside, decode, descend, matched, noised, retrace, source
from diffedit_core.draws import seeded_noise
from diffedit_core.greys import GREYS
from diffedit_core.inversion import Trajectory, invert
from diffedit_core.solvers import SOLVERS, ancestral, ddim, step

WORLDS = {"diffusion": (DIFFUSION, Gaussian(0.7), 3.0), "flow": (FLOW, FlowGaussian(0.7), 0.8)}
SIGMAS = levels(2.0, 6)
NOWHERE, EVERYWHERE = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
HALF = torch.cat([torch.zeros(1, 1, 8, 4), torch.ones(1, 1, 8, 4)], dim=3)
EDIT = Gaussian(0.7, mean=1.5)


def inverted(x0, sigmas=SIGMAS) -> Trajectory:
    return invert(Gaussian(0.7).denoise, x0, DIFFUSION, sigmas)


@pytest.mark.parametrize(("process", "world", "top"), WORLDS.values(), ids=WORLDS)
def test_decoding_follows_the_flow_down_with_first_order(process, world, top):
    x0, errors = standard_normal(2, 4, 8, 8), {}
    for steps in (32, 64, 128, 256):
        start = Outside(x0, world.at(x0, top), levels(top, steps), lambda level, x: x)
        errors[steps] = float((decode(world.denoise, EVERYWHERE, start) - x0).abs().max())
    assert order(errors) == pytest.approx(-1, abs=0.15)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_outside_the_mask_stands_the_clean_latent_bit_for_bit(dtype):
    x0, noise = standard_normal(2, 4, 8, 8, dtype=dtype), seeded_noise(1)
    for outside in (
        retrace(inverted(x0)),
        noised(x0, SIGMAS, DIFFUSION, noise),
        noised(x0, SIGMAS, FLOW, noise),
    ):
        assert torch.equal(decode(EDIT.denoise, NOWHERE, outside), x0)
        half = decode(EDIT.denoise, HALF, outside)
        assert torch.equal(half[..., :4], x0[..., :4])
        assert (half[..., 4:] != x0[..., 4:]).float().mean() > 0.9
        for name, solver in SOLVERS.items():
            again = decode(EDIT.denoise, HALF, outside, step=solver.begin(DIFFUSION, noise))
            assert torch.equal(again[..., :4], x0[..., :4])
            assert torch.equal(again, half) == (name == "ddim")


def test_with_the_source_background_an_empty_mask_is_decoding_under_the_source_text():
    trajectory, there = inverted(standard_normal(2, 4, 8, 8)), Gaussian(0.7, mean=-0.3)
    by_background = decode(EDIT.denoise, NOWHERE, source(trajectory, there.denoise))
    assert torch.equal(by_background, decode(there.denoise, EVERYWHERE, retrace(trajectory)))


def test_with_a_full_mask_every_background_gives_the_unmasked_decoding():
    x0, noise = standard_normal(1, 4, 8, 8), seeded_noise(1)
    trajectory = inverted(x0)
    for outside in (
        retrace(trajectory),
        source(trajectory, Gaussian().denoise),
        noised(x0, SIGMAS, DIFFUSION, noise),
    ):
        x = outside.start
        for level in range(len(SIGMAS) - 1, 0, -1):
            x = step(x, EDIT.denoise(x, SIGMAS[level]), SIGMAS[level], SIGMAS[level - 1])
        assert torch.equal(decode(EDIT.denoise, EVERYWHERE, outside), x)
        assert torch.equal(decode(EDIT.denoise, EVERYWHERE, outside, step=ddim), x)


def test_the_background_is_the_trajectorys_latent_of_the_level_just_reached():
    trajectory, seen = inverted(standard_normal(1, 4, 8, 8)), []

    def watching(x, sigma):
        seen.append((sigma, x))
        return EDIT.denoise(x, sigma)

    decode(watching, HALF, retrace(trajectory))
    assert [sigma for sigma, _ in seen] == list(reversed(SIGMAS[1:]))
    for level, (_, x) in zip(range(len(SIGMAS) - 1, 0, -1), seen, strict=True):
        assert torch.equal(x[..., :4], trajectory.latents[level][..., :4])


def test_the_noised_background_has_the_level_just_reached_with_one_noise():
    x0, noise, seen = standard_normal(2, 4, 8, 8), seeded_noise(1), []

    def watching(x, sigma):
        seen.append((sigma, x))
        return EDIT.denoise(x, sigma)

    decode(watching, HALF, noised(x0, SIGMAS, DIFFUSION, noise))
    for sigma, x in seen:
        assert torch.equal(x[..., :4], (x0 + sigma * noise(0, x0.shape[1:]).to(x0))[..., :4])


def test_a_soft_mask_lies_between_and_a_half_blends_half_at_every_step():
    trajectory = inverted(standard_normal(1, 4, 8, 8))
    x = trajectory.noisiest
    for level in range(len(SIGMAS) - 1, 0, -1):
        edited = step(x, EDIT.denoise(x, SIGMAS[level]), SIGMAS[level], SIGMAS[level - 1])
        x = 0.25 * edited + 0.75 * trajectory.latents[level - 1]
    quarter = decode(EDIT.denoise, EVERYWHERE * 0.25, retrace(trajectory))
    torch.testing.assert_close(quarter, x)
    full = decode(EDIT.denoise, EVERYWHERE, retrace(trajectory))
    changes = [(result - trajectory.clean).abs().mean() for result in (quarter, full)]
    assert 0 < changes[0] < changes[1]


def test_read_as_strength_a_cell_is_the_picture_until_its_own_level_and_free_from_there_on():
    """Six levels: a cell of grey g goes its own way from the level nearest to 6 g on."""
    trajectory = inverted(standard_normal(1, 4, 8, 8))
    for begins, greys in ((0, (0, 0.08)), (1, (0.09, 0.24)), (3, (0.42, 0.5, 0.58)), (6, (0.92, 1))):
        x = trajectory.latents[begins]
        for level in range(begins, 0, -1):
            x = step(x, EDIT.denoise(x, SIGMAS[level]), SIGMAS[level], SIGMAS[level - 1])
        for grey in greys:
            assert torch.equal(decode(EDIT.denoise, EVERYWHERE * grey, retrace(trajectory), greys="strength"), x)


def test_each_cell_has_its_own_strength():
    """A denoiser that sees each cell alone: a picture of all greys is each grey's own, in its cells."""
    trajectory = inverted(standard_normal(1, 4, 8, 8))
    ramp = torch.linspace(0, 1, 8, dtype=torch.float64).expand(1, 1, 8, 8)
    found = decode(EDIT.denoise, ramp, retrace(trajectory), greys="strength")
    for column in range(8):
        alone = decode(EDIT.denoise, EVERYWHERE * ramp[..., column : column + 1], retrace(trajectory), greys="strength")
        assert torch.equal(found[..., column], alone[..., column])
    assert torch.equal(found[..., 0], trajectory.clean[..., 0])


@pytest.mark.parametrize("greys", GREYS)
def test_a_mask_without_grey_means_the_same_to_all(greys):
    outside = retrace(inverted(standard_normal(2, 4, 8, 8)))
    assert torch.equal(decode(EDIT.denoise, HALF, outside, greys=greys), decode(EDIT.denoise, HALF, outside))


def test_an_image_is_decoded_as_if_it_were_alone():
    x0 = standard_normal(3, 4, 8, 8, dtype=torch.float32)
    masks = (standard_normal(3, 1, 8, 8, seed=1) > 0).float()

    def decoded(images, theirs):
        return decode(EDIT.denoise, theirs, retrace(inverted(images)))

    together = decoded(x0, masks)
    assert torch.equal(decoded(x0.flip(0), masks.flip(0)), together.flip(0))
    for i in range(3):
        assert torch.equal(decoded(x0[i : i + 1], masks[i : i + 1]), together[i : i + 1])


def test_one_mask_serves_every_image_and_one_image_every_mask():
    x0 = standard_normal(3, 4, 8, 8)
    shared = decode(EDIT.denoise, HALF, retrace(inverted(x0)))
    assert torch.equal(shared, decode(EDIT.denoise, HALF.expand(3, 1, 8, 8), retrace(inverted(x0))))
    masks = torch.cat([HALF, EVERYWHERE, NOWHERE])
    several = decode(EDIT.denoise, masks, retrace(inverted(x0[:1])))
    assert several.shape == (3, 4, 8, 8)
    for i in range(3):
        assert torch.equal(several[i], decode(EDIT.denoise, masks[i : i + 1], retrace(inverted(x0[:1])))[0])


def test_video_latents_are_decoded_as_their_frames_are():
    video, sigmas, world = standard_normal(2, 4, 3, 8, 8), levels(0.9, 5), FlowGaussian()
    trajectory = invert(world.denoise, video, FLOW, sigmas)
    masks = (standard_normal(2, 1, 3, 8, 8, seed=1) > 0).float()
    whole = decode(world.denoise, masks, retrace(trajectory))
    frame = Trajectory(trajectory.latents[:, :, :, 1], sigmas)
    assert torch.equal(whole[:, :, 1], decode(world.denoise, masks[:, :, 1], retrace(frame)))


class OneTone:
    """Pictures of one tone, N(0, 1), all over: what stands outside the mask says all about the inside."""

    @staticmethod
    def denoise(x, sigma):
        tone = x.mean((1, 2, 3), keepdim=True) / (1 + sigma**2 / x[0].numel())
        return tone.expand_as(x)


def test_fresh_noise_fits_the_inside_to_what_stands_outside():
    """An error of the start is forgotten by the share of the noise that is replaced; DDIM carries it along."""
    sigmas, noise = levels(4.0, 8), seeded_noise(3)
    x0 = torch.full((1, 4, 8, 8), 2.0, dtype=torch.float64)
    outside = noised(x0, sigmas, DIFFUSION, noise)
    wrong = outside.start - 6 * HALF  # the inside begins as a picture of tone -4
    outside = Outside(x0, wrong, sigmas, outside.at)
    apart = []
    for eta in (0.0, 0.3, 0.6, 0.9):
        fresh = ancestral(DIFFUSION, lambda draw, shape: torch.zeros(shape), eta)
        x = decode(OneTone.denoise, HALF, outside, step=fresh)
        apart.append(float((x[..., 4:] - x0[..., 4:]).abs().max()))
    assert apart == sorted(apart, reverse=True)
    assert apart[-1] < 0.8 * apart[0]


@pytest.mark.parametrize("process", [DIFFUSION, FLOW], ids=["diffusion", "flow"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_level_is_visited_once_from_its_own_noise_level(process, solver):
    sigmas, seen, noise = levels(0.8, 4), [], seeded_noise(5)

    def watching(x, sigma):
        seen.append((sigma, x))
        return torch.zeros_like(x)

    x0 = torch.zeros(1, 4, 64, 64, dtype=torch.float64)
    fresh = SOLVERS[solver].begin(process, lambda draw, shape: noise(100 + draw, shape))
    decode(watching, torch.ones(1, 1, 64, 64), noised(x0, sigmas, process, noise), step=fresh)
    assert [sigma for sigma, _ in seen] == list(reversed(sigmas[1:]))
    for sigma, x in seen:  # of an empty picture everything is noise
        assert float(x.std()) == pytest.approx(sigma, rel=0.03)
    fields = [x / x.std() for _, x in seen]
    for above, below in pairwise(fields):  # fresh noise at each level, or the same all the way down
        assert torch.allclose(above, below) != (solver == "ancestral")


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_way_down_is_the_same_for_an_image_alone_and_in_a_batch(solver):
    noise = seeded_noise(2)

    def decoded(images):
        outside = noised(images, SIGMAS, DIFFUSION, noise)
        return decode(EDIT.denoise, HALF, outside, step=SOLVERS[solver].begin(DIFFUSION, noise))

    x0 = standard_normal(3, 4, 8, 8, dtype=torch.float32)
    together = decoded(x0)
    for i in range(3):
        assert torch.equal(decoded(x0[i : i + 1])[0], together[i])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("at", range(7))
def test_a_way_down_can_be_gone_in_two_parts(solver, at):
    outside, noise, calls = noised(standard_normal(2, 4, 8, 8), SIGMAS, DIFFUSION, seeded_noise(1)), seeded_noise(2), []
    whole = decode(EDIT.denoise, HALF, outside, step=SOLVERS[solver].begin(DIFFUSION, noise))
    step, falling = SOLVERS[solver].begin(DIFFUSION, noise), range(6, 0, -1)
    x, mask = matched(outside.start, HALF)
    free = outside.freed(mask, "blend")

    def asking(x, sigma):
        calls.append((sigma, EDIT.denoise(x, sigma)))
        return calls[-1][1]

    for part, reached in ((falling[:at], 6 - at), (falling[at:], 0)):
        before = x
        calls.clear()
        x, x0 = descend(asking, x, free, outside, part, step=step)
        assert [sigma for sigma, _ in calls] == [SIGMAS[level] for level in part]
        assert torch.equal(x0, calls[-1][1] if part else before)  # the last prediction, or nothing was done
        assert torch.equal(x[..., :4], outside.at(reached, x)[..., :4])
    assert torch.equal(x, whole)


def test_a_part_of_the_way_counts_its_own_steps():
    done, outside = [], retrace(inverted(standard_normal(1, 4, 8, 8)))
    x, mask = matched(outside.start, HALF)
    free = outside.freed(mask, "blend")
    descend(
        EDIT.denoise, x, free, outside, (4, 3, 2), step=ddim, on_step=lambda i, n, x0: done.append((i, n, x0.shape))
    )
    assert done == [(i, 3, (1, 4, 8, 8)) for i in (1, 2, 3)]


def test_what_stands_outside_is_a_picture_and_knows_it():
    """Bit for bit, also where it was never inverted."""
    x0 = standard_normal(2, 4, 8, 8, dtype=torch.float32)
    for outside in (
        retrace(inverted(x0)),
        noised(x0, SIGMAS, DIFFUSION, seeded_noise(1)),
        source(inverted(x0), Gaussian(0.7).denoise),
    ):
        assert torch.equal(outside.clean, x0) and list(outside.sigmas) == list(SIGMAS)


def test_masks_and_images_are_matched_one_for_all_or_one_for_each():
    for images, masks in ((1, 1), (3, 1), (1, 3), (3, 3)):
        x, mask = matched(standard_normal(images, 4, 8, 8), HALF.expand(masks, -1, -1, -1))
        assert x.shape == mask.shape == (max(images, masks), 4, 8, 8) and mask.dtype == x.dtype


def test_steps_are_counted():
    done = []
    trajectory = inverted(standard_normal(1, 4, 8, 8))
    decode(EDIT.denoise, HALF, retrace(trajectory), on_step=lambda i, n, x: done.append((i, n, x.shape)))
    assert done == [(i, 6, (1, 4, 8, 8)) for i in range(1, 7)]


def test_an_exception_from_on_step_ends_the_loop_between_steps_and_leaves_the_trajectory_whole():
    calls, trajectory = [], inverted(standard_normal(1, 4, 8, 8))
    before, mask = trajectory.latents.clone(), HALF.clone()

    def counting(x, sigma):
        calls.append(sigma)
        return EDIT.denoise(x, sigma)

    def stop(done, total, x):
        if done == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        decode(counting, mask, retrace(trajectory), on_step=stop)
    assert len(calls) == 2
    assert torch.equal(trajectory.latents, before) and torch.equal(mask, HALF)


def test_a_decoding_that_overflows_says_what_to_do():
    def overflowing(x, sigma):
        return (x.half() * 60000 * 60000).to(x)

    with pytest.raises(
        ValueError,
        match=r"decoding ended in NaN or infinity, which half precision .* run the model in float32 or bfloat16",
    ):
        decode(overflowing, EVERYWHERE, retrace(inverted(standard_normal(1, 4, 8, 8))))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ((1, 1, 16, 8), "the mask is 1x1x16x8 but the latent is 2x4x8x8; fit the mask to the latent"),
        ((1, 8, 8), "the mask is 1x8x8 but the latent is 2x4x8x8"),
        ((2, 1, 1, 8, 8), "the mask is 2x1x1x8x8 but the latent is 2x4x8x8"),
        ((2, 3, 8, 8), "the mask is 2x3x8x8 but the latent is 2x4x8x8"),
        ((3, 1, 8, 8), "3 masks and 2 images do not fit together; give one for all, or one for each"),
    ],
)
def test_a_mask_that_does_not_fit_is_an_error_with_both_sizes(mask, message):
    with pytest.raises(ValueError, match=message):
        decode(EDIT.denoise, torch.ones(mask), retrace(inverted(standard_normal(2, 4, 8, 8))))
