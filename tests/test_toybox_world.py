"""The toybox tells the truth: regions hold what changed, texts say what is there, and seeds reproduce."""

from math import hypot

import cv2
import numpy as np
import pytest

from diffedit_core.toybox import HELD_OUT_SEEDS, KINDS, TRAIN_SEEDS, caption, judge, render, scene, task
from diffedit_core.toybox.captions import vocabulary
from diffedit_core.toybox.painting import SHADOW_OPACITY, cast_shadow, coverage_map, ground_picture, shadow_map
from diffedit_core.toybox.scenes import MARGIN, SIZE, Frame, Ground, Scene

SOME = HELD_OUT_SEEDS[:24]
kinds = pytest.mark.parametrize("kind", KINDS)


def words(text):
    return text.replace(",", " ,").split()


def test_training_never_meets_the_held_out_seeds():
    assert max(TRAIN_SEEDS) < min(HELD_OUT_SEEDS)


@pytest.mark.parametrize("seed", SOME)
def test_a_seed_makes_one_scene_and_one_picture(seed):
    first, second = scene(seed), scene(seed)
    assert first == second
    np.testing.assert_array_equal(render(first), render(second))


def test_seeds_make_different_pictures():
    assert len({render(scene(seed)).tobytes() for seed in SOME}) == len(SOME)


@pytest.mark.parametrize("seed", SOME)
def test_objects_are_distinct_apart_and_inside(seed):
    things = scene(seed).things
    assert 1 <= len(things) <= 3
    assert len({t.colour for t in things}) == len({t.shape for t in things}) == len(things)
    for i, t in enumerate(things):
        assert min(t.x, t.y) - t.radius >= MARGIN and max(t.x, t.y) + t.radius <= SIZE - MARGIN
        assert all(hypot(t.x - o.x, t.y - o.y) > t.radius + o.radius for o in things[:i])


@pytest.mark.parametrize("seed", SOME)
def test_a_caption_names_every_object_and_the_ground(seed):
    s = scene(seed)
    for variant in range(12):
        text = caption(s, variant)
        assert s.ground.kind in words(text)
        assert all(f"a {thing.colour} {thing.shape}" in text for thing in s.things)
        assert set(words(text)) <= set(vocabulary())


@pytest.mark.parametrize("seed", SOME[:6])
def test_the_shadow_that_a_silhouette_casts_is_the_one_that_is_painted(seed):
    """But for where it leaves the picture."""
    s = scene(seed)
    for thing in s.things:
        painted = shadow_map(Scene((thing,), s.ground))
        cast = cast_shadow(coverage_map((thing,)))
        np.testing.assert_allclose(cast[16:-16, 16:-16], painted[16:-16, 16:-16], atol=0.02)
        assert painted.max() > 0.9


def test_a_shadow_lies_below_and_to_the_right_in_a_picture_of_any_size():
    wide = np.zeros((40, 90), np.float32)
    wide[10:20, 60:80] = 1
    shadow = cast_shadow(wide)
    assert shadow.shape == wide.shape and shadow[18:20, 67:79].min() > 0.8 and shadow[:, :50].max() == 0
    assert shadow[22, 70] > 0.5 > shadow[11, 70] and shadow[18, 81] > 0.5 > shadow[18, 61]


def test_captions_vary():
    assert len({caption(scene(SOME[0]), variant) for variant in range(30)}) > 5


@kinds
@pytest.mark.parametrize("seed", SOME)
def test_the_region_is_what_changed_to_the_pixel(seed, kind):
    asked = task(seed, kind)
    changed = (asked.image != asked.edited).any(-1)
    assert asked.region.shape == (SIZE, SIZE) and asked.region.dtype == np.float32
    assert asked.region.min() >= 0 and asked.region.max() <= 1
    np.testing.assert_array_equal(asked.image[asked.region == 0], asked.edited[asked.region == 0])
    # A changed object counts as a whole, also where two shapes of one colour look alike; rim and shadow do not.
    faint = asked.region < 0.5
    np.testing.assert_array_equal((asked.region > 0)[faint], changed[faint])
    assert changed[~faint].mean() > (0.2 if kind == "shape" else 0.95)


@pytest.mark.parametrize("seed", SOME)
def test_the_region_cut_at_half_is_the_object(seed):
    asked = task(seed, "removal")
    gone = tuple(set(asked.source_scene.things) - set(asked.target_scene.things))
    np.testing.assert_array_equal(asked.region >= 0.5, coverage_map(gone) >= 0.5)
    assert SHADOW_OPACITY < 0.5


@kinds
@pytest.mark.parametrize("seed", SOME)
def test_pictures_and_texts_tell_of_their_scenes(seed, kind):
    asked = task(seed, kind)
    np.testing.assert_array_equal(asked.image, render(asked.source_scene))
    np.testing.assert_array_equal(asked.edited, render(asked.target_scene))
    for text, s in ((asked.source, asked.source_scene), (asked.target, asked.target_scene)):
        assert text.count("a ") >= len(s.things) and s.ground.kind in words(text)
        assert all(f"a {thing.colour} {thing.shape}" in text for thing in s.things)


@pytest.mark.parametrize("kind, changed", [("colour", 1), ("shape", 1), ("both", 2), ("object", 2), ("ground", 1)])
@pytest.mark.parametrize("seed", SOME)
def test_source_and_target_differ_in_the_edited_words_alone(seed, kind, changed):
    asked = task(seed, kind)
    pairs = list(zip(words(asked.source), words(asked.target), strict=True))
    assert sum(a != b for a, b in pairs) == changed


@pytest.mark.parametrize(
    "kind, kept",
    [("colour", "shape radius tilt"), ("shape", "colour radius tilt"), ("both", "radius tilt"), ("object", "")],
)
def test_a_change_leaves_the_place_and_what_it_does_not_name(kind, kept):
    pairs = []
    for seed in SOME:
        asked = task(seed, kind)
        places = zip(asked.source_scene.things, asked.target_scene.things, strict=True)
        ((old, new),) = [(a, b) for a, b in places if a != b]
        assert all(getattr(old, name) == getattr(new, name) for name in ("x", "y", *kept.split()))
        assert new.radius <= old.radius
        pairs.append((old, new))
    # another object has a size and a tilt of its own
    assert any(old.radius != new.radius for old, new in pairs) == (kind == "object")
    assert any(old.tilt != new.tilt for old, new in pairs) == (kind == "object")


@pytest.mark.parametrize("seed", SOME)
def test_removal_and_addition_change_one_object(seed):
    gone, come = task(seed, "removal"), task(seed, "addition")
    assert set(gone.target_scene.things) < set(gone.source_scene.things)
    assert set(come.source_scene.things) < set(come.target_scene.things)
    assert len(gone.source_scene.things) - len(gone.target_scene.things) == 1
    assert len(come.target_scene.things) - len(come.source_scene.things) == 1


def test_a_task_reproduces_and_kinds_do_not_share_scenes():
    first, again = task(SOME[0], "colour"), task(SOME[0], "colour")
    assert (first.source, first.target) == (again.source, again.target)
    np.testing.assert_array_equal(first.region, again.region)
    assert task(SOME[0], "shape").source_scene != first.source_scene


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="colour, shape, both, object"):
        task(0, "texture")


AT_LARGE = [Frame(256), Frame(1024), Frame(512, world=256, left=70, top=128), Frame(1024, world=512, left=384, top=0)]


@pytest.mark.parametrize("frame", AT_LARGE, ids=str)
@kinds
def test_a_task_at_large_is_the_same_task_seen_more_sharply_in_more_of_the_world(kind, frame):
    for seed in SOME[: 1 if frame.pixels == 1024 else 3]:
        small, large = task(seed, kind), task(seed, kind, frame)
        assert (large.source, large.target) == (small.source, small.target)
        assert large.image.shape == large.edited.shape == (frame.pixels, frame.pixels, 3)
        assert large.region.shape == (frame.pixels, frame.pixels) and large.region.dtype == np.float32
        changed = (large.image != large.edited).any(-1)
        assert changed.any() and not changed[large.region == 0].any()
        for at_large, itself in ((large.image, small.image), (large.edited, small.edited)):
            square = cv2.resize(at_large[frame.square], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
            assert np.abs(square.astype(float) - itself).mean() < 4
        assert judge(large, large.edited) and not judge(large, large.image)
        square = cv2.resize(large.region[frame.square], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        assert np.abs(square - small.region).mean() < 0.02


@pytest.mark.parametrize("ground", sorted({scene(seed).ground.kind for seed in SOME}))
def test_around_a_scene_its_ground_goes_on_and_does_not_repeat_itself(ground):
    frame = Frame(512, world=512, left=192, top=192)
    whole = ground_picture(Ground(ground, 0), frame)
    np.testing.assert_allclose(whole[frame.square], ground_picture(Ground(ground, 0)), atol=40, rtol=0)
    assert np.abs(whole[frame.square] - ground_picture(Ground(ground, 0))).mean() < 3
    for border in (whole[:32, :256], whole[-32:, :256]):
        if ground != "plain":
            assert border.std() > 3
            assert np.abs(border[:, :64] - border[:, 64:128]).mean() > 1
