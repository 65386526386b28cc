"""The judge: true edits pass, unedited pictures do not, and a little blur and noise do not matter."""

import cv2
import numpy as np
import pytest

from diffedit_core.toybox import HELD_OUT_SEEDS, KINDS, follows, judge, read, render, scene, task
from diffedit_core.toybox.painting import coverage_map

SOME = HELD_OUT_SEEDS[100:112]
kinds = pytest.mark.parametrize("kind", KINDS)


def worn(picture, seed):
    """As a weak autoencoder would return it: about 27 dB."""
    blurred = cv2.GaussianBlur(picture, (0, 0), 1.2).astype(float)
    return np.clip(blurred + np.random.default_rng(seed).normal(0, 5, picture.shape), 0, 255).astype(np.uint8)


@kinds
def test_true_edits_succeed_and_unedited_pictures_fail(kind):
    for seed in SOME:
        asked = task(seed, kind)
        assert judge(asked, asked.edited), asked.target
        assert not judge(asked, asked.image), asked.target


@kinds
def test_worn_pictures_are_judged_alike(kind):
    for seed in SOME:
        asked = task(seed, kind)
        assert judge(asked, worn(asked.edited, seed)), asked.target
        assert not judge(asked, worn(asked.image, seed)), asked.target


@pytest.mark.parametrize("kind", ["colour", "both"])
def test_a_rim_of_the_old_colour_is_not_enough(kind):
    for seed in SOME:
        asked = task(seed, kind)
        (old,) = set(asked.source_scene.things) - set(asked.target_scene.things)
        silhouette = (coverage_map((old,)) >= 0.5).astype(np.uint8)
        rim = (silhouette - cv2.erode(silhouette, np.ones((7, 7)))).astype(bool)
        assert not judge(asked, np.where(rim[..., None], asked.image, asked.edited)), asked.target


@pytest.mark.parametrize("wrong", ["colour", "shape"])
def test_half_of_an_object_task_is_not_enough(wrong):
    for seed in SOME:
        asked = task(seed, "both")
        (old,) = set(asked.source_scene.things) - set(asked.target_scene.things)
        at = asked.source_scene.things.index(old)
        half = list(asked.target_scene.things)
        half[at] = type(old)(**{**vars(half[at]), wrong: getattr(old, wrong)})
        assert not judge(asked, render(type(asked.source_scene)(tuple(half), asked.source_scene.ground)))


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
