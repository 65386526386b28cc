"""What really changed, near where it was meant to: on pictures whose changes are known."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from diffedit_core.changes import HOLE, USUAL, VISIBLE, tighten
from diffedit_core.compositing import paste
from diffedit_core.refine import Refinement, refine

SIZE = 64
PICTURE = torch.rand(1, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(0)) * 0.3 + 0.3


def disc(radius: float, y: float = 32, x: float = 32) -> torch.Tensor:
    """[1, H, W] of 0 and 1."""
    rows, columns = torch.arange(SIZE)[:, None], torch.arange(SIZE)
    return ((rows - y) ** 2 + (columns - x) ** 2 <= radius**2).float()[None]


def changed(*parts: tuple[torch.Tensor, float], picture: torch.Tensor = PICTURE) -> torch.Tensor:
    """The picture with its regions brighter by so much each."""
    for region, by in parts:
        picture = picture + by * region[..., None]
    return picture


def grown(mask: torch.Tensor, pixels: int) -> torch.Tensor:
    return refine(mask, Refinement(grow=pixels))


def holds(mask: torch.Tensor, region: torch.Tensor) -> bool:
    return bool((mask >= region).all())


CORE, ROOM = disc(8), disc(20)
BLOB = disc(5, x=43)  # begins in the core and ends in the room


def test_where_nothing_changed_it_is_the_core():
    assert torch.equal(tighten(CORE, ROOM, PICTURE, PICTURE), CORE)


def test_what_changed_from_the_core_into_the_room_is_added_and_the_rest_of_the_room_is_not():
    """To a pixel of blur and one of growth."""
    for by in (0.4, -0.3, 0.07):
        mask = tighten(CORE, ROOM, PICTURE, changed((BLOB, by)))
        assert holds(mask, torch.maximum(CORE, BLOB))
        assert holds(torch.maximum(CORE, grown(BLOB, 3)), mask)
        assert set(mask.unique().tolist()) == {0.0, 1.0}


def test_it_ends_where_the_room_ends():
    long = disc(30) * (torch.arange(SIZE) > 32) * ((torch.arange(SIZE) - 32).abs()[:, None] < 3)
    mask = tighten(CORE, ROOM, PICTURE, changed((long, 0.4)))
    assert holds(ROOM, mask) and holds(mask, long * ROOM)
    assert torch.equal(tighten(CORE, CORE, PICTURE, changed((long, 0.4))), CORE)


def test_what_can_be_seen_is_added_and_what_cannot_is_not():
    for by, is_seen in ((1.3 * VISIBLE, True), (0.9 * VISIBLE, False)):
        mask = tighten(CORE, ROOM, PICTURE, changed((BLOB, by)))
        assert holds(mask, BLOB) == is_seen
        assert is_seen or torch.equal(mask, CORE)


def test_what_everything_changes_by_is_no_edit():
    """What was not redrawn shows how much an autoencoder changes this picture by."""
    haze = 0.2 * (1 - grown(ROOM, 2))
    for by, is_more in ((0.3, True), (0.1, False)):
        mask = tighten(CORE, ROOM, PICTURE, changed((haze, 1.0), (BLOB, by)))
        assert holds(mask, BLOB) == is_more
    beside = haze * (torch.arange(SIZE) > 50)  # a tenth of what was not redrawn is more than flaws are
    assert not holds(tighten(CORE, ROOM, PICTURE, changed((beside, 1.0), (BLOB, 0.1))), BLOB)
    few = (torch.rand(1, SIZE, SIZE, generator=torch.Generator().manual_seed(2)) > USUAL + 0.04).float()
    spots = few * (1 - grown(ROOM, 3))  # blurred they reach nine times as far, and still not to a twentieth
    assert holds(tighten(CORE, ROOM, PICTURE, changed((spots * (torch.arange(SIZE) > 50), 0.5), (BLOB, 0.1))), BLOB)


def test_changes_in_the_room_that_do_not_touch_the_core_are_left():
    away = disc(3, x=17)
    mask = tighten(CORE, ROOM, PICTURE, changed((BLOB, 0.4), (away, 0.4)))
    assert holds(mask, BLOB) and not (mask * away).any()


def test_what_goes_on_from_the_core_only_outside_the_room_is_left():
    room, stroke = torch.ones(1, SIZE, SIZE), torch.zeros(1, SIZE, SIZE)
    room[:, 20:44], stroke[:, 10:60, 31:34] = 0, 1
    mask = tighten(disc(5, y=10), room, PICTURE, changed((stroke, 0.4)))
    assert holds(mask[:, :20], stroke[:, :20]) and not mask[:, 20:].any()


def test_its_rim_lies_where_the_pictures_look_alike():
    """A change that fades out, as a shadow does, is kept down to what nobody sees."""
    rows, columns = torch.arange(SIZE)[:, None], torch.arange(SIZE)
    fade = (0.3 - 0.03 * (((rows - 32) ** 2 + (columns - 32) ** 2) ** 0.5 - 8)).clamp(0, 0.3)[None]
    mask = tighten(CORE, disc(24), PICTURE, changed((fade, 1.0)))
    ring = (grown(mask, 1) - mask) > 0
    assert fade[ring].max() < VISIBLE and mask.mean() > 2 * CORE.mean()


def test_holes_in_what_changed_are_filled_up_to_a_share_of_the_picture():
    room = disc(30)
    for radius in (3, 12):
        hole = disc(radius)
        ring = disc(radius + 8) - hole
        mask = tighten(ring * disc(radius + 2), room, PICTURE, changed((ring, 0.4)))
        assert holds(mask, ring)
        assert holds(mask, hole) == (float(hole.mean()) < HOLE) == (radius == 3)


def test_grain_all_over_the_picture_is_no_change():
    grain = 0.02 * torch.randn(PICTURE.shape, generator=torch.Generator().manual_seed(1))
    mask = tighten(CORE, ROOM, PICTURE, changed((BLOB, 0.4)) + grain)
    assert holds(mask, BLOB) and (mask - torch.maximum(CORE, grown(BLOB, 3))).clamp(min=0).sum() < 20


def test_every_channel_shows_a_change():
    for channel in range(3):
        edited = PICTURE.clone()
        edited[..., channel] += 0.3 * BLOB
        assert torch.equal(tighten(CORE, ROOM, PICTURE, edited), tighten(CORE, ROOM, PICTURE, changed((BLOB, 0.3))))


def test_outside_it_a_pasted_picture_has_its_own_colours_and_inside_the_new_ones():
    original = PICTURE + 0.01
    edited = changed((BLOB, 0.4), (1 - BLOB, 0.02))
    mask = tighten(CORE, ROOM, PICTURE, edited)
    pasted = paste(original, edited, mask)
    assert torch.equal(pasted[mask == 0], original[mask == 0])
    torch.testing.assert_close(pasted[mask == 1], edited[mask == 1])
    assert mask[0, 32, 46] == 1 and mask[0, 32, 17] == 0


def test_each_of_a_batch_is_tightened_by_itself():
    cores = torch.cat([CORE, disc(4, x=43), torch.zeros_like(CORE)])
    rooms = torch.cat([ROOM, disc(16, y=36), disc(10)])
    befores = torch.cat([PICTURE, PICTURE.flip(1), 1 - PICTURE])
    edited = torch.cat(
        [changed((BLOB, by), picture=each) for by, each in zip((0.4, 0.1, -0.2), befores.split(1), strict=True)]
    )
    together = tighten(cores, rooms, befores, edited)
    assert [bool((mask > core).any()) for mask, core in zip(together, cores, strict=True)] == [True, True, False]
    for i in range(3):
        one = slice(i, i + 1)
        assert torch.equal(tighten(cores[one], rooms[one], befores[one], edited[one]), together[one])


def test_one_picture_serves_several_masks_and_one_before_several_edits():
    cores, rooms = torch.cat([CORE, disc(4), disc(10)]), torch.cat([ROOM, disc(9), disc(30)])
    edited = changed((BLOB, 0.4))
    shared = tighten(cores, rooms, PICTURE, edited)
    assert shared.shape == (3, SIZE, SIZE)
    assert torch.equal(shared, tighten(cores, rooms, PICTURE.expand(3, -1, -1, -1), edited.expand(3, -1, -1, -1)))
    several = torch.cat([edited, changed((disc(5, y=43), 0.4)), PICTURE])
    assert torch.equal(
        tighten(cores, rooms, PICTURE, several), tighten(cores, rooms, PICTURE.expand(3, -1, -1, -1), several)
    )


def test_one_mask_serves_several_pictures():
    """As one mask does in ``paste``."""
    several = torch.cat([changed((BLOB, 0.4)), changed((disc(5, y=43), 0.4)), PICTURE])
    shared = tighten(CORE, ROOM, PICTURE, several)
    assert torch.equal(shared, torch.cat([tighten(CORE, ROOM, PICTURE, each) for each in several.split(1)]))


def test_a_room_of_one_pixel_has_nothing_to_compare():
    dot = torch.zeros(1, SIZE, SIZE)
    dot[:, 5, 5] = 1
    for core in (dot, torch.zeros_like(dot)):
        assert torch.equal(tighten(core, dot, PICTURE, changed((BLOB, 0.4))), core)


def test_a_soft_core_keeps_its_values_where_nothing_changed():
    soft = F.avg_pool2d(CORE[None], 7, stride=1, padding=3)[0]
    mask = tighten(soft, ROOM, PICTURE, changed((BLOB, 0.4)))
    assert holds(mask, soft) and holds(mask, BLOB)
    untouched = grown(BLOB, 3) == 0
    assert torch.equal(mask[untouched], soft[untouched]) and (mask % 1 > 0).any()


def test_a_soft_room_keeps_its_rim():
    soft = F.avg_pool2d(ROOM[None], 7, stride=1, padding=3)[0]
    mask = tighten(CORE, soft, PICTURE, changed(((soft > 0).float(), 0.4)))
    torch.testing.assert_close(mask, torch.maximum(CORE, soft))
    assert ((mask > 0) & (mask < 1)).sum() > 50


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_pictures_and_masks_of_any_type(dtype):
    edited = changed((BLOB, 0.4))
    mask = tighten(CORE.to(dtype), ROOM.to(dtype), PICTURE, edited.to(dtype))
    assert mask.dtype == dtype
    assert torch.equal(mask.float(), tighten(CORE, ROOM, PICTURE, edited))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 32),
    width=st.integers(1, 32),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["noise", "blobs", "nothing", "everything", "one pixel"]),
    is_shared=st.booleans(),
)
def test_it_lies_between_the_core_and_the_room_whatever_changed(batch, height, width, seed, kind, is_shared):
    generator = torch.Generator().manual_seed(seed)
    before = torch.rand(1 if is_shared else batch, height, width, 3, generator=generator)
    change = {
        "noise": torch.rand(before.shape, generator=generator),
        "blobs": F.interpolate(torch.rand(len(before), 3, 4, 4, generator=generator), (height, width)).movedim(1, -1),
        "nothing": torch.zeros(before.shape),
        "everything": torch.ones(before.shape),
        "one pixel": torch.zeros(before.shape).index_fill(1, torch.tensor([height // 2]), 1),
    }[kind]
    room = (torch.rand(batch, height, width, generator=generator) > 0.4).float()
    core = room * (torch.rand(batch, height, width, generator=generator) > 0.7)
    inputs = core.clone(), room.clone(), before.clone()
    mask = tighten(core, room, before, before + change)
    assert mask.shape == core.shape and mask.dtype == core.dtype and set(mask.unique().tolist()) <= {0.0, 1.0}
    assert (mask >= core).all() and (mask <= room).all()
    if kind == "nothing":
        assert torch.equal(mask, core)
    assert torch.equal(mask, tighten(core, room, before, before + change))
    assert all(torch.equal(a, b) for a, b in zip(inputs, (core, room, before), strict=True))
