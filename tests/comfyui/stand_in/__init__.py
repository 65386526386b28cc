"""A node that only the tests have: what a small text encoder says, as wide as what the large one would say."""

from __future__ import annotations

from typing import Any


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


NODE_CLASS_MAPPINGS = {"StandIn_Narrow": Narrow}
