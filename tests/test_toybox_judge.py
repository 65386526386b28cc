"""The judge: true edits pass, unedited pictures do not, and a little blur and noise do not matter."""

import cv2
import numpy as np
import pytest

from diffedit_core.toybox import HELD_OUT_SEEDS, KINDS, edit, follows, judge, read, render, scene
from diffedit_core.toybox.painting import coverage_map

SOME = HELD_OUT_SEEDS[100:112]
edits = pytest.mark.parametrize("kind", KINDS)


def worn(picture, seed):
    """As a weak autoencoder would return it: about 27 dB."""
    blurred = cv2.GaussianBlur(picture, (0, 0), 1.2).astype(float)
    return np.clip(blurred + np.random.default_rng(seed).normal(0, 5, picture.shape), 0, 255).astype(np.uint8)


@edits
def test_true_edits_succeed_and_unedited_pictures_fail(kind):
    for seed in SOME:
        e = edit(seed, kind)
        assert judge(e, e.edited), e.target
        assert not judge(e, e.image), e.target


@edits
def test_worn_pictures_are_judged_alike(kind):
    for seed in SOME:
        e = edit(seed, kind)
        assert judge(e, worn(e.edited, seed)), e.target
        assert not judge(e, worn(e.image, seed)), e.target


@pytest.mark.parametrize("kind", ["colour", "both"])
def test_a_rim_of_the_old_colour_is_not_enough(kind):
    for seed in SOME:
        e = edit(seed, kind)
        (old,) = set(e.source_scene.things) - set(e.target_scene.things)
        silhouette = (coverage_map((old,)) >= 0.5).astype(np.uint8)
        rim = (silhouette - cv2.erode(silhouette, np.ones((7, 7)))).astype(bool)
        assert not judge(e, np.where(rim[..., None], e.image, e.edited)), e.target


@pytest.mark.parametrize("wrong", ["colour", "shape"])
def test_half_of_an_object_edit_is_not_enough(wrong):
    for seed in SOME:
        e = edit(seed, "both")
        (old,) = set(e.source_scene.things) - set(e.target_scene.things)
        at = e.source_scene.things.index(old)
        half = list(e.target_scene.things)
        half[at] = type(old)(**{**vars(half[at]), wrong: getattr(old, wrong)})
        assert not judge(e, render(type(e.source_scene)(tuple(half), e.source_scene.ground)))


@pytest.mark.parametrize("seed", HELD_OUT_SEEDS[200:224])
def test_every_object_and_the_ground_are_read_back(seed):
    s = scene(seed)
    reading = read(render(s))
    assert reading.ground == s.ground
    assert {(o.colour, o.shape) for o in reading.objects} == {(t.colour, t.shape) for t in s.things}
    assert follows(s, render(s))


def test_a_picture_of_another_scene_does_not_follow():
    first, second = scene(SOME[0]), scene(SOME[1])
    assert not follows(first, render(second))


def test_noise_holds_no_objects_that_fit():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert not follows(scene(SOME[0]), noise)
