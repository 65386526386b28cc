"""Scenes as training data. A batch depends on its step alone, so a resumed training sees the same data."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from .painting import render
from .scenes import HELD_OUT_SEEDS, TRAIN_SEEDS, scene

STEP = 8  # pixels in a latent cell's side: crops keep to this grid


def to_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in -1..1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def to_pictures(x: Tensor) -> np.ndarray:
    """float [B, 3, H, W] in -1..1 -> uint8 [B, H, W, 3]."""
    return x.float().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def rendered(seeds: Iterable[int]) -> Tensor:
    """The pictures of these seeds' scenes, [B, 3, H, W] in -1..1."""
    return to_tensor(np.stack([render(scene(seed)) for seed in seeds]))


def scene_batch(step: int, batch: int) -> Tensor:
    """Pictures of training scenes."""
    return rendered(np.random.default_rng((step, 1)).integers(TRAIN_SEEDS.start, TRAIN_SEEDS.stop, size=batch).tolist())


def crop_batch(step: int, batch: int, side: int) -> Tensor:
    """Two crops of each scene, on the latent's grid: [B, 3, side, side]."""
    whole = scene_batch(step, (batch + 1) // 2)
    rng = np.random.default_rng((step, 2))
    room = (whole.shape[-1] - side) // STEP
    crops = []
    for i in range(batch):
        top, left = (STEP * int(v) for v in rng.integers(0, room + 1, size=2))
        crops.append(whole[i // 2, :, top : top + side, left : left + side])
    return torch.stack(crops)


def held_out_batch(count: int) -> Tensor:
    return rendered(HELD_OUT_SEEDS[:count])
