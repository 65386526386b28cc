"""Large pictures on a small random network: what goes through the model, and that the rest stays as it is."""

import warnings
from dataclasses import replace

import pytest
import torch
from pipelines import random_pipeline

from diffedit_core import Edit, EditSettings, MaskSettings, closeup, edit, find_mask
from diffedit_core.focus import Canvas, Focus
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.refine import Refinement
from diffedit_core.settings import ContrastSettings, CutSettings, DecodingSettings, InversionSettings

TEXTS = ("a bowl of fruits", "a bowl of pears")
LOOK = ContrastSettings(draws=2, kind="object")
FEW = EditSettings(
    mask=MaskSettings(LOOK, CutSettings("top", 0.02), Refinement(keep_largest=1)),
    inversion=InversionSettings(steps=4, strength=0.75),
    decoding=DecodingSettings(tries=1),
)
H, W = 300, 420


@pytest.fixture(scope="module")
def host():
    return DiffusersHost(random_pipeline())


@pytest.fixture(scope="module")
def pictures():
    """Two, smooth enough to be scaled, with sides that are no multiples of 8."""
    coarse = torch.rand(2, 3, 20, 28, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, (H, W), mode="bicubic").clamp(0, 1).movedim(1, -1)


def box(top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    mask = torch.zeros(1, H, W)
    mask[:, top:bottom, left:right] = 1
    return mask


def shapes_seen(host, call):
    """The sizes of the latents that went through the UNet while ``call`` ran."""
    seen = []
    hook = host.pipe.unet.register_forward_pre_hook(lambda module, args: seen.append(tuple(args[0].shape[-2:])))
    try:
        return call(), seen
    finally:
        hook.remove()


@pytest.mark.parametrize("background", ["retrace", "noised"])
def test_the_rest_of_a_large_picture_stays_and_the_model_sees_its_own_size(host, pictures, background):
    how = replace(FEW, decoding=replace(FEW.decoding, background=background))
    done, seen = shapes_seen(host, lambda: edit(host, pictures[:1], Edit(*TEXTS), how=how))
    assert done.picture.shape == (1, H, W, 3) and done.mask.shape == (1, H, W)
    assert torch.equal(done.picture[done.mask == 0], pictures[:1][done.mask == 0])
    assert (done.picture != pictures[:1]).any() and 0 < done.mask.mean() < 1
    assert all(0.8 * 16 * 16 < h * w < 1.2 * 16 * 16 for h, w in seen)
    ((view,),) = done.views
    outside = torch.ones(1, H, W)
    outside[view.box] = 0
    assert (done.mask * outside).sum() == 0


def test_a_picture_of_the_models_size_goes_as_it_is(host, pictures):
    small = pictures[:1, :130, :150]
    done, seen = shapes_seen(host, lambda: edit(host, small, Edit(*TEXTS), how=FEW))
    assert done.views == () and set(seen) == {(17, 19)}
    plain = edit(host, small, Edit(*TEXTS), how=replace(FEW, focus=Focus(focus=False)))
    assert torch.equal(done.picture, plain.picture)


def test_without_focus_and_for_a_larger_model_a_large_picture_goes_as_it_is(host, pictures):
    for focus in (Focus(focus=False), Focus(area=H * W / 1e6)):
        done, seen = shapes_seen(
            host, lambda focus=focus: edit(host, pictures[:1], Edit(*TEXTS), how=replace(FEW, focus=focus))
        )
        assert done.views == () and set(seen) == {(38, 53)}


def test_each_of_a_batch_is_edited_as_if_it_were_alone(host, pictures):
    together = edit(host, pictures, Edit(*TEXTS), how=FEW, seed=3)
    for i in range(2):
        alone = edit(host, pictures[i : i + 1], Edit(*TEXTS), how=FEW, seed=3)
        assert together.views[i] == alone.views[0]
        torch.testing.assert_close(together.picture[i], alone.picture[0], atol=1e-5, rtol=0)


def test_a_mask_of_ones_own_is_kept_to_the_pixel(host, pictures):
    drawn = box(40, 50, 73, 95)
    done, seen = shapes_seen(host, lambda: edit(host, pictures[:1], Edit(*TEXTS, mask=drawn), how=FEW))
    assert torch.equal(done.mask, drawn) and done.looks[0] is None
    assert torch.equal(done.picture[drawn == 0], pictures[:1][drawn == 0])
    assert (done.picture[drawn > 0] != pictures[:1][drawn > 0]).any(-1).float().mean() > 0.9
    ((view,),) = done.views
    assert view.corners == (7, 5, 106, 140)  # with as much around it as it is wide and high
    assert seen


@pytest.mark.parametrize(
    ("mask", "count"),
    [
        (box(0, 0, 0, 0), 0),
        (box(150, 200, 151, 201), 1),
        (box(0, 0, 20, 20), 1),
        (box(H - 5, W - 9, H, W), 1),
        (box(0, 0, H, W), 1),
        (torch.maximum(box(10, 10, 30, 40), box(250, 380, 280, 400)), 2),
        (torch.maximum(box(100, 100, 130, 140), box(140, 150, 160, 180)), 1),
    ],
    ids=["empty", "one pixel", "a corner", "the other corner", "full", "two far apart", "two side by side"],
)
def test_masks_of_all_kinds(host, pictures, mask, count):
    before = host.evaluations
    done = edit(host, pictures[:1], Edit(*TEXTS, mask=mask), how=FEW)
    assert len(done.views[0]) == count and torch.equal(done.mask, mask)
    assert torch.equal(done.picture[mask == 0], pictures[:1][mask == 0])
    if count == 0:
        assert host.evaluations == before
    else:
        assert (done.picture[mask > 0] != pictures[:1][mask > 0]).any()


def test_a_soft_mask_blends_as_it_does_at_the_models_size(host, pictures):
    soft = 0.5 * box(40, 50, 100, 120)
    half = edit(
        host,
        pictures[:1],
        Edit(*TEXTS, mask=soft),
        how=replace(FEW, rim=0.0, decoding=replace(FEW.decoding, greys="none")),
    )
    assert torch.equal(half.mask, soft)
    assert torch.equal(half.picture[soft == 0], pictures[:1][soft == 0])


def test_one_mask_serves_several_pictures_and_each_can_have_its_own(host, pictures):
    masks = torch.cat([box(40, 50, 73, 95), box(200, 300, 240, 330)])
    each = edit(host, pictures, Edit(*TEXTS, mask=masks), how=FEW)
    one = edit(host, pictures, Edit(*TEXTS, mask=masks[:1]), how=FEW)
    assert torch.equal(each.picture[0], one.picture[0])
    assert [len(views) for views in each.views] == [1, 1] and each.views[1] != one.views[1]


def test_what_is_found_small_is_looked_at_again_closer(host, pictures):
    before = host.evaluations
    mask, look = find_mask(host, pictures[:1], Edit(*TEXTS), how=FEW.mask, focus=Focus(context=0.0))
    assert mask.shape == (1, H, W) and set(mask.unique().tolist()) <= {0.0, 1.0}
    assert (
        host.evaluations - before > 4 and (host.evaluations - before) % 4 == 0
    )  # two draws under both texts, each time
    whole = Canvas((H, W), host.area, host.multiple).whole()
    assert look.heatmap.shape[1:] == (whole.size[0] // 8, whole.size[1] // 8)


def test_windows_are_searched_where_the_draws_disagree(host, pictures):
    """And only there. A random network is never sure."""
    costs = []
    for windows in (0, 3):
        before = host.evaluations
        find_mask(host, pictures[:1], Edit(*TEXTS), how=FEW.mask, focus=Focus(windows=windows, context=10.0))
        costs.append(host.evaluations - before)
    assert costs[1] - costs[0] == 9 * 4 or costs[1] > 9 * 4


def test_looking_closer_ends_where_every_view_cuts_its_mask_off(host, pictures, monkeypatch):
    """A view that only moves or grows shows no more; each look costs evaluations."""
    looks, find = [], closeup.Run.find

    def to_the_rim(self, opened, how):
        mask, seen = find(self, opened, how)
        looks.append(opened)
        return torch.nn.functional.pad(
            torch.ones_like(mask)[:, :, : mask.shape[2] // 2], (0, (mask.shape[2] + 1) // 2)
        ), seen

    monkeypatch.setattr(closeup.Run, "find", to_the_rim)
    large = pictures[:1].repeat(1, 3, 3, 1)
    find_mask(host, large, Edit(*TEXTS), how=FEW.mask, focus=Focus(windows=3, context=0.0))
    assert len(looks) <= 2 + closeup.LOOKS


def test_an_addition_goes_on_from_its_draft_in_a_cut_out(host, pictures):
    adding = replace(FEW.mask, contrast=replace(LOOK, kind="addition", drafts=1))
    how = replace(FEW, mask=adding, focus=Focus(context=0.1))
    done = edit(host, pictures[:1], Edit(*TEXTS), how=how)
    assert done.looks[0] and done.looks[0].kinds == ("addition",)
    ((view,),) = done.views
    assert view.height * view.width < H * W
    assert torch.equal(done.picture[done.mask == 0], pictures[:1][done.mask == 0])
    assert (done.picture != pictures[:1]).any()


def test_an_area_is_edited_in_the_whole_picture(host, pictures):
    wide = replace(FEW.mask, contrast=replace(LOOK, kind="area"))
    done = edit(host, pictures[:1], Edit(*TEXTS), how=replace(FEW, mask=wide))
    assert done.views == ((Canvas((H, W), host.area, host.multiple).whole(),),)


def test_the_same_seed_gives_the_same_picture(host, pictures):
    first, second = (edit(host, pictures[:1], Edit(*TEXTS), how=FEW, seed=5).picture for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("place", ["corners", "pixel", "full", "empty"])
@pytest.mark.parametrize("size", [(20, 17), (3, 5000), (5000, 3), (700, 37), (3000, 4000)], ids=str)
def test_any_size_and_any_mask_leave_the_rest_as_it_was(host, size, place):
    height, width = size
    picture = torch.rand(1, *size, 3, generator=torch.Generator().manual_seed(1))
    mask = torch.full((1, *size), float(place == "full"))
    if place == "corners":
        mask[:, : height // 20 + 1, : width // 20 + 1] = mask[:, -height // 20 :, -width // 20 :] = 1
    if place == "pixel":
        mask[:, height // 2, width // 3] = 1
    how = replace(FEW, decoding=DecodingSettings(tries=1, background="noised"), inversion=InversionSettings(steps=2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = edit(host, picture, Edit(*TEXTS, mask=mask), how=how)
    assert done.picture.shape == picture.shape and done.picture.isfinite().all()
    assert torch.equal(done.picture[mask == 0], picture[mask == 0])
    assert place == "empty" or (done.picture != picture).any()
    assert len(done.views[0]) <= 2 if done.views else height * width <= 1.6 * 128 * 128
