"""FastDiffEdit as its author describes it, written again from the words and run on the same network and noises.

From the description: an image's latent gets the noise of half the schedule of 50 steps; under each text the guided
(7.5) network predicts the clean latent in one shot (fast, 20 draws) or denoises step by step (purist, 10 draws); the
differences' absolute values are summed over the draws and averaged over the channels; the mask is what lies above 0
after subtracting the mean and dividing by the standard deviation. Fast masks are then blurred by a 3x3 Gaussian with
OpenCV and kept where that is above 0. The background of the purist's own decoding is denoised under the source text.
"""

import cv2
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from pipelines import random_pipeline
from worlds import standard_normal

from diffedit_core.contrast import contrast, purist_contrast
from diffedit_core.decoding import decode, source
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import Trajectory
from diffedit_core.masks import threshold
from diffedit_core.strength import schedule

SOURCE, TARGET, GUIDANCE = "a horse image", "a zebra image", 7.5
LATENT = standard_normal(1, 4, 16, 16, dtype=torch.float32)
NOISES = standard_normal(20, 4, 16, 16, dtype=torch.float32, seed=1)


def noise(draw, shape):
    return NOISES[draw]


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def pipe(request):
    return random_pipeline(request.param)


class Blog:
    """The network and its scheduler, called as the description says."""

    def __init__(self, pipe, steps):
        self.pipe = pipe
        self.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, set_alpha_to_one=True)
        self.scheduler.set_timesteps(steps)
        self.timesteps = self.scheduler.timesteps[-(steps // 2) :]  # strength 0.5

    def embedding(self, text):
        tokens = self.pipe.tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        return self.pipe.text_encoder(tokens.input_ids)[0]

    @torch.no_grad()
    def predicted(self, latents, t, text):
        """The guided output of the network."""
        both = torch.cat([self.embedding(""), self.embedding(text)])
        without, under = self.pipe.unet(torch.cat([latents] * 2), t, encoder_hidden_states=both).sample.chunk(2)
        return without + GUIDANCE * (under - without)

    def noised(self, draw):
        return self.scheduler.add_noise(LATENT, NOISES[draw : draw + 1], self.timesteps[:1])

    def clean_in_one_shot(self, text, draw):
        latents, t = self.noised(draw), self.timesteps[0]
        return self.scheduler.step(self.predicted(latents, t, text), t, latents).pred_original_sample

    def denoised(self, text, draw):
        latents = self.noised(draw)
        for t in self.timesteps:
            latents = self.scheduler.step(self.predicted(latents, t, text), t, latents).prev_sample
        return latents

    def mask(self, result, draws):
        """[h, w] of 0 and 1."""
        total = sum(np.abs((result(SOURCE, i) - result(TARGET, i)).numpy()[0]) for i in range(draws)).mean(0)
        return ((total - total.mean()) / np.std(total) > 0).astype(np.uint8)


def test_the_fast_mask_is_the_blogs(pipe):
    blog, host = Blog(pipe, 50), DiffusersHost(pipe)
    binary = blog.mask(blog.clean_in_one_shot, draws=20)
    blurred = cv2.GaussianBlur(binary * 255, (3, 3), 1) > 0

    sigma, both = (
        schedule(host.process, 50)[25],
        host.bind({"source": SOURCE, "target": TARGET}).denoiser_pair("source", "target"),
    )
    heatmap = contrast(both, LATENT, host.process, sigma, noise=noise, draws=20).heatmap
    assert np.array_equal(threshold(heatmap, "zscore")[0].numpy(), binary)
    assert np.array_equal(threshold(heatmap, "fast")[0].numpy(), blurred)
    assert 0 < binary.mean() < blurred.mean() < 1


def test_the_purist_mask_is_the_blogs(pipe):
    blog, host = Blog(pipe, 10), DiffusersHost(pipe)
    model, binary = host.bind({"source": SOURCE, "target": TARGET}), blog.mask(blog.denoised, draws=3)
    heatmap = purist_contrast(
        model.denoiser("source", GUIDANCE),
        model.denoiser("target", GUIDANCE),
        LATENT,
        host.process,
        schedule(host.process, 10)[:6],
        noise=noise,
        draws=3,
    ).heatmap
    assert np.array_equal(threshold(heatmap, "zscore")[0].numpy(), binary)
    assert 0 < binary.mean() < 1


def test_the_source_background_is_the_blogs_decoding(pipe):
    """Two predictions from the same latents at every step, the mask choosing between them."""
    blog, host = Blog(pipe, 10), DiffusersHost(pipe)
    model = host.bind({"source": SOURCE, "target": TARGET})
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:12, 4:12] = 1
    latents = blog.noised(0)
    for t in blog.timesteps:
        under_source = blog.scheduler.step(blog.predicted(latents, t, SOURCE), t, latents).prev_sample
        under_target = blog.scheduler.step(blog.predicted(latents, t, TARGET), t, latents).prev_sample
        latents = mask * under_target + (1 - mask) * under_source

    sigmas = schedule(host.process, 10)[:6]
    start = host.process.add(LATENT, NOISES[:1], sigmas[-1])
    trajectory = Trajectory(start.expand(6, 1, 4, 16, 16), sigmas)  # the blog starts from noise, not from an inversion
    ours = decode(model.denoiser("target", GUIDANCE), mask, source(trajectory, model.denoiser("source", GUIDANCE)))
    torch.testing.assert_close(ours, latents, rtol=0, atol=1e-3)
