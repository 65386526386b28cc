"""Several edits of one picture, chained: each as if it were the only one, in every family."""

from __future__ import annotations

from dataclasses import replace

import folder_paths
import pytest
import tiny
import torch
from conftest import pack
from test_focusing import AREA, box, picture
from test_host import ALL, CLIMB, EDIT, RULE
from test_nodes import run

focusing = pack("diffedit_core.hosts.comfyui.focusing")
host = pack("diffedit_core.hosts.comfyui.stages")
redrawing = pack("diffedit_core.hosts.comfyui.redrawing")
settings = pack("diffedit_core.settings")
WireEdit = redrawing.WireEdit

SIZE = 64
LEFT, RIGHT = ((torch.arange(SIZE) // 16 == column).float().expand(1, SIZE, SIZE) for column in (0, 3))
OVER_LEFT = (torch.arange(SIZE) < 32).float().expand(1, SIZE, SIZE)


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))


def asked(mask, words, family="sd15", negative="", **more):
    return WireEdit(mask, tiny.text(words, family), tiny.text(negative, family), **more)


def climbed(model, family="sd15", batch=1):
    latent = tiny.latent(family, batch=batch)
    return host.invert_picture(model, latent, tiny.text("", family), how=CLIMB)[0], latent["samples"]


def drawn(model, trajectory, *edits, how=EDIT, seed=0, room=0):
    return redrawing.masked_denoise(model, trajectory, edits, how=how, seed=seed, room=room)[0]["samples"]


@pytest.mark.parametrize("family", ALL)
def test_each_edit_is_drawn_as_if_it_were_the_only_one(family):
    model = tiny.model(family)
    trajectory, samples = climbed(model, family)
    first, second = asked(LEFT, "a dog", family), asked(RIGHT, "a cow", family)
    both, one, other = (drawn(model, trajectory, *edits) for edits in ((first, second), (first,), (second,)))
    half = samples.shape[-1] // 2
    assert both[..., :half].equal(one[..., :half]) and both[..., half:].equal(other[..., half:])
    assert not one.equal(samples) and not other.equal(samples)
    quarter = samples.shape[-1] // 4
    assert both[..., quarter : 3 * quarter].equal(samples[..., quarter : 3 * quarter])


def test_an_edit_with_an_empty_mask_changes_nothing_for_the_others_and_nor_does_the_order():
    model = tiny.model()
    trajectory, _ = climbed(model, batch=2)
    edits = [asked(LEFT, "a dog"), asked(0 * LEFT, "a horse"), asked(RIGHT, "a cow")]
    all_of_them = drawn(model, trajectory, *edits)
    assert all_of_them.equal(drawn(model, trajectory, edits[0], edits[2]))
    assert all_of_them.equal(drawn(model, trajectory, *reversed(edits)))


def test_an_edit_has_its_own_guidance_negative_text_and_draft():
    model = tiny.model()
    trajectory, samples = climbed(model)
    other, there = asked(RIGHT, "a cow"), LEFT.bool()[:, ::8, ::8].expand_as(samples)
    plain = drawn(model, trajectory, other, asked(LEFT, "a dog"))
    latent = tiny.latent()
    found = host.find_mask(
        model,
        latent,
        tiny.text("a cat"),
        tiny.text("a dog"),
        how=settings.ContrastSettings(draws=2, kind="addition", drafts=1, guidance=3.0),
        cut=RULE,
        seed=0,
        negative=tiny.text(""),
    )
    for own in (
        asked(LEFT, "a dog", guidance=6.0),
        asked(LEFT, "a dog", negative="blurred"),
        asked(LEFT, "a dog", draft=found.draft),
    ):
        turned = drawn(model, trajectory, other, own)
        assert not turned[there].isclose(plain[there]).all()
        assert turned[~there].equal(plain[~there])
        assert turned[there].equal(drawn(model, trajectory, own)[there])
    as_the_node_says = drawn(model, trajectory, other, asked(LEFT, "a dog", guidance=EDIT.guidance))
    assert as_the_node_says.equal(plain)


@pytest.mark.parametrize("overlap", ["stronger", "shared"])
def test_where_masks_meet_the_stronger_heat_decides_or_they_are_mixed(overlap):
    model, how = tiny.model(), replace(EDIT, overlap=overlap)
    trajectory, _ = climbed(model)
    weak, strong = (
        asked(mask, words, heatmap=heat * torch.ones_like(mask))
        for mask, words, heat in ((LEFT, "a dog", 0.5), (OVER_LEFT, "a cow", 0.6))
    )
    one, other = (drawn(model, trajectory, edit, how=how)[..., :2] for edit in (weak, strong))
    both = drawn(model, trajectory, weak, strong, how=how)[..., :2]
    if overlap == "stronger":
        assert both.equal(other) and not both.isclose(one).all()
    else:
        torch.testing.assert_close(both, (one + other) / 2)
    unknown = drawn(model, trajectory, replace(weak, heatmap=None), strong, how=how)[..., :2]
    torch.testing.assert_close(unknown, (one + other) / 2)  # without both heatmaps nobody is stronger


def test_the_nodes_chain_and_hand_on_all_masks_in_one():
    model, texts = tiny.model(), {words: tiny.text(words) for words in ("a dog", "a cow", "")}
    trajectory, _ = climbed(model)
    (second,) = run("Edit", mask=RIGHT, target=texts["a cow"]).args
    (both,) = run("Edit", mask=0 * RIGHT, target=texts["a cow"], edits=second, guidance=2.0).args
    assert [each.guidance for each in both] == [None, 2.0] and both[0] is second[0]
    given = {"model": model, "trajectory": trajectory, "mask": LEFT, "target": texts["a dog"], "room": 0}
    edited, masks = run("MaskedDenoise", **given, negative=texts[""], edits=both).args
    assert masks.equal(torch.maximum(LEFT, RIGHT))
    how = settings.DecodingSettings()
    by_hand = drawn(model, trajectory, asked(LEFT, "a dog"), asked(RIGHT, "a cow"), how=how)  # one negative for all
    assert edited["samples"].equal(by_hand)
    alone, its_mask = run("MaskedDenoise", **given, negative=texts[""]).args
    assert its_mask.equal(LEFT) and not alone["samples"].equal(edited["samples"])


def test_masks_that_cannot_belong_to_one_picture_are_refused():
    model = tiny.model()
    trajectory, _ = climbed(model)
    with pytest.raises(ValueError, match="64x64 and 32x32; make all of them from one picture"):
        drawn(model, trajectory, asked(LEFT, "a dog"), asked(RIGHT[:, ::2, ::2], "a cow"))
    with pytest.raises(ValueError, match="3 masks and 2 masks of another edit"):
        masks = LEFT.expand(2, -1, -1), RIGHT.expand(3, -1, -1)
        drawn(model, trajectory, *(asked(mask, "a dog") for mask in masks))


def test_focus_cuts_out_all_edits_together():
    shown, model = picture(300, 400), tiny.model()
    near, far = box(300, 400, (20, 20, 60, 60)), box(300, 400, (200, 300, 240, 340))
    second = (asked(far, "a cow", heatmap=far), asked(0 * far, "a horse"))
    given = {"picture": shown, "model": model, "area": AREA, "cut_outs": "one a picture", "mask": near, "edits": second}
    cut_out, mask, way_back, _, edits = run("Focus", **given).args
    (view,) = way_back.views
    assert view.top <= 20 and view.left <= 20 and view.top + view.height >= 240 and view.left + view.width >= 340
    assert cut_out.shape[1:3] == mask.shape[1:] == edits[0].mask.shape[1:] == view.size
    assert edits[0].heatmap is None and edits[1].mask.max() == 0
    for cut, whole in ((mask, near), (edits[0].mask, far)):
        assert (view.mask_back(cut) - whole[view.box]).abs().mean() < 0.02
    assert run("Focus", **{**given, "picture": shown[:, :64, :64], "mask": LEFT, "edits": ()}).args[4] == ()
    whole = {key: value for key, value in given.items() if key != "mask"}
    assert run("Focus", **whole).args[4] == second  # no mask, no cut-out


def test_what_the_edit_must_not_touch_leaves_the_mask():
    model, latent = tiny.model(), tiny.latent()
    texts = {"source": tiny.text("a cat"), "target": tiny.text("a dog")}
    given = {"model": model, "latent": latent, **texts, "kind": "object", "draws": 2}
    mask, heatmap, _ = run("DiffEditMask", **given).args
    spared, same_heat, _ = run("DiffEditMask", **given, keep=tiny.text("a hat")).args
    assert same_heat.equal(heatmap) and (spared <= mask).all() and 0 < spared.sum() < mask.sum()
    everything, _, _ = run("DiffEditMask", **given, keep=tiny.text("a cat")).args  # the source text itself
    assert everything.max() == 0
