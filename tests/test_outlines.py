"""Outlines that two pictures share are found whatever lies around them, and chance makes none."""

import numpy as np
import pytest

from bench.drifts import strangers
from diffedit_core.keeping import KeepSettings, keep_rest
from diffedit_core.outlines import Edges, outlines_apart, shared
from diffedit_core.pictures import from_bytes
from diffedit_core.stepping import gone, moved

SIDE = 128
EVERYWHERE = np.ones((SIDE, SIDE), bool)
y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)


def disc(ground, right=0.0, down=0.0):
    """A red disc, with a soft rim, on a ground [H, W, 3]."""
    inside = (30 - np.hypot(x - 64 - right, y - 60 - down) + 0.5).clip(0, 1)[..., None]
    return (inside * np.float32([0.8, 0.2, 0.2]) + (1 - inside) * ground).astype(np.float32)


def grounds():
    rng = np.random.default_rng(0)
    plain = np.full((SIDE, SIDE, 3), 0.6, np.float32)
    waves = (0.5 + 0.2 * np.sin(x / 5 + np.sin(y / 9)))[..., None] * np.float32([0.5, 0.9, 1])
    noisy = (plain + rng.normal(0, 0.02, plain.shape)).clip(0, 1).astype(np.float32)
    return {"plain": plain, "waves": waves, "noisy": noisy}


@pytest.mark.parametrize("new", ["plain", "waves", "noisy"])
def test_a_thing_has_its_outline_on_another_ground(new):
    one, other = disc(np.full((SIDE, SIDE, 3), 0.9, np.float32)), disc(grounds()[new])
    assert shared(one, other, other, EVERYWHERE).outline > 0.3  # half of the 188 pixels around it would be .74


def test_neither_lines_nor_strangers_share_an_outline():
    lines = np.repeat(np.where(y % 32 < 16, 0.3, 0.7)[..., None], 3, -1).astype(np.float32)
    assert shared(lines, lines, lines, EVERYWHERE).outline < 0.02
    assert shared(disc(lines), lines, lines, EVERYWHERE).outline < 0.02
    assert shared(disc(lines), disc(lines), disc(lines), ~EVERYWHERE).outline == 0


@pytest.mark.parametrize("new", ["plain", "waves", "noisy"])
def test_how_far_apart_two_outlines_are(new):
    one, other = disc(np.full((SIDE, SIDE, 3), 0.9, np.float32)), disc(grounds()[new], 1.3, -0.7)
    apart = outlines_apart(Edges.of(one), other, EVERYWHERE)
    on_it = np.abs(np.hypot(apart.x - 64, apart.y - 60) - 30) < 1.5
    assert on_it.mean() > 0.7
    awaited = 1.3 * apart.right - 0.7 * apart.down
    assert np.abs(apart.by - awaited)[on_it].mean() < 0.25


def test_neither_many_edges_nor_none_are_too_many_or_too_few():
    """OpenCV looks at 32,766 places at most in one call."""
    speckled = np.random.default_rng(0).uniform(0, 1, (640, 640, 3)).astype(np.float32)
    assert Edges.of(speckled).place.sum() > 33_000
    covered = np.ones((640, 640), bool)
    assert len(outlines_apart(Edges.of(speckled), speckled, covered).x) > 0
    plain = np.full_like(speckled, 0.5)
    assert len(outlines_apart(Edges.of(plain), speckled, covered).x) == 0


def test_a_move_and_the_map_that_it_makes_say_the_same():
    size, start = (96, SIDE), np.array([[0.8, 0, 3], [0, 0.9, -2]])
    move = np.array([0.02, -0.05, 0.03, -0.02, 0.004, 0.003])
    led = start @ np.vstack([moved(move, size), [0, 0, 1]])
    np.testing.assert_allclose(gone(start, led, size), move, atol=1e-12)


def test_of_strangers_all_are_refused_or_in_doubt():
    said = []
    for seed in range(1_026_500, 1_026_507):  # among them a ring of a ball's colour, which has its outline far off
        pair = (from_bytes(each)[None] for each in strangers(seed))
        said += keep_rest(*pair, how=KeepSettings(refused="edited")).report
    assert all(each.refusal or each.doubt for each in said)
    assert sum(each.refusal is not None for each in said) >= 5
