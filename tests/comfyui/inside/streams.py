"""The networks in which picture and text are two streams, then one: Flux and what came of it, made small."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import comfy.ldm.chroma.model
import comfy.ldm.chroma_radiance.model
import comfy.ldm.flux.model
import comfy.ldm.hunyuan_video.model
from networks import TEXT_WIDTH

STREAMS = {
    "vec_in_dim": 64,
    "context_in_dim": TEXT_WIDTH,
    "hidden_size": 96,
    "mlp_ratio": 2.0,
    "num_heads": 4,
    "depth": 1,
    "depth_single_blocks": 1,
    "qkv_bias": True,
    "guidance_embed": False,
}
FLUX = {
    **STREAMS,
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "axes_dim": [4, 10, 10],
    "theta": 10000,
    "txt_ids_dims": [],
}
FLUX_DEV = {**FLUX, "guidance_embed": True}  # distilled: is told the guidance
FLUX2 = {
    **FLUX,
    "image_model": "flux2",
    "in_channels": 128,
    "out_channels": 128,
    "patch_size": 1,
    "vec_in_dim": None,
    "hidden_size": 32,  # small, for its text is filled up to 512 tokens
    "num_heads": 2,
    "axes_dim": [4, 4, 4, 4],
    "theta": 2000,
    "qkv_bias": False,
    "ops_bias": False,
    "global_modulation": True,
    "mlp_silu_act": True,
    "default_ref_method": "index",
    "ref_index_scale": 10.0,
    "txt_ids_dims": [3],
}
CHROMA = {
    **FLUX,
    "image_model": "chroma",
    "in_channels": 16 * 4,
    "out_channels": 16 * 4,
    "vec_in_dim": None,
    "in_dim": 64,
    "out_dim": 96,
    "hidden_dim": 32,
    "n_layers": 1,
}
RADIANCE = {
    **CHROMA,
    "image_model": "chroma_radiance",
    "in_channels": 3,
    "out_channels": 3,
    "patch_size": 16,
    "nerf_hidden_size": 16,
    "nerf_mlp_ratio": 1,
    "nerf_depth": 1,
    "nerf_max_freqs": 2,
    "nerf_tile_size": 0,
    "nerf_final_head_type": "conv",
    "nerf_embedder_dtype": None,
    "use_x0": False,
    "use_sequential_txt_ids": False,
}
HUNYUAN = {
    **STREAMS,
    "image_model": "hunyuan_video",
    "guidance_embed": True,
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": [1, 2, 2],
    "axes_dim": [8, 8, 8],
    "theta": 256,
    "byt5": False,
    "meanflow": False,
    "use_cond_type_embedding": False,
    "vision_in_dim": None,
    "meanflow_sum": False,
}
HUNYUAN15 = {
    **HUNYUAN,
    "in_channels": 2 * 32 + 1,  # a first frame and where it is are concatenated
    "out_channels": 32,
    "patch_size": [1, 1, 1],
    "vec_in_dim": None,
    "guidance_embed": False,
    "use_cond_type_embedding": True,
    "vision_in_dim": TEXT_WIDTH,
}
HUNYUAN_IMAGE = {
    **HUNYUAN,
    "in_channels": 64,
    "out_channels": 64,
    "patch_size": [1, 1],
    "vec_in_dim": None,
    "guidance_embed": False,
    "axes_dim": [12, 12],
}
MEAN_FLOW = {**HUNYUAN_IMAGE, "guidance_embed": True, "meanflow": True}  # is told where a step leads, as well

ASKED = {
    "flux": comfy.ldm.flux.model.FluxParams,
    "flux2": comfy.ldm.flux.model.FluxParams,
    "chroma": comfy.ldm.chroma.model.ChromaParams,
    "chroma_radiance": comfy.ldm.chroma_radiance.model.ChromaRadianceParams,
    "hunyuan_video": comfy.ldm.hunyuan_video.model.HunyuanVideoParams,
}
"""What each asks to be told, all of it and nothing else: newer versions ask for more."""


def known(config: Mapping[str, Any]) -> dict[str, Any]:
    """What this version's network asks for."""
    asked = ASKED.get(config.get("image_model", ""))
    names = {"image_model", *(field.name for field in dataclasses.fields(asked))} if asked else set(config)
    return {name: value for name, value in config.items() if name in names}
