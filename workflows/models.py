"""The models that the graphs load: where each is to be had, and which node loads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from drawing import Graph, Node, Socket

HUGGING_FACE = "https://huggingface.co/{}/resolve/main/{}"
LOADERS = {  # node: the folder of models/ that it reads, and the widgets that name its files
    "CheckpointLoaderSimple": ("checkpoints", ("ckpt_name",)),
    "ControlNetLoader": ("controlnet", ("control_net_name",)),
    "UNETLoader": ("diffusion_models", ("unet_name",)),
    "CLIPLoader": ("text_encoders", ("clip_name",)),
    "DualCLIPLoader": ("text_encoders", ("clip_name1", "clip_name2")),
    "VAELoader": ("vae", ("vae_name",)),
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


@dataclass(frozen=True)
class Apart:
    """What comes in files of its own: a model, its text encoders and its VAE."""

    model: Model
    texts: tuple[Model, ...]
    type: str  # of the text encoders, for their loader
    vae: Model


def diffusion(repository: str, path: str) -> Model:
    return Model(repository, path, "diffusion_models")


def text_encoder(repository: str, path: str) -> Model:
    return Model(repository, path, "text_encoders")


def vae(repository: str, path: str) -> Model:
    return Model(repository, path, "vae")


WAN, WAN_22 = "Comfy-Org/Wan_2.1_ComfyUI_repackaged", "Comfy-Org/Wan_2.2_ComfyUI_Repackaged"
QWEN, QWEN_EDIT = "Comfy-Org/Qwen-Image_ComfyUI", "Comfy-Org/Qwen-Image-Edit_ComfyUI"
Z_IMAGE, FLUX_2 = "Comfy-Org/z_image_turbo", "Comfy-Org/flux2-klein"
KREA, LTX, FLUX_TEXTS = "Comfy-Org/Krea-2", "Lightricks/LTX-2.5", "comfyanonymous/flux_text_encoders"
SD15 = Model("Comfy-Org/stable-diffusion-v1-5-archive", "v1-5-pruned-emaonly-fp16.safetensors")
INPAINTING = Model("webui/stable-diffusion-inpainting", "sd-v1-5-inpainting.safetensors")
INSTRUCT = Model("timbrooks/instruct-pix2pix", "instruct-pix2pix-00-22000.safetensors")
SDXL = Model("stabilityai/stable-diffusion-xl-base-1.0", "sd_xl_base_1.0.safetensors")
SDXL_TURBO = Model("stabilityai/sdxl-turbo", "sd_xl_turbo_1.0_fp16.safetensors")
SD2_DEPTH = Model("webui/stable-diffusion-2-depth", "512-depth-ema-fp16.safetensors")
CANNY = Model(
    "comfyanonymous/ControlNet-v1-1_fp16_safetensors", "control_v11p_sd15_canny_fp16.safetensors", "controlnet"
)
LOTUS = diffusion("Comfy-Org/lotus", "lotus-depth-d-v1-1.safetensors")
SAM3 = Model("Comfy-Org/sam3.1", "checkpoints/sam3.1_multiplex_fp16.safetensors")
SD35 = Model("Comfy-Org/stable-diffusion-3.5-fp8", "sd3.5_large_fp8_scaled.safetensors")
WAN_TEXTS = text_encoder(WAN, "split_files/text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors")
WAN_21 = Apart(
    diffusion(WAN, "split_files/diffusion_models/wan2.1_t2v_1.3B_fp16.safetensors"),
    (WAN_TEXTS,),
    "wan",
    vae(WAN, "split_files/vae/wan_2.1_vae.safetensors"),
)
WAN_22_5B = Apart(
    diffusion(WAN_22, "split_files/diffusion_models/wan2.2_ti2v_5B_fp16.safetensors"),
    (WAN_TEXTS,),
    "wan",
    vae(WAN_22, "split_files/vae/wan2.2_vae.safetensors"),
)
LTX_25 = Apart(
    diffusion(LTX, "diffusion_models/ltx-2.5-22b-distilled-transformer-comfy-int8-convrot.safetensors"),
    (text_encoder(LTX, "text_encoders/gemma4-12b-with-proj-ltx-2.5-comfy-int8-convrot.safetensors"),),
    "ltxv",
    vae(LTX, "vae/ltx-2.5-video-vae-bf16.safetensors"),
)
Z_IMAGE_TURBO = Apart(
    diffusion(Z_IMAGE, "split_files/diffusion_models/z_image_turbo_bf16.safetensors"),
    (text_encoder(Z_IMAGE, "split_files/text_encoders/qwen_3_4b.safetensors"),),
    "lumina2",
    vae(Z_IMAGE, "split_files/vae/ae.safetensors"),
)
KREA_2_TURBO = Apart(
    diffusion(KREA, "diffusion_models/krea2_turbo_fp8_scaled.safetensors"),
    (text_encoder(KREA, "text_encoders/qwen3vl_4b_fp8_scaled.safetensors"),),
    "krea2",
    vae(KREA, "vae/qwen_image_vae.safetensors"),
)
QWEN_IMAGE = Apart(
    diffusion(QWEN, "split_files/diffusion_models/qwen_image_fp8_e4m3fn.safetensors"),
    (text_encoder(QWEN, "split_files/text_encoders/qwen_2.5_vl_7b_fp8_scaled.safetensors"),),
    "qwen_image",
    vae(QWEN, "split_files/vae/qwen_image_vae.safetensors"),
)
QWEN_IMAGE_EDIT = replace(
    QWEN_IMAGE, model=diffusion(QWEN_EDIT, "split_files/diffusion_models/qwen_image_edit_2511_fp8mixed.safetensors")
)
KLEIN = Apart(
    diffusion(FLUX_2, "split_files/diffusion_models/flux-2-klein-4b.safetensors"),
    (text_encoder(FLUX_2, "split_files/text_encoders/qwen_3_4b.safetensors"),),
    "flux2",
    vae("Comfy-Org/flux2-dev", "split_files/vae/flux2-vae.safetensors"),
)
FLUX_1_VAE = vae("Comfy-Org/Lumina_Image_2.0_Repackaged", "split_files/vae/ae.safetensors")
FLUX_1 = Apart(
    diffusion("Comfy-Org/flux1-dev", "flux1-dev.safetensors"),
    (text_encoder(FLUX_TEXTS, "clip_l.safetensors"), text_encoder(FLUX_TEXTS, "t5xxl_fp16.safetensors")),
    "flux",
    FLUX_1_VAE,
)
KONTEXT = Apart(
    diffusion(
        "Comfy-Org/flux1-kontext-dev_ComfyUI", "split_files/diffusion_models/flux1-dev-kontext_fp8_scaled.safetensors"
    ),
    (
        text_encoder(FLUX_TEXTS, "clip_l.safetensors"),
        text_encoder(FLUX_TEXTS, "t5xxl_fp8_e4m3fn_scaled.safetensors"),
    ),
    "flux",
    FLUX_1_VAE,
)


def load(graph: Graph, column: int, *files: Model, **more: Any) -> Node:
    """By the node that reads so many files of their folder."""
    kind, widgets = next(
        (kind, widgets)
        for kind, (folder, widgets) in LOADERS.items()
        if folder == files[0].directory and len(widgets) == len(files)
    )
    named = dict(zip(widgets, (model.name for model in files), strict=True))
    return graph.add(kind, column, models=[model.download for model in files], **named, **more)


def load_all(graph: Graph, files: Model | Apart) -> tuple[Socket, Socket, Socket]:
    """A model, what reads texts for it, and its VAE."""
    if isinstance(files, Model):
        loader = load(graph, 0, files)
        return loader["MODEL"], loader["CLIP"], loader["VAE"]
    model = load(graph, 0, files.model)
    texts = load(graph, 0, *files.texts, type=files.type, title="Two text encoders" if len(files.texts) > 1 else None)
    return model["MODEL"], texts["CLIP"], load(graph, 0, files.vae)["VAE"]
