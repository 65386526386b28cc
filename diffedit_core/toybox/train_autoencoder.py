"""Trains the autoencoder: first on crops, because they are cheap, then on whole scenes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from .model import new_autoencoder
from .train_data import crop_batch, held_out_batch, scene_batch, to_pictures
from .train_loop import Batch, Plan, Training, best_device, mixed_precision

CROP = 64
WHOLE_SHARE = 0.25  # of the steps, at the end, take whole scenes: a quarter of the batch, so as many pixels
KL_WEIGHT = 1e-4
EDGE_WEIGHT = 0.5


def train_autoencoder(folder: Path, plan: Plan) -> AutoencoderKL:
    """The averaged autoencoder at the end of the plan. Its latents do not have unit variance yet."""
    device = best_device()
    training = Training(new_autoencoder(seed=0), plan, folder)
    held_out = held_out_batch(32).to(device)

    def batch_at(step: int) -> Batch:
        whole = step >= (1 - WHOLE_SHARE) * plan.steps
        x = scene_batch(step, plan.batch // 4) if whole else crop_batch(step, plan.batch, CROP)  # [B, 3, H, W]
        noise = torch.randn(len(x), 4, x.shape[2] // 8, x.shape[3] // 8, generator=torch.Generator().manual_seed(step))
        return x.to(device), noise.to(device)

    def look() -> dict[str, float]:
        again = reconstruct(training.average, held_out)
        write_grid(folder / "samples.png", torch.stack([held_out[:12], again[:12]], 1).flatten(0, 1), columns=6)
        return {"held_out_psnr": psnr(held_out, again)}

    training.run(batch_at, lambda batch: autoencoder_loss(training.model, *batch), look)
    return training.average


def autoencoder_loss(model: AutoencoderKL, x: Tensor, noise: Tensor) -> Tensor:
    with mixed_precision(x.device):
        posterior = model.encode(x).latent_dist
        again = model.decode(posterior.mean + posterior.std * noise).sample
    error = again.float() - x
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    divergence = posterior.kl().mean() / posterior.mean[0].numel()
    # L1 alone would give up rare pixels; the square keeps the worst of them in view
    return error.abs().mean() + error.square().mean() + EDGE_WEIGHT * edges + KL_WEIGHT * divergence


@torch.no_grad()
def reconstruct(model: AutoencoderKL, x: Tensor) -> Tensor:
    parts = [model.decode(model.encode(part).latent_dist.mode()).sample for part in x.split(16)]
    return torch.cat(parts).clamp(-1, 1)


def psnr(x: Tensor, y: Tensor) -> float:
    """The mean PSNR over pictures in -1..1."""
    error = (x.float() - y.float()).square().flatten(1).mean(1)
    return float((10 * torch.log10(4 / error)).mean())


def write_grid(path: Path, pictures: Tensor, columns: int) -> None:
    """Write pictures [N, 3, H, W] as one sheet. N is a multiple of the columns."""
    tiles = to_pictures(pictures)
    rows = [np.concatenate(list(tiles[i : i + columns]), 1) for i in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1])


def held_out_psnr(model: AutoencoderKL, count: int) -> float:
    x = held_out_batch(count).to(model.device)
    return psnr(x, reconstruct(model, x))
