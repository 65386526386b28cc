"""The way from pixels to latents and back, in the units that the network was trained in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Autoencoder:
    """diffusers' AutoencoderKL. Some shift latents before they scale them, and a few do so channel by channel."""

    def __init__(self, vae: Any, *, needs_float32: bool = False) -> None:
        if needs_float32 and vae.dtype == torch.float16 and vae.device.type != "meta":
            vae.to(torch.float32)  # as diffusers does with SDXL's, which overflows
        self.vae = vae
        self.multiple = 2 ** (len(vae.config.block_out_channels) - 1)
        self.channels: int = vae.config.latent_channels
        mean, std = getattr(vae.config, "latents_mean", None), getattr(vae.config, "latents_std", None)
        self.scale: float | Tensor = vae.config.scaling_factor
        self.shift: float | Tensor = getattr(vae.config, "shift_factor", None) or 0.0
        if mean is not None and std is not None:
            self.scale, self.shift = self.scale / _of_channels(std), _of_channels(mean)

    @torch.no_grad()
    def encode(self, picture: Tensor, device: torch.device) -> Tensor:
        """[B, H, W, 3] in 0..1 -> the latent's mode, not a sample: [B, C, h, w] float32."""
        pixels = (picture.movedim(-1, 1) * 2 - 1).to(device, self.vae.dtype)
        mode = self.vae.encode(pixels).latent_dist.mode().float()
        return (mode - _on(self.shift, mode)) * _on(self.scale, mode)

    @torch.no_grad()
    def decode(self, latent: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, H, W, 3] in 0..1, float32."""
        latent = latent / _on(self.scale, latent) + _on(self.shift, latent)
        pixels = self.vae.decode(latent.to(self.vae.dtype)).sample
        return (pixels.float().movedim(1, -1) / 2 + 0.5).clamp(0, 1)


def _of_channels(values: Any) -> Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)


def _on(value: float | Tensor, like: Tensor) -> float | Tensor:
    return value.to(like) if isinstance(value, Tensor) else value
