"""What some UNets see of the picture, as channels beside the noisy latent: a hole to fill, or a depth map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...pictures import to_pil


def _hole(unet: Any, picture: Tensor, mask: Tensor | None, device: torch.device) -> Tensor:
    """The mask at the latent's size and the picture without what is inside it: [B, 1 + C, h, w].

    Without a mask nothing of the picture is shown, as if all of it were to be painted.
    """
    hole = torch.ones_like(picture[..., 0]) if mask is None else (mask.to(picture) >= 0.5).to(picture)
    hole = hole.expand(len(picture), -1, -1)
    grey = torch.lerp(picture, torch.full_like(picture, 0.5), hole[..., None])
    rest = unet.autoencoder.encode(grey, device)
    return torch.cat([F.interpolate(hole[:, None].to(rest), size=rest.shape[-2:]), rest], dim=1)


def _depth(unet: Any, picture: Tensor, mask: Tensor | None, device: torch.device) -> Tensor:
    """Near and far in -1..1, as the pipeline itself prepares it: [B, 1, h, w]."""
    images, given = [to_pil(each[None]) for each in picture], None
    if unet.control:
        given = unet.control(picture)
        given = given.mean(-1) if given.ndim == 4 else given  # [B, H, W]
        given = given.expand(len(picture), -1, -1)
    depth = unet.pipe.prepare_depth_map(images, given, len(picture), False, unet.dtype, device)
    if not depth.isfinite().all():
        raise ValueError("the depth map is the same everywhere; give another one")
    return depth


@dataclass(frozen=True)
class Sight:
    """``look(unet, picture [B, H, W, 3], mask [B or 1, H, W] or None, device)``: further channels [B, ...]."""

    look: Callable[[Any, Tensor, Tensor | None, torch.device], Tensor]
    fills: bool = False
    takes_control: bool = False


SIGHTS: dict[str, Sight] = {"hole": Sight(_hole, fills=True), "depth": Sight(_depth, takes_control=True)}
