"""What is given, and what results must hold. An error says what to do."""

from __future__ import annotations

from torch import Tensor


def check_finite(values: Tensor, what: str, cause: str = "half precision (fp16)") -> None:
    if not values.isfinite().all():
        raise ValueError(f"{what} NaN or infinity, which {cause} often causes; run the model in float32 or bfloat16")


def check_pictures(pictures: Tensor, what: str) -> None:
    if pictures.ndim != 4 or pictures.shape[-1] != 3 or not pictures.numel():
        raise ValueError(f"{what} is {list(pictures.shape)}; give pictures [batch, height, width, 3]")
    if not pictures.is_floating_point():
        raise ValueError(f"{what} holds whole numbers, {pictures.dtype}; give numbers from 0 to 1")
    check_finite(pictures, f"{what} contains")


def check_masks(masks: Tensor, what: str = "the mask") -> None:
    """Or heatmaps."""
    if masks.ndim != 3 or not masks.numel():
        raise ValueError(f"{what} is {list(masks.shape)}; give [batch, height, width]")
    check_finite(masks, f"{what} contains")


def check_latents(latents: Tensor) -> None:
    if latents.ndim < 4 or not latents.numel() or not latents.is_floating_point():
        raise ValueError(
            f"the latent is {list(latents.shape)} of {latents.dtype}; give [batch, channels, ..., height, width]"
        )
