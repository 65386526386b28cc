"""Focus and Paste Back: pictures of any size through a model of one size."""

from __future__ import annotations

import folder_paths
import pytest
import tiny
import torch
from conftest import pack
from test_nodes import half, run

focusing = pack("diffedit_core.hosts.comfyui.focusing")
focus = pack("diffedit_core.focus")
scenes = pack("diffedit_core.toybox.scenes")
stages = pack("diffedit_core.hosts.comfyui.stages")
tasks = pack("diffedit_core.toybox.tasks")

AREA = 0.004096  # 64x64
SEEDS = (1_020_600, 1_020_601, 1_020_602)


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))


@pytest.fixture(scope="module")
def demo():
    with torch.inference_mode():
        return run("DemoModel").args


def picture(height, width, count=1, seed=0):
    return torch.rand((count, height, width, 3), generator=torch.Generator().manual_seed(seed))


def box(height, width, *boxes):
    mask = torch.zeros(1, height, width)
    for top, left, bottom, right in boxes:
        mask[:, top:bottom, left:right] = 1
    return mask


def focused(shown, mask=None, model=None, area=AREA, **more):
    model = model or tiny.model()
    return run("Focus", picture=shown, model=model, area=area, **({} if mask is None else {"mask": mask}), **more)


def test_each_family_says_what_size_it_was_made_for(demo):
    areas = {name: focusing.Eyes(tiny.model(name)).area for name in ("sd15", "sdxl", "sd3", "flux", "wan")}
    assert areas == {"sd15": 512**2, "sdxl": 1024**2, "sd3": 1024**2, "flux": 1024**2, "wan": 832 * 480}
    assert focusing.Eyes(demo[0]).area == 128**2
    assert focusing.Eyes(demo[0].clone()).area == 128**2


def test_a_picture_of_about_the_models_size_stays_as_it_is():
    shown, mask = picture(70, 84), half(70, 84)
    for given, expected in ((None, torch.ones(1, 70, 84)), (mask, mask)):
        cut_out, its_mask, way_back, _ = focused(shown, given, area=0.005).args[:4]
        assert cut_out.equal(shown) and its_mask.equal(expected)
        edited = picture(64, 80, seed=1)  # VAE Encode crops it
        pasted, changed = run(
            "PasteBack", original=shown, edited=edited, mask=its_mask, way_back=way_back, rim=0.0
        ).args
        plain, where = run("PasteBack", original=shown, edited=edited, mask=its_mask, rim=0.0).args
        assert pasted.equal(plain) and changed.equal(where)
    _, small, _, _ = focused(shown, half(64, 80), area=0.005).args[:4]
    assert small[:, 3:67, 2:82].equal(half(64, 80)) and small.sum() == half(64, 80).sum()


def test_the_whole_is_seen_at_the_models_size():
    shown = picture(300, 400, count=2)
    cut_out, mask, way_back, draft = focused(shown).args[:4]
    assert cut_out.shape == (2, 48, 80, 3) or cut_out.shape == (2, 64, 80, 3) or cut_out.shape == (2, 48, 64, 3)
    assert mask.equal(torch.ones(mask.shape)) and mask.shape == cut_out.shape[:3] and draft is None
    assert [view.corners for view in way_back.views] == [(0, 0, 300, 400)] * 2 and way_back.owners == (0, 1)
    assert cut_out.mean((1, 2)).sub(shown.mean((1, 2))).abs().max() < 0.01


@pytest.mark.parametrize("seam", ["none", "colour", "light"])
def test_a_cut_out_comes_back_to_its_place_and_nothing_else_changes(seam):
    shown, mask = picture(300, 400) * 0.5, box(300, 400, (100, 200, 140, 260))
    cut_out, its_mask, way_back, _ = focused(shown, mask).args[:4]
    (view,) = way_back.views
    assert view.top < 100 and view.left < 200 and view.height < 200 and view.width < 250
    assert cut_out.shape[1:3] == its_mask.shape[1:] == view.size
    edited = torch.where(its_mask[..., None] > 0, torch.tensor([0.9, 0.1, 0.1]), cut_out)
    for given in (its_mask, mask):
        pasted, changed = run(
            "PasteBack", original=shown, edited=edited, mask=given, way_back=way_back, seam=seam, room=0
        ).args
        assert pasted[changed == 0].equal(shown[changed == 0])
        assert (changed != mask).float().mean() < 0.01  # its corners are rounded
        assert (pasted[:, 105:135, 205:255] - torch.tensor([0.9, 0.1, 0.1])).abs().max() < 0.02
    assert changed.equal(mask)  # the given one, to the pixel
    roomy, more = run("PasteBack", original=shown, edited=edited, mask=its_mask, way_back=way_back, room=6).args
    assert roomy[more == 0].equal(shown[more == 0])


def test_separate_parts_are_cut_outs_of_one_size():
    shown, mask = picture(300, 400), box(300, 400, (20, 20, 50, 40), (240, 330, 260, 390))
    cut_out, its_mask, way_back, _ = focused(shown, mask).args[:4]
    assert len(cut_out) == len(its_mask) == 2 and way_back.owners == (0, 0)
    assert all(plane.max() == 1 for plane in its_mask)
    pasted, changed = run(
        "PasteBack", original=shown, edited=1 - cut_out, mask=its_mask, way_back=way_back, seam="none", rim=0.0
    ).args
    assert pasted[changed == 0].equal(shown[changed == 0])
    assert changed[:, 25:45, 25:35].min() == 1 and changed[:, 245:255, 340:380].min() == 1
    assert changed[:, 100:200].max() == 0
    together, _, one, _ = focused(shown, mask, cut_outs="one a picture").args[:4]
    assert len(together) == 1 and one.views[0].height > 240


def test_a_batch_has_its_own_cut_outs_and_a_clip_the_same_for_all():
    shown = picture(300, 400, count=2)
    masks = torch.cat([box(300, 400, (20, 20, 60, 60)), box(300, 400, (80, 100, 110, 150))])
    cut_out, _, way_back, _ = focused(shown, masks).args[:4]
    assert len(cut_out) == 2 and way_back.owners == (0, 1) and way_back.views[0].corners != way_back.views[1].corners
    clip, its_masks, still, _ = focused(shown, masks, cut_outs="one for all").args[:4]
    assert still.views[0] == still.views[1] and len(clip) == 2
    assert not its_masks[0].equal(its_masks[1]) and its_masks.amax((1, 2)).min() == 1
    pasted, changed = run("PasteBack", original=shown, edited=1 - clip, mask=its_masks, way_back=still).args
    assert pasted[changed == 0].equal(shown[changed == 0])
    _, _, video, _ = focused(shown, masks, model=tiny.model("wan")).args[:4]
    assert video.views[0] == video.views[1]
    one_mask, _, way_back, _ = focused(shown[:1], masks).args[:4]  # one picture, two masks
    assert len(one_mask) == 2
    assert len(run("PasteBack", original=shown[:1], edited=one_mask, mask=masks, way_back=way_back)[0]) == 2


def test_a_mask_found_in_the_whole_is_of_the_cut_out_without_stairs():
    shown = picture(600, 800)
    whole, *_ = focused(shown).args[:4]
    height, width = whole.shape[1:3]
    mask = box(height, width, (10, 10, 20, 26))
    cut_out, its_mask, way_back, _ = focused(shown, mask).args[:4]
    assert set(its_mask.unique().tolist()) == {0.0, 1.0} and way_back.views[0].height < 400
    _, changed = run("PasteBack", original=shown, edited=cut_out, mask=its_mask, way_back=way_back).args
    share = 10 * 16 / (height * width)
    assert float(changed.mean()) == pytest.approx(share, rel=0.15)


@pytest.mark.parametrize("mask", [torch.zeros(1, 300, 400), torch.ones(1, 300, 400)], ids=["empty", "full"])
def test_an_empty_and_a_full_mask_show_the_whole(mask):
    cut_out, its_mask, way_back, _ = focused(picture(300, 400), mask).args[:4]
    assert way_back.views[0].corners == (0, 0, 300, 400) and its_mask.mean() == pytest.approx(float(mask.mean()))
    assert its_mask.shape == cut_out.shape[:3]


def test_sizes_that_do_not_belong_together_are_named():
    shown = picture(300, 400)
    with pytest.raises(ValueError, match=r"^the mask is 99x77 but the picture is 400x300, seen as \d+x\d+; "):
        focused(shown, torch.ones(1, 77, 99))
    cut_out, mask, way_back, _ = focused(shown, box(300, 400, (0, 0, 20, 20))).args[:4]
    with pytest.raises(ValueError, match=r"^the way back leads to pictures of 400x300 but the original is 500x200; "):
        run("PasteBack", original=picture(200, 500), edited=cut_out, mask=mask, way_back=way_back)
    with pytest.raises(ValueError, match=r"^3 edited pictures for 1 cut-outs; "):
        run("PasteBack", original=shown, edited=cut_out.expand(3, -1, -1, -1), mask=mask, way_back=way_back)


def test_mask_refine_leads_a_mask_back_to_the_whole_picture():
    shown = picture(600, 800)
    _, its_mask, way_back, _ = focused(shown, box(600, 800, (100, 200, 180, 300))).args[:4]
    refined = run("MaskRefine", mask=its_mask, picture=shown, way_back=way_back, threshold=0.5)[0]
    assert refined.shape == (1, 600, 800)
    assert float(refined[:, 105:175, 205:295].min()) == 1 and refined.sum() < 1.2 * 80 * 100
    whole, _, way_back, _ = focused(shown).args[:4]
    heatmap = 3 * torch.rand(whole.shape[:3])  # in units of the noise: more than 1
    placed = run("MaskRefine", mask=heatmap, rule="top", value=0.25, way_back=way_back)[0]
    assert placed.shape == (1, 600, 800) and float(placed.mean()) == pytest.approx(0.25, abs=0.02)


def encoded(clip, words):
    return clip.encode_from_tokens_scheduled(clip.tokenize(words))


def test_what_was_found_is_looked_at_again_closer(demo):
    """Scenes of 512 pixels: the cut-out's mask fits the truth at least as well as the one of the whole."""
    model, clip, vae = demo
    before, after = [], []
    for seed in SEEDS:
        made = tasks.task(seed, "colour", scenes.Frame(512, 128, 0, 0))
        shown = torch.from_numpy(made.image / 255).float()[None]
        region = torch.from_numpy(made.region)[None] > 0.5
        texts = {"source": encoded(clip, made.source), "target": encoded(clip, made.target)}
        whole, _, all_of_it, _ = focused(shown, model=model, area=0).args[:4]
        assert whole.shape == (1, 128, 128, 3)
        found = run("DiffEditMask", model=model, latent={"samples": vae.encode(whole)}, kind="object", **texts)
        cut = run("MaskRefine", mask=found[1], rule="otsu", edge_snap="grabcut", picture=whole)[0]
        closely = {"model": model, "area": 0, "context": 0.4}
        _, _, far, _ = focused(shown, cut, **closely).args[:4]
        _, its_mask, near, _ = focused(shown, cut, **closely, vae=vae, **texts).args[:4]
        for masks, way_back, overlaps in ((cut, all_of_it, before), (its_mask, near, after)):
            placed = run("MaskRefine", mask=masks, way_back=way_back)[0] > 0.5
            overlaps.append(float((placed & region).sum() / (placed | region).sum()))
        assert far.views[0].scale < 4 and near.views[0].scale < 4
    assert sum(after) > sum(before) - 0.05 * len(SEEDS) and min(after) > 0.5, (before, after)


def test_a_mask_that_was_drawn_is_not_looked_for_again(demo):
    model, clip, vae = demo
    shown, mask = picture(512, 512), box(512, 512, (100, 100, 180, 180))
    texts = {"source": encoded(clip, "a red circle"), "target": encoded(clip, "a blue star")}
    plain = focused(shown, mask, model=model, area=0).args[:4]
    given = focused(shown, mask, model=model, area=0, vae=vae, **texts).args[:4]
    assert plain[0].equal(given[0]) and plain[1].equal(given[1])


def test_a_draft_is_seen_as_close_as_the_cut_out(demo):
    model, clip, vae = demo
    made = tasks.task(SEEDS[0], "addition", scenes.Frame(512, 128, 0, 0))
    shown = torch.from_numpy(made.image / 255).float()[None]
    texts = {"source": encoded(clip, made.source), "target": encoded(clip, made.target)}
    empty = encoded(clip, "")
    whole, *_ = focused(shown, model=model, area=0).args[:4]
    given = {"model": model, "latent": {"samples": vae.encode(whole)}, **texts}
    found = run("DiffEditMask", **given, kind="addition", drafts=1, negative=empty)
    assert found[2][stages.DRAFTED] == (True,)
    mask = box(*whole.shape[1:3], (40, 40, 70, 70))
    with pytest.raises(ValueError, match="connect the VAE"):
        focused(shown, mask, model=model, area=0, draft=found[2])
    cut_out, its_mask, way_back, draft = focused(shown, mask, model=model, area=0, vae=vae, draft=found[2]).args[:4]
    assert way_back.views[0].scale < 3.5 and draft[stages.DRAFTED] == (True,)
    latent = {"samples": vae.encode(cut_out)}
    assert draft["samples"].shape == latent["samples"].shape
    drafted, seen = vae.decode(draft["samples"]), vae.decode(found[2]["samples"])
    assert (drafted - way_back.views[0].within(seen, focus.Canvas((512, 512), 128**2, 16).whole())).abs().mean() < 0.1

    trajectory = run("DDIMInvert", model=model, latent=latent, conditioning=empty, steps=4)[0]
    way_down = {"model": model, "trajectory": trajectory, "mask": its_mask, "target": texts["target"], "tries": 1}
    with_draft = run("MaskedDenoise", **way_down, negative=empty, draft=draft)[0]["samples"]
    without = run("MaskedDenoise", **way_down, negative=empty)[0]["samples"]
    assert not with_draft.equal(without)

    plain = run("DiffEditMask", **given, kind="object")
    assert plain[2][stages.DRAFTED] == (False,)
    *_, none = focused(shown, mask, model=model, area=0, vae=vae, draft=plain[2]).args[:4]
    assert none[stages.DRAFTED] == (False,)
    assert run("MaskedDenoise", **way_down, negative=empty, draft=none)[0]["samples"].equal(without)
