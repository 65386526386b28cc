"""A depth map for a model that was trained with one as a fifth channel (SD2 for depth). ComfyUI gives it none."""

from __future__ import annotations

from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor
from torch.nn.functional import interpolate

from .wires import pictures_of

CHANNELS = 5
KEY = "diffedit_depth"


def with_depth(model: Any, depth: Tensor) -> Any:
    """The model, given the depth of the picture that it works on: [B, H, W, 3], bright where something is near."""
    if model.model.model_config.unet_config.get("in_channels") != CHANNELS:
        raise ValueError(
            "this model takes no depth map; load one that was trained on depth maps, or use a ControlNet for depth"
        )
    near = pictures_of(depth, "depth map").float().mean(-1)[:, None]  # [B, 1, H, W]

    def seeing(run: Any, x: Tensor, t: Tensor, _: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        return run(x, t, as_channel(near, x), *args, **kwargs)

    seen = model.clone()
    seen.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, seeing)
    return seen


def as_channel(near: Tensor, x: Tensor) -> Tensor:
    """As the model was trained: at the latent's size, from -1 to 1 in each picture: [len(x), 1, h, w]."""
    small = interpolate(near.to(x), x.shape[-2:], mode="bicubic", align_corners=False)
    low, high = small.amin((1, 2, 3), keepdim=True), small.amax((1, 2, 3), keepdim=True)
    scaled = 2 * (small - low) / (high - low).clamp_min(1e-6) - 1
    return scaled[torch.arange(len(x), device=x.device) % len(scaled)]
