"""Ours and diffusers' pipeline, stage by stage, on one set of weights, at the defaults of diffusers.

Stages stand alone: one that needs another's result gets random numbers of its shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from bench.peers import diffusers_pipeline
from diffedit_core import Edit, decoding, edit, find_mask
from diffedit_core.focus import Focus
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import Trajectory
from diffedit_core.refine import Refinement
from diffedit_core.settings import ContrastSettings, DecodingSettings, EditSettings, InversionSettings, MaskSettings
from diffedit_core.stages import climb, levels_of_climb

SOURCE, TARGET = "a bowl of apples on a table", "a bowl of pears on a table"
STEPS, STRENGTH, GUIDANCE = 50, 0.8, 7.5
TAKEN = round(STEPS * STRENGTH)
PUBLISHED = ContrastSettings(draws=10, kind="object", statistic="mean_abs", paired=False, sure=1)
SETTINGS = EditSettings(
    mask=MaskSettings(PUBLISHED, refinement=Refinement()),  # diffusers' masks follow no edges
    inversion=InversionSettings(steps=STEPS, strength=STRENGTH),
    decoding=DecodingSettings(guidance=GUIDANCE, guided_above=0, tries=1, solver="ddim"),
    focus=Focus(focus=False),  # both sides see the whole picture
    room=0,
)
DEFAULT = EditSettings(  # random weights say no kind
    mask=MaskSettings(ContrastSettings(kind="object", sure=1)), focus=SETTINGS.focus
)


class Ours:
    def __init__(self, pipe: StableDiffusionPipeline, pixels: int) -> None:
        self.host = DiffusersHost(pipe)
        self.picture = random_picture(pixels)  # [1, H, W, 3]
        latents = random_latents(TAKEN + 1, pixels)[:, None].to(self.host.device)
        self.trajectory = Trajectory(latents, levels_of_climb(self.host, latents[0], SETTINGS.inversion))

    def mask(self) -> object:
        return find_mask(self.host, self.picture, Edit(SOURCE, TARGET), how=SETTINGS.mask, focus=SETTINGS.focus)

    @torch.no_grad()
    def invert(self, captioned: bool) -> object:
        how = replace(SETTINGS.inversion, guidance=GUIDANCE if captioned else 1.0)
        model = self.host.bind({"inversion": SOURCE if captioned else ""})
        return climb(model, self.host.encode(self.picture), how)

    @torch.no_grad()
    def decode(self) -> object:
        everywhere = torch.ones_like(self.trajectory.clean[:, :1])
        denoise = self.host.bind({"target": TARGET}).denoiser("target", GUIDANCE)
        latent = decoding.decode(denoise, everywhere, decoding.retrace(self.trajectory))
        return self.host.decode(latent)

    def whole(self) -> object:
        return edit(self.host, self.picture, Edit(SOURCE, TARGET), how=SETTINGS)

    def default(self) -> object:
        return edit(self.host, self.picture, Edit(SOURCE, TARGET), how=DEFAULT)


class Theirs:
    def __init__(self, pipe: StableDiffusionPipeline, pixels: int) -> None:
        self.pipe: Any = diffusers_pipeline(DiffusersHost(pipe))  # it takes more than its annotations say
        self.picture = random_picture(pixels).movedim(-1, 1)  # [1, 3, H, W]
        self.latents = random_latents(TAKEN, pixels)[None].to(pipe.device, pipe.dtype)  # [1, N, C, h, w]
        self.everywhere = np.ones((1, pixels // 8, pixels // 8), np.float32)

    def mask(self) -> np.ndarray:
        return self.pipe.generate_mask(
            self.picture, target_prompt=TARGET, source_prompt=SOURCE, generator=torch.Generator().manual_seed(0)
        )

    def invert(self, captioned: bool = True) -> Tensor:
        text = {"prompt": SOURCE} if captioned else {"prompt": "", "guidance_scale": 1.0}
        return self.pipe.invert(image=self.picture, generator=torch.Generator().manual_seed(0), **text).latents

    def decode(self) -> object:
        return self._call(self.everywhere, self.latents)

    def whole(self) -> object:
        mask = self.mask()
        return self._call(mask, self.invert())

    default = whole

    def _call(self, mask: np.ndarray, latents: Tensor) -> object:
        return self.pipe(prompt=TARGET, mask_image=mask, image_latents=latents, output_type="np").images


def stages(side: Ours | Theirs) -> dict[str, Callable[[], object]]:
    return {
        "mask": side.mask,
        "invert": lambda: side.invert(captioned=False),
        "invert, caption": lambda: side.invert(captioned=True),
        "decode": side.decode,
        "whole edit": side.whole,
        "at the defaults": side.default,
    }


SIDES: dict[str, type[Ours] | type[Theirs]] = {"ours": Ours, "diffusers": Theirs}


def random_picture(pixels: int) -> Tensor:
    return torch.rand(1, pixels, pixels, 3, generator=torch.Generator().manual_seed(0))


def random_latents(count: int, pixels: int) -> Tensor:
    """[count, C, h, w]"""
    return torch.randn(count, 4, pixels // 8, pixels // 8, generator=torch.Generator().manual_seed(1))
