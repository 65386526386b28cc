"""Several edits at once: each is of another thing, can be told from the others, and is judged by itself."""

from collections import Counter
from dataclasses import replace
from functools import cache
from hashlib import sha256
from math import hypot

import numpy as np
import pytest

from diffedit_core.toybox import HELD_OUT_SEEDS, KINDS, Several, judge, judge_several, render, several, task
from diffedit_core.toybox.captions import NOUNS
from diffedit_core.toybox.judge import region_used
from diffedit_core.toybox.painting import coverage_map
from diffedit_core.toybox.scenes import SIZE, Frame, Scene, Thing

MANY = HELD_OUT_SEEDS[300:400]
SOME = HELD_OUT_SEEDS[400:412]
counts = pytest.mark.parametrize("count", [2, 3])

made = cache(several)


@pytest.fixture(scope="module", autouse=True)
def _forget():
    yield
    made.cache_clear()


def scenes_of(asked: Several) -> list[Scene]:
    between = [
        scene for a, t in zip(asked.alone, asked.together, strict=True) for scene in (a.target_scene, t.source_scene)
    ]
    return [asked.source_scene, asked.target_scene, *between]


def swapped(one) -> tuple[set[Thing], set[Thing]]:
    """The things that are only before, and only after."""
    before, after = set(one.source_scene.things), set(one.target_scene.things)
    return before - after, after - before


def words(text):
    return text.replace(",", " ,").split()


@counts
def test_every_scene_holds_one_to_three_things_and_no_two_share_a_colour_or_a_shape(count):
    for seed in MANY:
        for scene in scenes_of(made(seed, count)):
            assert 1 <= len(scene.things) <= 3
            for name in ("colour", "shape"):
                assert len({getattr(thing, name) for thing in scene.things}) == len(scene.things)


@counts
def test_each_edit_is_of_another_thing_and_at_most_one_of_the_ground(count):
    for seed in MANY:
        asked = made(seed, count)
        kinds = [each.kind for each in asked.alone]
        assert kinds == [each.kind for each in asked.together] and len(kinds) == count and kinds.count("ground") <= 1
        places = []
        for each in asked.alone:
            old, new = swapped(each)
            assert (len(old), len(new)) == {"ground": (0, 0), "removal": (1, 0), "addition": (0, 1)}.get(
                each.kind, (1, 1)
            )
            assert (each.source_scene.ground != each.target_scene.ground) == (each.kind == "ground")
            places += {(thing.x, thing.y) for thing in (*old, *new)}  # a changed thing stays in its place
        assert len(set(places)) == len(places) == count - kinds.count("ground")


@counts
def test_the_edits_alone_and_among_the_others_are_the_same_and_all_of_them_are_the_whole(count):
    for seed in MANY:
        asked = made(seed, count)
        assert isinstance(asked, Several)
        things, ground = set(asked.source_scene.things), asked.source_scene.ground
        for alone, together in zip(asked.alone, asked.together, strict=True):
            assert alone.source_scene == asked.source_scene and together.target_scene == asked.target_scene
            assert swapped(alone) == swapped(together)
            old, new = swapped(alone)
            things = things - old | new
            if alone.kind == "ground":
                assert together.source_scene.ground == ground and together.target_scene.ground.kind != ground.kind
        assert things == set(asked.target_scene.things)


@counts
def test_nothing_stands_where_something_else_is_or_was(count):
    for seed in MANY:
        asked = made(seed, count)
        things = list({*asked.source_scene.things, *asked.target_scene.things})
        for i, t in enumerate(things):
            for o in things[:i]:
                assert (t.x, t.y) == (o.x, o.y) or hypot(t.x - o.x, t.y - o.y) > t.radius + o.radius
        for each in asked.alone:
            old, new = swapped(each)
            assert not (old and new) or max(t.radius for t in new) <= min(t.radius for t in old)


@counts
def test_a_new_colour_or_shape_is_one_that_nothing_else_has_before_or_after(count):
    kept = {"colour": ["shape"], "shape": ["colour"]}
    for seed in MANY:
        asked = made(seed, count)
        things = {*asked.source_scene.things, *asked.target_scene.things}
        for each in asked.alone:
            for new in swapped(each)[1]:
                for name in {"colour", "shape"} - {*kept.get(each.kind, [])}:
                    assert getattr(new, name) not in {getattr(other, name) for other in things - {new}}


@counts
def test_pictures_and_texts_tell_of_their_scenes(count):
    for seed in SOME:
        asked = made(seed, count)
        for each in (asked, *asked.alone, *asked.together):
            np.testing.assert_array_equal(each.image, render(each.source_scene))
            np.testing.assert_array_equal(each.edited, render(each.target_scene))
            for text, scene in ((each.source, each.source_scene), (each.target, each.target_scene)):
                assert scene.ground.kind in words(text)
                assert all(text.count(f"a {thing.colour} {thing.shape}") == 1 for thing in scene.things)
        assert {each.source for each in asked.alone} == {asked.source}
        assert {each.target for each in asked.together} == {asked.target}


@counts
def test_texts_differ_in_the_edited_words_alone(count):
    changed = {"colour": 1, "shape": 1, "both": 2, "object": 2, "ground": 1}
    for seed in MANY:
        asked = made(seed, count)
        texts = {text for each in (*asked.alone, *asked.together) for text in (each.source, each.target)}
        assert len({noun for text in texts for noun in {*NOUNS} & {*words(text)}}) == 1
        for each in (*asked.alone, *asked.together):
            if each.kind in changed:
                pairs = zip(words(each.source), words(each.target), strict=True)
                assert sum(a != b for a, b in pairs) == changed[each.kind]


@counts
def test_each_edit_is_seen_where_it_is_done_and_only_there(count):
    for seed in SOME:
        asked = made(seed, count)
        assert judge_several(asked, asked.edited) == (True,) * count, asked.target
        assert judge_several(asked, asked.image) == (False,) * count, asked.target
        for i, (alone, together) in enumerate(zip(asked.alone, asked.together, strict=True)):
            only = tuple(j == i for j in range(count))
            assert judge(alone, alone.edited) and not judge(alone, asked.image), alone.target
            assert judge_several(asked, alone.edited) == only, alone.target
            assert judge(together, asked.edited) and not judge(together, together.image), together.source
            assert judge_several(asked, together.image) == tuple(not this for this in only), together.source


def with_addition(count: int) -> list[Several]:
    asked = [made(seed, count) for seed in (*SOME, *MANY)]
    return [one for one in asked if any(each.kind == "addition" for each in one.alone)]


def test_an_addition_among_others_does_not_ask_for_the_things_that_no_edit_names():
    found = 0
    for asked in with_addition(2):
        kept = set(asked.source_scene.things) & set(asked.target_scene.things)
        if kept and found < 6:
            found += 1
            left = tuple(thing for thing in asked.target_scene.things if thing not in kept)
            picture = render(replace(asked.target_scene, things=left))
            assert judge_several(asked, picture) == (True, True)
            assert not any(judge(each, picture) for each in asked.together if each.kind == "addition")
    assert found == 6


def elsewhere(asked: Several) -> dict[Thing, Thing]:
    """The added things, and the same, small, where nothing is, if there are such places for all of them."""
    come = [new for each in asked.alone if each.kind == "addition" for new in swapped(each)[1]]
    rest = [thing for thing in asked.target_scene.things if thing not in come]
    moved = {}
    for new in come:
        small = [replace(new, x=x, y=y, radius=16) for y in range(24, 106, 3) for x in range(24, 106, 3)]
        taken = [new, *rest, *moved.values()]
        free = (s for s in small if all(hypot(s.x - t.x, s.y - t.y) > t.radius + 24 for t in taken))
        moved[new] = next(free, None)
    return moved if all(moved.values()) else {}


def test_added_things_may_be_anywhere_and_are_measured_where_they_are():
    found = Counter()
    for asked in (*with_addition(2), *with_addition(3)):
        moved = elsewhere(asked)
        if not moved or found[len(moved)] >= 4:
            continue
        found[len(moved)] += 1
        picture = render(replace(asked.target_scene, things=tuple(moved.get(t, t) for t in asked.target_scene.things)))
        assert all(judge_several(asked, picture))
        region = region_used(asked, picture)
        assert (region >= asked.region).all() and region.dtype == np.float32 and region.max() <= 1
        for thing in moved.values():
            place = coverage_map((thing,)) >= 0.5
            assert (region[place] > 0.5).mean() > 0.85  # but for the tips of a star
        changed = (picture != asked.image).any(-1)
        assert (region[changed] > 0).mean() > 0.9  # with its shadow, but for where that fades
    assert found[1] == 4 and found[2] >= 1, found


@counts
def test_without_additions_the_region_used_is_the_tasks_own(count):
    for seed in SOME:
        asked = made(seed, count)
        assert np.array_equal(region_used(asked, asked.image), asked.region)
        if all(each.kind != "addition" for each in asked.alone):
            assert region_used(asked, asked.edited) is asked.region


@counts
def test_the_region_is_what_changed_to_the_pixel(count):
    for seed in MANY:
        asked = made(seed, count)
        for each in (asked, *asked.alone, *asked.together):
            changed = (each.image != each.edited).any(-1)
            assert each.region.shape == (SIZE, SIZE) and each.region.dtype == np.float32
            assert each.region.min() >= 0 and each.region.max() <= 1
            assert not changed[each.region == 0].any()
            faint = each.region < 0.5
            np.testing.assert_array_equal((each.region > 0)[faint], changed[faint])
            assert changed[~faint].mean() > 0.2  # as of one edit: two shapes of one colour look alike in the middle


@counts
def test_the_region_cut_at_half_is_the_edits_regions_taken_together(count):
    for seed in MANY:
        asked = made(seed, count)
        each = np.max([one.region for one in asked.alone], axis=0) >= 0.5
        np.testing.assert_array_equal(asked.region >= 0.5, each)


@counts
def test_where_the_ground_changes_all_but_the_kept_things_counts_in_full(count):
    grounds = [asked for asked in (made(seed, count) for seed in MANY) if "ground" in [one.kind for one in asked.alone]]
    for asked in grounds:
        kept = set(asked.source_scene.things) & set(asked.target_scene.things)
        assert (asked.region[coverage_map(tuple(kept)) == 0] == 1).all()
    assert len(grounds) > 10


@counts
def test_at_large_they_are_the_same_edits_in_more_of_the_world(count):
    frame = Frame(512, world=256, left=70, top=128)
    for seed in SOME[:3]:
        small, large = made(seed, count), several(seed, count, frame)
        assert (large.source, large.target, scenes_of(large)) == (small.source, small.target, scenes_of(small))
        assert large.frame == frame and large.image.shape == large.edited.shape == (512, 512, 3)
        changed = (large.image != large.edited).any(-1)
        assert changed.any() and not changed[large.region == 0].any()
        assert judge_several(large, large.edited) == (True,) * count
        assert judge_several(large, large.image) == (False,) * count
        assert region_used(large, large.edited).shape == (512, 512)


@counts
def test_there_are_about_as_many_edits_of_each_kind_and_kinds_recur(count):
    drawn = [[each.kind for each in made(seed, count).alone] for seed in MANY]
    drawn += [[each.kind for each in several(seed, count).alone] for seed in HELD_OUT_SEEDS[1000:1200]]
    share = Counter(kind for kinds in drawn for kind in kinds)
    even = count * len(drawn) / len(KINDS)
    assert all(0.7 * even < share[kind] < 1.3 * even for kind in KINDS), share
    assert any(len(set(kinds)) < count for kinds in drawn)
    assert len({kinds.index("ground") for kinds in drawn if "ground" in kinds}) == count


@counts
def test_a_seed_makes_one_task_of_its_own(count):
    first, again = several(SOME[0], count), several(SOME[0], count)
    for one, other in zip((first, *first.alone, *first.together), (again, *again.alone, *again.together), strict=True):
        assert (one.source, one.target) == (other.source, other.target)
        assert (one.source_scene, one.target_scene) == (other.source_scene, other.target_scene)
        for name in ("image", "edited", "region"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    others = {several(SOME[0], 5 - count).source_scene, *(task(SOME[0], kind).source_scene for kind in KINDS)}
    assert first.source_scene not in others and len({made(seed, count).image.tobytes() for seed in SOME}) == len(SOME)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_other_numbers_of_edits_are_refused(count):
    with pytest.raises(ValueError, match=f"2 or 3 edits at once, not {count}"):
        several(0, count)


# From before there were several edits at once. Of the scenes, which other tests compare with the pictures to the pixel.
AS_BEFORE = {
    "colour": "381dcb05f7003af5",
    "shape": "658bb25dcd3bffdb",
    "both": "8d95890c6d292b88",
    "object": "0c3de2f9e5370afd",
    "removal": "51ac61b989cf020c",
    "addition": "6088dc724f03e35b",
    "ground": "7ed5a906f36a6ea7",
}


@pytest.mark.parametrize("kind", KINDS)
def test_tasks_of_one_edit_are_as_before(kind):
    tasks = [task(seed, kind) for seed in (*range(4), *HELD_OUT_SEEDS[:4])]
    told = "\n".join(f"{one.source}|{one.target}|{one.source_scene}|{one.target_scene}" for one in tasks)
    assert sha256(told.encode()).hexdigest()[:16] == AS_BEFORE[kind]
