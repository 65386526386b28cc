"""Nodes that only the tests have: a small text encoder that speaks as the large one would, a VAE that sees less, and a
SAM3 of ComfyUI's own classes that is one layer deep. With them come faults on purpose, and a way to free memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from server import PromptServer

from . import freeing
from .faults import Faults, Turn


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
    """Says which mask or picture it was given, to the bit, and how a few of its pixels are."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "say", (), True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"mask": ("MASK,IMAGE",)}}

    def say(self, mask: torch.Tensor) -> dict[str, Any]:
        values = mask.float().cpu()
        bits = hashlib.sha256(values.numpy().astype("<f4").tobytes()).hexdigest()
        some = values.flatten()[:: max(1, values.numel() // 500)]
        return {"ui": {"bits": [bits], "some": [some.tolist()], "finite": [bool(torch.isfinite(mask).all())]}}


def _here_and_there(tensor: torch.Tensor, value: float) -> torch.Tensor:
    spoiled = tensor.flatten().clone()
    spoiled[::7] = value
    return spoiled.view_as(tensor)


def _bare(tensor: torch.Tensor) -> torch.Tensor:
    """Without a single row."""
    return tensor[:0]


ALIKE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "half": lambda x: x.half(),
    "double": lambda x: x.double(),
    "nan": lambda x: _here_and_there(x, torch.nan),
    "infinite": lambda x: _here_and_there(x, torch.inf),
    "all nan": lambda x: torch.full_like(x, torch.nan),
    "huge": lambda x: x * 1e30,
    "negative": lambda x: -x,
    "turned": lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2),
    "no rows": _bare,
}
STRANGE: dict[str, dict[str, Callable[[torch.Tensor], torch.Tensor]]] = {
    "IMAGE": ALIKE
    | {
        "grey": lambda x: x[..., :1],
        "two channels": lambda x: x[..., :2],
        "alpha": lambda x: torch.cat([x[..., :3], x[..., :1]], -1),
        "five channels": lambda x: torch.cat([x[..., :3], x[..., :2]], -1),
        "no height": lambda x: x[:, :0],
        "one of a batch": lambda x: x[0],
    },
    "MASK": ALIKE
    | {
        "one of a batch": lambda x: x.reshape(-1, *x.shape[-2:])[0],
        "channel": lambda x: x.reshape(-1, 1, *x.shape[-2:]),
        "whether": lambda x: x > 0.5,
        "bytes": lambda x: (x > 0.5).to(torch.uint8),
        "no width": lambda x: x[..., :0],
    },
    "LATENT": ALIKE
    | {
        "clip": lambda x: x[:, :, None] if x.ndim == 4 else x,
        "long clip": lambda x: x[:, :, None].expand(-1, -1, 5, -1, -1) if x.ndim == 4 else x,
        "zeros": torch.zeros_like,
        "more channels": lambda x: torch.cat([x, x], 1),
        "one cell": lambda x: x[..., :1, :1],
        "no width": lambda x: x[..., :0],
        "one of a batch": lambda x: x[0],
    },
}
"""What other people's nodes may make of a picture, mask or latent and still call it one."""


def strange(kind: str) -> type:
    """A node that makes something of this type strange."""

    class Strange:
        CATEGORY, FUNCTION, RETURN_TYPES = "tests", "spoil", (kind,)

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
            return {"required": {"given": (kind,), "how": (list(STRANGE[kind]),)}}

        def spoil(self, given: Any, how: str) -> tuple[Any]:
            made = STRANGE[kind][how]
            return ({**given, "samples": made(given["samples"])} if kind == "LATENT" else made(given),)

    return Strange


class Look:
    """Says whether all of a picture, mask or latent is a number."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "look", (), True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"seen": ("IMAGE,MASK,LATENT",)}}

    def look(self, seen: Any) -> dict[str, Any]:
        if seen is None:  # a draft that there is not
            return {"ui": {"finite": [True], "shape": [[]]}}
        tensor = seen["samples"] if isinstance(seen, dict) else seen
        parts = tensor.unbind() if getattr(tensor, "is_nested", False) else [tensor]
        finite = all(bool(part.isfinite().all()) for part in parts)
        return {"ui": {"finite": [finite], "shape": [list(part.shape) for part in parts]}}


class Outside:
    """Counts the pixels that differ from the original where nothing is said to have changed, and those that are said
    to have changed outside the mask that was given.
    """

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "count", (), True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        inputs = {"original": ("IMAGE",), "picture": ("IMAGE",), "changed": ("MASK",)}
        return {"required": inputs, "optional": {"within": ("MASK",)}}

    def count(
        self, original: torch.Tensor, picture: torch.Tensor, changed: torch.Tensor, within: torch.Tensor | None = None
    ) -> dict[str, Any]:
        one, other = picture[..., :3], original[..., :3]
        differs = ((one != other) & ~(one.isnan() & other.isnan())).any(-1)
        strays = differs & (changed == 0)
        if within is not None:
            given = within.reshape(-1, *within.shape[-2:])
            if given.shape[-2:] == changed.shape[-2:]:
                given = given if len(given) in (1, len(changed)) else given[: len(changed)]
                strays = strays[: len(given)] if len(given) > 1 else strays
                strays = strays | ((changed[: len(strays)] > 0) & (given == 0))
        return {"ui": {"strays": [int(strays.sum())]}}


NODE_CLASS_MAPPINGS = {
    "StandIn_Look": Look,
    "StandIn_Outside": Outside,
    **{f"StandIn_Strange_{kind}": strange(kind) for kind in STRANGE},
    "StandIn_Narrow": Narrow,
    "StandIn_Hurry": Hurry,
    "StandIn_Bits": Bits,
    "StandIn_Outliner": Outliner,
    "StandIn_Turn": Turn,
}

if getattr(PromptServer, "instance", None):
    Faults().add_to(PromptServer.instance)
    freeing.add_to(PromptServer.instance)
