"""ComfyUI's model families: what a cell of their latents holds, what they make, and which cannot be served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PIXELS = {
    **{"LTXV": 32, "LTXAV": 32, "Wan22": 16, "Flux2": 16, "HunyuanVideo15": 16, "HunyuanImage21": 32},
    **{"SC_Prior": 42, "SC_B": 4, "ChromaRadiance": 1},
}
"""Pixels along each side of a latent cell, by latent format, where it is not 8.

It goes before what a latent format says of itself: that is not there in older versions, and wrong for some in 0.11.0.
"""

PICTURES = {"Wan21": 4, "HunyuanVideo": 4, "HunyuanVideo15": 4, "Mochi": 6, "LTXV": 8, "Cosmos1CV8x8x8": 8}
"""Pictures of a clip to a latent frame, all but the first, for versions whose latent formats do not say."""

STILLS = ("QwenImage", "Krea2", "Anima", "JoyImage", "CosmosPredict2")
"""Models that make stills, with an autoencoder for clips."""

SOUND, SHAPES, ENLARGES, LOOKS, NO_TEXT = (
    "it makes sound",
    "it makes 3-D shapes",
    "it only enlarges or finishes what another model drew",
    "it looks at pictures and makes none",
    "it follows a picture and no text",
)
REFUSED = {
    "MiniMaxH3": ("MiniMax H3", "it makes picture and sound together, and needs both"),
    "CogVideoX": ("CogVideoX", "its noise is of a kind that is not known here"),
    "StableAudio1": ("Stable Audio", SOUND),
    "StableAudio3": ("Stable Audio 3", SOUND),
    "ACEStep": ("ACE-Step", SOUND),
    "ACEStep15": ("ACE-Step 1.5", SOUND),
    "MiniMaxMusic3": ("MiniMax Music 3", SOUND),
    "Hunyuan3Dv2": ("Hunyuan3D 2", SHAPES),
    "Hunyuan3Dv2_1": ("Hunyuan3D 2.1", SHAPES),
    "Trellis2": ("Trellis 2", SHAPES),
    "TripoSplat": ("TripoSplat", SHAPES),
    "SeedVR2": ("SeedVR2", ENLARGES),
    "SD_X4Upscaler": ("SD x4 Upscaler", ENLARGES),
    "HunyuanImage21Refiner": ("the HunyuanImage 2.1 refiner", ENLARGES),
    "PiD": ("PiD", ENLARGES),
    "SAM3": ("SAM 3", LOOKS),
    "RT_DETR_v4": ("RT-DETR", LOOKS),
    "DepthAnything3": ("Depth Anything 3", LOOKS),
    "SVD_img2vid": ("Stable Video Diffusion", NO_TEXT),
    "Stable_Zero123": ("Stable Zero123", NO_TEXT),
}
"""What is not served, by ComfyUI's class: its own name, and why."""


def check_served(model: Any) -> None:
    found = _by_class(REFUSED, model.model)
    if found:
        name, why = found
        raise ValueError(f"{name} is not supported: {why}; use a model that makes pictures or clips from a text")


def is_video(model: Any) -> bool:
    """Whether its VAE takes a batch of pictures for one clip."""
    return model.get_model_object("latent_format").latent_dimensions == 3


def makes_stills(model: Any) -> bool:
    """Whether it makes pictures, though its VAE is one for clips."""
    inner = model.model
    is_still = any(kind.__name__ in STILLS for kind in type(inner).__mro__)
    return is_video(model) and is_still and not getattr(inner, "image_to_video", False)


def cell_pixels(model: Any) -> int:
    """Along each side of a latent cell."""
    latent_format = model.get_model_object("latent_format")
    return _by_class(PIXELS, latent_format) or getattr(latent_format, "spacial_downscale_ratio", 8)


def cell_pictures(model: Any) -> int:
    """Pictures to a latent frame, all but the first."""
    if not is_video(model) or makes_stills(model):
        return 1
    latent_format = model.get_model_object("latent_format")
    return _by_class(PICTURES, latent_format) or getattr(latent_format, "temporal_downscale_ratio", 1)


def _by_class(table: Mapping[str, Any], made: Any) -> Any:
    """What a table has for the class of an object, or for the nearest class that it is derived from."""
    return next((table[kind.__name__] for kind in type(made).__mro__ if kind.__name__ in table), None)
