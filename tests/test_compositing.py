import pytest
import torch

from diffedit_core.compositing import paste, soften_inwards
from diffedit_core.sheets import HIGHLIGHT, for_sheet, framed, heat, overlay, panels


def picture(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, 3, generator=torch.Generator().manual_seed(seed))


def box_mask(size: int = 32) -> torch.Tensor:
    mask = torch.zeros(1, size, size)
    mask[:, 8:24, 8:24] = 1
    return mask


@pytest.mark.parametrize("rim", [0.0, 0.5, 1.0, 2.0, 3.0, 7.0, 30.0])
def test_outside_the_mask_stand_the_originals_very_pixels(rim):
    original, edited, mask = picture(1, 32, 32), picture(1, 32, 32, seed=1), box_mask()
    result = paste(original, edited, mask, rim)
    assert torch.equal(result[mask == 0], original[mask == 0])
    assert (result[mask == 1] != original[mask == 1]).float().mean() > 0.99


def test_a_mask_without_a_rim_shows_the_edited_picture_exactly():
    original, edited, mask = picture(1, 32, 32), picture(1, 32, 32, seed=1), box_mask()
    result = paste(original, edited, mask)
    assert torch.equal(result[mask == 1], edited[mask == 1])


def test_eight_bits_survive_the_way_through():
    """What a file holds comes out as the same bytes outside the mask."""
    original = (picture(1, 32, 32) * 255).round().byte()
    result = paste(original.float() / 255, picture(1, 32, 32, seed=1), box_mask(), 2.0)
    again = (result * 255).round().byte()
    assert torch.equal(again[box_mask() == 0], original[box_mask() == 0])


def test_a_soft_mask_blends():
    result = paste(torch.zeros(1, 8, 8, 3), torch.ones(1, 8, 8, 3), torch.full((1, 8, 8), 0.25))
    torch.testing.assert_close(result, torch.full((1, 8, 8, 3), 0.25))


def test_one_of_anything_serves_a_batch():
    original, edited, mask = picture(1, 32, 32), picture(3, 32, 32, seed=1), box_mask()
    result = paste(original, edited, mask, 2.0)
    for i in range(3):
        assert torch.equal(result[i : i + 1], paste(original, edited[i : i + 1], mask, 2.0))
    assert paste(picture(3, 32, 32), edited[:1], mask).shape == (3, 32, 32, 3)
    assert paste(original, edited[:1], mask.expand(3, -1, -1)).shape == (3, 32, 32, 3)


def test_sizes_and_batches_that_do_not_match_are_errors_with_the_numbers():
    with pytest.raises(
        ValueError, match="the original is 40x32, the edited picture 32x32 and the mask 40x32; all three must have one"
    ):
        paste(picture(1, 32, 40), picture(1, 32, 32), torch.zeros(1, 32, 40))
    with pytest.raises(ValueError, match=r"the original is \[1, 8, 8, 4\].*give pictures \[batch, height, width, 3\]"):
        paste(torch.ones(1, 8, 8, 4), picture(1, 8, 8), torch.zeros(1, 8, 8))
    with pytest.raises(ValueError, match=r"the original is \[0, 8, 8, 3\]; give pictures"):
        paste(torch.ones(0, 8, 8, 3), picture(1, 8, 8), torch.zeros(1, 8, 8))
    with pytest.raises(ValueError, match=r"the mask is \[8, 8\]; give \[batch, height, width\]"):
        paste(picture(1, 8, 8), picture(1, 8, 8), torch.zeros(8, 8))
    with pytest.raises(ValueError, match="the mask 16x8"):
        paste(picture(1, 32, 32), picture(1, 32, 32), torch.zeros(1, 8, 16))
    with pytest.raises(
        ValueError,
        match="3 originals and 2 edited pictures do not fit together; give one for all, or one for each",
    ):
        paste(picture(3, 8, 8), picture(2, 8, 8), torch.zeros(1, 8, 8))


def test_what_is_no_number_is_not_pasted_not_even_outside_the_mask():
    with pytest.raises(ValueError, match="the edited picture contains NaN or infinity"):
        paste(picture(1, 8, 8), torch.full((1, 8, 8, 3), torch.nan), torch.zeros(1, 8, 8))


@pytest.mark.parametrize("radius", [0.5, 1.0, 2.0, 4.0, 6.4])
def test_the_rim_lies_inside_and_rises_from_the_rim(radius):
    mask = torch.zeros(1, 64, 64)
    mask[:, 16:48, 16:48] = 1
    soft = soften_inwards(mask, radius)
    assert (soft[mask == 0] == 0).all() and (soft <= mask).all()
    ramp = ((torch.arange(16) + 1) / (radius + 1)).clamp(max=1)  # from the rim to the middle
    torch.testing.assert_close(soft[0, 32, 16:32], ramp)


def test_what_is_thinner_than_the_rim_is_not_lost():
    line = torch.zeros(1, 32, 32)
    line[:, 15:17] = 1
    assert (soften_inwards(line, 4.0)[line == 1] > 0.1).all()


def test_the_picture_border_is_no_rim_to_soften():
    mask = torch.zeros(1, 32, 32)
    mask[:, :, :16] = 1
    soft = soften_inwards(mask, 3.0)
    assert (soft[:, :, 0] == 1).all() and torch.equal(soft[:, 0], soft[:, 16])


def test_no_radius_no_rim():
    mask = torch.rand(1, 8, 8)
    assert torch.equal(soften_inwards(mask, 0.0), mask)


def test_the_overlay_is_grey_outside_and_highlighted_inside():
    shown = overlay(picture(1, 32, 32), box_mask(), opacity=1.0)
    outside, inside = shown[box_mask() == 0], shown[box_mask() == 1]
    assert (outside == outside[:, :1]).all()
    torch.testing.assert_close(inside, torch.tensor(HIGHLIGHT).expand_as(inside))
    white = overlay(torch.ones(1, 4, 4, 3), torch.zeros(1, 4, 4))
    torch.testing.assert_close(white, torch.ones(1, 4, 4, 3))


def test_heat_rises_from_black_over_red_and_yellow_to_white():
    shown = heat(torch.linspace(-3, 5, 7).reshape(1, 1, 7))[0, 0]
    torch.testing.assert_close(shown[[0, 2, 4, 6]], torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]))
    assert (shown[1:].sum(1) >= shown[:-1].sum(1)).all()


def test_heat_of_each_image_has_its_own_scale_and_nothing_is_black():
    heatmap = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(heat(torch.cat([heatmap, heatmap * 100]))[1:], heat(heatmap))
    assert (heat(torch.full((1, 8, 8), 0.3)) == 0).all()


def places(sheet: torch.Tensor, count: int, width: int, height: int) -> list[tuple[int, int]]:
    """Where pictures of that size stand on a sheet: equally far apart, at the foot, a gap all around."""
    gap = (sheet.shape[2] - count * width) // (count + 1)
    return [(sheet.shape[1] - gap - height, gap + i * (width + gap)) for i in range(count)]


def test_panels_stand_side_by_side_under_their_labels():
    pictures = [picture(1, 360, 400), picture(1, 360, 400, seed=1), picture(1, 360, 400, seed=2)]
    sheet = panels(pictures, ["input", "", "result"])
    labels = []
    for (top, left), shown in zip(places(sheet, 3, 400, 360), pictures, strict=True):
        assert torch.equal(sheet[:, top : top + 360, left : left + 400], shown)
        band = sheet[0, :top, left : left + 400].mean(-1) < 0.5
        labels.append(band)
        if band.any():  # centred to the pixel, or nearly
            columns = band.any(0).nonzero()
            assert abs(float(columns.min() + columns.max()) / 2 - 199.5) < 3
        assert (sheet[0, : top // 8] == 1).all()  # a margin above
    assert [bool(band.any()) for band in labels] == [True, False, True]
    assert not torch.equal(labels[0], labels[2])


def test_small_pictures_are_enlarged_by_whole_pixels():
    small = picture(1, 64, 100)
    sheet = panels([small], ["x"])
    top, left = places(sheet, 1, 300, 192)[0]
    shown = sheet[:, top : top + 192, left : left + 300]
    assert torch.equal(shown[:, ::3, ::3], small) and torch.equal(shown[:, 2::3, 1::3], small)


def test_a_long_label_takes_two_lines_and_then_ends_in_dots():
    def inked(label):
        sheet = panels([torch.ones(1, 400, 400, 3)], [label])
        return sheet.shape[1], (sheet[0].mean(-1) < 0.5).any(0)

    words = "a bowl of strawberries on a wooden table"
    one, two, many = (inked(label) for label in (words, f"{words} in the sun", f"{words} in the sun " * 4))
    assert one[0] < two[0] == many[0]  # a line more, and no third
    for _, columns in (one, two, many, inked("a" * 300)):
        assert columns.any() and not columns[:10].any() and not columns[-10:].any()  # inside the margins


def test_a_batch_of_panels_is_a_sheet_for_each():
    first, second = picture(3, 64, 64), picture(1, 64, 64, seed=1)
    sheets = panels([first, second], ["a", "b"])
    assert len(sheets) == 3
    for i in range(3):
        assert torch.equal(sheets[i : i + 1], panels([first[i : i + 1], second], ["a", "b"]))


def test_panels_of_several_sizes_or_without_a_label_are_an_error():
    with pytest.raises(ValueError, match="panels take one size and a label for each; these are 8x8, 9x8 with 2 labels"):
        panels([picture(1, 8, 8), picture(1, 8, 9)], ["a", "b"])
    with pytest.raises(ValueError, match="these are 8x8 with 2 labels"):
        panels([picture(1, 8, 8)], ["a", "b"])


def test_what_is_too_large_for_a_sheet_is_made_smaller():
    picture = torch.rand(1, 1500, 3000, 3)
    assert for_sheet(picture).shape == (1, 512, 1024, 3)
    assert for_sheet(picture[:, :100, :200]).equal(picture[:, :100, :200])
    sheet = panels([picture, for_sheet(picture)], ["the whole", "the same, smaller"])
    assert sheet.shape[2] < 2 * 1024 + 3 * 40
    assert torch.equal(sheet, panels([for_sheet(picture)] * 2, ["the whole", "the same, smaller"]))


@pytest.mark.parametrize("size", [(90, 120), (1500, 3000)])
def test_boxes_are_drawn_in_where_they_are(size):
    height, width = size
    box = height // 3, width // 4, 2 * height // 3, width // 2
    drawn, plain = framed(torch.zeros(1, *size, 3), [box])[0], framed(torch.zeros(1, *size, 3), [])[0]
    scale = drawn.shape[0] / height
    rows, columns = drawn.amax(-1).nonzero(as_tuple=True)
    found = int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1
    assert all(abs(at - scale * edge) <= 1 for at, edge in zip(found, box, strict=True))
    inner = drawn[round(scale * height / 2), round(scale * 3 * width / 8)]
    assert inner.max() == 0 and plain.max() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_masks_and_heat_in_half_precision(dtype):
    mask = box_mask().to(dtype)
    assert torch.equal(soften_inwards(mask, 3.0).float() > 0, box_mask() > 0)
    assert (heat(torch.ones(1, 8, 8, dtype=dtype)) == 0).all()


def test_a_box_of_a_pixel_in_a_large_picture_is_drawn():
    drawn = framed(torch.zeros(1, 4096, 64, 3), [(0, 0, 1, 1), (4095, 63, 4096, 64)])
    assert drawn[0, 0, 0].sum() > 0 and drawn[0, -1, -1].sum() > 0


@pytest.mark.parametrize("label", ["x" * 100_000, "a cat " * 20_000])
def test_a_label_as_long_as_a_book_is_cut_off_at_once(label):
    assert torch.equal(panels([picture(1, 8, 8)], [label]), panels([picture(1, 8, 8)], [label[:1000]]))


def test_no_pictures_make_no_sheet():
    with pytest.raises(ValueError, match="there are no pictures to show"):
        panels([], [])


@pytest.mark.parametrize("size", [(1, 4000), (4000, 2)])
def test_a_box_thinner_than_a_pixel_of_the_sheet_is_drawn(size):
    assert framed(torch.zeros(1, *size, 3), [(0, 0, 1, 1)]).max() > 0
