"""ComfyUI's latents: what a model can take, in whose units, how large a cell is, and masks that lie on the cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import comfy.model_management as mm
import comfy.sample
from torch import Tensor

from .noise import SamplingProcess
from .pictures import crop_centred

VaeLatent = Mapping[str, Any]
"""``{"samples": [B, C, h, w] or [B, C, T, h, w], ...}`` in the autoencoder's units. A noise_mask in it is not used."""

PIXELS = {"LTXV": 32, "Wan22": 16, "HunyuanImage21": 32, "SC_Prior": 42, "SC_B": 4, "ChromaRadiance": 1}
"""Pixels a latent cell, where it is not 8, for versions of ComfyUI whose latent formats do not say."""

SIZE_KEYS = ("downscale_ratio_spacial", "downscale_ratio_temporal")
"""What newer versions note beside an empty latent. It does not hold for a finished one."""


def is_video(model: Any) -> bool:
    """Whether its VAE takes a batch of pictures for one clip."""
    return model.get_model_object("latent_format").latent_dimensions == 3


def samples_of(model: Any, latent: VaeLatent) -> Tensor:
    """[B, C, h, w] or [B, C, T, h, w] float32, in the autoencoder's units, as this model can take them."""
    samples = latent["samples"]
    if getattr(samples, "is_nested", False):
        raise ValueError("this latent holds picture and sound together; edit the picture's latent alone")
    samples = comfy.sample.fix_empty_latent_channels(model, samples)
    channels = model.get_model_object("latent_format").latent_channels
    if samples.ndim not in (4, 5) or samples.shape[1] != channels:
        raise ValueError(
            f"the latent is {list(samples.shape)} but this model works on [batch, {channels}, ...]; "
            "encode the picture with the VAE that belongs to the model"
        )
    if not samples.isfinite().all():
        raise ValueError(
            "the latent contains NaN or infinity, which a VAE in half precision (fp16) often causes; "
            "start ComfyUI with --fp32-vae or --bf16-vae, or use another VAE"
        )
    return samples.float()


def to_vae_units(model: Any, x: Tensor) -> Tensor:
    return model.get_model_object("process_latent_out")(x.float()).to(mm.intermediate_device())


def with_samples(latent: VaeLatent, samples: Tensor) -> VaeLatent:
    return {**{key: value for key, value in latent.items() if key not in SIZE_KEYS}, "samples": samples}


def family_of(model: Any) -> tuple[str, str]:
    return type(model.get_model_object("latent_format")).__name__, SamplingProcess.of(model).kind


def cell_pixels(model: Any) -> int:
    """Along each side of a latent cell."""
    latent_format = model.get_model_object("latent_format")
    return getattr(latent_format, "spacial_downscale_ratio", PIXELS.get(type(latent_format).__name__, 8))


def check_family(model: Any, family: tuple[str, str]) -> None:
    if family_of(model) != family:
        have, need = (" ".join(names) for names in (family_of(model), family))
        raise ValueError(
            f"the trajectory was made by a model of another family ({need}) than this one ({have}); "
            "give both nodes the same model"
        )


def on_cells(planes: Tensor, samples: Tensor, pixels: int, how: Callable[[Tensor, tuple[int, int]], Tensor]) -> Tensor:
    """MASKs [n, H, W] fitted to latents [B, C, h, w]: [n, 1, h, w]. For clips, one for all frames or one for each."""
    return _of_frames(how(_on_picture(planes, samples, pixels), (samples.shape[-2], samples.shape[-1])), samples)


def _on_picture(mask: Tensor, samples: Tensor, pixels: int) -> Tensor:
    """The part of a MASK that the latent holds."""
    size = (samples.shape[-2] * pixels, samples.shape[-1] * pixels)
    return crop_centred(mask.reshape(-1, *mask.shape[-2:]).float(), size, "latent's picture")


def _of_frames(planes: Tensor, samples: Tensor) -> Tensor:
    """[n, h, w] -> [n, 1, h, w], or [n, 1, T, h, w] for clips."""
    planes = planes[:, None]
    if samples.ndim == 4:
        return planes
    batch, frames = len(samples), samples.shape[2]
    if len(planes) == batch * frames:
        return planes.view(batch, 1, frames, *planes.shape[-2:])
    if len(planes) not in (1, batch):
        raise ValueError(
            f"{len(planes)} masks for {batch} clips of {frames} latent frames each; "
            f"give one mask for all, one for each clip, or {batch * frames}, one for each latent frame"
        )
    return planes[:, :, None].expand(-1, -1, frames, -1, -1)
