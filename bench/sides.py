"""Ours and diffusers' pipeline, stage by stage, on one set of weights, at the defaults of diffusers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from bench.peers import diffusers_pipeline
from diffedit_core import decoding, edit, find_mask
from diffedit_core.denoiser import levels_up_to
from diffedit_core.editing import EditSettings, MaskSettings
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import Trajectory, invert
from diffedit_core.refine import Refinement

SOURCE, TARGET = "a bowl of apples on a table", "a bowl of pears on a table"
STEPS, STRENGTH, GUIDANCE = 50, 0.8, 7.5
TAKEN = round(STEPS * STRENGTH)
FINDING = MaskSettings(refinement=Refinement())  # diffusers' masks follow no edges
EDITING = EditSettings(steps=STEPS, strength=STRENGTH, guidance=GUIDANCE, rounds=1)


class Side(Protocol):
    """Stages stand alone: those that need another's result take it as random numbers of its shape."""

    def mask(self) -> object: ...
    def invert(self, captioned: bool) -> object: ...
    def decode(self) -> object: ...
    def whole(self) -> object: ...


class Ours:
    def __init__(self, pipe: StableDiffusionPipeline, pixels: int) -> None:
        self.host = DiffusersHost(pipe)
        self.picture = random_picture(pixels)  # [1, H, W, 3]
        self.sigmas = levels_up_to(STRENGTH, self.host.sigmas(STEPS))
        self.trajectory = Trajectory(random_latents(TAKEN + 1, pixels)[:, None].to(self.host.device), self.sigmas)

    def mask(self) -> object:
        return find_mask(self.host, self.picture, SOURCE, TARGET, finding=FINDING)

    @torch.no_grad()
    def invert(self, captioned: bool) -> object:
        denoise = self.host.denoiser(SOURCE, guidance=GUIDANCE) if captioned else self.host.denoiser("")
        return invert(denoise, self.host.encode(self.picture), self.host.process, self.sigmas)

    @torch.no_grad()
    def decode(self) -> object:
        everywhere = torch.ones_like(self.trajectory.clean[:, :1])
        denoise = self.host.denoiser(TARGET, guidance=GUIDANCE)
        latent = decoding.decode(denoise, everywhere, decoding.retrace(self.trajectory))
        return self.host.decode(latent)

    def whole(self) -> object:
        return edit(self.host, self.picture, SOURCE, TARGET, finding=FINDING, editing=EDITING)


class Theirs:
    def __init__(self, pipe: StableDiffusionPipeline, pixels: int) -> None:
        self.pipe = diffusers_pipeline(DiffusersHost(pipe))
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

    def _call(self, mask: np.ndarray, latents: Tensor) -> object:
        return self.pipe(prompt=TARGET, mask_image=mask, image_latents=latents, output_type="np").images


def stages(side: Side) -> dict[str, Callable[[], object]]:
    return {
        "mask": side.mask,
        "invert": lambda: side.invert(captioned=False),
        "invert, caption": lambda: side.invert(captioned=True),
        "decode": side.decode,
        "whole edit": side.whole,
    }


SIDES: dict[str, type[Ours] | type[Theirs]] = {"ours": Ours, "diffusers": Theirs}


def random_picture(pixels: int) -> Tensor:
    return torch.rand(1, pixels, pixels, 3, generator=torch.Generator().manual_seed(0))


def random_latents(count: int, pixels: int) -> Tensor:
    """[count, C, h, w]"""
    return torch.randn(count, 4, pixels // 8, pixels // 8, generator=torch.Generator().manual_seed(1))
