"""What live masks hold, and who is answered: bounded, replaced, dropped, and never more than one question behind."""

import asyncio
import threading

import pytest
import torch

from diffedit_core.hosts.comfyui.live import SIDE, Held, LiveMasks, as_file
from diffedit_core.hosts.comfyui.newest import Newest
from diffedit_core.hosts.comfyui.refining import Given, refined

SETTINGS = {"rule": "otsu", "value": 0.0, "threshold": 0.0}


def held(side=8, **settings):
    heatmap = torch.rand((1, side, side), generator=torch.Generator().manual_seed(side))
    return Held(Given(heatmap), {**SETTINGS, **settings})


def test_no_more_is_held_than_so_many_and_the_oldest_goes_first():
    live = LiveMasks(most=2)
    words = [live.hold(f"page {i}", held()) for i in range(2)]
    assert live.get(words[0])  # looked at, so the other one is the oldest
    last = live.hold("page 2", held())
    assert [live.get(word) is not None for word in (*words, last)] == [True, False, True]


def test_no_more_is_held_than_so_many_bytes():
    live = LiveMasks(most_bytes=3 * held().size)
    words = [live.hold(f"page {i}", held()) for i in range(5)]
    assert live.bytes == 3 * held().size and len(live) == 3
    assert live.get(live.hold("page", held(side=100))) is None  # alone too large
    assert live.bytes == 0 and live.get(words[-1]) is None


def test_a_later_run_of_the_same_node_takes_the_place_of_the_last_one():
    live = LiveMasks()
    first, other = live.hold("page 3", held()), live.hold("another 3", held())
    second = live.hold("page 3", held(rule="ratio"))
    assert live.get(first) is None and live.get(other) and live.get(second).settings["rule"] == "ratio"
    live.drop(second)
    live.drop(second)
    assert live.get(second) is None and len(live) == 1


def test_what_is_held_is_a_copy_of_the_first_of_a_batch():
    heatmaps, pictures = torch.rand(3, 8, 8), torch.rand(3, 8, 8, 4)
    given = Given(heatmaps, pictures)
    first, made = given.first(), refined(given, **SETTINGS, edge_snap="guided")
    heatmaps.zero_()
    pictures.zero_()
    assert refined(first, **SETTINGS, edge_snap="guided").equal(made[:1])
    assert (first.mask.nbytes, first.picture.nbytes) == (8 * 8 * 4, 8 * 8 * 3 * 4)


@pytest.mark.parametrize("view", ["overlay", "mask", "heatmap", "picture"])
def test_it_is_shown_no_larger_than_a_node_needs(view):
    image, said = held(side=SIDE + 88).seen(view, {})
    assert image.size == (SIDE, SIDE) and as_file(image)[1] == ("image/png" if view == "mask" else "image/jpeg")
    assert ("of the picture" in said) == (view in ("overlay", "mask"))


def test_only_the_newest_of_what_waits_is_answered():
    async def asked():
        newest, go, begun = Newest(), threading.Event(), threading.Event()

        def first():
            begun.set()
            go.wait()
            return "first"

        questions = [asyncio.create_task(newest.answer("node", first))]
        await asyncio.to_thread(begun.wait)  # it is being answered; what follows waits
        for name in ("second", "third", "fourth"):
            questions.append(asyncio.create_task(newest.answer("node", lambda name=name: name)))
        questions.append(asyncio.create_task(newest.answer("another", lambda: "another")))
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*questions), newest._waiting

    assert asyncio.run(asked()) == (["first", None, None, "fourth", "another"], {})


def test_a_question_that_fails_says_so_and_the_next_is_answered():
    async def asked():
        newest = Newest()
        with pytest.raises(ValueError, match="no"):
            await newest.answer("node", lambda: (_ for _ in ()).throw(ValueError("no")))
        return await newest.answer("node", lambda: "yes")

    assert asyncio.run(asked()) == "yes"
