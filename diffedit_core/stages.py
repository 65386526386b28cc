"""The method, chained: look, invert, decode. On denoisers and latents alone, so every host runs these three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from . import drafting
from .batches import per_image
from .choosing import best, decode_best, levels_of_judging, likeness
from .contrast import Contrast, contrast, purist_contrast
from .decoding import BACKGROUNDS
from .denoiser import Denoise, OnStep, as_one, noise_ratio
from .draws import Draws, Noise
from .host import Denoisers, Levels, gain_of
from .inversion import Trajectory, invert
from .kinds import kinds_of
from .masks import is_wide, threshold
from .settings import ContrastSettings, DecodingSettings, InversionSettings
from .strength import levels_up_to, schedule, sigma_at

DRAFT_STEPS, DRAFT_STRENGTH = 10, 0.9
"""The schedule of a draft. Its last level, which holds next to no noise, is left out."""

ENTRY = 0.5
"""The strength at which an edit goes on from a draft: low enough to keep its place, high enough to mend it."""


@dataclass(frozen=True)
class Look:
    """What two texts say about a picture."""

    heatmap: Tensor  # [B, ...] at the latent's size
    agreement: Tensor  # [B]: how alike the draws of noise are, at most 1
    kinds: tuple[str, ...]  # a name of KINDS for each image
    draft: Tensor  # [B, C, ...] what the heatmap belongs to: the picture, or a draft with the new thing in it

    def one(self, i: int) -> Look:
        return Look(self.heatmap[i : i + 1], self.agreement[i : i + 1], self.kinds[i : i + 1], self.draft[i : i + 1])

    def has_draft(self, x0: Tensor) -> Tensor:
        """Whether the heatmap of each image belongs to a draft: [B]."""
        return (self.draft != x0).flatten(1).any(1)


def look(model: Denoisers, x0: Tensor, how: ContrastSettings, draws: Draws, on_step: OnStep | None = None) -> Look:
    """Where the source text and the target text disagree about the picture, and what kind of edit they ask for."""
    found = _contrast(model, x0, how, draws.contrast(how.paired), on_step)
    kinds = _kinds(model, x0, found, how)
    if not how.may_draft or "addition" not in kinds:
        return Look(found.heatmap, found.agreement, kinds, x0)
    made, heatmap = _draft(model, x0, how, draws, on_step)
    adds = per_image(torch.tensor([kind == "addition" for kind in kinds]), x0)
    heatmap = torch.where(adds[:, 0], heatmap, found.heatmap)
    return Look(heatmap, found.agreement, kinds, torch.where(adds, made, x0))


def climb(
    model: Denoisers,
    x0: Tensor,
    how: InversionSettings,
    on_step: OnStep | None = None,
    *,
    levels: Sequence[float] | None = None,
) -> Trajectory:
    """The picture inverted, level by level: up these, or DDIM's own."""
    denoise, levels = model.denoiser("inversion", how.guidance), levels or levels_of_climb(model, x0, how)
    return invert(denoise, x0, model.process, levels, iterations=how.iterations, on_step=on_step)


def redraw(
    model: Denoisers,
    trajectory: Trajectory,
    mask: Tensor,
    how: DecodingSettings,
    draws: Draws,
    on_step: OnStep | None = None,
    *,
    change: Tensor | None = None,
) -> Tensor:
    """The picture decoded under the target text inside the mask [B or 1, 1, ...]: a latent [B, C, ...].

    Where a draft makes a ``change`` [B, C, ...], decoding goes on from it, over the picture with fresh noise.
    """
    gain = gain_of(model, trajectory.clean)

    def decoded(up: Trajectory, background: str, begun: Tensor | None = None) -> Tensor:
        return decode_best(
            _guided(model, gain, how),
            model.denoiser_pair("source", "target"),
            mask,
            BACKGROUNDS[background].outside(model, up, draws, how.guidance),
            process=model.process,
            draws=draws,
            gain=gain,
            solver=how.solver,
            greys=how.greys,
            tries=how.tries if begun is None else 1,  # drafts were chosen from already
            change=begun,
            on_step=on_step,
        )

    if change is None or not change.any():
        return decoded(trajectory, how.background)
    has_draft = per_image(change.flatten(1).any(1), change)
    mended = decoded(trajectory.up_to(_entry(model, trajectory)), "noised", change)
    return mended if has_draft.all() else torch.where(has_draft, mended, decoded(trajectory, how.background))


def levels_of_look(model: Levels, x0: Tensor, how: ContrastSettings) -> tuple[float, ...]:
    """The noise levels that ``look`` may ask the model about, ascending from 0."""
    levels = levels_of_contrast(model, x0, how)
    if not how.may_draft:
        return levels
    judging = levels_of_judging(model.process, gain_of(model, x0)) if how.drafts > 1 else ()
    return tuple(sorted({*levels, *_levels_of_draft(model, x0), *judging}))


def levels_of_contrast(model: Levels, x0: Tensor, how: ContrastSettings) -> tuple[float, ...]:
    process, gain = model.process, gain_of(model, x0)
    if how.is_purist:
        return levels_up_to(how.strength, schedule(process, how.steps, gain))
    return 0.0, sigma_at(process, how.strength, gain)


def levels_of_climb(model: Levels, x0: Tensor, how: InversionSettings) -> tuple[float, ...]:
    """The noise levels of the trajectory, ascending from the picture."""
    return levels_up_to(how.strength, schedule(model.process, how.steps, gain_of(model, x0)))


def levels_of_redraw(model: Levels, x0: Tensor, sigmas: Sequence[float], how: DecodingSettings) -> tuple[float, ...]:
    """The noise levels that ``redraw`` may ask about: those of the trajectory, and where tries are judged."""
    judging = levels_of_judging(model.process, gain_of(model, x0)) if how.tries > 1 else ()
    return tuple(sorted({*sigmas, *judging}))


def _contrast(model: Denoisers, x0: Tensor, how: ContrastSettings, noise: Noise, on_step: OnStep | None) -> Contrast:
    levels = levels_of_contrast(model, x0, how)
    shared: dict[str, Any] = {"noise": noise, "draws": how.draws, "statistic": how.statistic, "on_step": on_step}
    if how.is_purist:
        source, target = model.denoiser("source", how.guidance), model.denoiser("target", how.guidance)
        return purist_contrast(source, target, x0, model.process, levels, **shared)
    pair = model.denoiser_pair("source", "target")
    return contrast(pair, x0, model.process, levels[-1], sure=how.sure, chunk=model.chunk, **shared)


def _kinds(model: Denoisers, x0: Tensor, found: Contrast, how: ContrastSettings) -> tuple[str, ...]:
    if how.kind != "auto":
        return (how.kind,) * len(found.heatmap)
    if how.is_purist:  # finished latents are not in units of the noise, and disagree in details
        return tuple("area" if wide else "object" for wide in is_wide(found.heatmap))
    signal, _ = model.process.scales(levels_of_contrast(model, x0, how)[-1])
    return kinds_of(found, gain_of(model, x0) * signal)


def _draft(
    model: Denoisers, x0: Tensor, how: ContrastSettings, draws: Draws, on_step: OnStep | None
) -> tuple[Tensor, ...]:
    """Of each image its best draft [B, C, ...], and the heatmap [B, ...] of the two texts on it."""
    levels, pair, gain = _levels_of_draft(model, x0), model.denoiser_pair("source", "target"), gain_of(model, x0)
    source, target = model.denoiser("source"), _guided(model, gain, DecodingSettings(guidance=how.guidance))
    judged = 1 if how.drafts > 1 else 0
    count = as_one(_going_on(on_step, how.draws), how.drafts * (len(levels) - 1 + how.draws + judged))
    every = replace(how, sure=1.0)

    def attempt(number: int) -> tuple[Tensor, ...]:
        noise = draws.draft(number)
        made = drafting.draft(source, target, x0, model.process, levels, noise=noise, on_step=count)
        return made, _contrast(model, made, every, draws.contrast(how.paired), count).heatmap

    def score(found: tuple[Tensor, ...]) -> Tensor:
        made, heatmap = found
        mask = threshold(heatmap)[:, None].to(made)
        return likeness(pair, torch.lerp(x0, made, mask), mask, model.process, draws.judging, gain=gain, on_step=count)

    return best(how.drafts, attempt, score) if judged else attempt(0)


def _going_on(on_step: OnStep | None, done: int) -> OnStep | None:
    """For a loop that follows ``done`` steps of another."""
    return on_step and (lambda more, total, seen: on_step(done + more, done + total, seen))


def _entry(model: Levels, trajectory: Trajectory) -> int:
    """The noisiest of the levels that a draft can go on from."""
    highest = sigma_at(model.process, ENTRY, gain_of(model, trajectory.clean))
    return max(1, sum(sigma <= highest for sigma in trajectory.sigmas) - 1)


def _levels_of_draft(model: Levels, x0: Tensor) -> tuple[float, ...]:
    levels = levels_up_to(DRAFT_STRENGTH, schedule(model.process, DRAFT_STEPS, gain_of(model, x0)))
    return levels[:1] + levels[2:]


def _guided(model: Denoisers, gain: float, how: DecodingSettings) -> Denoise:
    """The target text, followed more strongly where there is more noise than ``how.guided_above``."""
    guided, plain = model.denoiser("target", how.guidance), model.denoiser("target")

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return (guided if noise_ratio(model.process, sigma) > gain * how.guided_above else plain)(x, sigma)

    return denoise
