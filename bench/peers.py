"""The other ways to edit, on the same weights: two of diffusers' pipelines, img2img, and methods by their papers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, pairwise, repeat
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bench.cases import Batch, pictures_of
from diffedit_core import decoding
from diffedit_core.compositing import paste
from diffedit_core.contrast import contrast
from diffedit_core.drafting import draft
from diffedit_core.draws import seeded_noise
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.masks import cells, fit, threshold
from diffedit_core.solvers import sample, step
from diffedit_core.strength import levels_up_to, schedule, sigma_at
from diffedit_core.toybox import Several

Result = TypeVar("Result")


def diffusers_pipeline(host: DiffusersHost) -> Any:
    """StableDiffusionDiffEditPipeline on the host's weights, its calls of the UNet counted with the host's."""
    from diffusers import DDIMInverseScheduler, DDIMScheduler
    from diffusers.pipelines.deprecated.stable_diffusion_diffedit import StableDiffusionDiffEditPipeline

    make: Any = StableDiffusionDiffEditPipeline  # it takes more than its annotations say
    pipe = make(
        vae=host.pipe.vae,
        text_encoder=host.pipe.text_encoder,
        tokenizer=host.pipe.tokenizer,
        unet=host.pipe.unet,
        scheduler=DDIMScheduler.from_config(host.pipe.scheduler.config),
        inverse_scheduler=DDIMInverseScheduler.from_config(host.pipe.scheduler.config),
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

    hook = host.pipe.unet.register_forward_pre_hook(count, with_kwargs=True)
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
    sigmas = levels_up_to(strength, schedule(host.process, steps))
    denoise = host.bind({"target": batch.target}).denoiser("target", guidance)
    x = host.process.add(batch.x0, seeded_noise(seed)(0, batch.x0.shape[1:]), sigmas[-1])
    return host.decode(sample(denoise, x, sigmas))


def blog_fast_diffedit(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
    """FastDiffEdit as its blog has it, on ordinary weights: fast mask, plain inpainting, 20 steps, strength 0.7."""
    process, texts = host.process, [batch.source, batch.target, host.embed("")]

    def guided_pair(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        source, target, negative = host.predict(x, sigma, texts)
        return negative + 7.5 * (source - negative), negative + 7.5 * (target - negative)

    noise = seeded_noise(seed)
    found = contrast(guided_pair, batch.x0, process, sigma_at(process, 0.5), noise=noise, draws=20)
    mask = threshold(found.heatmap, "fast")
    outside = decoding.noised(
        batch.x0, levels_up_to(0.7, schedule(host.process, 20)), process, seeded_noise(seed + 100)
    )
    latent = decoding.decode(host.bind({"target": batch.target}).denoiser("target", 7.5), mask[:, None], outside)
    return host.decode(latent), _at_size(mask, batch.pictures)


def ledits_pipeline(host: DiffusersHost) -> Any:
    """LEditsPPPipelineStableDiffusion on the host's weights, with the scheduler of its documentation."""
    from diffusers import DPMSolverMultistepScheduler
    from diffusers.pipelines.ledits_pp import LEditsPPPipelineStableDiffusion

    make: Any = LEditsPPPipelineStableDiffusion
    pipe = make(
        vae=host.pipe.vae,
        text_encoder=host.pipe.text_encoder,
        tokenizer=host.pipe.tokenizer,
        unet=host.pipe.unet,
        scheduler=DPMSolverMultistepScheduler.from_config(
            host.pipe.scheduler.config, algorithm_type="sde-dpmsolver++", solver_order=2
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def ledits(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, None]:
    """LEDITS++ (Brack et al. 2023), away from the source text and to the target."""
    pairs = zip(batch.pictures.split(1), batch.tasks, strict=True)
    return torch.cat([_ledits(host, one, task.source, [task.source], [task.target], seed) for one, task in pairs]), None


def ledits_several(host: DiffusersHost, task: Several, seed: int) -> Tensor:
    """The same for several edits of one picture: to the target of each."""
    picture, targets = pictures_of([task.image]), [each.target for each in task.alone]
    return _ledits(host, picture, task.source, [task.source], targets, seed)


def _ledits(
    host: DiffusersHost, picture: Tensor, caption: str, away: Sequence[str], to: Sequence[str], seed: int
) -> Tensor:
    """With the pipeline's defaults in 50 steps: away from some texts, to others. The picture is [1, H, W, 3].

    Its mask is the one of the noise estimates alone. Meeting it with cross-attention, the default, takes attention at a
    quarter of the latent's size, and the bundled UNet has none below a half: the pipeline would stop with an error.
    """
    pipe, processors = ledits_pipeline(host), host.pipe.unet.attn_processors
    generator = torch.Generator().manual_seed(seed)

    def run() -> Tensor:
        pipe.invert(image=_chw(picture), source_prompt=caption, num_inversion_steps=50, skip=0.15, generator=generator)
        result = pipe(
            editing_prompt=[*away, *to],
            reverse_editing_direction=[True] * len(away) + [False] * len(to),
            use_intersect_mask=False,
            output_type="np",
        ).images
        return torch.from_numpy(result)

    try:
        return _counted(host, run)
    finally:
        host.pipe.unet.set_attn_processor(processors)  # the pipeline leaves slower ones behind


def ddpm_inversion(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, None]:
    """Edit-friendly DDPM inversion (Huberman-Spiegelglas et al. 2023), as its code has it for Stable Diffusion.

    100 levels of which the noisiest 36 are skipped, guidance 3.5 up and 15 down. The noise maps of the skipped levels
    are not computed, since nothing reads them; the last step has no noise.
    """
    texts, noise = host.bind({"source": batch.source, "target": batch.target}), seeded_noise(seed)
    source, target = texts.denoiser("source", 3.5), texts.denoiser("target", 15.0)
    sigmas = schedule(host.process, 100)[: 100 - 36 + 1]
    draws = (noise(i, batch.x0.shape[1:]).to(batch.x0) for i in range(len(sigmas)))
    known = [host.process.add(batch.x0, draw, sigma) for draw, sigma in zip(draws, sigmas, strict=True)]
    x = known[-1]
    for level in range(len(sigmas) - 1, 0, -1):
        sigma, share = sigmas[level], (sigmas[level - 1] / sigmas[level]) ** 2
        x = torch.lerp(target(x, sigma), x, share)  # DDPM's mean for the level below, in sigma units
        if share > 0:
            x = x + known[level - 1] - torch.lerp(source(known[level], sigma), known[level], share)
    return host.decode(x), None


def flow_edit(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, None]:
    """FlowEdit (Kulikov et al. 2024) with its settings for SD3: the lower 33 of 50 levels, guidance 3.5 and 13.5."""
    texts = host.bind({"source": batch.source, "target": batch.target})
    source, target = texts.denoiser("source", 3.5), texts.denoiser("target", 13.5)
    latent = draft(source, target, batch.x0, host.process, schedule(host.process, 50)[:34], noise=seeded_noise(seed))
    return host.decode(latent), None


def lanpaint(host: DiffusersHost, batch: Batch, seed: int, mask: Tensor) -> tuple[Tensor, Tensor]:
    """LanPaint (Zheng et al. 2025) in the hole that the mask [B, H, W] leaves: 30 steps, each with up to 5 inner ones.

    Each level begins with the picture at that level's noise around the hole, as inpainting does in ComfyUI: without it
    the surroundings lose noise, and fewer edits succeed.
    """
    clean, hole = batch.x0, cells(mask, (batch.x0.shape[-2], batch.x0.shape[-1]), soft=False)[:, None].to(batch.x0)
    denoise, sigmas = host.bind({"target": batch.target}).denoiser("target", 7.5), schedule(host.process, 30)
    draws = (draw.to(clean) for draw in map(seeded_noise(seed), count(), repeat(clean.shape[1:])))
    around = next(draws)
    x = host.process.add(clean, around, sigmas[-1])
    for sigma, below in pairwise(reversed(sigmas)):
        x = torch.lerp(host.process.add(clean, around, sigma), x, hole)
        pace, x0 = 0.2 * (1 + sigma**-2), x
        for i in range(round(5 * sigma**2 / (1 + sigma**2))):
            if i:  # half a step by the last prediction, half by the newest
                x = _langevin(x, x0, clean, hole, sigma, pace / 2, next(draws))
            x0 = denoise(x, sigma)
            x = _langevin(x, x0, clean, hole, sigma, pace / 2 if i else pace, next(draws))
        x = step(x, torch.lerp(clean, denoise(x, sigma), hole), sigma, below)
    return paste(batch.pictures, host.decode(x), mask, 1.0), mask


def _langevin(x: Tensor, x0: Tensor, clean: Tensor, hole: Tensor, sigma: float, pace: float, noise: Tensor) -> Tensor:
    """A Langevin step at one level. In the hole the drift is x0 - x, with x0 held still while x moves.

    Around it the drift is clean + 5 (clean - x0) - x, taken as 6 (clean - x) + 5 (x - x0) with x - x0 held still. Were
    x0 held still there, x would soon be infinite.
    """
    pull = 1 + 5 * (1 - hole)
    centre = torch.lerp(clean + 5 / 6 * (x - x0), x0, hole)
    kept = (-pace * pull).exp()
    return torch.lerp(centre, x, kept) + sigma * ((1 - kept**2) / pull).sqrt() * noise


def _at_size(mask: Tensor, pictures: Tensor) -> Tensor:
    """A mask [B, h, w] -> of 0 and 1, at the size of the pictures [B, H, W, 3]."""
    return (fit(mask, (pictures.shape[1], pictures.shape[2])) > 0.5).float()


def _chw(picture: Tensor) -> Tensor:
    return picture.movedim(-1, 1)
