"""ComfyUI's model families, each as a small network of its own class: a family is one entry in ``FAMILIES``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import comfy.model_base
import comfy.ops
import comfy.supported_models
import networks
import streams
import torch


@dataclass(frozen=True)
class Family:
    """What a small model is made of, and what it is given."""

    kind: str | type  # its class, by name in comfy.supported_models: not every version has each
    config: Mapping[str, Any]
    latent: tuple[int, ...] = (4, 8, 8)  # without its batch
    pixels: int = 8  # along each side of a latent cell
    pooled: int = networks.TEXT_WIDTH  # the width of what sums up a text
    is_masked: bool = False  # is told which tokens belong to the text
    has_ids: bool = False  # is given the text's numbers as well
    sees_references: bool = False  # looks at the latents beside a text
    since: str = "0.3.64"  # or earlier
    finish: Callable[[Any], None] | None = None  # what no config makes small

    @property
    def made_by(self) -> type | None:
        """ComfyUI's class; None in a version that has none."""
        return self.kind if isinstance(self.kind, type) else getattr(comfy.supported_models, self.kind, None)

    @property
    def is_clip(self) -> bool:
        return len(self.latent) == 4 and self.latent[1] > 1

    @property
    def size(self) -> tuple[int, int]:
        """Of the picture: height and width."""
        return self.latent[-2] * self.pixels, self.latent[-1] * self.pixels


class SD15V(comfy.supported_models.SD15):
    """As SD2.x predicts, at SD1.5's sizes."""

    def model_type(self, state_dict: dict, prefix: str = "") -> Any:
        return comfy.model_base.ModelType.V_PREDICTION


def small_adapter(network: Any) -> None:
    """Anima reads its text by a network that is 1024 wide in every checkpoint."""
    from comfy.ldm.anima.model import LLMAdapter

    width = networks.TEXT_WIDTH
    sizes = {"source_dim": width, "target_dim": width, "model_dim": width, "num_layers": 1, "num_heads": 4}
    where = {"device": torch.device("cpu"), "dtype": network.dtype, "operations": comfy.ops.disable_weight_init}
    network.llm_adapter = LLMAdapter(**sizes, **where)


PICTURES = {
    "sd15": Family("SD15", networks.UNET),
    "sd15-v": Family(SD15V, networks.UNET),
    "inpaint": Family("SD15", {**networks.UNET, "in_channels": 9}),
    "sdxl": Family("SDXL", networks.SDXL, pooled=1280),
    "sd3": Family("SD3", networks.MMDIT, (16, 8, 8)),
    "flux": Family("FluxSchnell", streams.FLUX, (16, 8, 8), sees_references=True),
    "flux_dev": Family("Flux", streams.FLUX_DEV, (16, 8, 8), sees_references=True),
    "flux2": Family("Flux2", streams.FLUX2, (128, 8, 8), 16, sees_references=True, since="0.3.72"),
    "chroma": Family("Chroma", streams.CHROMA, (16, 8, 8)),
    "chroma_radiance": Family("ChromaRadiance", streams.RADIANCE, (3, 64, 64), 1),
    "z_image": Family("ZImage", networks.Z_IMAGE, (16, 8, 8), is_masked=True, sees_references=True, since="0.3.74"),
    "lumina2": Family("Lumina2", networks.LUMINA, (16, 8, 8), is_masked=True),
    "omnigen2": Family("Omnigen2", networks.OMNIGEN2, (16, 8, 8), is_masked=True, sees_references=True),
    "ernie": Family("ErnieImage", networks.ERNIE, (128, 8, 8), 16, since="0.19"),
    "ideogram4": Family("Ideogram4", networks.IDEOGRAM4, (128, 8, 8), 16, since="0.24"),
    "hunyuan_image": Family("HunyuanImage21", streams.HUNYUAN_IMAGE, (64, 4, 4), 32),
    "hunyuan_image_distilled": Family("HunyuanImage21", streams.MEAN_FLOW, (64, 4, 4), 32),
    "kandinsky5_image": Family("Kandinsky5Image", networks.KANDINSKY5_IMAGE, (16, 8, 8), is_masked=True, since="0.4"),
}
"""Their latents are [B, C, h, w]."""

FRAMES = {
    "qwen_image": Family("QwenImage", networks.QWEN, (16, 1, 8, 8), is_masked=True, sees_references=True),
    "krea2": Family("Krea2", networks.KREA2, (16, 1, 8, 8), sees_references=True, since="0.26"),
    "cosmos_predict2": Family("CosmosT2IPredict2", networks.COSMOS, (16, 1, 8, 8)),
    "anima": Family("Anima", networks.ANIMA, (16, 1, 8, 8), has_ids=True, since="0.11", finish=small_adapter),
}
"""Pictures, in the latents of clips: [B, C, 1, h, w]."""

CLIPS = {
    "wan": Family("WAN21_T2V", networks.WAN, (16, 2, 8, 8)),
    "wan22": Family("WAN22_T2V", {**networks.WAN, "in_dim": 48, "out_dim": 48}, (48, 2, 4, 4), 16),
    "hunyuan_video": Family("HunyuanVideo", streams.HUNYUAN, (16, 2, 8, 8)),
    "hunyuan_video15": Family("HunyuanVideo15", streams.HUNYUAN15, (32, 2, 4, 4), 16, since="0.3.71"),
    "kandinsky5": Family("Kandinsky5", networks.KANDINSKY5, (16, 2, 8, 8), is_masked=True, since="0.4"),
    "ltxv": Family("LTXV", networks.LTXV, (128, 2, 4, 4), 32, is_masked=True),
}
"""[B, C, T, h, w]"""

FAMILIES = PICTURES | FRAMES | CLIPS
