"""The ground waits for the things on it, and is then asked for as they are by then."""

from dataclasses import replace

import pytest
import torch

from diffedit_core import Edit, edit
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.masks import union
from diffedit_core.pictures import from_bytes
from diffedit_core.settings import SEVERAL
from diffedit_core.stages import Look
from diffedit_core.toybox import HELD_OUT_SEEDS, WEIGHTS, several
from diffedit_core.waiting import edits_that_wait, merged

HERE, NOWHERE = torch.ones(1, 8, 8), torch.zeros(1, 8, 8)
BASE = "a red circle, a blue star and a green ring on a striped floor"


def seen(*kinds: str) -> Look:
    plane = torch.zeros(len(kinds), 4, 4)
    return Look(plane, torch.ones(len(kinds)), kinds, plane[:, None])


# ---- texts


@pytest.mark.parametrize(
    ("versions", "whole"),
    [
        ((), BASE),
        ((BASE,), BASE),
        (("a red heart, a blue star and a green ring on a striped floor",), None),
        (
            (
                "a white circle, a blue star and a green ring on a striped floor",
                "a red circle, a blue star and a green ring on a dotted floor",
            ),
            "a white circle, a blue star and a green ring on a dotted floor",
        ),
        (  # two words that stand side by side
            (
                "a white circle, a blue star and a green ring on a striped floor",
                "a red heart, a blue star and a green ring on a striped floor",
            ),
            "a white heart, a blue star and a green ring on a striped floor",
        ),
        (  # something goes, something comes
            (
                "a blue star and a green ring on a striped floor",
                "a red circle, a blue star and a green ring on a striped floor, at night",
            ),
            "a blue star and a green ring on a striped floor, at night",
        ),
        (("a red circle" + BASE[12:] + " ", BASE[:1] + " big" + BASE[1:]), "a big" + BASE[1:] + " "),
    ],
)
def test_changes_of_different_words_are_merged(versions, whole):
    whole = versions[0] if whole is None else whole
    assert merged(BASE, *versions) == whole
    assert merged(BASE, *reversed(versions)) == whole


@pytest.mark.parametrize(
    "versions",
    [
        (BASE.replace("red", "white"), BASE.replace("red", "black")),
        (BASE.replace("a red circle, ", ""), BASE.replace("circle", "heart")),
        (BASE + " at night", BASE + " in the rain"),
    ],
)
def test_changes_of_the_same_words_are_not(versions):
    assert merged(BASE, *versions) is None and merged(BASE, *reversed(versions)) is None


def test_two_that_say_the_same_agree():
    version = BASE.replace("red", "white")
    assert merged(BASE, version, version) == version


def test_in_the_toybox_the_merged_texts_are_the_true_ones():
    grounds = 0
    for seed in HELD_OUT_SEEDS[:120]:
        task = several(seed, 2)
        kinds = [each.kind for each in task.alone]
        if "ground" in kinds:
            grounds += 1
            asked = [Edit(each.source, each.target) for each in task.alone]
            looks = [seen("area" if kind == "ground" else "object") for kind in kinds]
            number, true = kinds.index("ground"), task.together[kinds.index("ground")]
            assert edits_that_wait(asked, [HERE, HERE], looks) == {number: Edit(true.source, true.target)}
    assert grounds > 20


# ---- who waits

SOURCE = "a cup on a table"
THING, GROUND = Edit(SOURCE, "a jug on a table"), Edit(SOURCE, "a cup on a lawn", "blurred", keep="a hat", guidance=3.0)


def test_an_area_waits_for_things_and_keeps_what_else_is_said_of_it():
    waiting = edits_that_wait([GROUND, THING], [HERE, HERE], [seen("area"), seen("object")])
    assert waiting == {0: replace(GROUND, source="a jug on a table", target="a jug on a lawn")}


@pytest.mark.parametrize(
    ("edits", "masks", "looks"),
    [
        ([THING], [HERE], [seen("object")]),
        ([GROUND], [HERE], [seen("area")]),
        ([THING, THING], [HERE, HERE], [seen("object"), seen("addition")]),
        ([GROUND, GROUND], [HERE, HERE], [seen("area"), seen("area")]),
        ([THING, GROUND], [NOWHERE, HERE], [seen("object"), seen("area")]),  # nothing to wait for
        ([THING, GROUND], [HERE, NOWHERE], [seen("object"), seen("area")]),  # nothing to do
        ([THING, GROUND], [HERE, HERE], [seen("object"), None]),  # its mask was given
        ([THING, GROUND], [HERE, HERE], [seen("object"), seen("area", "object")]),  # in one picture of a batch
        ([replace(THING, source="a jug"), GROUND], [HERE, HERE], [seen("object"), seen("area")]),
        ([replace(THING, target=["a jug", "a pot"]), GROUND], [HERE, HERE], [seen("object"), seen("area")]),
        ([replace(THING, target="a cup on a chair"), GROUND], [HERE, HERE], [seen("object"), seen("area")]),
    ],
)
def test_nothing_waits(edits, masks, looks):
    assert edits_that_wait(edits, masks, looks) == {}


# ---- the edits themselves


@pytest.fixture(scope="module")
def host():
    return DiffusersHost.from_pretrained(WEIGHTS)


@pytest.fixture(scope="module")
def asked():
    """A removed thing and the ground, and the picture."""
    task = several(1_020_008, 2)
    assert [each.kind for each in task.alone] == ["ground", "removal"]
    return [Edit(each.source, each.target) for each in task.alone], from_bytes(task.image)[None], task


def test_things_come_first_and_the_ground_is_sought_anew(host, asked):
    edits, picture, task = asked
    done = edit(host, picture, edits, seed=3)
    thing = edit(host, picture, edits[1], how=SEVERAL, seed=3)
    ground = Edit(task.together[0].source, task.together[0].target)
    then = edit(host, thing.picture, ground, how=SEVERAL, seed=3)
    assert torch.equal(done.picture, then.picture)
    assert torch.equal(done.mask, union([thing.mask, then.mask]))
    assert torch.equal(done.masks[1], thing.masks[0]) and torch.equal(done.masks[0], then.masks[0])
    assert torch.equal(done.looks[0].heatmap, then.looks[0].heatmap)
    assert torch.equal(done.picture[done.mask == 0], picture[done.mask == 0])


def test_their_order_changes_nothing(host, asked):
    edits, picture, _ = asked
    one, other = (edit(host, picture, each, seed=3) for each in (edits, edits[::-1]))
    assert torch.equal(one.picture, other.picture) and torch.equal(one.mask, other.mask)
    assert all(torch.equal(*pair) for pair in zip(one.masks, other.masks[::-1], strict=True))


def test_texts_as_long_as_a_book_are_not_merged():
    book = "a b " * 20_000
    assert merged(book, f"{book} c", f"d {book}") is None
