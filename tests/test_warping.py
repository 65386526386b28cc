"""A smooth warp is found where there is one, and none where there is none."""

import cv2
import numpy as np
import pytest
from test_keeping import SEED, pair

from diffedit_core import KeepSettings, keep_rest
from diffedit_core.pictures import from_bytes
from diffedit_core.registering import register
from diffedit_core.toybox import task
from diffedit_core.toybox.drifting import Drift
from diffedit_core.warping import warped

SIDE = 128


def waves(amount):
    """How far each place goes, right and down: [H, W, 2]."""
    y, x = np.indices((SIDE, SIDE)).astype(np.float32)
    turns = 2.1 * np.pi * y / SIDE + 0.4, 1.7 * np.pi * x / SIDE + 1
    return amount * np.stack([np.sin(turns[0]), np.cos(turns[1])], -1).astype(np.float32)


def bent(image, amount):
    """The picture with every place moved, and where each pixel of the picture went."""
    y, x = np.indices((SIDE, SIDE)).astype(np.float32)
    move, went = waves(amount), np.stack([x, y], -1)
    for _ in range(10):
        here = cv2.remap(move, went[..., 0], went[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        went = np.stack([x, y], -1) + here
    return cv2.remap(image, x - move[..., 0], y - move[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), went


def error(placement, went, rest):
    x, y = np.broadcast_arrays(*placement.at((SIDE, SIDE)))
    return float(np.hypot(x - went[..., 0], y - went[..., 1])[rest].mean())


@pytest.mark.parametrize(("seed", "kind"), [(SEED + 2, "object"), (SEED, "removal"), (SEED + 2, "removal")])
def test_a_known_warp_is_found(seed, kind):
    made = task(seed, kind)
    edited, went = bent(made.edited, 1.5)
    rest = np.abs(made.image.astype(int) - made.edited).max(-1) < 8
    pictures = tuple(from_bytes(each).numpy() for each in (made.image, edited))
    flat = register(*pictures, None, "whole")
    assert error(flat, went, rest) > 1
    assert error(warped(*pictures, flat, None), went, rest) < 0.4


@pytest.mark.parametrize("kind", ["colour", "object", "ground", "removal"])
@pytest.mark.parametrize("drift", [Drift((SIDE, SIDE)), Drift((SIDE, SIDE), shift=(4.2, -2.7), rotation=1.0)])
def test_where_a_map_is_enough_there_is_no_warp(kind, drift):
    for seed in range(SEED, SEED + 3):
        _, original, edited = pair(drift, seed, kind)
        done = keep_rest(original, edited, how=KeepSettings(refused="edited"))
        assert done.placements[0].bend is None and done.report[0].bend == 0


def test_a_warp_is_undone_where_it_is_asked_for():
    made = task(SEED, "removal")
    edited, _ = bent(made.edited, 1.5)
    original, edited, truth = (from_bytes(each)[None] for each in (made.image, edited, made.edited))
    rest = (original == truth).all(-1)
    off = {}
    for alignment in ("whole", "local"):
        done = keep_rest(original, edited, how=KeepSettings(alignment=alignment))
        off[alignment] = float((done.aligned - truth).abs().amax(-1)[rest].mean())
        assert (done.report[0].bend > 1) == (alignment == "local")
    assert off["local"] < 0.7 * off["whole"]
