"""The judge: true edits pass, unedited pictures do not, and a little blur and noise do not matter."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from diffedit_core.toybox import HELD_OUT_SEEDS, KINDS, Task, follows, judge, read, render, scene, task
from diffedit_core.toybox.judge import region_used
from diffedit_core.toybox.painting import coverage_map
from diffedit_core.toybox.scenes import MARGIN, SHAPES, SIZE, Thing

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


def only(scene, other) -> Thing:
    """The thing that the one scene has and the other has not."""
    (thing,) = set(scene.things) - set(other.things)
    return thing


def wanted(asked: Task) -> Thing:
    return only(asked.target_scene, asked.source_scene)


def with_another(asked: Task, **changes) -> np.ndarray:
    """The true picture, but the new thing is otherwise."""
    things = [replace(t, **changes) if t == wanted(asked) else t for t in asked.target_scene.things]
    return render(replace(asked.target_scene, things=tuple(things)))


@cache
def tasks_of(shape: str, low: int, high: int) -> list[Task]:
    """The first two whose new thing is alone in its picture, with this shape and a radius within these limits."""
    tasks = (task(seed, "both") for seed in HELD_OUT_SEEDS)
    alone = (t for t in tasks if len(t.target_scene.things) == 1)
    fitting = (t for t in alone if wanted(t).shape == shape and low <= wanted(t).radius <= high)
    return [next(fitting), next(fitting)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_right_object_of_another_size_at_the_place_succeeds(shape):
    """The texts do not say how large it is."""
    for asked in tasks_of(shape, 27, 28):
        assert judge(asked, with_another(asked, radius=16)), asked.target
    for asked in tasks_of(shape, 17, 18):
        x, y = wanted(asked).x, wanted(asked).y
        larger = min(28, min(x, y, SIZE - x, SIZE - y) - MARGIN)
        assert judge(asked, with_another(asked, radius=larger)), asked.target


@pytest.mark.parametrize("shape", SHAPES)
def test_where_the_size_counts_another_size_fails(shape):
    """By the old rule, which a true edit still passes."""
    for asked in tasks_of(shape, 27, 28):
        assert not judge(asked, with_another(asked, radius=14), same_size=True), asked.target
        assert judge(asked, asked.edited, same_size=True)


@pytest.mark.parametrize("kind", ["colour", "shape", "both", "object"])
def test_a_right_object_beside_the_place_fails(kind):
    """By more than its radius to the side where there is room, alone in its picture."""
    for asked in [t for t in (task(seed, kind) for seed in SOME) if len(t.target_scene.things) == 1]:
        new = wanted(asked)
        away = round(1.3 * new.radius) * (1 if new.x < SIZE // 2 else -1)
        moved = with_another(asked, x=new.x + away, radius=16)
        seen = {(thing.colour, thing.shape) for thing in read(moved).objects}
        assert seen == {(new.colour, new.shape)}  # it can be read where it is
        assert not judge(asked, moved) and not judge(asked, moved, same_size=True), asked.target
        assert judge(asked, with_another(asked, x=new.x + away // 6)), asked.target  # a little is the same place


@pytest.mark.parametrize("kind", ["colour", "both", "object"])
def test_a_ghost_of_the_old_colour_around_a_smaller_object_fails(kind):
    ghosts = 0
    for seed in SOME:
        asked = task(seed, kind)
        old = coverage_map((only(asked.source_scene, asked.target_scene),)) >= 0.5
        left = old & (coverage_map((replace(wanted(asked), radius=16),)) < 0.5)
        if left.sum() > 0.25 * old.sum():
            ghosts += 1
            smaller = with_another(asked, radius=16)
            assert not judge(asked, np.where(left[..., None], asked.image, smaller)), asked.target
    assert ghosts >= 6


def moved_away(asked: Task) -> tuple[np.ndarray, Thing] | None:
    """The new thing of an addition put where nothing is, if there is such a place."""
    new, others = wanted(asked), asked.source_scene.things
    for y in range(30, SIZE - 30, 4):
        for x in range(30, SIZE - 30, 4):
            if all(np.hypot(x - t.x, y - t.y) > t.radius + new.radius + 12 for t in (*others, new)):
                return with_another(asked, x=x, y=y), replace(new, x=x, y=y)
    return None


def test_an_added_object_and_its_shadow_are_measured_where_they_are():
    found = 0
    for seed in SOME:
        asked = task(seed, "addition")
        elsewhere = moved_away(asked)
        if elsewhere is None:
            continue
        picture, thing = elsewhere
        found += 1
        assert judge(asked, picture)
        region = region_used(asked, picture)
        assert region.shape == (SIZE, SIZE) and region.dtype == np.float32 and 0 <= region.min() <= region.max() <= 1
        assert (region >= asked.region).all()
        place = coverage_map((thing,)) >= 0.5
        assert (region[place] > 0.5).mean() > 0.85  # but for the tips of a star
        changed = (picture != asked.image).any(-1)
        assert (region[changed] > 0).mean() > 0.9  # with its shadow, but for where that fades
        beyond = cv2.dilate((changed | (asked.region > 0)).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
        assert (region[beyond] == 0).all()
    assert found >= 3


@kinds
def test_of_all_other_edits_the_region_is_the_tasks_own(kind):
    for seed in SOME[:4]:
        asked = task(seed, kind)
        assert np.array_equal(region_used(asked, asked.image), asked.region)
        if kind != "addition":
            assert np.array_equal(region_used(asked, asked.edited), asked.region)


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
