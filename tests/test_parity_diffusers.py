"""Step by step beside diffusers' own DiffEdit pipeline, on the same weights, latents, noise and texts.

diffusers keeps latents at the variance of the data (x / sqrt(1 + sigma^2)) and its lowest level is the first of its
training schedule, not 0 (set_alpha_to_one is off in Stable Diffusion's configuration). Apart from that unit and that
level, the two must agree, but in what is wrong over there; these tests show the differences too.
"""

import math

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler
from diffusers.pipelines.deprecated.stable_diffusion_diffedit.pipeline_stable_diffusion_diffedit import (
    StableDiffusionDiffEditPipeline,
)
from pipelines import random_pipeline
from worlds import standard_normal

from diffedit_core.contrast import contrast
from diffedit_core.decoding import Outside, decode, retrace
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import Trajectory, invert, round_trip_error
from diffedit_core.masks import threshold
from diffedit_core.solvers import step
from diffedit_core.strength import schedule

SOURCE, TARGET = "a bowl of fruits", "a bowl of pears"
LATENT = standard_normal(1, 4, 16, 16, dtype=torch.float32)
PREDICTIONS = ("epsilon", "v_prediction")


@pytest.fixture(scope="module", params=PREDICTIONS)
def both(request):
    pipe = random_pipeline(request.param)
    peer = StableDiffusionDiffEditPipeline(
        vae=pipe.vae,
        text_encoder=pipe.text_encoder,
        tokenizer=pipe.tokenizer,
        unet=pipe.unet,
        scheduler=DDIMScheduler.from_config(pipe.scheduler.config),
        inverse_scheduler=DDIMInverseScheduler.from_config(pipe.scheduler.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    peer.set_progress_bar_config(disable=True)
    return DiffusersHost(pipe), peer


def under(host, text, guidance=1.0):
    return host.bind({"target": text}).denoiser("target", guidance)


def both_texts(host):
    return host.bind({"source": SOURCE, "target": TARGET}).denoiser_pair("source", "target")


def theirs_at(x, sigma):
    """A latent in diffusers' units."""
    return x / math.sqrt(1 + sigma**2)


def peer_levels(host, steps, strength):
    """Their levels of an edit, ascending, the lowest one the first of the training schedule."""
    return (host.process.table[0], *schedule(host.process, steps)[1 : int(steps * strength) + 1])


def start_of(host):
    """Their clean latent is our x at their lowest level."""
    return LATENT * math.sqrt(1 + host.process.table[0] ** 2)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_our_step_is_ddims_step(prediction):
    """Every step down of a schedule, on arbitrary predictions; the last one to a clean latent."""
    scheduler = DDIMScheduler.from_config(
        random_pipeline(prediction).scheduler.config, set_alpha_to_one=True, clip_sample=False
    )
    scheduler.set_timesteps(20)
    alphas = scheduler.alphas_cumprod.double()
    table = ((1 - alphas) / alphas).sqrt().tolist()
    levels = [*(table[t] for t in scheduler.timesteps), 0.0]
    z = standard_normal(1, 4, 8, 8)
    for i, t in enumerate(scheduler.timesteps):
        sigma, sigma_next = levels[i], levels[i + 1]
        output, scale = standard_normal(1, 4, 8, 8, seed=1 + i), 1 / math.sqrt(1 + sigma**2)
        x = z / scale
        x0 = x - sigma * output if prediction == "epsilon" else x * scale**2 - sigma * scale * output
        z = scheduler.step(output, t, z).prev_sample
        torch.testing.assert_close(theirs_at(step(x, x0, sigma, sigma_next), sigma_next), z, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("guidance", "ratio"), [(7.5, 3.0), (7.5, 2.0), (2.0, 1.0)])
def test_heatmap_and_mask_are_theirs(both, guidance, ratio):
    """0 differing cells. Their heatmap is what they cut their mask from: seen at the network's output, before it."""
    host, peer = both
    outputs = []
    hook = peer.unet.register_forward_hook(lambda module, arguments, output: outputs.append(output.sample))
    try:
        mask = peer.generate_mask(
            LATENT,
            target_prompt=TARGET,
            source_prompt=SOURCE,
            num_maps_per_mask=10,
            mask_encode_strength=0.5,
            mask_thresholding_ratio=ratio,
            num_inference_steps=50,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(3),
            output_type="np",
        )
    finally:
        hook.remove()
    noises = torch.randn(10, 4, 16, 16, generator=torch.Generator().manual_seed(3))  # as they draw it
    sigma = schedule(host.process, 50)[25]  # where 25 of 50 steps start
    heatmap = contrast(both_texts(host), LATENT, host.process, sigma, noise=lambda draw, shape: noises[draw]).heatmap

    assert torch.equal(threshold(heatmap, "ratio", ratio), torch.from_numpy(mask).float())
    assert 0 < mask.mean() < 1  # there was something to find

    # they unpack their embeddings in the wrong order: the first and third quarter are the texts, the others negatives
    source, negative, target, other = outputs[0].chunk(4)
    torch.testing.assert_close(negative, other)
    their_heatmap = (target - source).abs().mean((0, 1))
    if host.network.prediction == "v_prediction":
        their_heatmap = their_heatmap / math.sqrt(1 + sigma**2)  # from units of v to units of the noise
    torch.testing.assert_close(heatmap[0], their_heatmap, rtol=1e-3, atol=1e-5)


def test_two_predictions_a_draw_do_what_they_use_four_for(both):
    host, peer = both
    rows = []
    hook = peer.unet.register_forward_hook(lambda module, arguments, output: rows.append(len(output.sample)))
    try:
        peer.generate_mask(LATENT, target_prompt=TARGET, source_prompt=SOURCE, output_type="np")
    finally:
        hook.remove()
    before = host.evaluations
    noise = standard_normal(4, 16, 16, dtype=torch.float32)
    contrast(both_texts(host), LATENT, host.process, 1.0, noise=lambda draw, shape: noise)
    assert sum(rows) == 40 and host.evaluations - before == 20


def their_inversion(peer, guidance):
    """[N, 1, C, h, w], in rising noise."""
    latents = peer.invert(SOURCE, LATENT, num_inference_steps=20, inpaint_strength=0.8, guidance_scale=guidance).latents
    return latents.flip(1).movedim(1, 0)


def as_they_read_v(host, denoise, levels):
    """diffusers' inverse step reads v, predicted at the level above, with the coefficients of the level below.

    A v network's output is v = cos * eps - sin * x0 of its own level's angle; ours reads it there. From our prediction
    this recovers v and then reads it as they do.
    """
    below = dict(zip(levels[1:], levels[:-1], strict=True))

    def misread(x, sigma):
        z, lower = theirs_at(x, sigma), below[sigma]
        x0 = denoise(x, sigma)
        v = ((x - x0) / sigma - sigma * x0) / math.sqrt(1 + sigma**2)
        eps = (v + lower * z) / math.sqrt(1 + lower**2)
        return x - sigma * eps

    return misread if host.network.prediction == "v_prediction" else denoise


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_inverted_latents_are_theirs_at_every_level(both, guidance):
    host, peer = both
    sigmas = peer_levels(host, 20, 0.8)
    denoise = as_they_read_v(host, under(host, SOURCE, guidance), sigmas)
    trajectory = invert(denoise, start_of(host), host.process, sigmas)
    theirs = their_inversion(peer, guidance)
    assert len(theirs) == len(sigmas) - 1 == 16
    for level, latent in enumerate(theirs, start=1):
        ours = theirs_at(trajectory.latents[level], sigmas[level])
        torch.testing.assert_close(ours, latent, rtol=0, atol=1e-4)


def test_reading_v_at_its_own_level_is_the_better_inverse():
    host = DiffusersHost(random_pipeline("v_prediction"))
    sigmas = peer_levels(host, 20, 0.8)
    denoise = under(host, SOURCE)
    ours = invert(denoise, start_of(host), host.process, sigmas)
    theirs = invert(as_they_read_v(host, denoise, sigmas), start_of(host), host.process, sigmas)
    assert round_trip_error(denoise, ours) < 0.5 * round_trip_error(denoise, theirs)


def a_level_behind(trajectory, process):
    """The background as their loop takes it: the level the step came from, blended in as if it were the one reached."""
    latents, sigmas = trajectory.latents, trajectory.sigmas
    return Outside(
        trajectory.clean,
        trajectory.noisiest,
        sigmas,
        lambda level, x: process.same_input(latents[level + 1], sigmas[level + 1], sigmas[level]),
    )


@pytest.mark.parametrize("guidance", [1.0, 7.5])
def test_decoding_with_their_background_is_theirs(both, guidance):
    host, peer = both
    theirs = their_inversion(peer, 1.0)  # in rising noise
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:12, 4:12] = 1
    decoded = peer(
        TARGET,
        mask_image=mask[0],
        image_latents=theirs.flip(0).movedim(0, 1),  # they want falling noise
        num_inference_steps=20,
        inpaint_strength=0.8,
        guidance_scale=guidance,
        output_type="latent",
    ).images

    sigmas = peer_levels(host, 20, 0.8)
    own = torch.stack([x * math.sqrt(1 + s**2) for x, s in zip([LATENT, *theirs], sigmas, strict=True)])
    trajectory = Trajectory(own, sigmas)
    denoise = under(host, TARGET, guidance)
    ours = theirs_at(decode(denoise, mask, a_level_behind(trajectory, host.process)), sigmas[0])
    torch.testing.assert_close(ours, decoded, rtol=0, atol=1e-4)

    outside = (mask == 0).expand_as(LATENT)
    assert (decoded - LATENT).abs()[outside].mean() > 1e-3  # their background is not the picture's
    assert not torch.isclose(decoded, LATENT, rtol=0, atol=1e-7)[outside].all()


def test_at_the_right_level_the_background_is_exactly_clean_where_theirs_is_not(both):
    host, peer = both
    sigmas = (0.0, *peer_levels(host, 20, 0.8)[1:])
    trajectory = invert(under(host, SOURCE), LATENT, host.process, sigmas)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:12, 4:12] = 1
    outside = (mask == 0).expand_as(LATENT)
    ours = decode(under(host, TARGET, 7.5), mask, retrace(trajectory))
    decoded = peer(
        TARGET,
        mask_image=mask[0],
        image_latents=their_inversion(peer, 1.0).flip(0).movedim(0, 1),
        num_inference_steps=20,
        inpaint_strength=0.8,
        output_type="latent",
    ).images
    assert torch.equal(ours[outside], LATENT[outside])
    assert not torch.equal(decoded[outside], LATENT[outside])
    assert (decoded - LATENT)[outside].abs().max() > 0.01
    assert not torch.equal(ours[~outside], LATENT[~outside])
