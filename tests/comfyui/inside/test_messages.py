"""Every family that ComfyUI has is served, or says by name that it is not; and what looks like a mistake is said."""

from __future__ import annotations

import collections
import inspect

import comfy.latent_formats
import comfy.ldm.audio.embedders
import comfy.model_base
import comfy.model_management as mm
import comfy.sampler_helpers
import comfy.samplers
import comfy.supported_models as supported_models
import folder_paths
import networks
import pytest
import tiny
import torch
from conftest import pack
from test_nodes import run

families = pack("diffedit_core.hosts.comfyui.families")
fitting = pack("diffedit_core.hosts.comfyui.fitting")
guider = pack("diffedit_core.hosts.comfyui.guider")
latents = pack("diffedit_core.hosts.comfyui.latents")
remarks = pack("diffedit_core.hosts.comfyui.remarks").remarks
SamplingProcess = pack("diffedit_core.hosts.comfyui.noise").SamplingProcess

FORMATS = {
    name: made
    for name, made in vars(comfy.latent_formats).items()
    if inspect.isclass(made) and issubclass(made, comfy.latent_formats.LatentFormat)
}
PIXELS = {
    **dict.fromkeys(["SD15", "SDXL", "SDXL_Playground_2_5", "SD3", "Flux", "Mochi", "HunyuanVideo", "Wan21"], 8),
    **{"Cosmos1CV8x8x8": 8, "LTXV": 32, "LTXAV": 32, "Flux2": 16, "HunyuanVideo15": 16, "Wan22": 16},
    **{"HunyuanImage21": 32, "SC_Prior": 42, "SC_B": 4, "ChromaRadiance": 1, "ZImagePixelSpace": 1},
    **{"HiDreamO1Pixel": 1, "PixelDiTPixel": 1},
}
"""Of a cell's side, as each model's paper has it."""

PICTURES = {"Wan21": 4, "Wan22": 4, "HunyuanVideo": 4, "HunyuanVideo15": 4, "Mochi": 6, "LTXV": 8, "LTXAV": 8}
PICTURES |= {"Cosmos1CV8x8x8": 8}

NOT_SERVED = {"LatentFormat", "SD_X4", "StableAudio1", "StableAudio3", "ACEAudio", "ACEAudio15", "MiniMaxMusic3"}
NOT_SERVED |= {"Hunyuan3Dv2", "Hunyuan3Dv2_1", "Hunyuan3Dv2mini", "Trellis2", "Trellis2SLAT", "Trellis2ShapeSLAT"}
NOT_SERVED |= {"Trellis2TexSLAT", "TripoSplat", "MiniMaxH3Video", "MiniMaxH3AV", "CogVideoX", "CogVideoX1_5"}
NOT_SERVED |= {"SeedVR2", "HunyuanImage21Refiner"}

OTHER_NOISE = {"Lotus", "WAN21_FlowRVS"}
"""Refused for their noise, whatever they are called."""

STILLS = ["QwenImage", "Krea2", "Anima", "JoyImage", "CosmosT2IPredict2"]


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))


def with_format(name):
    model = tiny.model().clone()
    model.add_object_patch("latent_format", FORMATS[name]())
    return model


def test_every_latent_format_is_known_here():
    assert set(FORMATS) <= set(PIXELS) | NOT_SERVED


@pytest.mark.parametrize("name", sorted(set(FORMATS) & set(PIXELS)))
def test_pixels_a_cell_of_every_latent_format(name):
    assert families.cell_pixels(with_format(name)) == PIXELS[name]
    assert families.cell_pictures(with_format(name)) == PICTURES.get(name, 1)
    if hasattr(FORMATS[name], "temporal_downscale_ratio"):  # a version that says all of it, and rightly
        assert FORMATS[name].spacial_downscale_ratio == PIXELS[name]
        assert FORMATS[name].temporal_downscale_ratio == PICTURES.get(name, 1)


@pytest.mark.parametrize("name", sorted({"LTXV", "LTXAV", "Wan22", "SC_Prior", "SC_B"} & set(FORMATS)))
def test_what_a_latent_format_of_0_11_0_says_wrongly_is_not_believed(name, monkeypatch):
    """There these five have the base class's 8."""
    monkeypatch.setattr(FORMATS[name], "spacial_downscale_ratio", 8, raising=False)
    assert families.cell_pixels(with_format(name)) == PIXELS[name]


@pytest.mark.parametrize(
    "name", sorted(set(FORMATS) & {name for name in PIXELS if PIXELS[name] != 8 or name in PICTURES})
)
def test_older_latent_formats_say_nothing(name, monkeypatch):
    for each in FORMATS[name].__mro__:
        for said in ("spacial_downscale_ratio", "temporal_downscale_ratio"):
            if said in vars(each):
                monkeypatch.delattr(each, said)
    assert families.cell_pixels(with_format(name)) == PIXELS[name]
    assert families.cell_pictures(with_format(name)) == PICTURES.get(name, 1)


# ComfyUI's own model classes, without their networks.


def weights():
    """What three of them want to load beside their networks."""
    seconds = comfy.ldm.audio.embedders.NumberConditioner(768).state_dict()
    starts = [f"conditioner.conditioners.seconds_{name}." for name in ("start", "total")]
    found = {start + key: value for start in starts for key, value in seconds.items()}
    return found | {"cc_projection.weight": torch.zeros(768, 772), "cc_projection.bias": torch.zeros(768)}


def shell(kind):
    config = {"in_channels": 4, "hidden_size": 3072, **kind.unet_config, "timestep_features_type": "learned"}
    if kind is supported_models.Stable_Zero123:  # asks its network for its dtype
        config = {**networks.UNET, "in_channels": 8}
    else:
        config["disable_unet_model_creation"] = True
    made = kind({**config, "dtype": torch.float32})
    return tiny.patcher(made.get_model(weights(), device=torch.device("cpu")))


SHELLED = [kind for kind in supported_models.models if not kind.__name__.startswith("Stable_Cascade")]


@pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning")  # its upscaler's own
@pytest.mark.parametrize("kind", SHELLED, ids=lambda kind: kind.__name__)
def test_a_family_is_served_or_named(kind):
    model = shell(kind)
    name = type(model.get_model_object("latent_format")).__name__
    refused = any(each.__name__ in families.REFUSED for each in type(model.model).__mro__)
    assert name in (NOT_SERVED if refused and name not in PIXELS else PIXELS)
    if refused:
        with pytest.raises(ValueError, match=r"^\S.* is not supported: .*; use a model that makes pictures or clips"):
            latents.samples_of(model, {"samples": torch.randn(1, 16, 2, 8, 8)})
    elif type(model.model).__name__ in OTHER_NOISE:
        with pytest.raises(ValueError, match=r"this model's noise .* is not supported"):
            SamplingProcess.of(model)
    else:
        SamplingProcess.of(model)


def test_every_name_that_is_refused_is_a_class_of_comfyui():
    """Of the newest; an older one has fewer."""
    known = set(vars(comfy.model_base))
    if "MiniMaxH3" in known:
        assert set(families.REFUSED) | set(families.STILLS) <= known


def test_minimax_is_refused_by_name_whatever_latent_it_gets():
    """Its picture's latent alone was refused with the advice to use its VAE, which had made it."""
    kinds = {kind.__name__: kind for kind in SHELLED}
    if "MiniMaxH3" not in kinds:
        pytest.skip("MiniMax H3 came later")
    nested = comfy.nested_tensor.NestedTensor([torch.randn(1, 24, 2, 4, 4), torch.randn(1, 32, 2, 9)])
    for samples in (torch.randn(1, 24, 2, 4, 4), nested):
        with pytest.raises(ValueError, match=r"^MiniMax H3 is not supported: it makes picture and sound together"):
            latents.samples_of(shell(kinds["MiniMaxH3"]), {"samples": samples})


# Several pictures as one clip.


@pytest.mark.parametrize("kind", [kind for kind in SHELLED if kind.__name__ in STILLS], ids=lambda kind: kind.__name__)
def test_a_clip_for_a_model_of_stills_is_remarked_on(kind):
    clip, one = ({"samples": torch.randn(1, 16, frames, 8, 8)} for frames in (3, 1))
    (said,) = remarks(shell(kind), clip)
    assert "one clip of 3 latent frames" in said and "Rebatch Images" in said
    assert remarks(shell(kind), one) == remarks(shell(kind), {"samples": one["samples"][:, :, 0]}) == ()


@pytest.mark.parametrize("name", ["WAN21_T2V", "CosmosI2VPredict2", "HunyuanVideo"])
def test_a_clip_for_a_model_of_clips_is_not(name):
    clip = {"samples": torch.randn(1, 16, 3, 8, 8)}
    assert remarks(shell(getattr(supported_models, name)), clip) == ()


def said_by(output):
    shown = output.ui if isinstance(output.ui, dict) else output.ui.as_dict()
    return shown["text"][0].splitlines()


def test_the_nodes_say_it():
    clip = {"samples": torch.randn(1, 16, 3, 8, 8, generator=torch.Generator().manual_seed(0))}
    model = tiny.model("cosmos_predict2")
    texts = {"source": tiny.text("a cat"), "target": tiny.text("a dog")}
    for name in ("DiffEditMask", "FastMask"):
        said = said_by(run(name, model=model, latent=clip, draws=2, **texts))
        assert len(said) == 2 and "Rebatch Images" in said[1]
    given = {"model": model, "conditioning": tiny.text(""), "steps": 2, "check": True}
    said = said_by(run("DDIMInvert", latent=clip, **given))
    assert "round trip" in said[0] and "Rebatch Images" in said[1]
    one = {"samples": clip["samples"][:, :, :1]}
    assert "Rebatch" not in str(said_by(run("DDIMInvert", latent=one, **given)))
    assert run("DDIMInvert", latent=one, **{**given, "check": False}).ui is None


# Reference pictures of edit models.


def reference(seed):
    return [torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(seed))]


@pytest.mark.parametrize(
    ("source", "target", "same"),
    [
        (None, None, True),
        (reference(0), reference(0), True),
        (reference(0), [1.001 * reference(0)[0]], True),  # encoded twice
        (None, reference(0), False),
        (reference(0), None, False),
        (reference(0), reference(1), False),
        (reference(0), [reference(0)[0][..., :2]], False),
        (reference(0), reference(0) + reference(1), False),
    ],
)
def test_references_that_differ_are_remarked_on(source, target, same):
    texts = [tiny.text(words, "flux", reference_latents=each) for words, each in (("a", source), ("b", target))]
    said = remarks(tiny.model("flux"), tiny.latent("flux"), *texts, None)
    assert len(said) == (0 if same else 1) and all("give every text the same ones" in each for each in said)
    assert remarks(tiny.model("flux"), tiny.latent("flux"), texts[0], texts[0], texts[1]) == said


@pytest.mark.parametrize("name", ["DiffEditMask", "FastMask"])
def test_a_reference_on_one_text_is_said_on_the_node(name):
    plain = tiny.text("a cat", "flux")
    for refs, count in ((reference(0), 2), (None, 1)):
        target = tiny.text("a dog", "flux", reference_latents=refs)
        given = {"model": tiny.model("flux"), "latent": tiny.latent("flux"), "source": plain, "target": target}
        said = said_by(run(name, draws=2, **given))
        assert len(said) == count
        assert count == 1 or "different reference pictures" in said[1]


# Draws that fit into memory.


def processed(model, **options):
    """Two texts as they are when a sampler runs."""
    texts = {key: tiny.text(key, "flux", **options) for key in ("source", "positive")}
    conds = {key: comfy.sampler_helpers.convert_cond(text) for key, text in texts.items()}
    x = tiny.latent("flux", 2)["samples"]
    return list(comfy.samplers.process_conds(model, x, conds, torch.device("cpu")).values())


def as_comfyui_counts(inner, texts, rows):
    """The memory for one pass of both texts."""
    shapes = collections.defaultdict(list)
    for (cond,) in texts:
        for key, value in cond["model_conds"].items():
            shapes[key].append(value.process_cond(batch_size=rows, area=None).size())
    return 1.5 * inner.memory_required([2 * rows, 16, 8, 8], cond_shapes=shapes)


def test_references_take_memory_from_draws(monkeypatch):
    inner, elsewhere = tiny.model("flux").model, torch.zeros(2, 16, 8, 8, device="meta")
    free = as_comfyui_counts(inner, processed(inner), 2 * 7)
    monkeypatch.setattr(mm, "get_free_memory", lambda device=None: free)
    found = []
    for options in ({}, {"reference_latents": [*reference(0), torch.zeros(1, 16, 8, 8)]}):
        texts = processed(inner, **options)
        draws = fitting.draws_that_fit(inner, texts, elsewhere, 10)
        assert as_comfyui_counts(inner, texts, 2 * draws) <= free < as_comfyui_counts(inner, texts, 2 * (draws + 1))
        found.append(draws)
    assert found == [7, 3]


def test_the_models_own_word_on_free_memory_counts(monkeypatch):
    """Since 0.12 it knows what weights it could give back."""
    model, elsewhere = tiny.model(), torch.zeros(1, 4, 8, 8, device="meta")
    monkeypatch.setattr(mm, "get_free_memory", lambda device=None: 0)
    model.pre_run()
    assert fitting.draws_that_fit(model.model, (), elsewhere, 10) == 1
    monkeypatch.setattr(type(model), "get_free_memory", lambda self, device: 10**15, raising=False)
    assert fitting.draws_that_fit(model.model, (), elsewhere, 10) == 10


def test_the_texts_of_the_contrast_are_those_that_are_counted(monkeypatch):
    asked = []
    monkeypatch.setattr(guider, "draws_that_fit", lambda model, texts, x0, draws: asked.append(texts) or 1)
    refs = {"reference_latents": reference(0)}
    texts = {"source": tiny.text("a cat", "flux", **refs), "target": tiny.text("a dog", "flux", **refs)}
    run(
        "DiffEditMask", model=tiny.model("flux"), latent=tiny.latent("flux"), draws=2, **texts, negative=texts["source"]
    )
    (found,) = asked
    assert len(found) == 2 and all("ref_latents" in cond["model_conds"] for text in found for cond in text)
