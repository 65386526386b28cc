"""The same weights in ComfyUI and in diffusers: the two hosts give the same heatmaps, trajectories and edits."""

from __future__ import annotations

import comfy.model_sampling
import pytest
import torch
from conftest import made_with_diffusers, pack

demo = pack("diffedit_core.hosts.comfyui.demo")
toybox = pack("diffedit_core.toybox")
host = pack("diffedit_core.hosts.comfyui.stages")
redrawing = pack("diffedit_core.hosts.comfyui.redrawing")
WireEdit = redrawing.WireEdit
settings = pack("diffedit_core.settings")

SOURCE, TARGET = "a red circle on a wooden table, and a star", "a blue square on a wooden table, and a star"
SCALE = 0.18215  # SD1.5's: the core's latents in a diffusers host are in these units


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pipeline's folder with reference.pt, made where diffusers is."""
    made = tmp_path_factory.mktemp("reference")
    made_with_diffusers("reference.py", made)
    return made


@pytest.fixture(scope="module")
def loaded(folder):
    with torch.inference_mode():
        return demo.demo_model(folder)


@pytest.fixture(params=["epsilon", "v_prediction"])
def case(request, folder, loaded):
    """(MODEL, reference) for either prediction; the network is one, and only what its output means differs."""
    reference = torch.load(folder / "reference.pt")

    class Sampling(comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.V_PREDICTION):
        pass

    model = loaded[0].clone()
    if request.param == "v_prediction":
        model.add_object_patch("model_sampling", Sampling(model.model.model_config))
    return model, reference[request.param]


def text(clip, words):
    return clip.encode_from_tokens_scheduled(clip.tokenize(words))


def test_text_encoder_and_autoencoder(loaded, folder):
    _, clip, vae = loaded
    reference = torch.load(folder / "reference.pt")
    expected = reference["epsilon"]
    torch.testing.assert_close(text(clip, SOURCE)[0][0], expected["text"], rtol=0, atol=1e-4)
    torch.testing.assert_close(vae.encode(reference["picture"]) * SCALE, expected["latent"], rtol=0, atol=1e-4)
    torch.testing.assert_close(vae.decode(expected["latent"] / SCALE), expected["decoded"], rtol=0, atol=1e-4)


def test_heatmaps(case, loaded):
    model, expected = case
    how = settings.ContrastSettings(draws=4, statistic="mean_abs", paired=False, sure=1)
    latent = {"samples": expected["latent"] / SCALE}
    texts = (text(loaded[1], SOURCE), text(loaded[1], TARGET))
    heatmap = host.find_mask(model, latent, *texts, how=how, cut=settings.CutSettings(), seed=3).heatmap
    assert float(expected["heatmap"].std()) > 5e-3  # there is something to agree on
    size = heatmap.shape[-2:]
    fitted = pack("diffedit_core.masks").fit(expected["heatmap"], size)
    torch.testing.assert_close(heatmap, fitted, rtol=0, atol=1e-4)


def test_trajectories_and_edits(case, loaded):
    model, expected = case
    latent = {"samples": expected["latent"] / SCALE}
    source, target, empty = (text(loaded[1], words) for words in (SOURCE, TARGET, ""))
    how = settings.InversionSettings(steps=20, strength=0.6, iterations=1)
    inverted, _, _ = host.invert_picture(model, latent, source, how=how)
    torch.testing.assert_close(torch.tensor(inverted.sigmas), torch.tensor(expected["sigmas"]))
    whole = inverted.above(model.get_model_object("process_latent_in")(inverted.picture["samples"]))
    torch.testing.assert_close(whole.latents, expected["trajectory"], rtol=1e-4, atol=1e-4)
    mask = (torch.arange(128) < 64).float().expand(1, 128, 128)
    edit = settings.DecodingSettings(guidance=3.0, guided_above=0, tries=3, greys="none")
    edits = [WireEdit(mask, target, empty, source)]
    edited = redrawing.masked_denoise(model, inverted, edits, how=edit, seed=3)[0]["samples"]
    torch.testing.assert_close(edited * SCALE, expected["edited"], rtol=1e-4, atol=3e-4)


@pytest.mark.parametrize(("name", "kind", "drafts"), [("look", "auto", 0), ("added", "addition", 2)])
def test_looks_and_drafts(case, loaded, name, kind, drafts):
    """What was found in the picture, and in the better of two drafts of it."""
    model, expected = case[0], case[1][name]
    latent = {"samples": case[1]["latent"] / SCALE}
    texts = (text(loaded[1], SOURCE), text(loaded[1], TARGET))
    how = settings.ContrastSettings(draws=4, guidance=3.0, kind=kind, drafts=drafts)
    given = {"how": how, "cut": settings.CutSettings(), "seed": 3, "negative": text(loaded[1], "")}
    found = host.find_mask(model, latent, *texts, **given)
    assert found.kinds == expected["kinds"]
    torch.testing.assert_close(found.agreement, expected["agreement"], rtol=0, atol=1e-4)
    fitted = pack("diffedit_core.masks").fit(expected["heatmap"], found.heatmap.shape[-2:])
    torch.testing.assert_close(found.heatmap, fitted, rtol=0, atol=3e-4)
    if drafts:
        draft = found.draft["samples"] * SCALE
        assert not draft.isclose(case[1]["latent"], atol=0.01).all()
        torch.testing.assert_close(draft, expected["draft"], rtol=1e-4, atol=1e-3)
    else:
        assert found.draft["samples"].equal(latent["samples"])


def test_edits_that_go_on_from_a_draft(case, loaded):
    model, expected = case
    latent, draft = ({"samples": each / SCALE} for each in (expected["latent"], expected["added"]["draft"]))
    source, target, empty = (text(loaded[1], words) for words in (SOURCE, TARGET, ""))
    how = settings.InversionSettings(steps=20, strength=0.6, iterations=1)
    inverted, _, _ = host.invert_picture(model, latent, source, how=how)
    mask = (torch.arange(128) < 64).float().expand(1, 128, 128)
    edit = settings.DecodingSettings(guidance=3.0, tries=3, greys="none")
    edits = [WireEdit(mask, target, empty, source, draft)]
    edited = redrawing.masked_denoise(model, inverted, edits, how=edit, seed=3)[0]["samples"]
    torch.testing.assert_close(edited * SCALE, expected["gone on"], rtol=1e-4, atol=3e-4)
    assert not expected["gone on"].isclose(expected["edited"], atol=0.01).all()


def test_an_installation_without_the_model_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(toybox, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match=r"demo model is not part of .*install this package again"):
        demo.demo_model()
