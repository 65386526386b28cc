"""The method, chained: look, invert, decode. On denoisers and latents alone, so every host runs these three."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .choosing import decode_best
from .contrast import contrast, purist_contrast
from .decoding import BACKGROUNDS
from .denoiser import OnStep, levels_up_to
from .draws import Draws
from .host import Denoisers, Levels
from .inversion import Trajectory, invert
from .settings import ContrastSettings, DecodingSettings, InversionSettings


def look(model: Denoisers, x0: Tensor, how: ContrastSettings, draws: Draws, on_step: OnStep | None = None) -> Tensor:
    """Where the source text and the target text disagree about the picture: a heatmap [B, ...] at the latent's size."""
    levels = levels_of_look(model, how)
    shared: dict[str, Any] = {"noise": draws.contrast(how.paired), "draws": how.draws, "on_step": on_step}
    if how.steps > 1:
        source, target = model.denoiser("source", how.guidance), model.denoiser("target", how.guidance)
        return purist_contrast(source, target, x0, model.process, levels, statistic=how.statistic, **shared)
    pair = model.denoiser_pair("source", "target")
    return contrast(pair, x0, model.process, levels[-1], statistic=how.statistic, chunk=model.chunk, **shared)


def climb(model: Denoisers, x0: Tensor, how: InversionSettings, on_step: OnStep | None = None) -> Trajectory:
    """The picture inverted, level by level."""
    denoise, levels = model.denoiser("inversion", how.guidance), levels_of_climb(model, how)
    return invert(denoise, x0, model.process, levels, iterations=how.iterations, on_step=on_step)


def redraw(
    model: Denoisers,
    trajectory: Trajectory,
    mask: Tensor,
    how: DecodingSettings,
    draws: Draws,
    on_step: OnStep | None = None,
) -> Tensor:
    """The picture decoded under the target text inside the mask [B or 1, 1, ...]: a latent [B, C, ...]."""
    return decode_best(
        model.denoiser("target", how.guidance),
        model.denoiser_pair("source", "target"),
        mask,
        BACKGROUNDS[how.background].outside(model, trajectory, draws, how.guidance),
        process=model.process,
        draws=draws,
        rounds=how.rounds,
        solver=how.solver,
        tries=how.tries,
        on_step=on_step,
    )


def levels_of_look(model: Levels, how: ContrastSettings) -> tuple[float, ...]:
    """The noise levels that ``look`` asks the model about, ascending from 0."""
    if how.steps > 1:
        return levels_up_to(how.strength, model.sigmas(how.steps))
    return 0.0, model.process.sigma_at(how.strength)


def levels_of_climb(model: Levels, how: InversionSettings) -> tuple[float, ...]:
    """The noise levels of the trajectory, ascending from the picture."""
    return levels_up_to(how.strength, model.sigmas(how.steps))
