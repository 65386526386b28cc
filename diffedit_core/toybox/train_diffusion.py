"""Trains the denoiser: scenes are encoded once, then the network and the text encoder learn together."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor
from transformers import CLIPTokenizer

from .captions import caption
from .judge import follows
from .model import SCALING_FACTOR, SCHEDULER, Denoiser, assemble, new_denoiser, tokenize
from .scenes import HELD_OUT_SEEDS, TRAIN_SEEDS, scene
from .train_autoencoder import write_grid
from .train_data import rendered, to_tensor
from .train_loop import Batch, Plan, Training, best_device, mixed_precision

logger = logging.getLogger(__name__)

CHUNK = 500  # scenes in one file of latents
UNCONDITIONAL = 0.1  # share of the batch that learns without its text
HEAVIEST = 8.0  # weight of a prediction made from almost nothing but noise
WORDINGS = 8  # of each scene, drawn once


def encode_scenes(autoencoder: AutoencoderKL, folder: Path, count: int, workers: int = 1) -> Tensor:
    """The latents of the first ``count`` training scenes, [count, 4, h, w]. They are made once and kept in files."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = [TRAIN_SEEDS[start : min(start + CHUNK, count)] for start in range(0, count, CHUNK)]

    def piece(seeds: range) -> Tensor:
        path = folder / f"{seeds.start:07d}-{seeds.stop:07d}.pt"
        if not path.exists():
            latents = torch.cat([encode(autoencoder, seeds[i : i + 50]) for i in range(0, len(seeds), 50)])
            torch.save(latents, path.with_suffix(".draft"))
            path.with_suffix(".draft").replace(path)
            logger.info("latents: up to scene %d of %d", seeds.stop, count)
        return torch.load(path, weights_only=True)

    with ThreadPoolExecutor(workers) as pool:
        return torch.cat(list(pool.map(piece, pieces)))


@torch.no_grad()
def encode(autoencoder: AutoencoderKL, seeds: range) -> Tensor:
    x = rendered(seeds).to(autoencoder.device)
    with mixed_precision(x.device):
        latents = autoencoder.encode(x).latent_dist.mean  # [B, 4, h, w]
    return latents.float().cpu() * SCALING_FACTOR


def train_denoiser(
    folder: Path, plan: Plan, latents: Tensor, autoencoder: AutoencoderKL, tokenizer: CLIPTokenizer, samples: int = 32
) -> Denoiser:
    """The averaged denoiser at the end of the plan. ``latents`` [N, 4, h, w] are of the first N training seeds."""
    device = best_device()
    training = Training(new_denoiser(0, tokenizer), plan, folder)
    if device.type == "cpu":  # there the fused attention's backward pass takes a fifth of a step
        training.model.unet.set_attn_processor(AttnProcessor())
        training.model.text_encoder.set_attn_implementation("eager")
    scheduler = DDIMScheduler(**SCHEDULER)
    signal = scheduler.alphas_cumprod.to(device)  # [1000]

    texts = caption_tokens(tokenizer, len(latents))  # [N, WORDINGS, TOKENS]
    silence = tokenize(tokenizer, [""])  # [1, TOKENS]

    def batch_at(step: int) -> Batch:
        rng = np.random.default_rng((step, 3))
        picked, wording = (torch.from_numpy(rng.integers(n, size=plan.batch)) for n in texts.shape[:2])
        silent = torch.from_numpy(rng.random((plan.batch, 1)) < UNCONDITIONAL)
        # one timestep from each of B equal parts: every batch sees the whole range
        timesteps = ((rng.permutation(plan.batch) + rng.random(plan.batch)) / plan.batch * len(signal)).astype(int)
        clean = latents[picked]  # [B, 4, h, w]
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(step))
        tokens = torch.where(silent, silence, texts[picked, wording].long())
        return tuple(part.to(device) for part in (clean, noise, torch.from_numpy(timesteps), tokens))

    def look() -> dict[str, float]:
        rate, pictures = following_rate(assemble(autoencoder, training.average, tokenizer), samples)
        write_grid(folder / "samples.png", to_tensor(pictures), columns=min(8, samples))
        return {"captions_followed": rate}

    training.run(batch_at, lambda batch: denoiser_loss(training.model, signal, *batch), look)
    return training.average


def caption_tokens(tokenizer: CLIPTokenizer, count: int) -> Tensor:
    """Several wordings of each of the first training scenes, int16 [count, WORDINGS, TOKENS]."""
    wordings = []
    for seed in TRAIN_SEEDS[:count]:
        shown = scene(seed)
        wordings += [caption(shown, WORDINGS * seed + i) for i in range(WORDINGS)]
    pieces = [tokenize(tokenizer, wordings[i : i + 4096]).short() for i in range(0, len(wordings), 4096)]
    return torch.cat(pieces).view(count, WORDINGS, -1)


def denoiser_loss(
    model: Denoiser, signal: Tensor, clean: Tensor, noise: Tensor, timesteps: Tensor, tokens: Tensor
) -> Tensor:
    a = signal[timesteps].view(-1, 1, 1, 1)
    noisy = a.sqrt() * clean + (1 - a).sqrt() * noise
    with mixed_precision(clean.device):
        eps = model(noisy, timesteps, tokens)
    error = (eps.float() - noise).square().mean((1, 2, 3))  # [B]
    # the plain loss weighs an error in the clean picture by the SNR: next to nothing where colours and shapes are
    # decided; the SNR's square root moves weight there and keeps the fine detail
    weight = ((1 - a) / a).sqrt().clamp(max=HEAVIEST).flatten()
    return (weight * error).mean()


def following_rate(pipe, count: int, guidance: float = 4.0, steps: int = 20) -> tuple[float, np.ndarray]:
    """The share of the first held-out captions whose objects are all drawn, and the pictures [count, H, W, 3]."""
    scenes = [scene(seed) for seed in HELD_OUT_SEEDS[:count]]
    pictures = draw(pipe, [caption(s, i) for i, s in enumerate(scenes)], guidance, steps)
    return float(np.mean([follows(s, picture) for s, picture in zip(scenes, pictures, strict=True)])), pictures


def draw(pipe, captions: list[str], guidance: float, steps: int) -> np.ndarray:
    """Pictures of the captions, uint8 [B, H, W, 3]. The i-th starts from the noise of seed i.

    Every step adds fresh noise (eta 1), which corrects what earlier steps got wrong: a second star, for example.
    """
    drawn = []
    for start in range(0, len(captions), 16):
        texts = captions[start : start + 16]
        seeds = [torch.Generator().manual_seed(start + i) for i in range(len(texts))]
        settings = {"num_inference_steps": steps, "guidance_scale": guidance, "eta": 1.0, "output_type": "np"}
        drawn.append(pipe(texts, generator=seeds, **settings).images)
    return (np.concatenate(drawn) * 255).round().astype(np.uint8)
