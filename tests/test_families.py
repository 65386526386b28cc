"""Every family beside its own pipeline, on the same weights, latents and texts, and then whole edits."""

from __future__ import annotations

import logging
import math

import families
import pytest
import torch
from families import WIDTH
from pipelines import random_pipeline
from worlds import standard_normal

from diffedit_core import Edit, edit, find_mask
from diffedit_core.focus import Focus
from diffedit_core.host import seeing
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.hosts.diffusers.controls import CONTROLS, canny
from diffedit_core.pictures import to_pil
from diffedit_core.settings import (
    FASTDIFFEDIT,
    ContrastSettings,
    CutSettings,
    DecodingSettings,
    EditSettings,
    InversionSettings,
    MaskSettings,
)
from diffedit_core.solvers import step
from diffedit_core.strength import schedule

TEXT, OTHER = "a bowl of apples", "a bowl of pears"
STEPS, SCALE = 8, 0.7
PICTURE = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(0))
HOLE = torch.zeros(1, 128, 128)
HOLE[:, 32:96, 48:128] = 1

UNETS = ["inpainting", "depth", "controlled", "sdxl", "sdxl_inpainting", "sdxl_controlled"]
FLOWS = ["sd3", "flux"]
EVERY = [*UNETS, *FLOWS]
QUICK = EditSettings(
    MaskSettings(ContrastSettings(draws=2, kind="object"), CutSettings("top", 0.2)),
    InversionSettings(steps=4, strength=0.75),
    DecodingSettings(tries=1),
)


@pytest.fixture(scope="module")
def hosts():
    """Each with its pipeline, made when it is first asked for."""
    made = {}

    def host(name: str) -> DiffusersHost:
        if name not in made:
            control = {"control": "canny", "control_scale": SCALE} if "controlled" in name else {}
            made[name] = DiffusersHost(getattr(families, name)(), **control)
        return made[name]

    return host


def latents_of(pipe, **given) -> list[torch.Tensor]:
    """Those after each step of the pipeline itself."""
    seen = []
    pipe(
        TEXT,
        num_inference_steps=STEPS,
        output_type="latent",
        callback_on_step_end=lambda pipe, i, t, state: [seen.append(state["latents"].clone()), {}][1],
        **given,
    )
    return seen


def unet_latents(name: str, pipe, host: DiffusersHost, guidance: float) -> list[torch.Tensor]:
    noise = {"latents": standard_normal(1, 4, 16, 16, dtype=torch.float32)}
    picture, hole = to_pil(PICTURE), to_pil(HOLE)
    size = {"height": 128, "width": 128}
    if "inpainting" in name:  # theirs draws a sample of what is outside the hole; given ours, it does not
        rest = host.look(PICTURE, HOLE)["channels"][:, 1:]
        filled = {"image": picture, "mask_image": hole, "masked_image_latents": rest, "strength": 1.0}
        return latents_of(pipe, guidance_scale=guidance, **filled, **noise, **size)
    if "controlled" in name:
        shown = {"image": to_pil(canny(PICTURE)), "controlnet_conditioning_scale": SCALE}
        return latents_of(pipe, guidance_scale=guidance, **shown, **noise)
    if name == "depth":
        draw = torch.Generator().manual_seed(0)
        return latents_of(pipe, guidance_scale=guidance, image=picture, strength=1.0, generator=draw)
    return latents_of(pipe, guidance_scale=guidance, **noise, **size)


@pytest.mark.filterwarnings("ignore:In CPU autocast")
@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("name", UNETS)
def test_the_way_down_is_the_pipelines_own(hosts, name, guidance):
    """From after the first step. diffusers keeps latents at the variance of the data, and ends at its lowest level."""
    host = hosts(name)
    theirs = unet_latents(name, host.pipe, host, guidance)
    falling = [*reversed(schedule(host.process, STEPS)[1:]), host.process.table[0]][1:]
    mask = HOLE if "inpainting" in name else None
    denoise = seeing(host.bind({"target": TEXT}), PICTURE, mask).denoiser("target", guidance)
    x = theirs[0] * math.sqrt(1 + falling[0] ** 2)
    for i in range(STEPS - 1):
        x = step(x, denoise(x, falling[i]), falling[i], falling[i + 1])
        torch.testing.assert_close(x / math.sqrt(1 + falling[i + 1] ** 2), theirs[i + 1], rtol=1e-4, atol=1e-4)
    assert len(theirs) == STEPS and not theirs[-1].isclose(theirs[0], atol=0.1).all()


def test_v_prediction_of_sdxl_is_the_pipelines_own():
    pipe = families.sdxl(prediction_type="v_prediction")
    host = DiffusersHost(pipe)
    theirs = unet_latents("sdxl", pipe, host, 1.0)
    falling = [*reversed(schedule(host.process, STEPS)[1:])]
    denoise, z = host.bind({"target": TEXT}).denoiser("target"), theirs[0]
    x = z * math.sqrt(1 + falling[1] ** 2)
    x = step(x, denoise(x, falling[1]), falling[1], falling[2])
    torch.testing.assert_close(x / math.sqrt(1 + falling[2] ** 2), theirs[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("guidance", [1.0, 3.5])
@pytest.mark.parametrize("name", ["sd3", "flux distilled", "flux"])
def test_the_way_down_of_a_flow_is_the_pipelines_own(name, guidance):
    pipe = {"sd3": families.sd3, "flux": lambda: families.flux(distilled=False)}.get(name, families.flux)()
    host = DiffusersHost(pipe)
    channels = host.network.autoencoder.channels
    noise = standard_normal(1, channels, 16, 16, dtype=torch.float32)
    if name == "sd3":
        theirs = latents_of(pipe, guidance_scale=guidance, latents=noise)
    else:
        guided = {"guidance_scale": guidance} if "distilled" in name else {"true_cfg_scale": guidance}
        guided |= {} if "distilled" in name else {"negative_prompt": ""}
        packed = latents_of(pipe, **guided, latents=pipe._pack_latents(noise, 1, channels, 16, 16))
        theirs = [pipe._unpack_latents(each, 128, 128, 8) for each in packed]
    falling = pipe.scheduler.sigmas.tolist()
    assert falling[0] == 1 and falling[-1] == 0
    denoise, x = host.bind({"target": TEXT}).denoiser("target", guidance), noise
    for i in range(STEPS):
        x = step(x, denoise(x, falling[i]), falling[i], falling[i + 1])
        torch.testing.assert_close(x, theirs[i], rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:In CPU autocast")
@pytest.mark.parametrize("name", EVERY)
def test_a_whole_edit_leaves_what_is_outside_to_the_pixel(hosts, name):
    host, picture = hosts(name), torch.rand(1, 100, 140, 3, generator=torch.Generator().manual_seed(1))
    done = edit(host, picture, Edit(TEXT, OTHER), how=QUICK, seed=3)
    outside = done.mask == 0
    assert 0.02 < float(done.mask.mean()) < 0.8
    assert torch.equal(done.picture[outside], picture[outside])
    assert not torch.equal(done.picture[~outside], picture[~outside])
    (look,) = done.looks
    assert look and look.heatmap.isfinite().all() and float(look.heatmap.std()) > 0
    assert look.heatmap.shape[-1] == -(-140 // host.multiple) * host.network.patch


@pytest.mark.filterwarnings("ignore:In CPU autocast")
@pytest.mark.parametrize("name", EVERY)
def test_several_edits_of_several_pictures_are_each_as_if_it_were_the_only_one(hosts, name, monkeypatch):
    """They go through the network together: what a row is shown must be its own picture and its own hole."""
    monkeypatch.setattr("diffedit_core.hosts.diffusers.BoundTexts.chunk", property(lambda self: 4))
    host, pictures = hosts(name), torch.cat([PICTURE, PICTURE.flip(1)])
    places = [HOLE, (1 - HOLE).cumsum(1).lt(16).float() * (1 - HOLE)]
    edits = [Edit(*texts, mask=place) for texts, place in zip([(TEXT, OTHER), ("a cat", "a dog")], places, strict=True)]
    how = EditSettings(
        inversion=QUICK.inversion,
        decoding=DecodingSettings(tries=1, greys="none"),
        focus=Focus(focus=False),
        seam="none",
    )
    latents, decode = [], host.decode
    monkeypatch.setattr(host, "decode", lambda latent: [latents.append(latent), decode(latent)][1])
    edit(host, pictures, edits, how=how, seed=3)
    for one in edits:
        edit(host, pictures, one, how=how, seed=3)
    together, *alone = latents
    for each, asked in zip(alone, edits, strict=True):
        cells = torch.nn.functional.max_pool2d(asked.mask[:, None], 8).bool().expand_as(together)
        torch.testing.assert_close(together[cells], each[cells], rtol=1e-3, atol=1e-3)
        assert not each[cells].isclose(alone[0 if each is alone[1] else 1][cells], atol=1e-2).all()


@pytest.mark.parametrize("name", ["sdxl", *FLOWS])
def test_several_wordings_are_averaged_and_embeddings_pass_through(hosts, name):
    host = hosts(name)
    one, other, both = host.embed(TEXT), host.embed("a cat"), host.embed([TEXT, "a cat"])
    for a, b, mean in zip(one, other, both, strict=True):
        assert len(a) == 1 and not torch.equal(a, b)
        torch.testing.assert_close(mean, (a + b) / 2, rtol=1e-4, atol=1e-5)
    assert all(map(torch.equal, host.embed(one), one))
    x = host.encode(PICTURE)
    by_embeddings = host.bind({"target": one}).denoiser("target")(x, 0.7)
    assert torch.equal(by_embeddings, host.bind({"target": TEXT}).denoiser("target")(x, 0.7))


def test_the_empty_text_of_sdxl_is_what_it_was_trained_with():
    hidden, pooled = DiffusersHost(families.sdxl()).embed("")
    assert hidden.shape == (1, 77, 2 * WIDTH) and pooled.shape == (1, WIDTH)
    assert not hidden.any() and not pooled.any()
    hidden, pooled = DiffusersHost(families.sdxl(zeros=False)).embed("")
    assert hidden.any() and pooled.any()


def test_sdxl_in_half_precision_keeps_its_autoencoder_in_float32():
    host = DiffusersHost(families.sdxl().to(torch.float16))
    assert host.pipe.unet.dtype == torch.float16 and host.pipe.vae.dtype == torch.float32
    assert DiffusersHost(random_pipeline().to(torch.float16)).pipe.vae.dtype == torch.float16


def test_an_autoencoder_with_means_and_deviations_is_undone():
    pipe = families.sdxl()
    units = {"latents_mean": [0.1, -0.2, 0.3, 0.4], "latents_std": [2.0, 3.0, 4.0, 5.0]}
    plain = DiffusersHost(pipe).encode(PICTURE)
    pipe.vae.register_to_config(**units)
    host = DiffusersHost(pipe)
    mean, std = (torch.tensor(each).view(1, 4, 1, 1) for each in units.values())
    expected = (plain / 0.13025 - mean) * 0.13025 / std
    torch.testing.assert_close(host.encode(PICTURE), expected)
    with torch.no_grad():
        pixels = pipe.vae.decode(expected * std / 0.13025 + mean).sample
    torch.testing.assert_close(host.decode(expected), (pixels.movedim(1, -1) / 2 + 0.5).clamp(0, 1))


def test_an_inpainting_model_is_shown_the_mask_and_the_rest_of_the_picture(hosts):
    host = hosts("inpainting")
    channels = host.look(PICTURE, HOLE)["channels"]
    assert torch.equal(channels[:, :1], torch.nn.functional.interpolate(HOLE[:, None], size=(16, 16)))
    grey = torch.where(HOLE[..., None] > 0, torch.tensor(0.5), PICTURE)
    torch.testing.assert_close(channels[:, 1:], host.encode(grey))
    unmasked = host.look(PICTURE, None)["channels"]
    assert unmasked[:, :1].eq(1).all()
    torch.testing.assert_close(unmasked[:, 1:], host.encode(torch.full_like(PICTURE, 0.5)))


def test_what_must_see_the_picture_says_so(hosts):
    with pytest.raises(ValueError, match="this model is shown the picture as well"):
        hosts("inpainting").bind({}).denoiser("target")(torch.zeros(1, 4, 16, 16), 1.0)


def test_an_inpainting_model_fills_the_mask_that_an_ordinary_model_found():
    """FastDiffEdit with its two models. The mask and the heatmap are the first one's alone."""
    finder, filler = random_pipeline(), families.inpainting()
    filler.vae = finder.vae
    alone, pair = DiffusersHost(finder), DiffusersHost(finder, filler=DiffusersHost(filler))
    asked = Edit(TEXT, OTHER)
    rows = []
    hooks = [
        pipe.unet.register_forward_pre_hook(lambda module, args: rows.append(args[0].shape[1]))
        for pipe in (finder, filler)
    ]
    found, look = find_mask(alone, PICTURE, asked, how=FASTDIFFEDIT.mask)
    rows.clear()
    done = edit(pair, PICTURE, asked, how=FASTDIFFEDIT)
    for hook in hooks:
        hook.remove()
    assert torch.equal(done.masks[0], found) and torch.equal(done.looks[0].heatmap, look.heatmap)
    assert rows == [4] * 20 + [9] * 14  # 20 draws of both texts, then 0.7 of 20 steps
    assert pair.evaluations == 20 * 2 + 14 * 2 and alone.evaluations == 20 * 2
    by_itself = edit(DiffusersHost(filler), PICTURE, Edit("", OTHER, mask=found), how=FASTDIFFEDIT)
    assert torch.equal(done.picture, by_itself.picture)
    assert torch.equal(done.picture[done.mask == 0], PICTURE[done.mask == 0])


def test_a_filler_must_fill_and_be_of_the_family():
    with pytest.raises(ValueError, match="StableDiffusionPipeline is no inpainting model, so it cannot fill a hole"):
        DiffusersHost(random_pipeline(), filler=DiffusersHost(random_pipeline()))
    with pytest.raises(ValueError, match="differ in their latents; use two of one family"):
        DiffusersHost(families.sdxl(), filler=DiffusersHost(families.inpainting()))


@pytest.mark.filterwarnings("ignore:In CPU autocast")
def test_a_guide_is_drawn_or_given_and_changes_what_is_predicted():
    pipe = families.controlled()
    x = standard_normal(1, 4, 16, 16, dtype=torch.float32)

    def predicted(control, scale=1.0):
        return (
            seeing(DiffusersHost(pipe, control=control, control_scale=scale).bind({"target": TEXT}), PICTURE)
            .denoiser("target")(x, 2.0)
            .clone()
        )

    drawn = predicted("canny")
    assert torch.equal(drawn, predicted(canny(PICTURE))) and torch.equal(drawn, predicted(canny))
    assert not drawn.isclose(predicted(1 - PICTURE), atol=1e-3).all()
    bare = DiffusersHost(random_pipeline())
    bare.network.unet = pipe.unet
    torch.testing.assert_close(predicted("canny", 0.0), bare.bind({"target": TEXT}).denoiser("target")(x, 2.0))
    assert set(canny(PICTURE).unique().tolist()) == {0.0, 1.0} and list(CONTROLS) == ["canny"]


@pytest.mark.filterwarnings("ignore:In CPU autocast")
def test_a_depth_map_is_estimated_or_given():
    pipe = families.depth()
    ramp = torch.linspace(0, 1, 128).expand(1, 128, 128)
    given = DiffusersHost(pipe, control=ramp[..., None].expand(-1, -1, -1, 3)).look(PICTURE, None)["channels"]
    assert given.shape == (1, 1, 16, 16) and float(given.min()) == -1 and float(given.max()) == 1
    assert (given[..., 1:] > given[..., :-1]).all()
    estimated = DiffusersHost(pipe).look(PICTURE, None)["channels"]
    assert not estimated.isclose(given, atol=0.1).all()
    with pytest.raises(ValueError, match="the depth map is the same everywhere"):
        DiffusersHost(pipe, control=torch.zeros(1, 128, 128, 3)).look(PICTURE, None)
    pipe.depth_estimator = None
    with pytest.raises(ValueError, match="has no depth estimator; give the map as its control"):
        DiffusersHost(pipe)


def test_guides_that_cannot_be_used_are_refused(hosts):
    with pytest.raises(ValueError, match="StableDiffusionPipeline takes no control picture; leave it out, or use"):
        DiffusersHost(random_pipeline(), control="canny")
    with pytest.raises(ValueError, match="FluxPipeline takes no control picture"):
        DiffusersHost(families.flux(), control="canny")
    pipe = families.controlled()
    with pytest.raises(ValueError, match="a ControlNet is shown something"):
        DiffusersHost(pipe)
    with pytest.raises(ValueError, match="control is 'lines'; it must be one of canny, or a picture"):
        DiffusersHost(pipe, control="lines")
    host = DiffusersHost(pipe, control=PICTURE)
    with pytest.raises(
        ValueError, match="the control is 128x128 and the model looks at 64x64; give a control of the pict"
    ):
        host.look(PICTURE[:, :64, :64], None)


def test_a_model_that_guides_itself_takes_no_negative_text(hosts):
    host = hosts("flux")
    with pytest.raises(ValueError, match="this model takes guidance as a number, and no negative text"):
        edit(host, PICTURE, Edit(TEXT, OTHER, negative="a cat"), how=QUICK)
    before = host.evaluations
    x = host.encode(PICTURE)
    denoise = host.bind({"target": TEXT})
    plain, guided = denoise.denoiser("target")(x, 0.5), denoise.denoiser("target", 4.0)(x, 0.5)
    assert host.evaluations - before == 2 and not plain.isclose(guided, atol=1e-5).all()


def test_pipelines_that_cannot_be_served_are_refused_by_name():
    pipe = families.sdxl()
    pipe.text_encoder = None
    with pytest.raises(ValueError, match="StableDiffusionXLPipeline has no text_encoder: a refiner, perhaps"):
        DiffusersHost(pipe)
    pipe = families.flux()
    pipe.transformer = pipe.vae
    with pytest.raises(
        ValueError, match=r"FluxPipeline is not supported; use an SD1.x, SD2.x, SDXL, SD3 or Flux model"
    ):
        DiffusersHost(pipe)
    pipe = families.flux()
    pipe.transformer.register_to_config(in_channels=96)
    with pytest.raises(ValueError, match="takes 96 channels where a text-to-image model takes 16"):
        DiffusersHost(pipe)
    pipe = families.sd3()
    pipe.scheduler = random_pipeline().scheduler
    with pytest.raises(ValueError, match="DDIMScheduler has no flow schedule"):
        DiffusersHost(pipe)


@pytest.mark.parametrize(("name", "length"), [("sdxl", 77), ("sd3", 256), ("flux", 512)])
def test_a_text_too_long_is_cut_with_a_warning(hosts, name, length, caplog):
    with caplog.at_level(logging.WARNING, logger="diffedit_core"):
        hosts(name).embed(" a" * (length + 20))
    assert f"only the first {length} are read" in caplog.text
