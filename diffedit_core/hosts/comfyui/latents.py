"""ComfyUI's latents: what a model can take, in whose units, and masks that lie on their cells."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import comfy.model_management as mm
import comfy.sample
from torch import Tensor

from .families import check_served, is_video
from .noise import SamplingProcess
from .pictures import crop_centred

VaeLatent = Mapping[str, Any]
"""``{"samples": [B, C, h, w] or [B, C, T, h, w], ...}`` in the autoencoder's units. A noise_mask in it is not used."""

SIZE_KEYS = ("downscale_ratio_spacial", "downscale_ratio_temporal")
"""What newer versions note beside an empty latent. It does not hold for a finished one."""


def samples_of(model: Any, latent: VaeLatent | None) -> Tensor:
    """[B, C, h, w] or [B, C, T, h, w] float32, in the autoencoder's units, as this model can take them."""
    check_served(model)
    if latent is None:
        raise ValueError(
            "there is no latent: the node that it comes from made none, as Focus does without a draft; "
            "connect the picture's, from VAE Encode"
        )
    samples = latent["samples"]
    if getattr(samples, "is_nested", False):
        raise ValueError(
            "this latent holds picture and sound together; edit the picture's latent alone, from Separate AV Latent"
        )
    if not samples.numel():
        raise ValueError(
            f"the latent is {list(samples.shape)}, so there is nothing in it; look at the node that it comes from"
        )
    samples = comfy.sample.fix_empty_latent_channels(model, samples, **_noted_sizes(latent))
    channels, sides = model.get_model_object("latent_format").latent_channels, 2 + is_video(model)
    if samples.ndim != 2 + sides or samples.shape[1] != channels:
        shape = ", ".join(["batch", str(channels), *("frames", "height", "width")[-sides:]])
        raise ValueError(
            f"the latent is {list(samples.shape)} but this model works on [{shape}]; "
            "encode the picture with the VAE that belongs to the model"
        )
    if not samples.isfinite().all():
        raise ValueError(
            "the latent contains NaN or infinity, which a VAE in half precision (fp16) often causes; "
            "start ComfyUI with --fp32-vae or --bf16-vae, or use another VAE"
        )
    return samples.float()


def _noted_sizes(latent: VaeLatent) -> dict[str, Any]:
    """By which newer versions bring an empty latent of another family to this model's cells."""
    known = inspect.signature(comfy.sample.fix_empty_latent_channels).parameters
    return {key: latent[key] for key in SIZE_KEYS if key in latent and key in known}


def to_vae_units(model: Any, x: Tensor) -> Tensor:
    return model.get_model_object("process_latent_out")(x.float()).to(mm.intermediate_device())


def with_samples(latent: VaeLatent, samples: Tensor) -> VaeLatent:
    return {**{key: value for key, value in latent.items() if key not in SIZE_KEYS}, "samples": samples}


def family_of(model: Any) -> tuple[str, str]:
    return type(model.get_model_object("latent_format")).__name__, SamplingProcess.of(model).kind


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
    return crop_centred(mask, size, "latent's picture")


def _of_frames(planes: Tensor, samples: Tensor) -> Tensor:
    """[n, h, w] -> [n, 1, h, w], or [n, 1, T, h, w] for clips."""
    if samples.ndim == 4:
        return planes[:, None]
    frames = samples.shape[2]
    given = frames if len(planes) == len(samples) * frames else 1
    return planes.unflatten(0, (-1, 1, given)).expand(-1, -1, frames, -1, -1)
