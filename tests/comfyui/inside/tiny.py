"""Small models with fixed random weights, built from ComfyUI's own classes. They draw nothing; they sample for real."""

from __future__ import annotations

import dataclasses
import zlib
from typing import Any

import comfy.ldm.flux.model
import comfy.model_base
import comfy.model_patcher
import comfy.supported_models as supported_models
import torch
from torch import Tensor

TEXT_WIDTH = 64

UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "num_res_blocks": [1, 1],
    "channel_mult": [1, 2],
    "transformer_depth": [1, 1],
    "transformer_depth_output": [1, 1, 1, 1],
    "transformer_depth_middle": 1,
    "context_dim": TEXT_WIDTH,
    "num_heads": 2,
    "num_head_channels": -1,
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
    "use_temporal_attention": False,
    "legacy": False,
}
MMDIT = {
    "in_channels": 16,
    "out_channels": 16,
    "input_size": None,
    "patch_size": 2,
    "depth": 2,
    "num_patches": 64 * 64,
    "pos_embed_max_size": 64,
    "pos_embed_scaling_factor": None,
    "adm_in_channels": 64,
    "context_embedder_config": {
        "target": "torch.nn.Linear",
        "params": {"in_features": TEXT_WIDTH, "out_features": 128},
    },
    "context_size": TEXT_WIDTH,
    "qkv_bias": True,
}
WAN = {
    "image_model": "wan2.1",
    "model_type": "t2v",
    "dim": 96,
    "ffn_dim": 128,
    "num_heads": 4,
    "num_layers": 2,
    "in_dim": 16,
    "out_dim": 16,
    "text_dim": TEXT_WIDTH,
    "freq_dim": 32,
    "text_len": 16,
}
FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "vec_in_dim": 64,
    "context_in_dim": TEXT_WIDTH,
    "hidden_size": 96,
    "mlp_ratio": 2.0,
    "num_heads": 4,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [4, 10, 10],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": False,
}
if "txt_ids_dims" in {field.name for field in dataclasses.fields(comfy.ldm.flux.model.FluxParams)}:
    FLUX["txt_ids_dims"] = []  # newer versions want it said


class SD15V(supported_models.SD15):
    """As SD2.x predicts, at SD1.5's sizes."""

    def model_type(self, state_dict: dict, prefix: str = "") -> Any:
        return comfy.model_base.ModelType.V_PREDICTION


FAMILIES = {
    "sd15": (supported_models.SD15, UNET),
    "sd15-v": (SD15V, UNET),
    "inpaint": (supported_models.SD15, {**UNET, "in_channels": 9}),
    "sdxl": (
        supported_models.SDXL,
        {**UNET, "num_heads": -1, "num_head_channels": 32, "use_linear_in_transformer": True}
        | {"num_classes": "sequential", "adm_in_channels": 2816, "transformer_depth": [0, 2]}
        | {"transformer_depth_output": [0, 0, 2, 2]},
    ),
    "sd3": (supported_models.SD3, MMDIT),
    "flux": (supported_models.FluxSchnell, FLUX),
    "wan": (supported_models.WAN21_T2V, WAN),
}
POOLED = {"sdxl": 1280, "sd3": 64, "flux": 64}
SHAPES = {"sd3": (16, 8, 8), "flux": (16, 8, 8), "wan": (16, 2, 8, 8)}  # a latent without its batch


def model(family: str = "sd15", dtype: torch.dtype = torch.float32, seed: int = 0) -> Any:
    """A MODEL as a loader hands it out."""
    kind, config = FAMILIES[family]
    made = kind({**config, "dtype": dtype})
    if dtype != torch.float32:
        made.manual_cast_dtype = None
    inner = made.get_model({}, device=torch.device("cpu"))
    randomize(inner.diffusion_model, seed)
    return patcher(inner.eval())


def patcher(inner: torch.nn.Module) -> Any:
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(inner, load_device=cpu, offload_device=cpu)


@torch.no_grad()
def randomize(module: torch.nn.Module, seed: int) -> None:
    """ComfyUI leaves weights uninitialized, for a checkpoint to fill."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in module.named_parameters():
        scale = 1 / max(1, weight[0].numel()) ** 0.5 if weight.ndim > 1 else 0.1
        values = torch.randn(weight.shape, generator=generator) * scale
        weight.copy_(values + 1 if weight.ndim == 1 and "norm" in name and name.endswith("weight") else values)
    for table in module.buffers():  # of positions
        table.copy_(torch.randn(table.shape, generator=generator))


def latent(family: str = "sd15", batch: int = 1, seed: int = 7) -> dict[str, Tensor]:
    shape = SHAPES.get(family, (4, 8, 8))
    return {"samples": torch.randn((batch, *shape), generator=torch.Generator().manual_seed(seed)) * 4}


def text(words: str, family: str = "sd15", **options: Any) -> list:
    """A CONDITIONING: what a text encoder would make of other words is other numbers."""
    generator = torch.Generator().manual_seed(zlib.crc32(words.encode()))
    embedding = torch.randn((1, 8, TEXT_WIDTH), generator=generator) * 3
    pooled = torch.randn((1, POOLED.get(family, TEXT_WIDTH)), generator=generator)
    return [[embedding, {"pooled_output": pooled, **options}]]
