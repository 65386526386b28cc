"""The other ways to edit, on the same weights: diffusers' pipeline, img2img, and FastDiffEdit as its blog wrote it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bench.cases import Batch
from diffedit_core import decoding
from diffedit_core.contrast import contrast
from diffedit_core.denoiser import levels_up_to
from diffedit_core.draws import seeded_noise
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.masks import fit, threshold
from diffedit_core.solvers import sample

Result = TypeVar("Result")


def diffusers_pipeline(host: DiffusersHost) -> Any:
    """StableDiffusionDiffEditPipeline on the host's weights, its calls of the UNet counted with the host's."""
    from diffusers import DDIMInverseScheduler, DDIMScheduler
    from diffusers.pipelines.deprecated.stable_diffusion_diffedit import StableDiffusionDiffEditPipeline

    make: Any = StableDiffusionDiffEditPipeline  # it takes more than its annotations say
    pipe = make(
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


def _counted(host: DiffusersHost, call: Callable[[], Result]) -> Result:
    """What the pipeline sends through the UNet is counted as the host's own."""

    def count(module: nn.Module, args: tuple, kwargs: dict) -> None:
        host.evaluations += len(args[0])

    hook = host.unet.register_forward_pre_hook(count, with_kwargs=True)
    try:
        return call()
    finally:
        hook.remove()


def diffusers_mask(host: DiffusersHost, batch: Batch, i: int, seed: int) -> Tensor:
    """generate_mask() at its defaults, for one task, at the picture's size: [1, H, W]."""
    pipe, task = diffusers_pipeline(host), batch.tasks[i]
    mask = _counted(
        host,
        lambda: pipe.generate_mask(
            image=_chw(batch.pictures[i : i + 1]),
            source_prompt=task.source,
            target_prompt=task.target,
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
        ),
    )
    return _at_size(torch.from_numpy(mask), batch.pictures)


def diffusers_edit(host: DiffusersHost, batch: Batch, i: int, seed: int) -> tuple[Tensor, Tensor]:
    """The pipeline's three calls at their defaults, as its documentation chains them: picture, mask."""
    pipe, task = diffusers_pipeline(host), batch.tasks[i]
    picture = _chw(batch.pictures[i : i + 1])
    generator = torch.Generator().manual_seed(seed)

    def run() -> tuple[Tensor, Tensor]:
        mask = pipe.generate_mask(
            image=picture, source_prompt=task.source, target_prompt=task.target, generator=generator, output_type="np"
        )
        inverted = pipe.invert(prompt=task.source, image=picture, generator=generator).latents
        result = pipe(
            prompt=task.target,
            mask_image=mask,
            image_latents=inverted,
            negative_prompt=task.source,
            output_type="np",
            generator=generator,
        ).images
        return torch.from_numpy(result), _at_size(torch.from_numpy(mask), batch.pictures)

    return _counted(host, run)


def sdedit(host: DiffusersHost, batch: Batch, strength: float, guidance: float, steps: int, seed: int) -> Tensor:
    """img2img: noise the whole picture and denoise it under the target text."""
    sigmas = levels_up_to(strength, host.sigmas(steps))
    denoise = host.bind(target=batch.target).denoiser("target", guidance)
    x = host.process.add(batch.x0, seeded_noise(seed)(0, batch.x0.shape[1:]), sigmas[-1])
    return host.decode(sample(denoise, x, sigmas))


def blog_fast_diffedit(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
    """FastDiffEdit as its blog has it, on ordinary weights: fast mask, plain inpainting, 20 steps, strength 0.7."""
    process, texts = host.process, [batch.source, batch.target, host.embed("")]

    def guided_pair(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        source, target, negative = host.predict(x, sigma, texts)
        return negative + 7.5 * (source - negative), negative + 7.5 * (target - negative)

    heatmap = contrast(guided_pair, batch.x0, process, process.sigma_at(0.5), noise=seeded_noise(seed), draws=20)
    mask = threshold(heatmap, "fast")
    outside = decoding.noised(batch.x0, levels_up_to(0.7, host.sigmas(20)), process, seeded_noise(seed + 100))
    latent = decoding.decode(host.bind(target=batch.target).denoiser("target", 7.5), mask[:, None], outside)
    return host.decode(latent), _at_size(mask, batch.pictures)


def _at_size(mask: Tensor, pictures: Tensor) -> Tensor:
    """A mask [B, h, w] -> of 0 and 1, at the size of the pictures [B, H, W, 3]."""
    return (fit(mask, (pictures.shape[1], pictures.shape[2])) > 0.5).float()


def _chw(picture: Tensor) -> Tensor:
    return picture.movedim(-1, 1)
