"""Held-out toybox tasks as batches, and what is measured on masks and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.pictures import from_bytes
from diffedit_core.toybox import Task

CHOICE = range(1_020_000, 1_030_000)
"""Held-out seeds that settings are chosen on."""

REPORT = range(1_040_000, 1_050_000)
"""Held-out seeds that are used for nothing but the numbers in the documents."""


@dataclass(frozen=True)
class Batch:
    """B tasks and all that the method is given of them, plus the truth."""

    tasks: list[Task]
    pictures: Tensor  # [B, H, W, 3] in 0..1
    truths: Tensor  # [B, H, W, 3]
    regions: Tensor  # [B, H, W]
    x0: Tensor  # [B, C, h, w]
    source: Tensor  # [B, tokens, width]
    target: Tensor


def batches(host: DiffusersHost, tasks: Sequence[Task], size: int) -> Iterator[Batch]:
    for start in range(0, len(tasks), size):
        part = list(tasks[start : start + size])
        pictures = pictures_of([t.image for t in part])
        yield Batch(
            part,
            pictures,
            pictures_of([t.edited for t in part]),
            torch.from_numpy(np.stack([t.region for t in part])),
            host.encode(pictures),
            torch.cat([host.embed(t.source) for t in part]),
            torch.cat([host.embed(t.target) for t in part]),
        )


def pictures_of(images: Sequence[np.ndarray]) -> Tensor:
    return from_bytes(np.stack(images))


def leak(mask: Tensor, region: Tensor) -> Tensor:
    """The share of the mask that lies outside the true region: [B]."""
    mask, region = mask.flatten(1) > 0.5, region.flatten(1) > 0.5
    return (mask & ~region).sum(1) / mask.sum(1).clamp_min(1)


def errors(picture: Tensor, truth: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """RMS error against the true edited picture, in levels of 255, inside the region and outside it: [B], [B]."""
    square = (255 * (picture - truth)).square().mean(-1)
    inside, outside = (region > 0.5).float(), (region == 0).float()
    return _rms(square, inside), _rms(square, outside)


def _rms(square: Tensor, where: Tensor) -> Tensor:
    return ((square * where).sum((1, 2)) / where.sum((1, 2)).clamp_min(1)).sqrt()
