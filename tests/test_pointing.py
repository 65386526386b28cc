"""Boxes and points of a mask: they hold each part, stand well inside it, and far from what is meant."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffedit_core.pointing import MOST_PARTS, Box, Point, PointSettings, point

HEIGHT, WIDTH = 60, 100


def mask(*boxes: tuple[int, int, int, int]) -> torch.Tensor:
    """White in rectangles (top, left, bottom, right)."""
    plane = torch.zeros(1, HEIGHT, WIDTH)
    for top, left, bottom, right in boxes:
        plane[:, top:bottom, left:right] = 1
    return plane


def test_a_box_holds_its_part_and_the_margin_and_stays_in_the_picture():
    (found,) = point(mask((10, 20, 30, 50)), None, PointSettings(margin=4))
    assert found.boxes == [Box(16, 6, 38, 28)]
    (found,) = point(mask((0, 90, 30, 100)), None, PointSettings(margin=4))
    assert found.boxes == [Box(86, 0, 14, 34)]


def test_each_part_has_its_box_and_its_points_and_specks_have_none():
    how = PointSettings(inside=2, margin=0)
    (found,) = point(mask((5, 5, 25, 25), (30, 60, 50, 90), (1, 90, 3, 92)), None, how)
    assert sorted(found.boxes, key=lambda box: box.x) == [Box(5, 5, 20, 20), Box(60, 30, 30, 20)]
    assert len(found.inside) == 4
    (all_of_them,) = point(mask((5, 5, 25, 25), (1, 90, 3, 92)), None, PointSettings(least=0))
    assert len(all_of_them.boxes) == 2


def test_one_point_stands_in_the_middle_of_a_square():
    (found,) = point(mask((10, 20, 31, 41)), None, PointSettings(inside=1))
    assert found.inside == [Point(30, 20)]


def test_heat_draws_the_points_inside_and_keeps_those_outside_away():
    heat = torch.full((1, HEIGHT, WIDTH), 0.1)
    heat[:, 10:30, 60:80] = 1.0  # the right end of the part
    heat[:, 40:, :50] = 0.9  # what else is warm
    part = mask((10, 20, 30, 80))
    (plain,), (warm,) = point(part, None, PointSettings(inside=1)), point(part, heat, PointSettings(inside=1))
    assert plain.inside[0].x < 60 <= warm.inside[0].x
    assert any(each.y >= 40 and each.x < 50 for each in plain.outside)
    assert not any(each.y >= 40 and each.x < 50 for each in warm.outside)


def test_a_heatmap_of_cells_serves_a_mask_of_pixels():
    cells = torch.zeros(1, 6, 10)
    cells[:, 2, 7] = 1.0
    (found,) = point(mask((10, 20, 40, 90)), cells, PointSettings(inside=1))
    assert abs(found.inside[0].x - 75) <= 5 and abs(found.inside[0].y - 25) <= 5


def test_an_empty_mask_is_an_answer():
    (found,) = point(torch.zeros(1, HEIGHT, WIDTH), None, PointSettings())
    assert found.boxes == found.inside == found.outside == []


def test_a_white_mask_leaves_nothing_outside():
    (found,) = point(torch.ones(1, HEIGHT, WIDTH), None, PointSettings())
    assert found.boxes == [Box(0, 0, WIDTH, HEIGHT)] and found.inside and not found.outside


def test_each_picture_of_a_batch_is_pointed_at_by_itself():
    both = torch.cat([mask((10, 20, 30, 50)), mask((30, 60, 50, 90))])
    together = point(both, None, PointSettings())
    assert together == [point(each[None], None, PointSettings())[0] for each in both]
    with pytest.raises(ValueError, match="2 masks and 3 heatmaps do not fit together"):
        point(both, torch.ones(3, 8, 8), PointSettings())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 6), st.integers(0, 20))
def test_points_stand_where_they_say(seed: int, inside: int, outside: int, margin: int):
    rng = np.random.default_rng(seed)
    blobs = torch.tensor(rng.random((1, 6, 10)) > 0.7, dtype=torch.float32)
    place = torch.nn.functional.interpolate(blobs[None], size=(HEIGHT, WIDTH))[0]
    heat = torch.tensor(rng.random((1, 6, 10)), dtype=torch.float32)
    how = PointSettings(margin=margin, inside=inside, outside=outside, least=0)
    (found,) = point(place, heat, how)
    assert all(place[0, each.y, each.x] == 1 for each in found.inside)
    assert all(place[0, each.y, each.x] == 0 for each in found.outside) and len(found.outside) <= outside
    assert len(set(found.inside)) == len(found.inside) and len(set(found.outside)) == len(found.outside)
    held = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    for box in found.boxes:
        assert box.x >= 0 and box.y >= 0 and box.x + box.width <= WIDTH and box.y + box.height <= HEIGHT
        held[box.y : box.y + box.height, box.x : box.x + box.width] = True
    assert held[place[0] == 1].all()


def test_a_mask_of_specks_has_as_many_boxes_as_a_model_may_look_at_and_at_once():
    """Each speck was looked for in all of the picture: a mask that is noise took hours."""
    dice = np.random.default_rng(0)
    noise = torch.from_numpy(dice.random((1, 512, 512)) > 0.6).float()
    noise[:, 200:300, 200:300] = 1
    (found,) = point(noise, None, PointSettings(least=0, inside=20, outside=0))
    assert len(found.boxes) == MOST_PARTS
    assert max(box.width * box.height for box in found.boxes) >= 100 * 100


def test_of_a_mask_of_specks_the_largest_are_pointed_at():
    specks = torch.zeros(1, 1024, 1024)
    specks[:, ::2, ::2] = 1
    specks[:, 100:103, 200:205] = 1
    (found,) = point(specks, None, PointSettings(least=0, margin=0, inside=1, outside=0))
    assert len(found.boxes) == len(found.inside) == MOST_PARTS
    assert any(box.width >= 5 and box.height >= 3 for box in found.boxes)


def test_points_of_a_large_picture_stand_in_its_mask():
    plane = torch.zeros(1, 1500, 1500)
    plane[:, 200:900, 301:900] = 1
    plane[:, 1200, :] = 1  # a line, of which every second pixel may show nothing
    (found,) = point(plane, None, PointSettings(least=0, inside=5))
    assert len(found.inside) == 10 and all(plane[0, each.y, each.x] == 1 for each in found.inside)
    assert all(plane[0, each.y, each.x] == 0 for each in found.outside)
    first = found.inside[0]
    assert abs(first.x - 600) < 60 and abs(first.y - 550) < 60


@pytest.mark.parametrize("broken", [torch.ones(8, 8), torch.ones(0, 8, 8), torch.full((1, 8, 8), float("nan"))])
def test_what_is_no_mask_is_refused(broken):
    with pytest.raises(ValueError, match="the mask"):
        point(broken, None, PointSettings())
    with pytest.raises(ValueError, match="the heatmap"):
        point(torch.ones(1, 8, 8), broken, PointSettings())
