"""Clips of any length: what a VAE leaves out, masks a picture, and every picture's background to the bit."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import folder_paths
import pytest
import tiny
import torch
from comfy.ldm.wan.vae import WanVAE
from conftest import pack
from test_host import EDIT, FIND, RULE, climb, denoise, host, redrawing
from test_messages import said_by
from test_nodes import run

Clips = pack("diffedit_core.hosts.comfyui.clips").Clips
clips = pack("diffedit_core.hosts.comfyui.clips")
masks = pack("diffedit_core.masks")
refinement = pack("diffedit_core.refine")

AREA = 0.004096  # 64x64
TEXTS = {name: tiny.text(words, "wan") for name, words in (("source", "a cat"), ("target", "a dog"), ("", ""))}


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))


@pytest.fixture(scope="module")
def vae():
    """Wan's own, with random weights: 8x8 pixels and 4 pictures a cell."""
    with torch.inference_mode(False):
        made = WanVAE(dim=8, z_dim=16, num_res_blocks=1, temperal_downsample=[False, True, True]).eval()
        tiny.randomize(made, 0)
    return made


def encoded(vae, shown):
    """As VAE Encode does with a batch of pictures."""
    return {"samples": vae.encode(shown.movedim(-1, 0)[None] * 2 - 1)}


def decoded(vae, latent):
    return vae.decode(latent["samples"])[0].movedim(0, -1).mul(0.5).add(0.5).clamp(0, 1)


def clip(count, height=64, width=64, seed=0):
    return torch.rand((count, height, width, 3), generator=torch.Generator().manual_seed(seed))


def walking(count, size=64, side=16, stride=4):
    """A square that moves on from picture to picture."""
    found = torch.zeros(count, size, size)
    for i in range(count):
        found[i, size // 4 : size // 4 + side, i * stride : i * stride + side] = 1
    return found


# How pictures lie in latent frames: ComfyUI's own autoencoder is the truth.


@pytest.mark.parametrize("count", range(1, 14))
def test_what_comes_back_from_an_autoencoder(count, vae):
    latent = encoded(vae, clip(count, 16, 16))
    kept = len(decoded(vae, latent))
    assert Clips.of(latent["samples"], 4).pictures == kept
    if kept > 1:
        assert clips.left_over(count, kept) == count - kept


def test_each_picture_belongs_to_a_latent_frame(vae):
    """A change of it does not reach the latent frames before its own."""
    shown = clip(9, 16, 16)
    before, found = encoded(vae, shown)["samples"], Clips(1, 3, 4)
    for i in range(9):
        changed = shown.clone()
        changed[i] = 1 - changed[i]
        after = encoded(vae, changed)["samples"]
        first = next(frame for frame in range(3) if not after[:, :, frame].isclose(before[:, :, frame]).all())
        one = torch.zeros(9, 1, 1)
        one[i] = 1
        assert found.by_frame(one).flatten().tolist() == [float(frame == first) for frame in range(3)]


@pytest.mark.parametrize("group", [4, 6, 8])
@pytest.mark.parametrize("count", [1, 2])
def test_masks_of_pictures_and_of_latent_frames(count, group):
    found = Clips(count, 3, group)
    assert found.pictures == 1 + 2 * group
    for given in range(1 + 2 * group, 1 + 3 * group):  # the end is left out
        planes = torch.rand(count * given, 2, 2)
        frames = found.by_frame(planes).view(count, 3, 2, 2)
        by_clip = planes.view(count, given, 2, 2)
        assert frames[:, 0].equal(by_clip[:, 0])
        assert frames[:, 1].equal(by_clip[:, 1 : 1 + group].amax(1))
        assert frames[:, 2].equal(by_clip[:, 1 + group : 1 + 2 * group].amax(1))
        assert found.by_picture(planes).equal(by_clip[:, : found.pictures].flatten(0, 1))
    frames = torch.rand(count * 3, 2, 2)
    assert found.by_frame(frames).equal(frames)
    shown = found.by_picture(frames).view(count, found.pictures, 2, 2)
    for picture in range(found.pictures):
        assert shown[:, picture].equal(frames.view(count, 3, 2, 2)[:, 1 + (picture - 1) // group])
    one = torch.rand(1, 2, 2)
    assert found.by_frame(one).equal(one) and found.by_picture(one).equal(one)
    each = torch.rand(count, 2, 2)
    assert found.by_frame(each).equal(each)
    if count > 1:
        assert found.by_picture(each).equal(each.repeat_interleave(found.pictures, 0))
    for wrong in {2, 4, 2 * group, 1 + 3 * group} - {count}:
        said = (
            rf"{wrong * count} masks for {count} clips of 3 latent frames each; .*, or {count * found.pictures} for the"
        )
        with pytest.raises(ValueError, match=said):
            found.by_frame(torch.zeros(wrong * count, 2, 2))


def test_left_over_is_only_the_end_of_a_clip():
    assert clips.left_over(30, 29) == 1 and clips.left_over(32, 25) == 7 and clips.left_over(81, 81) == 0
    assert clips.left_over(30, 28) == clips.left_over(30, 30) == clips.left_over(29, 30) == clips.left_over(3, 2) == 0
    assert clips.left_over(3, 1) == 0  # one for all


# Masked Denoise and DiffEdit Mask.


@pytest.mark.parametrize("family", ["wan"])
@pytest.mark.parametrize("given", [5, 6, 8])
def test_masks_a_picture_change_the_latent_frames_of_those_pictures(family, given):
    model, latent = tiny.model(family), tiny.latent(family)  # two latent frames: five pictures
    trajectory, _, _ = climb(model, latent, family)
    each = torch.zeros(given, 64, 64)
    each[3, :, :32] = 1
    edits = [redrawing.WireEdit(each, TEXTS["target"], TEXTS[""])]
    edited, shown = redrawing.masked_denoise(model, trajectory, edits, how=EDIT, seed=0, room=0)
    frames = torch.stack([torch.zeros(64, 64), each[3]])
    assert edited["samples"].equal(denoise(model, trajectory, frames, family))
    assert edited["samples"][:, :, 0].equal(latent["samples"][:, :, 0])
    assert edited["samples"][..., 4:].equal(latent["samples"][..., 4:])
    assert not edited["samples"][:, :, 1, ..., :4].isclose(latent["samples"][:, :, 1, ..., :4]).all()
    assert shown.equal(each[:5])


def test_what_masked_denoise_hands_on_fits_the_decoded_pictures():
    model, latent = tiny.model("wan"), tiny.latent("wan", 2)
    trajectory, _, _ = climb(model, latent, "wan")
    for given in (1, 2, 4, 10, 14):
        planes = torch.rand(given, 64, 64, generator=torch.Generator().manual_seed(given)).round()
        edits = [redrawing.WireEdit(planes, TEXTS["target"], TEXTS[""], heatmap=planes)] * 2
        _, shown = redrawing.masked_denoise(model, trajectory, edits, how=EDIT, seed=0, room=0)
        assert shown.equal(Clips(2, 2, 4).by_picture(planes)) and len(shown) == (1 if given == 1 else 10)


def test_edits_of_a_clip_may_have_one_mask_for_all_or_one_a_picture():
    model, latent = tiny.model("wan"), tiny.latent("wan")
    trajectory, _, _ = climb(model, latent, "wan")
    left, each = torch.zeros(1, 64, 64), torch.zeros(5, 64, 64)
    left[..., :16], each[4, :, 48:] = 1, 1
    edits = [redrawing.WireEdit(mask, TEXTS["target"], TEXTS[""]) for mask in (left, each)]
    edited, shown = redrawing.masked_denoise(model, trajectory, edits, how=replace(EDIT, tries=1), seed=0, room=0)
    assert shown.equal(torch.maximum(left, each))
    assert edited["samples"][:, :, 0, ..., 2:].equal(latent["samples"][:, :, 0, ..., 2:])
    assert not edited["samples"][:, :, 1, ..., 6:].isclose(latent["samples"][:, :, 1, ..., 6:]).all()


def test_empty_masks_of_some_pictures_are_no_reason_for_advice():
    model, latent = tiny.model("wan"), tiny.latent("wan")
    trajectory, _, _ = climb(model, latent, "wan")
    given = {"model": model, "trajectory": trajectory, "target": TEXTS["target"], "negative": TEXTS[""], "tries": 1}
    for mask, advised in ((walking(5), False), (torch.zeros(5, 64, 64), True)):
        each = mask.clone()
        each[2] = 0
        assert (run("MaskedDenoise", mask=each, **given).ui is not None) == advised


def test_a_mask_for_each_picture_of_a_clip():
    """One threshold for the whole clip, and each picture has its latent frame's mask."""
    model, latent = tiny.model("wan"), tiny.latent("wan", 2)
    given = {"model": model, "latent": latent, "source": TEXTS["source"], "target": TEXTS["target"], "kind": "object"}
    for rule in ("otsu", "minmax"):
        each, heats, _ = run("DiffEditMask", each_picture=True, rule=rule, **given).args
        one, heat, _ = run("DiffEditMask", rule=rule, **given).args
        assert each.shape == heats.shape == (10, 64, 64) and one.shape == heat.shape == (2, 64, 64)
        by_clip, hot = each.view(2, 5, 64, 64), heats.view(2, 5, 64, 64)
        assert all(by_clip[:, 1].equal(by_clip[:, i]) and hot[:, 1].equal(hot[:, i]) for i in (2, 3, 4))
        assert not by_clip[:, 0].equal(by_clip[:, 1])
        torch.testing.assert_close(masks.fit(hot.amax(1), (64, 64)), hot.amax(1))
    own = torch.stack([masks.threshold(frames, "otsu") for frames in hot[:, :2].flatten(0, 1)[:, None]])
    assert not own.view(2, 2, 64, 64).equal(by_clip[:, :2])


def test_a_mask_for_each_picture_of_stills_is_the_mask():
    texts = {"source": tiny.text("a cat"), "target": tiny.text("a dog")}
    given = {"model": tiny.model(), "latent": tiny.latent(batch=2), "draws": 2, **texts}
    for one, each in zip(
        run("DiffEditMask", **given).args[:2], run("DiffEditMask", each_picture=True, **given).args[:2], strict=True
    ):
        assert one.equal(each)


def test_what_is_kept_is_left_out_of_each_pictures_mask():
    """By one threshold for the clip: a picture in which the texts differ everywhere keeps all of its mask."""
    heat = torch.ones(1, 2, 8, 8)
    heat[0, 1, :4] = 0.1
    spared = masks.spared(torch.ones(1, 2, 64, 64), heat)
    assert spared[0, 0].all() and not spared[0, 1, :24].any() and spared[0, 1, 40:].all()
    given = {
        "model": tiny.model("wan"),
        "latent": tiny.latent("wan"),
        "each_picture": True,
        "rule": "top",
        "value": 0.9,
    }
    texts = {"source": TEXTS["source"], "target": TEXTS["target"], "kind": "object"}
    plain = run("DiffEditMask", **given, **texts)[0]
    assert not run("DiffEditMask", **given, **texts, keep=TEXTS["source"])[
        0
    ].any()  # nothing differs from it: all is kept
    assert plain.any() and run("DiffEditMask", **given, **texts, keep=TEXTS["target"])[0].shape == plain.shape


def test_the_share_on_the_node_is_of_the_clip(monkeypatch):
    """An empty mask of one of its pictures is no mistake."""
    made = host.find_mask(
        tiny.model("wan"), tiny.latent("wan"), TEXTS["source"], TEXTS["target"],
        how=FIND, cut=RULE, seed=0, each_picture=True,
    )  # fmt: skip
    assert made.clips.shape == (1, 5, 64, 64)
    half = replace(made, mask=torch.cat([torch.zeros(1, 64, 64), torch.ones(4, 64, 64) * walking(1)]))
    module = pack("nodes.diffedit_mask")
    monkeypatch.setattr(module, "find_mask", lambda *args, **how: half)
    given = {"source": TEXTS["source"], "target": TEXTS["target"]}
    (said,) = said_by(run("DiffEditMask", model=tiny.model("wan"), latent=tiny.latent("wan"), **given))
    assert "empty" not in said


# Paste Back, Panels and Mask Refine.


@pytest.mark.parametrize("lack", [(29, 29), (29, 30), (29, 1), (30, 29), (25, 25)])
def test_paste_back_leaves_the_end_of_a_clip_as_it_was(lack):
    pictures, planes = lack
    original, edited, mask = clip(30, 16, 16), clip(pictures, 16, 16, seed=1), walking(planes, 16, 8, 0)
    output = run("PasteBack", original=original, edited=edited, mask=mask, rim=0.0, seam="none")
    pasted, changed = output.args
    assert pasted.shape == (30, 16, 16, 3) and changed.shape == (30, 16, 16)
    kept = min(count for count in lack if count > 1)
    assert pasted[kept:].equal(original[kept:]) and not changed[kept:].any()
    assert pasted[:kept][changed[:kept] > 0].equal(edited[:kept][changed[:kept] > 0])
    assert pasted[changed == 0].equal(original[changed == 0]) and changed[:kept].any((1, 2)).all()
    if pictures == 29:
        assert said_by(output) == ["the last picture of the clip stays as it was: the VAE left it out"]
    elif pictures == 25:
        assert said_by(output) == ["the last 5 pictures of the clip stay as they were: the VAE left them out"]
    else:
        assert output.ui is None


@pytest.mark.parametrize(("pictures", "planes"), [(28, 28), (28, 30), (30, 28), (31, 30), (2, 30)])
def test_what_no_autoencoder_leaves_is_still_refused(pictures, planes):
    given = {"original": clip(30, 16, 16), "edited": clip(pictures, 16, 16), "mask": walking(planes, 16, 8, 0)}
    for name in ("PasteBack", "Panels"):
        with pytest.raises(ValueError, match="give one for all, or one for each"):
            run(name, **given)


def test_panels_of_a_clip_show_its_end_as_it_was():
    original, edited, mask = clip(7, 32, 32), clip(5, 32, 32, seed=1), walking(5, 32, 8)
    sheet = run("Panels", original=original, edited=edited, mask=mask)[0]
    assert len(sheet) == 7
    whole = torch.cat([edited, original[5:]]), torch.cat([mask, torch.zeros(2, 32, 32)])
    assert sheet.equal(run("Panels", original=original, edited=whole[0], mask=whole[1])[0])
    alone = run("Panels", original=original[3:4], edited=edited[3:4], mask=mask[3:4])[0]
    assert sheet[3:4].equal(alone)


def test_masks_are_refined_on_as_many_pictures_as_they_are_of():
    shown, mask = clip(7, 64, 64), walking(5)
    found = run("MaskRefine", mask=mask, picture=shown, grow=2, edge_snap="guided")[0]
    assert len(found) == 5
    for i in range(5):
        alone = run("MaskRefine", mask=mask[i : i + 1], picture=shown[i : i + 1], grow=2, edge_snap="guided")[0]
        assert found[i : i + 1].equal(alone)
    assert len(run("MaskRefine", mask=mask[:1], picture=shown)[0]) == 7
    with pytest.raises(ValueError, match="7 pictures and 4 masks"):
        run("MaskRefine", mask=mask[:4], picture=shown)


def test_several_cut_outs_of_a_picture_are_no_clip():
    shown, mask = clip(1, 300, 400), torch.zeros(1, 300, 400)
    for top in range(10, 300, 100):
        for left in (10, 300):
            mask[:, top : top + 20, left : left + 40] = 1
    how = {"picture": torch.cat([shown] * 2), "model": tiny.model(), "area": AREA, "context": 0.1}
    mask[:, 200:] = 0
    cut, its_mask, way_back = run("Focus", mask=mask, **how).args[:3]
    assert len(cut) == 8 and way_back.owners == (0, 0, 0, 0, 1, 1, 1, 1)
    with pytest.raises(ValueError, match="5 edited pictures for 8 cut-outs"):
        run("PasteBack", original=how["picture"], edited=cut[:5], mask=its_mask, way_back=way_back)


# All of it, with Wan's autoencoder.


def edited_clip(vae, shown, mask, way_back=None, original=None):
    """From what the model sees to the pasted clip."""
    model, latent = tiny.model("wan"), encoded(vae, shown)
    trajectory = run("DDIMInvert", model=model, latent=latent, conditioning=TEXTS[""], steps=4)[0]
    given = {"model": model, "trajectory": trajectory, "target": TEXTS["target"], "negative": TEXTS[""], "tries": 1}
    drawn, its_mask = run("MaskedDenoise", mask=mask, room=0, **given).args
    pictures, original = decoded(vae, drawn), shown if original is None else original
    pasted = run("PasteBack", original=original, edited=pictures, mask=its_mask, way_back=way_back, seam="none")
    run("Panels", original=original, edited=pasted[0], mask=pasted[1])
    return pictures, its_mask, pasted


@pytest.mark.parametrize("each_picture", [False, True])
@pytest.mark.parametrize("count", [2, 5, 6, 7, 8, 9])
def test_a_clip_of_any_length_is_edited_and_its_background_is_exact(count, each_picture, vae):
    shown = clip(count)
    latent = encoded(vae, shown)
    texts = {"source": TEXTS["source"], "target": TEXTS["target"], "each_picture": each_picture, "kind": "object"}
    found = run("DiffEditMask", model=tiny.model("wan"), latent=latent, **texts)[0]
    refined = run("MaskRefine", mask=found, picture=shown)[0]
    pictures, _, output = edited_clip(vae, shown, refined)
    pasted, changed = output.args
    assert len(pasted) == len(changed) == count and changed.any()
    assert pasted[changed == 0].equal(shown[changed == 0])
    if len(pictures) > 1:
        kept = len(pictures)
        assert pasted[kept:].equal(shown[kept:]) and (output.ui is None) == (kept == count)


@pytest.mark.parametrize("count", [7, 9])
def test_a_tracked_mask_changes_each_picture_only_where_it_is(count, vae):
    """As SAM3's tracker gives them: one a picture."""
    shown, mask = clip(count), walking(count)
    mask[4] = 0  # out of sight
    pictures, its_mask, output = edited_clip(vae, shown, mask)
    pasted, changed = output.args
    assert its_mask.equal(mask[: len(pictures)]) and changed[: len(pictures)].equal(its_mask)
    assert pasted[mask == 0].equal(shown[mask == 0]) and pasted[4].equal(shown[4])
    assert all(not pasted[i].equal(shown[i]) for i in range(len(pictures)) if i != 4)


@pytest.mark.parametrize("given", [7, 5])
def test_focus_follows_a_mask_through_a_clip_and_back(given, vae):
    """Pictures without a mask do not widen the cut-out to the whole."""
    shown, mask = clip(7, 200, 300), torch.zeros(given, 200, 300)
    for i in range(3):
        mask[i, 100:124, 100 + 8 * i : 124 + 8 * i] = 1
    model = tiny.model("wan")
    cut, its_mask, way_back = run("Focus", picture=shown, model=model, area=AREA, mask=mask).args[:3]
    assert len(cut) == len(its_mask) == len(way_back.views) == 7 and len(set(way_back.views)) == 1
    assert way_back.views[0].height < 120 and way_back.views[0].width < 160
    assert its_mask[:3].any((1, 2)).all() and not its_mask[3:].any()
    pictures, handed, output = edited_clip(vae, cut, its_mask, way_back, shown)
    assert len(pictures) == 5 and len(handed) == 5
    pasted, changed = output.args
    assert len(pasted) == 7 and pasted[3:].equal(shown[3:])
    assert pasted[changed == 0].equal(shown[changed == 0])
    assert all(not pasted[i].equal(shown[i]) for i in range(3)) and (changed[:3] == mask[:3]).float().mean() > 0.99
    assert said_by(output) == ["the last 2 pictures of the clip stay as they were: the VAE left them out"]
    full = run("PasteBack", original=shown, edited=pictures, mask=mask, way_back=way_back, seam="none").args
    assert full[1][:given].equal(mask) and full[0][full[1] == 0].equal(shown[full[1] == 0])
    placed = run("MaskRefine", mask=handed, picture=shown, way_back=way_back)[0]
    assert len(placed) == 7 and not placed[3:].any()


def test_a_clip_found_in_the_whole_is_focused_on(vae):
    """A mask for each of the decoded pictures, of what Focus showed: the end has none."""
    shown, model = clip(7, 200, 300), tiny.model("wan")
    whole, _, _ = run("Focus", picture=shown, model=model, area=AREA).args[:3]
    mask = torch.zeros(5, *whole.shape[1:3])
    mask[:, 20:30, 20:30] = 1
    cut, its_mask = run("Focus", picture=shown, model=model, area=AREA, mask=mask).args[:2]
    assert len(cut) == 7 and its_mask[:5].any((1, 2)).all() and not its_mask[5:].any()
    with pytest.raises(ValueError, match="7 pictures and 4 masks of edit 1"):
        run("Focus", picture=shown, model=model, area=AREA, mask=mask[:4])
    small = run("Focus", picture=clip(7), model=model, area=AREA, mask=walking(5)).args
    assert small[1][:5].equal(walking(5)) and not small[1][5:].any()


# Memory.


def peak(work):
    """The most bytes that it held at a time, of torch's and of numpy's."""
    work()  # what is kept for the next time
    tracemalloc.start()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    numpy, most, held = tracemalloc.get_traced_memory()[1], 0, 0
    tracemalloc.stop()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return numpy + most


@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events:UserWarning")
def test_the_peak_is_one():
    mib = 2**20
    assert 4 * mib <= peak(lambda: torch.zeros(mib)) < 5 * mib
    assert 8 * mib <= peak(lambda: torch.zeros(mib) + 1) < 9 * mib
    assert 4 * mib <= peak(lambda: [torch.zeros(mib).sum() for _ in range(3)]) < 5 * mib
    assert 4 * mib <= peak(lambda: torch.zeros(mib).numpy().copy().sum()) and peak(lambda: bytearray(mib)) >= mib


PICTURE = 128 * 192 * 3 * 4  # bytes


def pasting(count):
    original, edited, mask = clip(count, 130, 197), clip(count, 128, 192, seed=1), torch.zeros(count, 128, 192)
    mask[:, 40:80, 40:90] = 1
    return lambda: run("PasteBack", original=original, edited=edited, mask=mask, room=8, seam="light").args


def focusing(count):
    shown, mask, model = clip(count, 130, 197), torch.zeros(count, 130, 197), tiny.model("wan")
    mask[:, 40:60, 40:70] = 1
    return lambda: run("Focus", picture=shown, model=model, area=0.012, mask=mask, context=0.2).args[:2]


def seeing_all(count):
    shown, model = clip(count, 130, 197), tiny.model("wan")
    return lambda: run("Focus", picture=shown, model=model, area=0.012).args[:2]


def showing(count):
    original, edited, mask = clip(count, 130, 197), clip(count, 128, 192, seed=1), torch.zeros(1, 128, 192)
    return lambda: [pack("diffedit_core.hosts.comfyui.pictures").panels(original, mask, edited, "")]


def refining(count):
    shown, heat = clip(count, 130, 197), torch.rand(count, 128, 192)
    how = {"rule": "otsu", "edge_snap": "guided", "grow": 3, "feather": 2.0}
    return lambda: refined(heat, shown, how)


def refined(heat, shown, how):
    rule, how = how["rule"], refinement.Refinement(**{name: how[name] for name in how if name != "rule"})
    return [pack("diffedit_core.hosts.comfyui.pictures").refine_mask(heat, rule, None, how, shown)]


def by_frame(count):
    mask, found = torch.rand(count, 128, 192), Clips(1, 1 + (count - 1) // 4, 4)
    return lambda: [found.by_frame(mask), redrawing.union([found.by_picture(mask)])[:0]]


WORK = [pasting, focusing, seeing_all, showing, refining, by_frame]


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_memory_grows_with_a_clip_by_what_is_handed_on_and_no_more(work):
    """But for a fifth of a picture a picture."""
    peaks, outputs = zip(
        *((peak(work(count)), sum(each.nbytes for each in work(count)())) for count in (9, 41)), strict=True
    )
    grows, handed = ((long - short) / (41 - 9) / PICTURE for short, long in (peaks, outputs))
    assert 0.08 < handed <= grows < handed + 0.2, f"{grows:.2f} pictures a picture, of which {handed:.2f} are handed on"
