"""A 9-channel inpainting model of the toybox, made from the bundled one: ``python -m bench.inpainting [FOLDER]``.

It sees the mask and the picture without what is in it, as SD1.5's inpainting checkpoint does. It is not bundled: beside
the ordinary network it would take the package from 19 to 34 MB. One CPU core takes half an hour; a second call resumes.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline, StableDiffusionPipeline
from diffusers import UNet2DConditionModel as UNet
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor

from diffedit_core.toybox import weights
from diffedit_core.toybox.captions import caption
from diffedit_core.toybox.model import SCALING_FACTOR, tokenize
from diffedit_core.toybox.painting import coverage_map
from diffedit_core.toybox.scenes import SIZE, TRAIN_SEEDS, scene
from diffedit_core.toybox.train_data import rendered
from diffedit_core.toybox.train_diffusion import HEAVIEST, UNCONDITIONAL
from diffedit_core.toybox.train_loop import Batch, Plan, Training, best_device, mixed_precision

PLAN = Plan(steps=1500, batch=16, rate=3e-4, average=0.998, decay=0.5)
SCENES = 4000
HIDES_ALL = 0.1  # share of the scenes in which nothing of the picture is shown
FOLDER = Path("build/inpainting")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.inpainting", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--steps", type=int, default=PLAN.steps)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    trained(options.folder, options.steps).save_pretrained(options.folder / "model", safe_serialization=True)


def trained(folder: Path, steps: int = PLAN.steps) -> StableDiffusionInpaintPipeline:
    """The pipeline with the averaged network at the end of the plan."""
    pipe = StableDiffusionPipeline.from_pretrained(weights(), safety_checker=None)
    pictures, shown, holes = _scenes(pipe.vae, folder / "scenes.pt")
    texts = _embedded(pipe, [caption(scene(seed), seed) for seed in TRAIN_SEEDS[:SCENES]])
    (silence,) = _embedded(pipe, [""])
    training = Training(widened(pipe.unet), Plan(**{**vars(PLAN), "steps": steps}), folder)
    if best_device().type == "cpu":  # there the fused attention's backward pass takes a fifth of a step
        training.model.set_attn_processor(AttnProcessor())
    signal = DDIMScheduler.from_config(pipe.scheduler.config).alphas_cumprod.to(best_device())

    def batch_at(step: int) -> Batch:
        rng, count = np.random.default_rng((step, 4)), PLAN.batch
        picked = torch.from_numpy(rng.integers(SCENES, size=count))
        silent = torch.from_numpy(rng.random((count, 1, 1)) < UNCONDITIONAL)
        # one timestep from each of B equal parts: every batch sees the whole range
        timesteps = ((rng.permutation(count) + rng.random(count)) / count * len(signal)).astype(int)
        noise = torch.randn(pictures[picked].shape, generator=torch.Generator().manual_seed(step))
        sees = torch.cat([holes[picked], shown[picked]], dim=1)  # [B, 1 + 4, h, w]
        context = torch.where(silent, silence, texts[picked])
        return tuple(
            part.to(best_device()) for part in (pictures[picked], noise, torch.from_numpy(timesteps), sees, context)
        )

    training.run(batch_at, lambda batch: _loss(training.model, signal, *batch), lambda: {})
    parts = {name: part for name, part in pipe.components.items() if name not in ("unet", "image_encoder")}
    return StableDiffusionInpaintPipeline(unet=training.average.cpu(), **parts, requires_safety_checker=False)


def widened(unet: UNet) -> UNet:
    """The network with five more channels, which it does not listen to yet."""
    wide = UNet(**{**unet.config, "in_channels": 9})
    state = unet.float().state_dict()
    first = state["conv_in.weight"]  # [width, 4, 3, 3]
    state["conv_in.weight"] = torch.cat([first, torch.zeros(first.shape[0], 5, *first.shape[2:])], dim=1)
    wide.load_state_dict(state)
    return wide


def _loss(
    unet: UNet, signal: Tensor, clean: Tensor, noise: Tensor, timesteps: Tensor, sees: Tensor, context: Tensor
) -> Tensor:
    """As the bundled network was trained."""
    a = signal[timesteps].view(-1, 1, 1, 1)
    noisy = a.sqrt() * clean + (1 - a).sqrt() * noise
    with mixed_precision(clean.device):
        eps = unet(torch.cat([noisy, sees], dim=1), timesteps, context).sample
    error = (eps.float() - noise).square().mean((1, 2, 3))  # [B]
    return (((1 - a) / a).sqrt().clamp(max=HEAVIEST).flatten() * error).mean()


@torch.no_grad()
def _scenes(vae: AutoencoderKL, path: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Latents of the scenes, of what is shown of them, and the holes: [N, 4 or 1, h, w]. Made once and kept."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = [_scenes_from(vae, TRAIN_SEEDS[i : i + 50]) for i in range(0, SCENES, 50)]
        torch.save([torch.cat(each) for each in zip(*made, strict=True)], path)
    return tuple(torch.load(path, weights_only=True))


def _scenes_from(vae: AutoencoderKL, seeds: range) -> tuple[Tensor, Tensor, Tensor]:
    x = rendered(seeds)  # [B, 3, H, W] in -1..1
    holes = torch.from_numpy(np.stack([hole(seed) for seed in seeds]))[:, None]  # [B, 1, H, W]
    latents, shown = (vae.encode(each).latent_dist.mean * SCALING_FACTOR for each in (x, torch.where(holes > 0, 0, x)))
    return latents, shown, torch.nn.functional.interpolate(holes, size=latents.shape[-2:])


def hole(seed: int) -> np.ndarray:
    """What is hidden of a training scene, [H, W] of 0 and 1: a thing and some room, a box anywhere, or all of it."""
    rng, things = np.random.default_rng((seed, 5)), scene(seed).things
    if rng.random() < HIDES_ALL:
        return np.ones((SIZE, SIZE), np.float32)
    plane = np.zeros((SIZE, SIZE), np.float32)
    if rng.random() < 0.7:
        thing = coverage_map((things[int(rng.integers(len(things)))],)) >= 0.5
        room = 2 * int(rng.integers(0, 13)) + 1
        return cv2.dilate(thing.astype(np.float32), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (room, room)))
    height, width = rng.integers(SIZE // 6, SIZE // 2, size=2)
    top, left = rng.integers(0, SIZE - height), rng.integers(0, SIZE - width)
    plane[top : top + height, left : left + width] = 1
    return plane


@torch.no_grad()
def _embedded(pipe: StableDiffusionPipeline, texts: list[str]) -> Tensor:
    tokens = tokenize(pipe.tokenizer, texts)
    return torch.cat([pipe.text_encoder(part).last_hidden_state for part in tokens.split(500)]).float()


if __name__ == "__main__":
    main()
