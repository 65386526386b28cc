"""The bundled model as ComfyUI's MODEL, CLIP and VAE, and a scene of its world as pictures and texts."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import comfy.model_management as mm
import numpy as np
import torch
import torch.nn.functional as F
from comfy import model_patcher, sd, sd1_clip, supported_models, supported_models_base, utils
from torch import Tensor

from ... import toybox

AREA = "diffedit_area"
"""What the demo model's configuration notes about itself: pixels of the pictures that it was made for."""

PIXELS = 8
"""A latent cell."""


def demo_model(folder: Path | None = None) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE of the bundled model, or of a folder in the diffusers layout, through ComfyUI's classes."""
    folder = folder or toybox.weights()
    return _unet(folder / "unet"), _clip(folder / "text_encoder", folder / "tokenizer"), _vae(folder / "vae")


def demo_scene(seed: int, kind: str) -> tuple[Tensor, str, str, Tensor, Tensor]:
    """Picture [1, H, W, 3], source and target text, the edit's true region [1, H, W] and true picture, all held out."""
    held_out = toybox.HELD_OUT_SEEDS
    made = toybox.task(held_out[seed % len(held_out)], kind)
    toybox.forget()
    return _tensor(made.image / 255), made.source, made.target, _tensor(made.region), _tensor(made.edited / 255)


class Multiple(Fraction):
    """A multiple of the first width. ComfyUI multiplies widths by it and makes layers of the result: a whole number."""

    def __mul__(self, width: int) -> int:  # type: ignore[override]
        return int(super().__mul__(width))

    __rmul__ = __mul__  # type: ignore[assignment]


def _unet(folder: Path) -> Any:
    theirs = _config(folder)
    widths, depth = theirs["block_out_channels"], theirs["layers_per_block"]
    attends = [int("CrossAttn" in block) for block in theirs["down_block_types"]]
    config = {
        "image_size": 32,
        "in_channels": theirs["in_channels"],
        "out_channels": theirs["out_channels"],
        "model_channels": widths[0],
        "channel_mult": [Multiple(width, widths[0]) for width in widths],
        "num_res_blocks": [depth] * len(widths),
        "transformer_depth": [block for block in attends for _ in range(depth)],
        "transformer_depth_output": [block for block in attends for _ in range(depth + 1)],
        "transformer_depth_middle": 1,
        "context_dim": theirs["cross_attention_dim"],
        "use_spatial_transformer": True,
        "use_linear_in_transformer": theirs["use_linear_projection"],
        "use_temporal_attention": False,
        "adm_in_channels": None,
        "legacy": False,
        "dtype": torch.float32,  # it is small enough
    }
    made = supported_models.SD15(config)
    made.unet_config["num_heads"] = theirs["attention_head_dim"]  # diffusers' name for it
    setattr(made, AREA, (PIXELS * theirs["sample_size"]) ** 2)
    weights = _weights(folder / "diffusion_pytorch_model.safetensors")
    names = utils.unet_to_diffusers(made.unet_config)
    ours = {names[name]: weight for name, weight in weights.items()}
    model = made.get_model({}, device=mm.unet_offload_device()).load_model_weights(ours)
    return model_patcher.ModelPatcher(model, load_device=mm.get_torch_device(), offload_device=mm.unet_offload_device())


def _clip(folder: Path, tokenizer_folder: Path) -> Any:
    theirs = _config(folder)
    length, width = theirs["max_position_embeddings"], theirs["hidden_size"]
    ends = {"start": theirs["bos_token_id"], "end": theirs["eos_token_id"], "pad": theirs["pad_token_id"]}
    encoder = partial(
        sd1_clip.SDClipModel,
        max_length=length,
        textmodel_json_config=theirs,
        special_tokens=ends,
        return_projected_pooled=False,
    )
    tokenizer = partial(
        sd1_clip.SDTokenizer, tokenizer_path=str(tokenizer_folder), max_length=length, embedding_size=width
    )
    target = supported_models_base.ClipTarget(
        partial(sd1_clip.SD1Tokenizer, tokenizer=tokenizer), partial(sd1_clip.SD1ClipModel, clip_model=encoder)
    )
    clip = sd.CLIP(target, model_options={"dtype": torch.float32})
    weights = _weights(folder / "model.safetensors")
    words = weights["text_model.embeddings.token_embedding.weight"]  # [vocabulary, width]
    rows = clip.cond_stage_model.clip_l.transformer.get_input_embeddings().weight.shape[0]  # CLIP's, always
    weights["text_model.embeddings.token_embedding.weight"] = F.pad(words, (0, 0, 0, rows - len(words)))
    clip.load_sd(weights)
    return clip


def _vae(folder: Path) -> Any:
    theirs = _config(folder)
    widths = theirs["block_out_channels"]
    sizes = {
        "double_z": True,
        "z_channels": theirs["latent_channels"],
        "resolution": theirs["sample_size"],
        "in_channels": theirs["in_channels"],
        "out_ch": theirs["out_channels"],
        "ch": widths[0],
        "ch_mult": [width // widths[0] for width in widths],
        "num_res_blocks": theirs["layers_per_block"],
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    config = {"params": {"ddconfig": sizes, "embed_dim": theirs["latent_channels"]}}
    weights = _weights(folder / "diffusion_pytorch_model.safetensors")
    return sd.VAE(sd=weights, config=config, dtype=torch.float32)


def _config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def _weights(path: Path) -> dict[str, Tensor]:
    """In half precision on disk."""
    return {name: weight.float() for name, weight in utils.load_torch_file(str(path), safe_load=True).items()}


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))[None]
