"""More of what ``checkpoints.py`` makes: the families of today, of their own classes, where this ComfyUI has them.

Run by the ComfyUI's interpreter: ``python today.py <ComfyUI folder> <models folder>``. The text encoders are too large
for a test, whatever their file holds, so all of them are CLIP-L under another name: see SMALL in graphs.py.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from checkpoints import FILLED, TEXT, VAE, WAN, sd15_text_shapes, write  # makes ComfyUI's modules known

import comfy.ldm.flux.model  # isort: skip
import comfy.supported_models as supported
import torch
from comfy.ldm.models.autoencoder import AutoencoderKL
from comfy.ldm.wan.vae2_2 import WanVAE as Wan22VAE

READS_WIDTHS = "txt_ids_dims" in {field.name for field in dataclasses.fields(comfy.ldm.flux.model.FluxParams)}
"""Whether Flux may be narrower here than it really is."""

FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "vec_in_dim": 768,
    "context_in_dim": 4096,
    "hidden_size": 256 if READS_WIDTHS else 3072,
    "mlp_ratio": 4.0,
    "num_heads": 2 if READS_WIDTHS else 24,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [16, 56, 56],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": True,
    **({"txt_ids_dims": []} if READS_WIDTHS else {}),
}
FLUX_2 = {
    **FLUX,
    "image_model": "flux2",
    "in_channels": 128,
    "out_channels": 128,
    "patch_size": 1,
    "vec_in_dim": None,
    "mlp_ratio": 3.0,
    "axes_dim": [32, 32, 32, 32],
    "theta": 2000,
    "qkv_bias": False,
    "guidance_embed": False,
    "txt_ids_dims": [3],
    "global_modulation": True,
    "mlp_silu_act": True,
    "ops_bias": False,
    "default_ref_method": "index",
    "ref_index_scale": 10.0,
}
QWEN_IMAGE = {"image_model": "qwen_image", "in_channels": 64, "num_layers": 1}
Z_IMAGE = {
    "image_model": "lumina2",
    "patch_size": 2,
    "in_channels": 16,
    "dim": 3840,  # by which it is recognised
    "cap_feat_dim": 4096,
    "n_layers": 1,
    "qk_norm": True,
    "n_heads": 30,
    "n_kv_heads": 30,
    "axes_dims": [32, 48, 48],
    "axes_lens": [1536, 512, 512],
    "rope_theta": 256.0,
    "ffn_dim_multiplier": 8.0 / 3.0,
    "z_image_modulation": True,
    "time_scale": 1000.0,
    "pad_tokens_multiple": 32,
}
KREA_2 = {
    "image_model": "krea2",
    "features": 256,
    "channels": 16,
    "patch": 2,
    "layers": 1,
    "heads": 2,
    "kvheads": 1,
    "txtlayers": 2,
    "txtdim": 320,
}
SD35 = {
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "input_size": None,
    "depth": 2,
    "num_patches": 64 * 64,
    "pos_embed_max_size": 64,
    "pos_embed_scaling_factor": None,
    "adm_in_channels": 2048,
    "context_embedder_config": {
        "target": "torch.nn.Linear",
        "params": {"in_features": 4096, "out_features": 128},
    },
    "qk_norm": "rms",
    "x_block_self_attn_layers": [],
}
LTX = {
    "num_attention_heads": 2,
    "attention_head_dim": 32,
    "cross_attention_dim": 64,
    "audio_num_attention_heads": 2,
    "audio_attention_head_dim": 32,
    "audio_cross_attention_dim": 64,
    "caption_channels": 64,
    "caption_proj_before_connector": True,
    "num_layers": 1,
    "connector_num_layers": 1,
    "connector_num_attention_heads": 2,
    "connector_attention_head_dim": 32,
}
LTX_VAE = {
    "encoder": {
        "blocks": [
            ["compress_space_res", {"multiplier": 2}],
            ["compress_time_res", {"multiplier": 2}],
            ["compress_all_res", {"multiplier": 2}],
            ["compress_all_res", {"multiplier": 1}],
        ],
        "base_channels": 16,
        "latent_log_var": "constant",
        "norm_layer": "pixel_norm",
        "patch_size": 4,
    },
    "decoder": {
        "head_dim": 16,
        "stage_channels": [64, 32, 16, 16, 16],
        "stage_depths": [1, 1, 1, 1, 1],
        "stage_kernels": [[3, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
        "upsamples": [[[1, 2, 2], 2], [[2, 1, 1], 2], [[2, 2, 2], 1], [[2, 2, 2], 1]],
        "stage5_kernel": [3, 3, 3],
    },
}
WAN_22_VAE = {
    "dim": 160,
    "z_dim": 48,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_scales": [],
    "temperal_downsample": [False, True, True],
    "dropout": 0.0,
}


def main(models: Path) -> None:
    checkpoints, diffusion, texts, vaes = (
        models / name for name in ("checkpoints", "diffusion_models", "text_encoders", "vae")
    )
    clip = sd15_text_shapes()
    files = {
        diffusion / "flux1-dev.safetensors": ("Flux", FLUX),
        diffusion / "qwen_image_fp8_e4m3fn.safetensors": ("QwenImage", QWEN_IMAGE),
        diffusion / "wan2.2_ti2v_5B_fp16.safetensors": ("WAN22_T2V", {**WAN, "in_dim": 48, "out_dim": 48}),
        diffusion / "z_image_turbo_bf16.safetensors": ("ZImage", Z_IMAGE),
        diffusion / "krea2_turbo_fp8_scaled.safetensors": ("Krea2", KREA_2),
        diffusion / "flux-2-klein-4b.safetensors": ("Flux2", FLUX_2),
    }
    for path, (family, config) in files.items():
        if hasattr(supported, family):
            write(path, network_shapes(family, config))
    same(diffusion / "flux1-dev-kontext_fp8_scaled.safetensors", diffusion / "flux1-dev.safetensors")
    same(diffusion / "qwen_image_edit_2511_fp8mixed.safetensors", diffusion / "qwen_image_fp8_e4m3fn.safetensors")
    write(vaes / "ae.safetensors", picture_vae_shapes(16))
    write(vaes / "flux2-vae.safetensors", picture_vae_shapes(32, batch_norm_latent=True))
    same(vaes / "qwen_image_vae.safetensors", vaes / "wan_2.1_vae.safetensors")
    write(vaes / "wan2.2_vae.safetensors", shapes("wan_vae", lambda: Wan22VAE(**WAN_22_VAE)))
    write_ltx(diffusion, vaes)
    named = {f"text_encoders.clip_l.transformer.{name.removeprefix(TEXT)}": shape for name, shape in clip.items()}
    inside = {f"first_stage_model.{name}": shape for name, shape in picture_vae_shapes(16).items()}
    write(checkpoints / "sd3.5_large_fp8_scaled.safetensors", network_shapes("SD3", SD35) | inside | named)
    for name in (
        *("qwen_3_4b", "qwen3vl_4b_fp8_scaled", "qwen_2.5_vl_7b_fp8_scaled", "clip_l", "t5xxl_fp16"),
        *("t5xxl_fp8_e4m3fn_scaled", "gemma4-12b-with-proj-ltx-2.5-comfy-int8-convrot"),
    ):
        same(texts / f"{name}.safetensors", texts / "umt5_xxl_fp8_e4m3fn_scaled.safetensors")


def same(path: Path, other: Path) -> None:
    path.hardlink_to(other)


def network_shapes(family: str, config: dict) -> dict:
    filled = "refined" if family == "ZImage" else "all"
    network = getattr(supported, family)(dict(config)).get_model({}, "", device="meta").diffusion_model
    return {f"model.diffusion_model.{name}": shape for name, shape in named(filled, network).items()}


def write_ltx(diffusion: Path, vaes: Path) -> None:
    """Their files say how large they are."""
    if not hasattr(supported, "LTXAV"):
        return
    from comfy.ldm.lightricks.vae.na_diffusion_decoder import CausalDiffusionVAE

    network = network_shapes("LTXAV", {"image_model": "ltxav", **LTX})
    said = json.dumps({"transformer": LTX})
    write(diffusion / "ltx-2.5-22b-distilled-transformer-comfy-int8-convrot.safetensors", network, config=said)
    vae = shapes("all", lambda: CausalDiffusionVAE(LTX_VAE))
    write(vaes / "ltx-2.5-video-vae-bf16.safetensors", vae, config=json.dumps({"vae": LTX_VAE}))


def picture_vae_shapes(channels: int, **more: bool) -> dict:
    """As they are saved: those that pack their latents have the two convolutions about them, the others have not."""
    config = {**VAE, "z_channels": channels, **more}
    found = shapes("vae", lambda: AutoencoderKL(ddconfig=config, embed_dim=channels))
    return {name: shape for name, shape in found.items() if more or "quant_conv" not in name}


def shapes(filled: str, made) -> dict:
    with torch.device("meta"):
        return named(filled, made())


def named(filled: str, network: torch.nn.Module) -> dict:
    is_filled = FILLED[filled]
    return {name: (list(tensor.shape), is_filled(name)) for name, tensor in network.state_dict().items()}


if __name__ == "__main__":
    main(Path(sys.argv[2]))
