"""The other ways to edit, on the same weights: diffusers' pipeline, img2img, and FastDiffEdit as its blog wrote it."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.cases import Batch
from diffedit_core import decoding
from diffedit_core.contrast import contrast
from diffedit_core.denoiser import levels_up_to, sample, seeded_noise
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.masks import fast_mask, fit


def diffusers_pipeline(host: DiffusersHost):
    """StableDiffusionDiffEditPipeline on the host's weights, its calls of the UNet counted with the host's."""
    from diffusers import DDIMInverseScheduler, DDIMScheduler
    from diffusers.pipelines.deprecated.stable_diffusion_diffedit import StableDiffusionDiffEditPipeline

    pipe = StableDiffusionDiffEditPipeline(
        vae=host.vae,
        text_encoder=host.text_encoder,
        tokenizer=host.tokenizer,
        unet=host.unet,
        scheduler=DDIMScheduler.from_config(host.scheduler.config),
        inverse_scheduler=DDIMInverseScheduler.from_config(host.scheduler.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _counted(host: DiffusersHost, call):
    """What the pipeline sends through the UNet is counted as the host's own."""

    def count(module, args, kwargs) -> None:
        host.evaluations += len(args[0])

    hook = host.unet.register_forward_pre_hook(count, with_kwargs=True)
    try:
        return call()
    finally:
        hook.remove()


def diffusers_mask(host: DiffusersHost, batch: Batch, i: int, seed: int) -> Tensor:
    """generate_mask() at its defaults, for one edit, at the picture's size: [1, H, W]."""
    pipe, edit = diffusers_pipeline(host), batch.edits[i]
    mask = _counted(
        host,
        lambda: pipe.generate_mask(
            image=_chw(batch.pictures[i : i + 1]),
            source_prompt=edit.source,
            target_prompt=edit.target,
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
        ),
    )
    return (fit(torch.from_numpy(mask).float(), tuple(batch.pictures.shape[1:3])) > 0.5).float()


def diffusers_edit(host: DiffusersHost, batch: Batch, i: int, seed: int) -> tuple[Tensor, Tensor]:
    """The pipeline's three calls at their defaults, as its documentation chains them: picture, mask."""
    pipe, edit = diffusers_pipeline(host), batch.edits[i]
    picture = _chw(batch.pictures[i : i + 1])
    generator = torch.Generator().manual_seed(seed)

    def run() -> tuple[Tensor, Tensor]:
        mask = pipe.generate_mask(
            image=picture,
            source_prompt=edit.source,
            target_prompt=edit.target,
            generator=generator,
            output_type="np",
        )
        inverted = pipe.invert(prompt=edit.source, image=picture, generator=generator).latents
        result = pipe(
            prompt=edit.target,
            mask_image=mask,
            image_latents=inverted,
            negative_prompt=edit.source,
            output_type="np",
            generator=generator,
        ).images
        size = (picture.shape[-2], picture.shape[-1])
        return torch.from_numpy(result), (fit(torch.from_numpy(mask).float(), size) > 0.5).float()

    return _counted(host, run)


def sdedit(host: DiffusersHost, batch: Batch, strength: float, guidance: float, steps: int, seed: int) -> Tensor:
    """img2img: noise the whole picture and denoise it under the target text."""
    sigmas = levels_up_to(strength, host.sigmas(steps))
    denoise = host.denoiser(batch.target, "", guidance)
    x = host.process.add(batch.x0, seeded_noise(seed)(0, batch.x0.shape[1:]), sigmas[-1])
    return host.decode(sample(denoise, x, sigmas))


def blog_fast_diffedit(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
    """FastDiffEdit as its blog has it, on ordinary weights: fast mask, plain inpainting, 20 steps, strength 0.7."""
    process = host.process
    heatmap = contrast(
        host.denoiser_pair(batch.source, batch.target, "", 7.5),
        batch.x0,
        process,
        process.sigma_at(0.5),
        noise=seeded_noise(seed),
        draws=20,
    )
    mask = fast_mask(heatmap)
    sigmas = levels_up_to(0.7, host.sigmas(20))
    background = decoding.noised(batch.x0, sigmas, process, seeded_noise(seed + 100))
    latent = decoding.decode(host.denoiser(batch.target, "", 7.5), mask[:, None], background)
    return host.decode(latent), (fit(mask, tuple(batch.pictures.shape[1:3])) > 0.5).float()


def _chw(picture: Tensor) -> Tensor:
    return picture.movedim(-1, 1)
