"""What a node shows of its work while it is at it: the heatmap while it looks, else the picture."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import latent_preview
from comfy.cli_args import LatentPreviewMethod
from comfy.utils import ProgressBar
from PIL import Image
from torch import Tensor

from ...pictures import to_pil
from ...sheets import heat

EVERY = 0.25
"""Seconds from one picture to the next at least. The bar moves at every step."""


@dataclass
class Watch:
    """ComfyUI's callback of a sampler. Where the user wants no previews, there are none."""

    bar: ProgressBar
    is_shown: bool
    previewer: Any  # ComfyUI's own, of latents; None where it knows no way for this model
    clock: Callable[[], float] = time.monotonic
    shown_at: float = -math.inf

    @classmethod
    def of(cls, model: Any, steps: int) -> Watch:
        is_shown = latent_preview.args.preview_method != LatentPreviewMethod.NoPreviews
        previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
        return cls(ProgressBar(steps), is_shown, previewer)

    def __call__(self, step: int, seen: Tensor, x: Tensor, total: int) -> None:
        """``seen`` is a latent as x is, or a heatmap, which has no channels."""
        preview = None
        if self.is_shown and self.clock() - self.shown_at >= EVERY:
            is_heat = seen.ndim < x.ndim
            preview = ("JPEG", _heat(seen), latent_preview.MAX_PREVIEW_RESOLUTION) if is_heat else self._latent(seen)
            self.shown_at = self.clock()
        self.bar.update_absolute(step + 1, total, preview)

    def _latent(self, x0: Tensor) -> Any:
        return self.previewer and self.previewer.decode_latent_to_preview_image("JPEG", x0)


def _heat(heatmap: Tensor) -> Image.Image:
    """The first of a batch, of a clip where any picture is hot."""
    plane = heatmap[:1].float()
    return to_pil(heat(plane.amax(1) if plane.ndim == 4 else plane))
