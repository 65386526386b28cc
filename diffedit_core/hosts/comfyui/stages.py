"""Looking and inverting on ComfyUI's MODEL, CONDITIONING and LATENT, as the nodes call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import comfy.model_management as mm
import torch
from torch import Tensor

from ... import masks, stages
from ...batches import per_image
from ...denoiser import OnStep
from ...draws import Draws
from ...host import Role
from ...inversion import Trajectory, round_trip_error
from ...masks import fit, spared, warn_if_unlikely
from ...settings import ContrastSettings, CutSettings, InversionSettings, MaskSettings
from ...strength import levels_up_to
from .clips import Clips
from .families import cell_pictures, cell_pixels
from .guider import Conditioning, LoopDenoisers, connected, run
from .latents import VaeLatent, family_of, samples_of, to_vae_units, with_samples
from .noise import AUTO, SamplingProcess, check_scheduler, rising

DRAFTED, KINDS = "diffedit_drafted", "diffedit_kinds"
"""What is noted beside a draft: which images of the batch have one, and the kind of each edit."""


@dataclass(frozen=True)
class WireTrajectory:
    """A trajectory on a node's wire. The clean latent is kept as it came, in the autoencoder's units."""

    picture: VaeLatent
    noisy_model_latents: Tensor  # [N, B, C, ...] in the model's units, from the first noisy level up
    sigmas: tuple[float, ...]  # [N + 1], ascending from the picture
    solver: str
    family: tuple[str, str]  # latent format and noise process
    pixels: int  # a latent cell

    @property
    def count(self) -> int:
        """Images or clips."""
        return len(self.picture["samples"])

    def above(self, x0: Tensor) -> Trajectory:
        """The whole of it, over the clean latent in the model's units."""
        latents = torch.cat([x0[None], self.noisy_model_latents.to(x0)])
        return Trajectory(latents, self.sigmas, self.solver)


@dataclass(frozen=True)
class Found:
    """Where two texts disagree, at the picture's size, and what kind of edit they ask for."""

    mask: Tensor  # [B, H, W], or one for each picture of each clip
    heatmap: Tensor  # of the same shape
    draft: VaeLatent  # what the heatmap belongs to: the picture, or a draft with the new thing in it
    kinds: tuple[str, ...]
    agreement: Tensor  # [B]
    may_draft: bool
    lacks_negative: bool  # something is added, and there was no negative text to make a draft with

    @property
    def clips(self) -> Tensor:
        """The masks by image or clip: [B, pictures, H, W]."""
        return self.mask.unflatten(0, (len(self.kinds), -1))


def find_mask(
    model: Any,
    latent: VaeLatent,
    source: Conditioning,
    target: Conditioning,
    *,
    how: ContrastSettings,
    cut: CutSettings,
    seed: int,
    negative: Conditioning | None = None,
    keep: Conditioning | None = None,
    each_picture: bool = False,
) -> Found:
    """A clip gets one mask: what changes in any frame may change in all. With ``each_picture`` each of its pictures has
    its own, all cut at one threshold. Drafts need the negative text to be guided.

    What ``keep`` names is left out of the mask: where it differs least from the source text.
    """
    samples = samples_of(model, latent)
    size = (samples.shape[-2] * cell_pixels(model), samples.shape[-1] * cell_pixels(model))
    can_draft = negative is not None or how.guidance == 1
    if not can_draft and not how.is_purist:
        how = replace(how, drafts=0)
    look, has_draft = _look(model, samples, {"target": target, "source": source, "negative": negative}, how, seed)
    planes, how_cut = _planes(look, each_picture), MaskSettings(how, cut).cut_by_hand
    mask = masks.cut(planes, size, how_cut.rule, how_cut.value)
    if keep is not None:
        of_it = replace(how, kind="object", drafts=0)
        of_keep, _ = _look(model, samples, {"target": keep, "source": source}, of_it, seed)
        mask = spared(mask, _planes(of_keep, each_picture))
    warn_if_unlikely(mask, look.kinds)
    seen = _drafted(samples.to(mask.device), to_vae_units(model, look.draft), has_draft)
    lacks_negative = "addition" in look.kinds and not can_draft
    draft = {**with_samples(latent, seen), DRAFTED: tuple(has_draft.tolist()), KINDS: look.kinds}
    agreement = look.agreement.to(mask.device)
    heatmap = fit(planes, size)
    if planes.ndim == 4:
        clips = Clips.of(samples, cell_pictures(model))
        mask, heatmap = clips.by_picture(mask.flatten(0, 1)), clips.by_picture(heatmap.flatten(0, 1))
    return Found(mask, heatmap, draft, look.kinds, agreement, how.may_draft, lacks_negative)


def _look(
    model: Any, samples: Tensor, texts: Mapping[Role, Conditioning | None], how: ContrastSettings, seed: int
) -> tuple[stages.Look, Tensor]:
    """With the images that have a draft [B]."""
    process = SamplingProcess.of(model)

    def loop(bound: LoopDenoisers, x0: Tensor, on_step: OnStep) -> tuple[stages.Look, Tensor]:
        look = stages.look(bound, x0, how, Draws.of(seed), on_step)
        return look, look.has_draft(x0).to(mm.intermediate_device())

    levels = stages.levels_of_look(process, samples, how)
    return run(model, samples, connected(texts), process, levels, loop, draws=how.draws, seed=seed)


def _planes(look: stages.Look, each_picture: bool) -> Tensor:
    """The heatmap as one plane an image or clip, [B, h, w], or one a latent frame, [B, T, h, w]."""
    heatmap = look.heatmap.to(mm.intermediate_device())
    return heatmap.amax(1) if heatmap.ndim == 4 and not each_picture else heatmap


def invert_picture(
    model: Any,
    latent: VaeLatent,
    text: Conditioning,
    *,
    how: InversionSettings,
    scheduler: str = AUTO,
    check: bool = False,
    negative: Conditioning | None = None,
    sigmas: Tensor | None = None,
) -> tuple[WireTrajectory, VaeLatent, float]:
    """The trajectory, its noisiest level for samplers that add no noise, and the round trip's error (0 unchecked)."""
    samples, process = samples_of(model, latent), SamplingProcess.of(model)
    levels = _levels_of_climb(process, samples, how, scheduler, sigmas)
    process.check_invertible(levels)

    def loop(bound: LoopDenoisers, x0: Tensor, on_step: OnStep) -> tuple[Trajectory, float]:
        trajectory = stages.climb(bound, x0, how, on_step, levels=levels)
        denoise = bound.denoiser("inversion", how.guidance)
        return trajectory, float(round_trip_error(denoise, trajectory, on_step).max()) if check else 0.0

    texts = connected({"inversion": text, "negative": negative})
    trajectory, error = run(model, samples, texts, process, levels, loop)
    noisy = trajectory.latents[1:].to(mm.intermediate_device(), copy=True)  # a view would keep the clean one as well
    noisiest = to_vae_units(model, process.for_other_samplers(noisy[-1], levels[-1]))
    picture = with_samples(latent, samples.to(mm.intermediate_device()))
    found = WireTrajectory(picture, noisy, trajectory.sigmas, trajectory.solver, family_of(model), cell_pixels(model))
    return found, with_samples(latent, noisiest), error


def _levels_of_climb(
    process: SamplingProcess, samples: Tensor, how: InversionSettings, scheduler: str, sigmas: Tensor | None
) -> tuple[float, ...]:
    """The lower part of the SIGMAS that were given, of the named scheduler's, or of DDIM's own."""
    check_scheduler(scheduler)
    if sigmas is None and scheduler == AUTO:
        return stages.levels_of_climb(process, samples, how)
    full = process.schedule(scheduler, how.steps) if sigmas is None else rising(sigmas)
    if len(full) < 2:
        raise ValueError("the sigmas hold no noise level above 0; connect those of a scheduler node")
    return levels_up_to(how.strength, full)


def drafted(draft: VaeLatent, samples: Tensor | None = None) -> Tensor:
    """Which images of a batch of drafts are more than the picture [B]: as DiffEdit Mask noted, else as they differ."""
    noted = draft.get(DRAFTED, ())
    if len(noted) == len(draft["samples"]):
        return torch.tensor(noted)
    if samples is None:
        return torch.ones(len(draft["samples"]), dtype=torch.bool)
    return (draft["samples"].to(samples) != samples).flatten(1).any(1)


def _drafted(pictures: Tensor, drafts: Tensor, has_draft: Tensor) -> Tensor:
    """The draft of each image that has one, of the others the picture, bit for bit."""
    return torch.where(per_image(has_draft, pictures), drafts, pictures)
