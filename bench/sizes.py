"""Stable-Diffusion-shaped pipelines with random weights: speed does not depend on what they draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel

from diffedit_core.hosts.diffusers import be_quiet
from tests.pipelines import random_pipeline

SD_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
SD15_UNET = {
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
}
SDXL_UNET = {  # its widths and depths; its second text embedding, which costs nothing, is left out
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
}


@dataclass(frozen=True)
class Size:
    pixels: int  # of a side
    text_width: int
    unet: Mapping[str, Any] = field(default_factory=dict)
    widths: tuple[int, ...] = (32, 64)  # where no unet is given
    dtype: torch.dtype = torch.float32


SIZES = {
    "small": Size(256, 64, widths=(64, 128)),  # some 40 ms a row on one CPU core
    "sd15": Size(512, 768, SD15_UNET, dtype=torch.float16),
    "sdxl": Size(1024, 2048, SDXL_UNET, dtype=torch.float16),
}


def build(size: Size, device: str) -> StableDiffusionPipeline:
    """The same weights every time."""
    be_quiet()
    pipe = random_pipeline(widths=size.widths, text_width=size.text_width)
    if size.unet:
        with torch.random.fork_rng():
            torch.default_generator.manual_seed(0)
            pipe.register_modules(unet=UNet2DConditionModel(**size.unet).eval(), vae=AutoencoderKL(**SD_VAE).eval())
    return pipe.to(device, size.dtype)
