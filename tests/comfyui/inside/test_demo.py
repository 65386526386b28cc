"""The bundled model in ComfyUI: a whole edit through the nodes, against the truth of its world."""

from __future__ import annotations

import folder_paths
import pytest
import torch
from conftest import pack
from test_nodes import run

toybox, painting = pack("diffedit_core.toybox"), pack("diffedit_core.toybox.painting")
EDIT = pack("diffedit_core.settings").EditSettings()
SEEDS = (10_001, 10_002, 10_003)

pytestmark = pytest.mark.skipif(
    not (toybox.WEIGHTS / "model_index.json").exists(),
    reason="the bundled weights are not there; make them: make train",
)


@pytest.fixture(scope="module")
def loaded():
    with torch.inference_mode():
        return run("DemoModel").args


def encoded(clip, words):
    return clip.encode_from_tokens_scheduled(clip.tokenize(words))


def test_an_edit_finds_its_region_and_changes_nothing_else(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    model, clip, vae = loaded
    overlaps = []
    for seed in SEEDS:
        picture, source, target, region, _ = run("DemoScene", seed=seed, kind="colour").args
        latent = {"samples": vae.encode(picture)}
        texts = {"source": encoded(clip, source), "target": encoded(clip, target)}
        found = run("DiffEditMask", model=model, latent=latent, **texts)
        mask = found[0]
        assert ": one place changes (" in found.ui["text"][0] and found[2]["samples"].equal(latent["samples"])
        assert mask.shape == region.shape
        both, either = (mask * (region > 0.5)).sum(), ((mask + (region > 0.5)) > 0).sum()
        overlaps.append(float(both / either))
        empty = encoded(clip, "")
        trajectory, _, _ = run("DDIMInvert", model=model, latent=latent, conditioning=empty).args
        given = {"target": texts["target"], "negative": empty}
        edited = run("MaskedDenoise", model=model, trajectory=trajectory, mask=mask, **given)[0]
        pasted = run("PasteBack", original=picture, edited=vae.decode(edited["samples"]), mask=mask)[0]
        assert pasted[mask == 0].equal(picture[mask == 0])
        assert not pasted[mask > 0].isclose(picture[mask > 0], atol=0.05).all()
    assert sum(overlaps) / len(overlaps) > 0.3, overlaps


@pytest.mark.parametrize(("kind", "said"), [("addition", "the two texts do not say where"), ("ground", "a large area")])
def test_the_demo_graph_node_by_node(loaded, tmp_path, monkeypatch, kind, said):
    """What it is wired for: a thing is added where a draft has a place for it, and a ground changes as a whole."""
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    model, clip, vae = loaded
    successes = 0
    for seed in SEEDS:
        picture, source, target, *_ = run("DemoScene", seed=seed, kind=kind).args
        latent = {"samples": vae.encode(picture)}
        source, target, empty = (encoded(clip, words) for words in (source, target, ""))
        texts = {"source": source, "target": target, "negative": empty}
        found = run("DiffEditMask", model=model, latent=latent, **texts)
        is_said, is_drafted = said in found.ui["text"][0], not found[2]["samples"].equal(latent["samples"])
        assert is_drafted == ("do not say where" in found.ui["text"][0])
        seen = vae.decode(found[2]["samples"])
        mask = run("MaskRefine", mask=found[1], rule="auto", edge_snap="grabcut", picture=seen)[0]
        trajectory = run("DDIMInvert", model=model, latent=latent, conditioning=empty)[0]
        edited = run("MaskedDenoise", model=model, trajectory=trajectory, mask=mask, draft=found[2], **texts)[0]
        decoded = vae.decode(edited["samples"])
        pasted = run("PasteBack", original=picture, edited=decoded, mask=mask, room=EDIT.room)[0]
        assert pasted.isfinite().all() and not pasted.isclose(picture, atol=0.05).all()
        roomy = run("MaskRefine", mask=mask, grow=EDIT.room + 1)[0]
        if mask.mean() < 0.5:
            assert pasted[roomy == 0].equal(picture[roomy == 0])
        asked = toybox.task(toybox.HELD_OUT_SEEDS[seed % len(toybox.HELD_OUT_SEEDS)], kind)
        successes += is_said and toybox.judge(asked, (pasted[0] * 255).round().byte().numpy())
    assert successes >= 2


def test_a_scene_leaves_nothing_behind_in_the_server():
    for seed in SEEDS:
        run("DemoScene", seed=seed, kind="shape")
    for remembers in (painting.make_stamp, painting.ground_picture):
        assert remembers.cache_info().currsize == 0
