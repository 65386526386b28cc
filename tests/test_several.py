"""Several edits at once: each as if it were the only one, from one inversion, and nothing else is touched."""

import logging
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
import torch
from pipelines import random_pipeline
from worlds import CELL, Gaussian, Somewhere, WorldHost, standard_normal

from diffedit_core import Edit, Edited, EditSettings, MaskSettings, edit, find_mask
from diffedit_core.batches import gathered, in_turn
from diffedit_core.focus import Focus
from diffedit_core.greys import GREYS
from diffedit_core.hosts.diffusers import BoundTexts, DiffusersHost
from diffedit_core.masks import iou
from diffedit_core.pictures import from_bytes
from diffedit_core.refine import Refinement, give_room
from diffedit_core.settings import SEVERAL, ContrastSettings, CutSettings, DecodingSettings, InversionSettings
from diffedit_core.sharing import OVERLAPS
from diffedit_core.toybox import HELD_OUT_SEEDS, WEIGHTS, several

H = W = 16


def spot(y: int, x: int, value: float = 0.5, height: int = 4, width: int = 4) -> torch.Tensor:
    """[C, h, w]: a square of cells."""
    plane = torch.zeros(3, H, W, dtype=torch.float64)
    plane[:, y : y + height, x : x + width] = value
    return plane


def mean(plane: torch.Tensor) -> Any:
    return Gaussian(0.3, plane)


def box(y: int, x: int, height: int = 4, width: int = 4) -> torch.Tensor:
    """[1, H, W] of a picture: the same cells."""
    cells = (spot(y, x, 1, height, width)[:1] > 0).float()
    return cells.repeat_interleave(CELL, 1).repeat_interleave(CELL, 2)


NONE: Any = Gaussian(0.3)
HERE, THERE, BELOW = mean(spot(1, 1)), mean(spot(9, 10, -0.4)), mean(spot(11, 1, 0.7))
SOMEWHERE: Any = Somewhere(torch.stack([spot(y, x, 0.8) for y, x in ((1, 7), (6, 1), (6, 12))]))
ELSEWHERE: Any = Somewhere(torch.stack([spot(y, x, 0.8) for y, x in ((12, 6), (1, 12), (12, 12))]))
GROUND = mean(0.5 - spot(1, 1, 0.5, 7, 9))
ONE, TWO, THREE = Edit(NONE, HERE), Edit(NONE, THERE), Edit(NONE, BELOW)
X0 = 0.04 * standard_normal(3, 3, H, W, dtype=torch.float32)
X0[1] += spot(6, 1, 0.8).float()  # one of the things that are somewhere is there already
PICTURES = WorldHost().decode(X0)
PICTURE = PICTURES[:1]
LOOK = ContrastSettings(guidance=1.5)
HOW = EditSettings(
    mask=MaskSettings(LOOK, refinement=Refinement()),
    decoding=DecodingSettings(guidance=1.5, tries=2),
    rim=0.0,
    seam="none",
)
TIGHT = replace(HOW, room=0)
CLIMB = 9  # steps of the inversion
flows = pytest.mark.parametrize("flow", [False, True], ids=["diffusion", "flow"])


class WideHost(WorldHost):
    """That takes several rows at a time."""

    def bind(self, *edits):
        return replace(super().bind(*edits), chunk=3)


def counted(call, host) -> tuple[Edited, int]:
    before = host.evaluations
    return call(), host.evaluations - before


def cost_of(host, asked, how: EditSettings = HOW) -> int:
    return counted(lambda: edit(host, PICTURE, asked, how=how), host)[1]


def own_place(done: Edited, number: int, room: int) -> torch.Tensor:
    """Where an edit's mask is and no other's, nor the room around it: [B, H, W]."""
    others = [give_room(mask, room) for i, mask in enumerate(done.masks) if i != number]
    return (done.masks[number] > 0) & (torch.stack(torch.broadcast_tensors(*others)).amax(0) == 0)


ASKED = {
    "two things": [ONE, TWO],
    "three things": [ONE, TWO, THREE],
    "a thing and the ground": [ONE, Edit(NONE, GROUND)],
    "a thing and an addition": [TWO, Edit(NONE, SOMEWHERE)],
    "two additions": [Edit(NONE, SOMEWHERE), Edit(NONE, ELSEWHERE)],
    "a thing, an addition and the ground": [ONE, Edit(NONE, ELSEWHERE), Edit(NONE, GROUND)],
    "guidances of their own": [ONE, replace(TWO, guidance=4.0), replace(THREE, guidance=1.0)],
    "negatives of their own": [ONE, replace(TWO, negative=GROUND), replace(THREE, negative=HERE)],
    "kinds of their own": [replace(ONE, kind="area"), replace(TWO, kind="addition"), THREE],
    "masks of their own": [replace(ONE, mask=box(0, 1)), replace(TWO, mask=0.5 * box(8, 8, 7, 7)), THREE],
    "changes of what is there": [Edit(HERE, NONE), Edit(THERE, BELOW)],
}


# ---- as if each were the only one


@flows
@pytest.mark.parametrize("what", ASKED)
def test_each_is_drawn_as_if_it_were_the_only_one(what, flow):
    host = WorldHost(flow)
    done = edit(host, PICTURE, ASKED[what], how=HOW, seed=3)
    assert torch.equal(done.picture[done.mask == 0], PICTURE[done.mask == 0])
    for i, asked in enumerate(ASKED[what]):
        alone = edit(host, PICTURE, asked, how=HOW, seed=3)
        place = own_place(done, i, HOW.room)
        assert torch.equal(done.masks[i], alone.masks[0])
        assert (done.mask >= done.masks[i]).all()
        assert torch.equal(done.picture[place], alone.picture[place])
        assert place.any() != ("ground" in what and i == 1 and len(ASKED[what]) == 3)  # a thing may stand on the ground
        assert not place.any() or not torch.equal(done.picture[place], PICTURE[place])
        seen, by_itself = done.looks[i], alone.looks[0]
        assert (seen is None) == (by_itself is None) == (asked.mask is not None)
        if seen and by_itself:
            assert torch.equal(seen.heatmap, by_itself.heatmap) and torch.equal(seen.draft, by_itself.draft)
            assert seen.kinds == by_itself.kinds


def test_the_tests_edits_are_of_the_kinds_that_their_names_say():
    done = edit(WorldHost(), PICTURE, ASKED["a thing, an addition and the ground"], how=HOW, seed=3)
    assert [seen.kinds[0] for seen in done.looks if seen] == ["object", "addition", "area"]


@pytest.mark.parametrize("own", [{"guidance": 4.0}, {"negative": GROUND}, {"kind": "area"}, {"mask": box(9, 10)}])
def test_what_an_edit_says_for_itself_is_in_force_and_for_itself_alone(own):
    """The second of two; the first stays as it was."""
    plain, said = (edit(WorldHost(), PICTURE, [ONE, each], how=TIGHT, seed=3) for each in (TWO, replace(TWO, **own)))
    first, second = box(1, 1) > 0, box(9, 10) > 0
    assert torch.equal(said.picture[first], plain.picture[first])
    assert not torch.equal(said.picture[second], plain.picture[second]) or "kind" in own
    assert "kind" not in own or [seen.kinds[0] for seen in said.looks if seen] == ["object", "area"]
    both = {name: getattr(HOW.decoding, name) for name in own if name == "guidance"}
    if both:
        for_all = replace(TIGHT, decoding=replace(HOW.decoding, guidance=4.0))
        done = edit(WorldHost(), PICTURE, [ONE, TWO], how=for_all, seed=3)
        assert torch.equal(done.picture[second], said.picture[second])
        assert not torch.equal(done.picture[first], said.picture[first])


def test_one_edit_in_a_list_is_that_edit():
    one, listed = edit(WorldHost(), PICTURE, ONE, seed=3), edit(WorldHost(), PICTURE, [ONE], seed=3)
    assert torch.equal(one.picture, listed.picture) and torch.equal(one.mask, listed.mask)
    assert len(listed.masks) == len(listed.looks) == 1


def test_several_edits_take_fewer_tries_unless_told_otherwise():
    for asked, how in ((ONE, EditSettings()), ([ONE, TWO], SEVERAL), ((ONE, TWO, THREE), SEVERAL)):
        by_default, said = (edit(WorldHost(), PICTURE, asked, how=each, seed=3) for each in (None, how))
        assert torch.equal(by_default.picture, said.picture)
    costs = [cost_of(WorldHost(), [ONE, TWO], how) for how in (SEVERAL, EditSettings())]
    assert costs[0] < costs[1]


@pytest.mark.parametrize("nothing", [Edit(HERE, THERE, mask=torch.zeros(1, H * CELL, W * CELL)), Edit(HERE, HERE)])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_edit_with_an_empty_mask_changes_nothing_for_the_others(nothing, place):
    others = [ONE, TWO]
    done = edit(WorldHost(), PICTURE, [*others[:place], nothing, *others[place:]], how=HOW, seed=3)
    without = edit(WorldHost(), PICTURE, others, how=HOW, seed=3)
    assert torch.equal(done.picture, without.picture) and torch.equal(done.mask, without.mask)
    assert not done.masks[place].any() and without.mask.any()


def test_a_warning_says_which_of_the_edits_it_is_about(caplog):
    for asked, which in (([ONE, Edit(HERE, HERE)], "edit 2: "), (Edit(HERE, HERE), "")):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="diffedit_core"):
            edit(WorldHost(), PICTURE, asked, how=HOW)
        (said,) = caplog.messages
        assert said.startswith(f"{which}the mask is empty: the two texts make no difference")


def test_an_edit_with_an_empty_mask_costs_nothing():
    nothing = Edit(HERE, THERE, mask=torch.zeros(1, H * CELL, W * CELL))
    assert cost_of(WorldHost(), [ONE, nothing, TWO]) == cost_of(WorldHost(), [ONE, TWO])


def test_edits_of_which_all_have_empty_masks_give_the_picture_itself():
    done = edit(WorldHost(), PICTURES, [Edit(HERE, HERE), Edit(THERE, THERE)], how=HOW)
    assert torch.equal(done.picture, PICTURES) and not done.mask.any()


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("what", ["three things", "a thing, an addition and the ground", "guidances of their own"])
def test_the_order_of_the_edits_changes_nothing(what, overlap):
    how = replace(HOW, decoding=replace(HOW.decoding, overlap=overlap))
    done = edit(WorldHost(), PICTURE, ASKED[what], how=how, seed=3)
    for order in permutations(range(3)):
        swapped = edit(WorldHost(), PICTURE, [ASKED[what][i] for i in order], how=how, seed=3)
        assert torch.equal(swapped.picture, done.picture) and torch.equal(swapped.mask, done.mask)
        assert all(torch.equal(swapped.masks[at], done.masks[i]) for at, i in enumerate(order))


def test_seeds_reproduce_and_differ():
    first, again, other = (edit(WorldHost(), PICTURE, [ONE, TWO], how=HOW, seed=seed).picture for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


# ---- in batches


@flows
@pytest.mark.parametrize("host", [WorldHost, WideHost], ids=["row by row", "rows together"])
@pytest.mark.parametrize("what", ["three things", "a thing, an addition and the ground", "masks of their own"])
def test_pictures_of_a_batch_are_edited_as_if_each_were_alone(what, host, flow):
    """In one of them the thing to add is there already."""
    together = edit(host(flow), PICTURES, ASKED[what], how=HOW, seed=3)
    for i in range(3):
        alone = edit(WorldHost(flow), PICTURES[[i]], ASKED[what], how=HOW, seed=3)
        assert torch.equal(together.mask[[i]], alone.mask)
        torch.testing.assert_close(together.picture[[i]], alone.picture, rtol=0, atol=1e-6)


@pytest.mark.parametrize("what", ASKED)
def test_rows_that_go_together_come_out_as_those_that_go_by_themselves(what):
    one_by_one, together = (edit(host(), PICTURES, ASKED[what], how=HOW, seed=3) for host in (WorldHost, WideHost))
    assert torch.equal(together.mask, one_by_one.mask)
    torch.testing.assert_close(together.picture, one_by_one.picture, rtol=0, atol=1e-6)


def test_each_picture_can_have_its_own_mask_for_one_edit_and_share_one_for_another():
    masks = torch.cat([box(1, 1), box(2, 2), 0 * box(1, 1)])
    asked = [replace(ONE, mask=masks), replace(TWO, mask=box(9, 10))]
    for host in (WorldHost, WideHost):
        together = edit(host(), PICTURES, asked, how=HOW, seed=3)
        assert torch.equal(together.mask, torch.maximum(masks, box(9, 10)))
        for i in range(3):
            alone = edit(WorldHost(), PICTURES[[i]], [replace(ONE, mask=masks[[i]]), asked[1]], how=HOW, seed=3)
            torch.testing.assert_close(together.picture[[i]], alone.picture, rtol=0, atol=1e-6)


def test_rows_are_gathered_as_they_come():
    rows = (torch.full((1, 2), float(i)) for i in range(3))
    assert gathered(rows, 3).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_in_turn_goes_through_the_edits_of_each_picture():
    a, b = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [20.0]])
    assert in_turn([a, b]).flatten().tolist() == [1, 10, 2, 20]
    assert in_turn([a[:1], b]).flatten().tolist() == [1, 10, 1, 20]
    assert in_turn([a]) is a


# ---- what it costs


@flows
def test_the_picture_is_inverted_once_for_all(flow):
    for what in ("three things", "a thing and the ground", "guidances of their own", "masks of their own"):
        together, *alone = (cost_of(WorldHost(flow), asked) for asked in (ASKED[what], *ASKED[what]))
        assert together == sum(alone) - CLIMB * (len(alone) - 1)


def told(host, asked, how=HOW) -> list[tuple[str, list[tuple[int, int]]]]:
    """The stages as they begin, and the steps of each."""
    stages: list[tuple[str, list[tuple[int, int]]]] = []

    def progress(stage):
        stages.append((stage, []))
        return lambda done, total, x0: stages[-1][1].append((done, total))

    edit(host, PICTURE, asked, how=how, seed=3, progress=progress)
    return stages


def test_progress_tells_of_a_look_for_each_edit_one_inversion_and_each_way_down():
    stages = told(WorldHost(), [ONE, TWO])
    assert [stage for stage, _ in stages] == ["mask", "mask", "invert", "decode", "decode"]
    assert [stage for stage, _ in told(WideHost(), [ONE, TWO])] == ["mask", "mask", "invert", "decode"]
    for _, steps in stages:
        assert [done for done, _ in steps] == list(range(1, len(steps) + 1)) and len({total for _, total in steps}) == 1
    assert [len(steps) for stage, steps in stages if stage == "invert"] == [CLIMB]


def test_where_all_are_drafted_nothing_is_inverted():
    for asked, inverts in ((ASKED["two additions"], 0), (ASKED["a thing and an addition"], 1)):
        assert [stage for stage, _ in told(WorldHost(), asked)].count("invert") == inverts
    noised = replace(HOW, decoding=replace(HOW.decoding, background="noised"))
    assert "invert" not in [stage for stage, _ in told(WorldHost(), [ONE, TWO], noised)]
    assert "mask" not in [stage for stage, _ in told(WorldHost(), [replace(ONE, mask=box(1, 1))])]


@pytest.mark.parametrize("end", [1, 3, 8, 20, 30, 45])
def test_it_can_be_interrupted_anywhere_and_run_again(end):
    steps, before = [], PICTURE.clone()

    def on_step(*step):
        steps.append(step)
        if len(steps) == end:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        edit(WorldHost(), PICTURE, [ONE, TWO], how=HOW, progress=lambda stage: on_step)
    assert len(steps) == end and torch.equal(PICTURE, before)
    whole, again = (edit(WorldHost(), PICTURE, [ONE, TWO], how=HOW) for _ in range(2))
    assert torch.equal(whole.picture, again.picture)


# ---- where masks meet

LEFT, RIGHT = Edit(NONE, mean(spot(4, 3, 0.5, 5, 6))), Edit(NONE, mean(spot(4, 6, -0.7, 5, 6)))  # 3 columns in both
HARD = replace(TIGHT, decoding=replace(TIGHT.decoding, greys="none"))


def overlapping(asked, overlap: str, how: EditSettings = HARD) -> Edited:
    how = replace(how, decoding=replace(how.decoding, overlap=overlap))
    return edit(WorldHost(), PICTURE, asked, how=how, seed=3)


def assert_mixed(picture: torch.Tensor, alone: list[torch.Tensor], place: torch.Tensor) -> None:
    """Half of each, but for colours that a picture cannot show."""
    shown = torch.stack([picture, *alone])[:, place]
    shown = shown[:, ((shown > 0) & (shown < 1)).all(0)]
    assert shown.shape[1] > 50
    torch.testing.assert_close(shown[0], (shown[1] + shown[2]) / 2)


def test_where_masks_meet_the_stronger_has_the_place_or_both_are_mixed():
    alone = [edit(WorldHost(), PICTURE, asked, how=HARD, seed=3).picture for asked in (LEFT, RIGHT)]
    stronger, shared = (overlapping([LEFT, RIGHT], overlap) for overlap in ("stronger", "shared"))
    left, right = (mask > 0 for mask in stronger.masks)
    meet = left & right
    assert meet[box(5, 6, 3, 3) > 0].all() and not meet[box(4, 6, 5, 3) == 0].any()
    assert torch.equal(stronger.picture[right], alone[1][right])
    assert torch.equal(stronger.picture[left & (box(4, 6, 5, 6) == 0)], alone[0][left & (box(4, 6, 5, 6) == 0)])
    assert_mixed(shared.picture, alone, meet)
    assert (shared.picture != stronger.picture).any(-1)[meet].all()
    elsewhere = box(4, 6, 5, 3) == 0
    assert torch.equal(shared.picture[elsewhere], stronger.picture[elsewhere])
    assert torch.equal(shared.mask, stronger.mask)


def test_room_gives_way_to_the_mask_of_another_edit():
    """Two things side by side, where the room of each reaches into the other's mask."""
    asked = [Edit(NONE, mean(spot(4, 2, 0.5))), Edit(NONE, mean(spot(4, 6, -0.7)))]
    done = overlapping(asked, "stronger", replace(HARD, room=8))
    for i, each in enumerate(asked):
        alone, mask = edit(WorldHost(), PICTURE, each, how=replace(HARD, room=8), seed=3), done.masks[i]
        assert torch.equal(mask, alone.masks[0])
        assert (give_room(done.masks[1 - i], 8)[mask > 0] > 0).any()
        assert torch.equal(done.picture[mask > 0], alone.picture[mask > 0])


def test_masks_that_were_drawn_claim_as_much_as_each_other():
    """There is no heat to compare, not even with one that was found."""
    left, right = replace(LEFT, mask=box(4, 3, 5, 6)), replace(RIGHT, mask=box(4, 6, 5, 6))
    alone = [edit(WorldHost(), PICTURE, asked, how=HARD, seed=3).picture for asked in (left, right)]
    for asked in ([left, right], [LEFT, right], [left, RIGHT]):
        assert_mixed(overlapping(asked, "stronger").picture, alone, box(5, 6, 3, 3) > 0)


# ---- what is to be kept

BOTH, MIRRORED = mean(spot(1, 1, 0.6) + spot(10, 10, 0.35)), mean(spot(1, 1, 0.35) + spot(10, 10, 0.6))
FIRST, SECOND = mean(spot(1, 1)), mean(spot(10, 10))


def test_what_is_to_be_kept_leaves_the_mask():
    host, mine, kept = WorldHost(), box(2, 2, 2, 2) > 0, box(11, 11, 2, 2) > 0
    plain, _ = find_mask(host, PICTURE, Edit(BOTH, NONE), how=HOW.mask)
    spared, seen = find_mask(host, PICTURE, Edit(BOTH, NONE, keep=SECOND), how=HOW.mask)
    assert plain[mine].all() and plain[kept].all()
    whole = box(10, 10) > 0
    assert not spared[whole].any()
    assert torch.equal(spared[~whole], plain[~whole])  # the rest of the mask stays
    done = edit(host, PICTURE, Edit(BOTH, NONE, keep=SECOND), how=TIGHT)
    assert torch.equal(done.mask, spared) and done.looks[0] and torch.equal(done.looks[0].heatmap, seen.heatmap)
    assert torch.equal(done.picture[whole], PICTURE[whole]) and not torch.equal(done.picture[mine], PICTURE[mine])


def test_what_is_not_in_the_mask_may_be_kept_without_a_change():
    plain, same = (
        find_mask(WorldHost(), PICTURE, Edit(BOTH, SECOND, keep=keep), how=HOW.mask)[0] for keep in ("", SECOND)
    )
    assert torch.equal(plain, same)


def test_to_keep_all_that_is_there_leaves_nothing():
    mask, _ = find_mask(WorldHost(), PICTURE, Edit(BOTH, HERE, keep=BOTH), how=HOW.mask)
    assert not mask.any()


def test_each_edit_keeps_what_it_names_itself():
    asked = [Edit(BOTH, NONE, keep=SECOND), Edit(MIRRORED, NONE, keep=FIRST), Edit(BOTH, NONE)]
    done = edit(WorldHost(), PICTURE, asked, how=TIGHT, seed=3)
    for mask, each in zip(done.masks, asked, strict=True):
        assert torch.equal(mask, find_mask(WorldHost(), PICTURE, each, how=HOW.mask, seed=3)[0])
    there = [(mask[box(2, 2, 2, 2) > 0].any().item(), mask[box(11, 11, 2, 2) > 0].any().item()) for mask in done.masks]
    assert there == [(True, False), (False, True), (True, True)]


def test_what_keeping_costs_is_a_second_look():
    host = WorldHost()
    costs = [
        counted(lambda keep=keep: find_mask(host, PICTURE, Edit(BOTH, NONE, keep=keep), how=HOW.mask), host)[1]
        for keep in ("", SECOND)
    ]
    assert costs == [4, 8]


# ---- on a network

TEXTS = [("a bowl of fruits", "a bowl of pears"), ("a table", "a blue cloth"), ("a cup", "a red mug")]
QUICK = MaskSettings(ContrastSettings(draws=2, kind="object"))  # by itself a random network is never sure
FEW = EditSettings(
    QUICK, InversionSettings(steps=4, strength=0.75), DecodingSettings(tries=2), Focus(), room=0, rim=0.0, seam="none"
)
UP = 3  # steps of the inversion


@pytest.fixture(scope="module")
def network():
    return DiffusersHost(random_pipeline())


@pytest.fixture(scope="module")
def photo():
    """Neither side a multiple of 8."""
    return torch.rand(2, 50, 70, 3, generator=torch.Generator().manual_seed(0))


def patch(top: int, left: int, bottom: int, right: int, size: tuple[int, int] = (50, 70)) -> torch.Tensor:
    mask = torch.zeros(1, *size)
    mask[:, top:bottom, left:right] = 1
    return mask


PLACES = [patch(0, 0, 16, 24), patch(32, 48, 50, 70), patch(32, 0, 48, 24)]
GIVEN = [Edit(*texts, mask=place) for texts, place in zip(TEXTS, PLACES, strict=True)]


def rows_seen(host: DiffusersHost, call) -> tuple[Edited, list[int]]:
    """How many rows went through the UNet in each call of it."""
    seen = []
    hook = host.pipe.unet.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    try:
        return call(), seen
    finally:
        hook.remove()


def wide(monkeypatch, chunk: int) -> None:
    monkeypatch.setattr(BoundTexts, "chunk", property(lambda self: chunk))


@pytest.mark.parametrize("greys", GREYS)
def test_a_network_draws_each_as_if_it_were_the_only_one(network, photo, greys):
    how = replace(FEW, decoding=replace(FEW.decoding, greys=greys))
    latents = []  # an autoencoder's decoder sees all of the latent
    for asked in (GIVEN, *GIVEN):
        decode = network.decode
        network.decode = lambda latent, decode=decode: [latents.append(latent), decode(latent)][1]
        try:
            done = edit(network, photo[:1], asked, how=how, seed=3)
        finally:
            del network.decode
        masks = GIVEN if asked is GIVEN else [asked]
        outside = sum(each.mask for each in masks) == 0
        assert torch.equal(done.picture[outside], photo[:1][outside])
    together, *alone = latents
    x0 = network.encode(
        torch.nn.functional.pad(photo[:1].movedim(-1, 1), (0, 2, 0, 6), mode="replicate").movedim(1, -1)
    )
    owned = torch.zeros_like(x0, dtype=torch.bool)
    for each in alone:
        drawn = each != alone[0] if each is not alone[0] else each != alone[1]
        drawn &= each != x0
        assert drawn.any() and torch.equal(together[drawn], each[drawn])
        owned |= drawn
    assert not owned.all() and torch.equal(together[~owned], alone[0][~owned])


def test_edits_that_are_alike_go_through_a_network_together_as_many_as_it_takes(network, photo, monkeypatch):
    one_by_one, rows = rows_seen(network, lambda: edit(network, photo, GIVEN, how=FEW))
    assert set(rows) == {2, 4}  # of two pictures: the inversion, and with guidance or two texts
    for chunk, most in ((2, 8), (3, 12), (5, 12)):
        wide(monkeypatch, chunk)
        together, rows = rows_seen(network, lambda: edit(network, photo, GIVEN, how=FEW))
        assert max(rows) == most
        assert torch.equal(together.mask, one_by_one.mask)
        torch.testing.assert_close(together.picture, one_by_one.picture, rtol=0, atol=2e-3)
    wide(monkeypatch, 5)
    own = [GIVEN[0], replace(GIVEN[1], guidance=3.0), GIVEN[2]]
    assert max(rows_seen(network, lambda: edit(network, photo, own, how=FEW))[1]) == 8  # one of them by itself


def test_a_network_is_asked_for_one_inversion_and_once_for_every_text(network, photo, monkeypatch):
    alone = [counted(lambda asked=asked: edit(network, photo[:1], asked, how=FEW), network)[1] for asked in GIVEN]
    embedded, embed = [], network.embed
    monkeypatch.setattr(network, "embed", lambda text: [embedded.append(text), embed(text)][1])
    for chunk in (1, 5):
        wide(monkeypatch, chunk)
        embedded.clear()
        _, together = counted(lambda: edit(network, photo[:1], GIVEN, how=FEW), network)
        assert together == sum(alone) - UP * 2
        assert sorted(embedded) == sorted(["", *(text for texts in TEXTS for text in texts)])


@pytest.mark.parametrize("chunk", [1, 5])
def test_a_network_finds_masks_for_several_edits_and_changes_nothing_else(network, photo, monkeypatch, chunk):
    wide(monkeypatch, chunk)
    asked = [Edit(*TEXTS[0]), Edit(*TEXTS[1], kind="addition"), Edit(*TEXTS[2], "blurred", guidance=2.0)]
    how = replace(FEW, room=3, rim=1.0, seam="colour")
    done = edit(network, photo, asked, how=how, seed=3)
    assert torch.equal(done.picture[done.mask == 0], photo[done.mask == 0])
    assert not torch.equal(done.picture, photo) and 0 < done.mask.mean() < 1
    for i, each in enumerate(asked):
        mask, seen = find_mask(network, photo, each, how=how.mask if i != 1 else replace(QUICK, contrast=ADDED), seed=3)
        assert torch.equal(done.masks[i], mask) and done.looks[i] and done.looks[i].kinds == seen.kinds
    one = [edit(network, photo[[i]], asked, how=how, seed=3) for i in range(2)]
    torch.testing.assert_close(done.picture, torch.cat([each.picture for each in one]), rtol=0, atol=2e-3)


ADDED = replace(QUICK.contrast, kind="addition")


# ---- large pictures

LARGE = (300, 420)
FOCUSED = replace(FEW, decoding=DecodingSettings(tries=1))


@pytest.fixture(scope="module")
def large():
    coarse = torch.rand(1, 3, 20, 28, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, LARGE, mode="bicubic").clamp(0, 1).movedim(1, -1)


def test_two_places_of_a_large_picture_are_edited_each_in_its_own_cut_out(network, large):
    places = [patch(40, 50, 73, 95, LARGE), patch(220, 320, 250, 360, LARGE)]
    asked = [Edit(*texts, mask=place) for texts, place in zip(TEXTS, places, strict=False)]
    done = edit(network, large, asked, how=FOCUSED)
    assert torch.equal(done.mask, places[0] + places[1])
    assert all(torch.equal(*each) for each in zip(done.masks, places, strict=True))
    assert torch.equal(done.picture[done.mask == 0], large[done.mask == 0])
    assert len(done.views[0]) == 2
    for place, each in zip(places, asked, strict=True):
        alone = edit(network, large, each, how=FOCUSED)
        assert torch.equal(done.picture[place > 0], alone.picture[place > 0])
        assert (done.picture[place > 0] != large[place > 0]).any(-1).float().mean() > 0.9
        assert alone.views[0][0] in done.views[0]


def test_the_closer_of_two_views_sees_what_was_drawn_in_the_farther_whatever_their_order(network, large):
    """The ground, and a thing on it."""
    ground, thing = (
        Edit(*TEXTS[1], mask=patch(0, 0, *LARGE, LARGE)),
        Edit(*TEXTS[0], mask=patch(100, 200, 130, 240, LARGE)),
    )
    done, swapped = (edit(network, large, asked, how=FOCUSED) for asked in ([ground, thing], [thing, ground]))
    assert torch.equal(done.picture, swapped.picture) and torch.equal(done.mask, swapped.mask)
    first = edit(network, large, ground, how=FOCUSED).picture
    then = edit(network, first, thing, how=FOCUSED).picture
    assert torch.equal(done.picture, then)
    inside = thing.mask > 0
    assert not torch.equal(done.picture[inside], edit(network, large, thing, how=FOCUSED).picture[inside])
    assert torch.equal(done.picture[~inside], first[~inside])
    whole, close = done.views[0]
    assert {whole.corners, close.corners} == {
        (0, 0, *LARGE),
        edit(network, large, thing, how=FOCUSED).views[0][0].corners,
    }


def test_edits_in_one_view_of_a_large_picture_are_drawn_in_it_together(network, large):
    area = replace(FOCUSED, mask=replace(QUICK, contrast=replace(QUICK.contrast, kind="area")))
    asked = [Edit(*texts) for texts in TEXTS]
    done, rows = rows_seen(network, lambda: edit(network, large, asked, how=area))
    ((view,),) = done.views
    assert view.corners == (0, 0, *LARGE)
    assert torch.equal(done.picture[done.mask == 0], large[done.mask == 0])
    alone = [counted(lambda each=each: edit(network, large, each, how=area), network)[1] for each in asked]
    assert sum(rows) == sum(alone) - UP * 2


def test_a_mask_that_was_drawn_stays_as_it_is_beside_one_that_was_found(network, large):
    place = patch(40, 50, 73, 95, LARGE)
    top = replace(FOCUSED, mask=MaskSettings(QUICK.contrast, CutSettings("top", 0.02), Refinement(keep_largest=1)))
    done = edit(network, large, [Edit(*TEXTS[0], mask=place), Edit(*TEXTS[1])], how=top)
    assert torch.equal(done.masks[0], place) and done.looks[0] is None and done.looks[1]
    assert torch.equal(done.picture[done.mask == 0], large[done.mask == 0])
    assert (done.mask >= place).all()


def test_a_large_picture_without_anything_to_do_stays(network, large):
    empty = torch.zeros(1, *LARGE)
    done, cost = counted(
        lambda: edit(network, large, [Edit(*texts, mask=empty) for texts in TEXTS], how=FOCUSED), network
    )
    assert torch.equal(done.picture, large) and done.views == ((),) and cost == 0


# ---- what cannot be


def test_without_an_edit_one_is_told_so():
    with pytest.raises(ValueError, match="there is nothing to edit; give at least one pair of texts"):
        edit(WorldHost(), PICTURE, [])


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"kind": "thing"}, "kind is 'thing'; it must be one of auto, object, area, addition"),
        ({"kind": ""}, "kind is ''; it must be one of auto"),
        ({"guidance": -1.0}, "guidance is -1.0; it must be from 0 to 30"),
        ({"guidance": 31}, "guidance is 31; it must be from 0 to 30"),
        ({"guidance": float("nan")}, "guidance is nan; it must be from 0 to 30"),
    ],
)
def test_what_an_edit_cannot_be_is_refused_where_it_is_made(own, message):
    with pytest.raises(ValueError, match=message):
        Edit("apples", "pears", **own)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(1, 8, 8), "the mask is 8x8 but the picture is 64x64; draw the mask on this picture"),
        (torch.ones(64, 64), r"the mask is \[64, 64\] and the pictures are \[3, 64, 64, 3\]; give masks"),
        (torch.ones(1, 1, 64, 64), r"the mask is \[1, 1, 64, 64\] and the pictures are"),
        (torch.ones(2, 64, 64), r"the mask is \[2, 64, 64\] and the pictures are \[3, 64, 64, 3\]"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_mask_that_fits_no_picture_is_refused_before_the_work(mask, message, place):
    host, asked = WorldHost(), [ONE, TWO]
    asked[place] = replace(asked[place], mask=mask)
    with pytest.raises(ValueError, match=message):
        edit(host, PICTURES, asked, how=HOW)
    assert host.evaluations == 0


def test_nothing_that_comes_in_is_changed():
    masks = [box(1, 1), 0.5 * box(9, 10)]
    before = PICTURES.clone(), [mask.clone() for mask in masks]
    edit(WorldHost(), PICTURES, [replace(ONE, mask=masks[0]), replace(TWO, mask=masks[1])], how=HOW)
    assert torch.equal(PICTURES, before[0]) and all(torch.equal(a, b) for a, b in zip(masks, before[1], strict=True))


# ---- on the bundled model


def test_the_bundled_model_knows_what_to_keep():
    """Of two things that the texts tell of differently one is named, and the mask is more that of the other."""
    host, how = DiffusersHost.from_pretrained(WEIGHTS), MaskSettings(ContrastSettings(kind="object"))
    scenes = [several(seed, 2) for seed in HELD_OUT_SEEDS[:60]]
    scenes = [asked for asked in scenes if {one.kind for one in asked.alone} <= {"colour", "shape", "both", "object"}]
    gains = []
    for asked in scenes[:6]:
        picture, plain = from_bytes(asked.image)[None], Edit(asked.source, asked.target)
        before, _ = find_mask(host, picture, plain, how=how)
        for mine, other in (asked.alone, asked.alone[::-1]):
            (thing,) = set(other.source_scene.things) - set(other.target_scene.things)
            named = replace(plain, keep=f"a {thing.colour} {thing.shape}")
            after, _ = find_mask(host, picture, named, how=how)
            region = torch.from_numpy(mine.region)[None]
            gains.append(float(iou(after, region) - iou(before, region)))
    assert sum(gains) / len(gains) > 0.05
