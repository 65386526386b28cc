"""Nodes that only the tests have: a small text encoder that speaks as the large one would, a VAE that sees less, and a
SAM3 of ComfyUI's own classes that is one layer deep. With them come faults on purpose.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from .faults import Turn


class Narrowed:
    """A CLIP that hands on the first numbers of every token."""

    def __init__(self, clip: Any, width: int) -> None:
        self.clip, self.width = clip, width

    def tokenize(self, *args: Any, **options: Any) -> Any:
        return self.clip.tokenize(*args, **options)

    def encode_from_tokens_scheduled(self, tokens: Any, **options: Any) -> list:
        told = self.clip.encode_from_tokens_scheduled(tokens, **options)
        return [[text[..., : self.width], more] for text, more in told]


class Narrow:
    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "narrow", ("CLIP",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"clip": ("CLIP",), "width": ("INT", {"default": 768, "max": 100000})}}

    def narrow(self, clip: Any, width: int) -> tuple[Narrowed]:
        return (Narrowed(clip, width),)


class Hurried:
    """A VAE that takes any picture at a small size, whatever size it is given: a megapixel is too slow for a test."""

    def __init__(self, vae: Any, width: int, height: int) -> None:
        self.vae, self.size = vae, (height, width)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.vae.encode(torch.nn.functional.interpolate(pixels.movedim(-1, 1), size=self.size).movedim(1, -1))


class Hurry:
    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "hurry", ("VAE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        side = ("INT", {"default": 64, "max": 1024})
        return {"required": {"vae": ("VAE",), "width": side, "height": side}}

    def hurry(self, vae: Any, width: int, height: int) -> tuple[Hurried]:
        return (Hurried(vae, width, height),)


class Outliner:
    """SAM3 with random weights, and the rest of what its checkpoint would bring."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "outliner", ("MODEL", "CLIP", "VAE")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {}}

    def outliner(self) -> tuple[Any, None, None]:
        from comfy import model_patcher, supported_models

        small = {"image_model": "SAM3", "embed_dim": 64, "depth": 1, "global_att_blocks": ()}
        config = supported_models.SAM3({**small, "dtype": torch.float32})
        cpu = torch.device("cpu")
        inner = config.get_model({}, device=cpu)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, weight in inner.diffusion_model.named_parameters():
                scale = 2 / max(1, weight[0].numel()) ** 0.5 if weight.ndim > 1 else 0.1  # so that prompts matter
                norm = weight.ndim == 1 and "norm" in name and name.endswith("weight")
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale + norm)
        return model_patcher.ModelPatcher(inner.eval(), load_device=cpu, offload_device=cpu), None, None


class Bits:
    """Says which mask or picture it was given, to the bit."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "say", (), True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"mask": ("MASK,IMAGE",)}}

    def say(self, mask: torch.Tensor) -> dict[str, Any]:
        bits = mask.float().cpu().numpy().astype("<f4").tobytes()
        finite = bool(torch.isfinite(mask).all())
        return {"ui": {"bits": [hashlib.sha256(bits).hexdigest()], "finite": [finite]}}


NODE_CLASS_MAPPINGS = {
    "StandIn_Narrow": Narrow,
    "StandIn_Hurry": Hurry,
    "StandIn_Bits": Bits,
    "StandIn_Outliner": Outliner,
    "StandIn_Turn": Turn,
}
