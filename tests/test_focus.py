"""Views of large pictures: where they are, at what size the model sees them, and how they go back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffedit_core.focus import Canvas, View, fitted, resized

AREA = 128 * 128
SIDES = st.integers(1, 6000)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@given(height=SIDES, width=SIDES, multiple=st.sampled_from([8, 16, 64]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_view_has_about_the_models_area_and_the_pictures_aspect(height, width, multiple):
    seen = fitted((height, width), AREA, multiple)
    assert all(side % multiple == 0 and side > 0 for side in seen)
    exact = [side * (AREA / (height * width)) ** 0.5 for side in (height, width)]
    for side, wanted in zip(seen, exact, strict=True):
        assert abs(side - wanted) <= multiple / 2 or side == multiple


@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (128, 128), (6000, 4000)])
def test_the_whole_is_the_whole(size):
    view = Canvas(size, AREA, 8).whole()
    assert view.corners == (0, 0, *size)


@pytest.mark.parametrize(
    ("size", "is_large"), [((128, 128), False), ((128, 200), False), ((128, 210), True), ((4, 4), False)]
)
def test_a_picture_is_large_from_more_than_the_models_area_on(size, is_large):
    assert Canvas(size, AREA, 8).is_large == is_large


@given(height=st.integers(10, 3000), width=st.integers(10, 3000), count=st.integers(1, 6))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_windows_cover_the_picture_in_one_size_and_overlap_by_half(height, width, count):
    views = Canvas((height, width), AREA, 8).windows(count)
    assert len(views) == count**2 and len({(view.height, view.width, view.size) for view in views}) == 1
    covered = np.zeros((height, width), np.uint8)
    for view in views:
        top, left, bottom, right = view.corners
        assert 0 <= top < bottom <= height and 0 <= left < right <= width
        covered[top:bottom, left:right] += 1
    assert covered.min() >= 1
    if count > 1 and min(height, width) > 100:
        assert abs(views[1].left - views[0].left - views[0].width / 2) <= 2


@given(
    height=st.integers(20, 5000),
    width=st.integers(20, 5000),
    places=st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=4),
    context=st.floats(0, 3),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_cut_outs_hold_their_boxes_within_the_picture_and_do_not_meet(height, width, places, context):
    boxes = []
    for y, x, h, w in places:
        top, left = int(y * (height - 1)), int(x * (width - 1))
        boxes.append((top, left, top + 1 + int(h * (height - top - 1)), left + 1 + int(w * (width - left - 1))))
    views = Canvas((height, width), AREA, 8).around(boxes, context)
    for view in views:
        top, left, bottom, right = view.corners
        assert 0 <= top < bottom <= height and 0 <= left < right <= width
    for box in boxes:
        held = [
            v
            for v in views
            if v.top <= box[0] and v.left <= box[1] and v.corners[2] >= box[2] and v.corners[3] >= box[3]
        ]
        assert len(held) == 1
    for i, one in enumerate(views):
        for other in views[:i]:
            apart = one.corners[2] <= other.top or other.corners[2] <= one.top
            assert apart or one.corners[3] <= other.left or other.corners[3] <= one.left


def test_context_is_a_share_of_the_box_and_never_less_than_a_few_pixels():
    canvas = Canvas((1000, 1000), AREA, 8)
    (view,) = canvas.around([(400, 450, 600, 600)], 0.5)
    assert view.corners == (300, 375, 700, 675)
    (speck,) = canvas.around([(500, 500, 501, 501)], 1.0)
    assert speck.height == speck.width == 33  # an eighth of 128 on each side
    (corner,) = canvas.around([(0, 0, 100, 100)], 1.0)
    assert corner.corners == (0, 0, 300, 300)  # moved into the picture, not cut
    (slim,) = canvas.around([(100, 500, 900, 510)], 0.0)
    assert slim.width >= 400  # never more than twice as long as wide


def test_what_is_near_shares_a_cut_out_and_what_is_far_does_not():
    canvas = Canvas((2000, 2000), AREA, 8)
    near = [(100, 100, 200, 200), (250, 250, 350, 350)]
    assert len(canvas.around(near, 1.0)) == 1
    assert len(canvas.around([near[0], (1500, 1500, 1600, 1600)], 1.0)) == 2


def test_a_view_and_its_way_back():
    """Smooth pictures survive it nearly, and masks have no stairs."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 400), torch.linspace(0, 1, 600), indexing="ij")
    picture = torch.stack([rows, columns, (rows + columns) / 2], -1)[None]
    view = View(40, 100, 256, 384, (104, 160))
    seen = view.of(picture)
    assert seen.shape == (1, 104, 160, 3)
    torch.testing.assert_close(view.back(seen), picture[view.box], atol=0.02, rtol=0)
    disc = (((rows - 0.4) ** 2 + (columns - 0.45) ** 2) < 0.03).float()[None]
    back = view.mask_back((view.of(disc) > 0.5).float())
    assert set(back.unique().tolist()) == {0.0, 1.0}
    assert float((back != disc[view.box]).float().mean()) < 0.02
    edge = (back[0, :, 1:] != back[0, :, :-1]).sum(1)
    assert edge.max() <= 2


def test_a_view_of_what_another_sees_is_what_it_sees_itself():
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 512), torch.linspace(0, 1, 512), indexing="ij")
    picture = torch.stack([rows, columns, rows * columns], -1)[None]
    canvas = Canvas((512, 512), AREA, 8)
    whole, view = canvas.whole(), canvas.view((100, 200, 356, 456))
    torch.testing.assert_close(view.within(whole.of(picture), whole), view.of(picture), atol=0.02, rtol=0)
    inner = canvas.view((150, 250, 250, 350))
    torch.testing.assert_close(inner.within(view.of(picture), view), inner.of(picture), atol=0.02, rtol=0)
    dot = canvas.view((300, 300, 301, 301))
    assert dot.within(whole.of(picture), whole).shape == (1, *dot.size, 3)


@pytest.mark.parametrize("box", [(50, 60, 250, 260), (150, 160, 350, 360), (0, 300, 90, 400), (300, 0, 400, 90)])
def test_a_view_that_leaves_a_window_sees_nothing_beyond_it(box):
    """As one around a thing that the window cut off does."""
    canvas = Canvas((400, 400), AREA, 8)
    window, view = canvas.view((100, 100, 300, 300)), canvas.view(box)
    mask = torch.zeros(1, 400, 400)
    mask[:, 100:300, 100:300] = 1
    expected = view.of(mask)
    seen = view.within(torch.ones(1, *window.size), window)
    assert float((seen - expected).abs().mean()) < 0.03
    assert (float(expected.mean()) == 0) == (float(seen.mean()) == 0)


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (64, 64), (200, 13)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_any_size_becomes_any_other_within_0_and_1(size, channels):
    planes = noise(2, 33, 40, *channels)
    result = resized(planes, size)
    assert result.shape == (2, *size, *channels) and result.min() >= 0 and result.max() <= 1
    assert resized(planes, (33, 40)) is planes
    for i in range(2):
        assert torch.equal(resized(planes[i : i + 1], size)[0], result[i])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    size=st.tuples(st.integers(200, 3000), st.integers(200, 3000)),
    places=st.lists(st.tuples(*[st.floats(0, 0.95)] * 2, *[st.floats(0.01, 0.3)] * 2), min_size=1, max_size=5),
)
def test_views_of_one_size_hold_their_boxes_and_do_not_meet(size, places):
    height, width = size
    boxes = [
        (
            int(top * height),
            int(left * width),
            min(height, int((top + high) * height) + 1),
            min(width, int((left + wide) * width) + 1),
        )
        for top, left, high, wide in places
    ]
    views = Canvas(size, 128 * 128, 8).of_one_size(boxes)
    assert len({view.size for view in views}) == 1
    for box in boxes:
        holders = [view.corners for view in views if view.top <= box[0] and view.left <= box[1]]
        assert any(box[2] <= bottom and box[3] <= right for _, _, bottom, right in holders)
    for i, one in enumerate(views):
        assert one.top >= 0 and one.left >= 0 and one.top + one.height <= height and one.left + one.width <= width
        for other in views[:i]:
            apart = (
                one.top + one.height <= other.top
                or other.top + other.height <= one.top
                or one.left + one.width <= other.left
                or other.left + other.width <= one.left
            )
            assert apart


def test_a_view_says_where_the_parts_of_its_mask_are():
    view = Canvas((400, 600), 128 * 128, 8).view((100, 200, 300, 400))
    mask = torch.zeros(1, *view.size, dtype=torch.bool)
    height, width = view.size
    mask[:, : height // 4, : width // 4] = True
    mask[:, height // 2, width // 2] = True  # a speck
    mask[:, -height // 4 :, -width // 4 :] = True
    assert view.boxes(mask) == [(100, 200, 150, 250), (250, 350, 300, 400)]
    assert view.boxes(torch.zeros_like(mask)) == []


def test_the_rim_of_what_is_enlarged_is_softer_than_it_would_be_at_its_own_size():
    canvas = Canvas((400, 600), 128 * 128, 8)
    assert View(0, 0, 400, 600, (400, 600)).rim(3.0) == 3.0
    enlarged = canvas.whole()
    assert enlarged.scale > 3 and enlarged.rim(3.0) == 3.0 * (2 * enlarged.scale - 1)
    assert View(0, 0, 40, 60, (80, 120)).rim(3.0) == 3.0


def test_a_hard_mask_comes_back_hard_and_a_soft_one_soft():
    view = Canvas((400, 600), 128 * 128, 8).whole()
    mask = (noise(1, *view.size) > 0.5).float()
    assert set(view.mask_back(mask).unique().tolist()) == {0.0, 1.0}
    soft = view.mask_back(0.5 * mask)
    assert soft.shape == (1, 400, 600) and 0.2 < float(soft.max()) <= 0.5
