"""DiffEdit on ComfyUI's MODEL, CONDITIONING and LATENT: what the nodes call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import comfy.model_management as mm
import comfy.sample
import torch
from torch import Tensor

from .. import decoding
from ..choosing import decode_best, steps_of
from ..denoiser import OnStep, seeded_noise
from ..editing import EditSettings, MaskSettings, cut
from ..editing import find_heatmap as core_heatmap
from ..inversion import Trajectory, invert, round_trip_error
from ..masks import cells, fit, warn_if_unlikely
from .comfyui_guider import Conditioning, LoopHost, run
from .comfyui_noise import SCHEDULER, SamplingNoise, full_schedule, inversion_levels
from .comfyui_pictures import crop_centred

Latent = Mapping[str, Any]
"""``{"samples": [B, C, h, w] or [B, C, T, h, w], ...}`` in the autoencoder's units. A noise_mask in it is not used."""

PIXELS = {"LTXV": 32, "Wan22": 16, "HunyuanImage21": 32, "SC_Prior": 42, "SC_B": 4, "ChromaRadiance": 1}
"""Pixels a latent cell, where it is not 8, for versions of ComfyUI whose latent formats do not say."""

SIZE_KEYS = ("downscale_ratio_spacial", "downscale_ratio_temporal")
"""What newer versions note beside an empty latent, which no longer holds for a finished one."""


@dataclass(frozen=True)
class InversionSettings:
    """How a picture is inverted."""

    steps: int = EditSettings.steps  # of the full schedule; strength 0.9 of 10 runs 9
    strength: float = EditSettings.strength
    guidance: float = EditSettings.inversion_guidance
    iterations: int = EditSettings.iterations
    scheduler: str = SCHEDULER
    check: bool = False  # decode again, and say how far from the picture that ends


@dataclass(frozen=True)
class PictureTrajectory:
    """A trajectory on a node's wire: its latents are in the model's units, the picture's in the autoencoder's."""

    trajectory: Trajectory
    picture: Latent
    family: tuple[str, str]  # latent format and noise process
    pixels: int  # a latent cell


def find_mask(
    model: Any,
    latent: Latent,
    source: Conditioning,
    target: Conditioning,
    how: MaskSettings,
    seed: int,
    negative: Conditioning | None = None,
) -> tuple[Tensor, Tensor]:
    """The mask and its heatmap, [B, H, W] each. A video gets one mask: what changes in any frame may change in all."""
    samples = _samples(model, latent)
    size = (samples.shape[-2] * _pixels(model), samples.shape[-1] * _pixels(model))

    def loop(host: LoopHost, x0: Tensor, on_step: OnStep) -> Tensor:
        return core_heatmap(host, x0, "source", "positive", how, seed, lambda stage: on_step)

    heatmap = run(
        model,
        samples,
        _texts(positive=target, source=source, negative=negative),
        _contrast_levels(model, how),
        loop,
        steps=how.draws,
        draws=how.draws,
        seed=seed,
    )
    planes = (heatmap.amax(1) if heatmap.ndim == 4 else heatmap).to(mm.intermediate_device())  # [B, h, w]
    mask = cut(planes, size, how)
    warn_if_unlikely(mask)
    return mask, fit(planes, size)


def invert_picture(
    model: Any, latent: Latent, text: Conditioning, how: InversionSettings, negative: Conditioning | None = None
) -> tuple[PictureTrajectory, Latent, float]:
    """The trajectory, its noisiest level for samplers that add no noise, and the round trip's relative RMS error."""
    samples = _samples(model, latent)
    noise = SamplingNoise.of(model.get_model_object("model_sampling"))
    sigmas = inversion_levels(noise, how.steps, how.scheduler, how.strength)

    def loop(host: LoopHost, x0: Tensor, on_step: OnStep) -> tuple[Trajectory, float]:
        denoise = host.denoiser("positive", guidance=how.guidance)
        trajectory = invert(denoise, x0, host.process, sigmas, iterations=how.iterations, on_step=on_step)
        error = float(round_trip_error(denoise, trajectory, on_step).max()) if how.check else 0.0
        return trajectory, error

    texts = _texts(positive=text, negative=negative)
    trajectory, error = run(model, samples, texts, sigmas, loop, steps=len(sigmas) - 1)
    trajectory = Trajectory(trajectory.latents.to(mm.intermediate_device()), trajectory.sigmas)
    noisiest = _to_wire(model, noise.for_other_samplers(trajectory.noisiest, sigmas[-1]))
    picture = _with_samples(latent, samples.to(mm.intermediate_device()))
    found = PictureTrajectory(trajectory, picture, _family(model), _pixels(model))
    return found, _with_samples(latent, noisiest), error


def masked_denoise(
    model: Any,
    inverted: PictureTrajectory,
    mask: Tensor,
    texts: Mapping[str, Conditioning | None],
    how: EditSettings,
    seed: int,
) -> Latent:
    """The picture under the text "positive" inside the mask; ``texts`` may also hold "negative" and "source"."""
    _check_family(model, inverted.family)
    _check_background(how.background, texts)
    warn_if_unlikely(mask)
    samples, sigmas = inverted.picture["samples"], inverted.trajectory.sigmas
    planes = _latent_mask(mask, samples, inverted.pixels, how.soft)
    against = "source" if texts.get("source") is not None else "negative"  # what tries shall be unlike

    def loop(host: LoopHost, x0: Tensor, on_step: OnStep) -> Tensor:
        trajectory = Trajectory(inverted.trajectory.latents.to(x0.device), sigmas)
        background = _background(host, trajectory, how, seed)
        denoise = host.denoiser("positive", guidance=how.guidance)
        pair = host.denoiser_pair(against, "positive")
        rounds = decoding.Rounds(how.rounds, host.process, seeded_noise(seed))
        return decode_best(
            denoise, pair, planes.to(x0.device), background, rounds=rounds, tries=how.tries, on_step=on_step
        )

    steps = steps_of(len(sigmas) - 1, how.rounds, how.tries)
    edited = run(model, samples, _texts(**texts), sigmas, loop, steps=steps, seed=seed)
    edited = _to_wire(model, edited)
    if how.background != "source":  # the way through the model's units and back rounds; the picture itself does not
        edited = torch.where(planes.to(edited.device) == 0, samples.to(edited), edited)
    return _with_samples(inverted.picture, edited)


def _background(host: LoopHost, trajectory: Trajectory, how: EditSettings, seed: int) -> decoding.Background:
    if how.background == "source":
        return decoding.source(trajectory, host.denoiser("source", guidance=how.guidance))
    if how.background == "noised":
        return decoding.noised(trajectory.clean, trajectory.sigmas, host.process, seeded_noise(seed))
    return decoding.retrace(trajectory)


def _samples(model: Any, latent: Latent) -> Tensor:
    """[B, C, h, w] or [B, C, T, h, w] float32, in the autoencoder's units, as this model can take them."""
    samples = latent["samples"]
    if getattr(samples, "is_nested", False):
        raise ValueError("this latent holds picture and sound together; edit the picture's latent alone")
    samples = comfy.sample.fix_empty_latent_channels(model, samples)
    channels = model.get_model_object("latent_format").latent_channels
    if samples.ndim not in (4, 5) or samples.shape[1] != channels:
        raise ValueError(
            f"the latent is {list(samples.shape)} but this model works on [batch, {channels}, ...]; "
            "encode the picture with the VAE that belongs to the model"
        )
    if not samples.isfinite().all():
        raise ValueError(
            "the latent contains NaN or infinity, which a VAE in half precision (fp16) often causes; "
            "start ComfyUI with --fp32-vae or --bf16-vae, or use another VAE"
        )
    return samples.float()


def _to_wire(model: Any, x: Tensor) -> Tensor:
    """From the model's units to the autoencoder's."""
    return model.get_model_object("process_latent_out")(x.float()).to(mm.intermediate_device())


def _with_samples(latent: Latent, samples: Tensor) -> Latent:
    return {**{key: value for key, value in latent.items() if key not in SIZE_KEYS}, "samples": samples}


def _texts(**texts: Conditioning | None) -> dict[str, Conditioning]:
    return {name: conditioning for name, conditioning in texts.items() if conditioning is not None}


def _contrast_levels(model: Any, how: MaskSettings) -> tuple[float, ...]:
    sampling = model.get_model_object("model_sampling")
    noise = SamplingNoise.of(sampling)
    return full_schedule(sampling, how.steps) if how.steps > 1 else (0.0, noise.sigma_at(how.strength))


def _family(model: Any) -> tuple[str, str]:
    noise = SamplingNoise.of(model.get_model_object("model_sampling"))
    return type(model.get_model_object("latent_format")).__name__, noise.kind


def _pixels(model: Any) -> int:
    latent_format = model.get_model_object("latent_format")
    return getattr(latent_format, "spacial_downscale_ratio", PIXELS.get(type(latent_format).__name__, 8))


def _check_family(model: Any, family: tuple[str, str]) -> None:
    if _family(model) != family:
        have, need = (" ".join(names) for names in (_family(model), family))
        raise ValueError(
            f"the trajectory was made by a model of another family ({need}) than this one ({have}); "
            "give both nodes the same model"
        )


def _check_background(background: str, texts: Mapping[str, Conditioning | None]) -> None:
    if background == "source" and texts.get("source") is None:
        raise ValueError(
            'background "source" denoises what is outside the mask under the source text; '
            'connect the source conditioning, or use background "retrace"'
        )


def _latent_mask(mask: Tensor, samples: Tensor, pixels: int, soft: bool) -> Tensor:
    """A MASK [n, H, W] for latents [B, C, h, w]: [n, 1, h, w]; for video, one for all frames or one for each."""
    h, w = samples.shape[-2:]
    planes = crop_centred(mask.reshape(-1, *mask.shape[-2:]).float(), (h * pixels, w * pixels), "latent's picture")
    planes = cells(planes, (h, w), soft)[:, None]
    if samples.ndim == 4:
        return planes
    batch, frames = len(samples), samples.shape[2]
    if len(planes) == batch * frames:
        return planes.view(batch, 1, frames, h, w)
    if len(planes) not in (1, batch):
        raise ValueError(
            f"{len(planes)} masks for {batch} videos of {frames} latent frames each; "
            f"give one mask for all, one for each video, or {batch * frames}, one for each latent frame"
        )
    return planes[:, :, None].expand(-1, -1, frames, -1, -1)
