"""All the noise of a run: which draw is which, and that no two users of it get the same one."""

from itertools import pairwise

import torch
from worlds import DIFFUSION, Gaussian, levels, standard_normal

from diffedit_core.drafting import draft
from diffedit_core.draws import Draws, paired_noise, seeded_noise, stream


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


def test_streams_are_other_draws():
    shape, noise = torch.Size((4, 8, 8)), seeded_noise(3)
    assert torch.equal(stream(noise, 0)(7, shape), noise(7, shape))
    fields = [stream(noise, number)(draw, shape) for number in (-1, 0, 0.5, 1, 2) for draw in range(4)]
    assert len({field.sum().item() for field in fields}) == len(fields)


def test_no_two_users_of_a_run_are_handed_the_same_draw():
    """Of one seed, with as many levels, drafts and tries as there can be."""
    asked = []
    draws = Draws(lambda draw, shape: asked.append(draw))
    users = [draws.judging, draws.background, *map(draws.draft, range(1, 64)), *map(draws.solver, range(64))]
    for user in users:
        user(0, torch.Size())
        user(20 * 1000, torch.Size())
    spans = sorted(zip(asked[::2], asked[1::2], strict=True))
    assert all(last - first == 20 * 1000 for first, last in spans)
    assert all(last < first for (_, last), (first, _) in pairwise(spans))


def test_the_first_draft_leaves_the_backgrounds_draw_alone():
    """It goes on from draw 1 of the same stream."""
    seen = []

    def watching(draw, shape):
        seen.append(draw)
        return Draws.of(0).draft(0)(draw, shape)

    world = Gaussian().denoise
    draft(world, world, standard_normal(1, 4, 8, 8), DIFFUSION, levels(2.0, 4), noise=watching)
    assert seen and 0 not in seen and len(set(seen)) == len(seen)
    shape = torch.Size((4, 8, 8))
    assert torch.equal(Draws.of(0).draft(0)(3, shape), Draws.of(0).noise(3, shape))


def test_the_contrast_takes_the_seeds_own_draws_in_pairs_where_it_is_asked_to():
    shape, draws = torch.Size((4, 8, 8)), Draws.of(5)
    for draw in range(4):
        assert torch.equal(draws.contrast(False)(draw, shape), seeded_noise(5)(draw, shape))
        assert torch.equal(draws.contrast(True)(draw, shape), paired_noise(seeded_noise(5))(draw, shape))
    assert torch.equal(draws.background(0, shape), seeded_noise(5)(0, shape))
