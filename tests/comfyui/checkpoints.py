"""Small models that ComfyUI recognises as those that the graphs load, written by ComfyUI's own classes.

Run by the ComfyUI's interpreter: ``python checkpoints.py <ComfyUI folder> <models folder>``. Detection reads the widths
of the UNet (320 channels, the text width, SDXL's depths), so these stay; what it does not read shrinks. Most weights
are zeros and are left as holes in the file: a block of zeros hands its input on.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(FOLDER))

from comfy.cli_args import args  # noqa: E402

args.cpu = True  # before anything of ComfyUI looks for a GPU

import comfy.cldm.cldm  # noqa: E402
import comfy.sd1_clip  # noqa: E402
import comfy.sdxl_clip  # noqa: E402
import comfy.supported_models  # noqa: E402
import torch  # noqa: E402
from comfy.ldm.models.autoencoder import AutoencoderKL  # noqa: E402
from comfy.ldm.wan.vae import WanVAE  # noqa: E402
from comfy.text_encoders.sd2_clip import SD2ClipModel  # noqa: E402

SD15 = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [1],
    "channel_mult": [1],
    "transformer_depth": [1],
    "transformer_depth_output": [0, 0],
    "transformer_depth_middle": 1,
    "context_dim": 768,
    "use_linear_in_transformer": False,
    "use_spatial_transformer": True,
    "legacy": False,
    "num_heads": 8,
    "adm_in_channels": None,
    "use_temporal_attention": False,
}
INPAINTING = {**SD15, "in_channels": 9}
INSTRUCT = {**SD15, "in_channels": 8}
SD2 = {key: value for key, value in SD15.items() if key != "num_heads"} | {
    "context_dim": 1024,
    "use_linear_in_transformer": True,
    "num_head_channels": 64,
}
DEPTH = {**SD2, "in_channels": 5}
LOTUS = {**SD2, "num_classes": "sequential", "adm_in_channels": 4}
WAN = {
    "image_model": "wan2.1",
    "model_type": "t2v",
    "dim": 128,
    "ffn_dim": 64,
    "num_heads": 1,
    "num_layers": 1,
    "in_dim": 16,
    "out_dim": 16,
    "text_dim": 4096,
    "freq_dim": 256,
}
SDXL = {
    **{key: value for key, value in SD15.items() if key != "num_heads"},
    "num_res_blocks": [2, 2, 2],
    "channel_mult": [1, 1, 1],
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_output": [0] * 9,
    "context_dim": 2048,
    "use_linear_in_transformer": True,
    "num_head_channels": 64,
    "num_classes": "sequential",
    "adm_in_channels": 2816,
}
VAE = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}
WAN_VAE = {
    "dim": 96,
    "z_dim": 16,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_scales": [],
    "temperal_downsample": [False, True, True],
    "dropout": 0.0,
}
TEXT = "cond_stage_model.transformer."
FILLED = {
    "unet": lambda name: not any(f"transformer_blocks.{i}." in name for i in range(1, 10)),
    "vae": lambda name: any(
        part in name for part in ("conv_in", "conv_out", "sample.conv", "nin_", "norm_out", "quant", "bn.")
    ),
    # the last layer of CLIP-L is there, so that the one before says something else
    "text": lambda name: ("layers." not in name and "resblocks." not in name) or ".layers.11." in name,
    "all": lambda name: True,
    "refined": lambda name: "refiner" not in name,
    "wan_vae": lambda name: (
        any(part in name for part in ("conv1.", "conv2.", "head.", "resample", "time_conv", "shortcut", "gamma"))
        and "residual" not in name
    ),
}

ONES = ("weight", "scale", "running_var", "std-of-means")


def main(models: Path) -> None:
    folders = ("checkpoints", "controlnet", "diffusion_models", "text_encoders", "vae")
    checkpoints, controlnet, diffusion, texts, vaes = (models / name for name in folders)
    for folder in (checkpoints, controlnet, diffusion, texts, vaes):
        folder.mkdir(parents=True, exist_ok=True)
    supported = comfy.supported_models
    unet, vae, text = unet_shapes(supported.SD15, SD15), vae_shapes(), sd15_text_shapes()
    plain = unet | vae | text
    write(checkpoints / "v1-5-pruned-emaonly-fp16.safetensors", plain)
    write(checkpoints / "sd-v1-5-inpainting.safetensors", unet_shapes(supported.SD15, INPAINTING))
    write(checkpoints / "instruct-pix2pix-00-22000.safetensors", unet_shapes(supported.SD15_instructpix2pix, INSTRUCT))
    write(checkpoints / "broken.safetensors", plain, broken="model.diffusion_model.out.2.weight")
    write(checkpoints / "sd_xl_base_1.0.safetensors", unet_shapes(supported.SDXL, SDXL) | vae | sdxl_text_shapes())
    (checkpoints / "sd_xl_turbo_1.0_fp16.safetensors").hardlink_to(checkpoints / "sd_xl_base_1.0.safetensors")
    depth = unet_shapes(supported.SD20, DEPTH) | vae | sd2_text_shapes()
    write(checkpoints / "512-depth-ema-fp16.safetensors", depth)
    write(controlnet / "control_v11p_sd15_canny_fp16.safetensors", controlnet_shapes())
    write(diffusion / "lotus-depth-d-v1-1.safetensors", lotus_shapes())
    write(diffusion / "wan2.1_t2v_1.3B_fp16.safetensors", unet_shapes(supported.WAN21_T2V, WAN))
    # UMT5 takes 11 GB, whatever its file holds. So this is CLIP-L under its name: see SMALL in graphs.py.
    alone = {name.removeprefix(TEXT): shape for name, shape in text.items()}
    write(texts / "umt5_xxl_fp8_e4m3fn_scaled.safetensors", alone)
    write(vaes / "wan_2.1_vae.safetensors", wan_vae_shapes())


def unet_shapes(family: type, config: dict) -> dict:
    network = family(dict(config)).get_model({}, "", device="meta").diffusion_model
    return _named("unet", "model.diffusion_model.", network.state_dict())


def lotus_shapes() -> dict:
    """Older versions know Lotus at its full size only, so theirs is a plain SD2, which is given and asked the same."""
    supported = comfy.supported_models
    if "num_head_channels" in supported.LotusD.unet_extra_config:
        return unet_shapes(supported.LotusD, LOTUS)
    return unet_shapes(supported.SD20, SD2)


def vae_shapes() -> dict:
    with torch.device("meta"):
        network = AutoencoderKL(ddconfig=VAE, embed_dim=4)
    return _named("vae", "first_stage_model.", network.state_dict())


def sd15_text_shapes() -> dict:
    text = comfy.sd1_clip.SD1ClipModel(device="meta", dtype=torch.float16).clip_l.transformer
    return _named("text", TEXT, text.state_dict())


def wan_vae_shapes() -> dict:
    with torch.device("meta"):
        network = WanVAE(**WAN_VAE)
    return _named("wan_vae", "", network.state_dict())


def controlnet_shapes() -> dict:
    config = {key: value for key, value in SD15.items() if key not in ("out_channels", "transformer_depth_output")}
    with torch.device("meta"):
        network = comfy.cldm.cldm.ControlNet(**config, hint_channels=3)
    return _named("all", "", network.state_dict())


def sd2_text_shapes() -> dict:
    text = SD2ClipModel(device="meta", dtype=torch.float16)
    saved = comfy.supported_models.SD20(dict(DEPTH)).process_clip_state_dict_for_saving(text.state_dict())
    return _named("text", "", saved)


def sdxl_text_shapes() -> dict:
    text = comfy.sdxl_clip.SDXLClipModel(device="meta", dtype=torch.float16)
    saved = comfy.supported_models.SDXL(dict(SDXL)).process_clip_state_dict_for_saving(text.state_dict())
    return _named("text", "", saved)


def _named(part: str, prefix: str, tensors: dict) -> dict:
    """{name in the file: (shape, is it filled)}."""
    return {prefix + name: (list(tensor.shape), FILLED[part](name)) for name, tensor in tensors.items()}


def write(path: Path, tensors: dict, broken: str | None = None, **metadata: str) -> None:
    """A safetensors file in fp16, with holes where a tensor is not filled and NaN in the ``broken`` one."""
    header, end = ({"__metadata__": metadata} if metadata else {}), 0
    for name, (shape, _) in tensors.items():
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    generator = torch.Generator().manual_seed(0)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
        for name, (shape, filled) in tensors.items():
            if filled:
                values = fill(name, shape, generator) * (math.nan if name == broken else 1)
                file.seek(8 + len(text) + header[name]["data_offsets"][0])
                file.write(values.half().numpy().tobytes())


def fill(name: str, shape: list[int], generator: torch.Generator) -> torch.Tensor:
    """Norms hand on what they get, biases add nothing, and everything else keeps its input's scale."""
    if len(shape) < 2:
        return torch.full(shape, float(name.endswith(ONES)))
    values = torch.randn(shape, generator=generator)
    return values if "embedding" in name else values / math.sqrt(math.prod(shape[1:]))


if __name__ == "__main__":
    main(Path(sys.argv[2]))
