"""The models that the graphs load: where each is to be had, and which node loads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drawing import Graph, Node

HUGGING_FACE = "https://huggingface.co/{}/resolve/main/{}"
LOADERS = {  # folder of models/: the node, and the widget that names the file
    "checkpoints": ("CheckpointLoaderSimple", "ckpt_name"),
    "controlnet": ("ControlNetLoader", "control_net_name"),
    "diffusion_models": ("UNETLoader", "unet_name"),
    "text_encoders": ("CLIPLoader", "clip_name"),
    "vae": ("VAELoader", "vae_name"),
}


@dataclass(frozen=True)
class Model:
    repository: str
    path: str  # in the repository
    directory: str = "checkpoints"

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def download(self) -> dict[str, str]:
        """What ComfyUI's page needs to offer a missing model."""
        url = HUGGING_FACE.format(self.repository, self.path)
        return {"name": self.name, "url": url, "directory": self.directory}


WAN = "Comfy-Org/Wan_2.1_ComfyUI_repackaged"
SD15 = Model("Comfy-Org/stable-diffusion-v1-5-archive", "v1-5-pruned-emaonly-fp16.safetensors")
INPAINTING = Model("webui/stable-diffusion-inpainting", "sd-v1-5-inpainting.safetensors")
INSTRUCT = Model("timbrooks/instruct-pix2pix", "instruct-pix2pix-00-22000.safetensors")
SDXL = Model("stabilityai/stable-diffusion-xl-base-1.0", "sd_xl_base_1.0.safetensors")
SDXL_TURBO = Model("stabilityai/sdxl-turbo", "sd_xl_turbo_1.0_fp16.safetensors")
SD2_DEPTH = Model("webui/stable-diffusion-2-depth", "512-depth-ema-fp16.safetensors")
CANNY = Model(
    "comfyanonymous/ControlNet-v1-1_fp16_safetensors", "control_v11p_sd15_canny_fp16.safetensors", "controlnet"
)
LOTUS = Model("Comfy-Org/lotus", "lotus-depth-d-v1-1.safetensors", "diffusion_models")
WAN_CLIPS = Model(WAN, "split_files/diffusion_models/wan2.1_t2v_1.3B_fp16.safetensors", "diffusion_models")
WAN_TEXTS = Model(WAN, "split_files/text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors", "text_encoders")
WAN_VAE = Model(WAN, "split_files/vae/wan_2.1_vae.safetensors", "vae")


def load(graph: Graph, column: int, model: Model, **more: Any) -> Node:
    kind, widget = LOADERS[model.directory]
    return graph.add(kind, column, models=[model.download], **{widget: model.name}, **more)
