"""The bundled model in ComfyUI: a whole edit through the nodes, against the truth of its world."""

from __future__ import annotations

import folder_paths
import pytest
import torch
from conftest import pack
from test_nodes import run

toybox = pack("diffedit_core.toybox")
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
        mask, _ = run("DiffEditMask", model=model, latent=latent, **texts).args
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
