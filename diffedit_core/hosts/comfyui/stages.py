"""DiffEdit on ComfyUI's MODEL, CONDITIONING and LATENT: the core's three stages, as the nodes call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import comfy.model_management as mm
import comfy.sample
import torch
from torch import Tensor

from ... import masks, stages
from ...batches import check_batch, per_image
from ...decoding import BACKGROUNDS
from ...denoiser import OnStep
from ...draws import Draws
from ...inversion import Trajectory, round_trip_error
from ...masks import cells, fit, spared, union, warn_if_unlikely
from ...refine import give_room
from ...settings import ContrastSettings, CutSettings, DecodingSettings, InversionSettings, MaskSettings
from ...sharing import claims_of, joined
from .guider import Conditioning, LoopDenoisers, Texts, run
from .noise import SCHEDULER, SamplingProcess
from .pictures import crop_centred

VaeLatent = Mapping[str, Any]
"""``{"samples": [B, C, h, w] or [B, C, T, h, w], ...}`` in the autoencoder's units. A noise_mask in it is not used."""

PIXELS = {"LTXV": 32, "Wan22": 16, "HunyuanImage21": 32, "SC_Prior": 42, "SC_B": 4, "ChromaRadiance": 1}
"""Pixels a latent cell, where it is not 8, for versions of ComfyUI whose latent formats do not say."""

SIZE_KEYS = ("downscale_ratio_spacial", "downscale_ratio_temporal")
"""What newer versions note beside an empty latent. It does not hold for a finished one."""


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

    def above(self, x0: Tensor) -> Trajectory:
        """The whole of it, over the clean latent in the model's units."""
        latents = torch.cat([x0[None], self.noisy_model_latents.to(x0)])
        return Trajectory(latents, self.sigmas, self.solver)


@dataclass(frozen=True)
class Found:
    """Where two texts disagree, at the picture's size, and what kind of edit they ask for."""

    mask: Tensor  # [B, H, W]
    heatmap: Tensor  # [B, H, W]
    draft: VaeLatent  # what the heatmap belongs to: the picture, or a draft with the new thing in it
    kinds: tuple[str, ...]
    agreement: Tensor  # [B]
    may_draft: bool
    lacks_negative: bool  # something is added, and there was no negative text to make a draft with


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
) -> Found:
    """A clip gets one mask: what changes in any frame may change in all. Drafts need the negative text to be guided.

    What ``keep`` names is left out of the mask: where it differs least from the source text.
    """
    samples, process = _samples(model, latent), SamplingProcess.of(model)
    size = (samples.shape[-2] * cell_pixels(model), samples.shape[-1] * cell_pixels(model))
    can_draft = negative is not None or how.guidance == 1
    if not can_draft and not how.is_purist:
        how = replace(how, drafts=0)

    def loop(bound: LoopDenoisers, x0: Tensor, on_step: OnStep) -> tuple[stages.Look, Tensor]:
        look = stages.look(bound, x0, how, Draws.of(seed), on_step)
        return look, look.has_draft(x0)

    texts = _connected({"target": target, "source": source, "negative": negative})
    levels = stages.levels_of_look(process, how)
    look, has_draft = run(model, samples, texts, process, levels, loop, draws=how.draws, seed=seed)
    heatmap, agreement = (found.to(mm.intermediate_device()) for found in (look.heatmap, look.agreement))
    planes = heatmap.amax(1) if heatmap.ndim == 4 else heatmap  # [B, h, w]
    how_cut = MaskSettings(how, cut).cut_by_hand
    mask = masks.cut(planes, size, how_cut.rule, how_cut.value)
    if keep is not None:
        kept = replace(how, kind="object", drafts=0)
        there = find_mask(model, latent, source, keep, how=kept, cut=CutSettings(), seed=seed)
        mask = spared(mask, there.heatmap)
    warn_if_unlikely(mask, look.kinds)
    seen = _drafted(samples.to(heatmap), _to_vae_units(model, look.draft), has_draft.to(heatmap.device))
    lacks_negative = "addition" in look.kinds and not can_draft
    draft = {**_with_samples(latent, seen), DRAFTED: tuple(has_draft.tolist()), KINDS: look.kinds}
    return Found(mask, fit(planes, size), draft, look.kinds, agreement, how.may_draft, lacks_negative)


def invert_picture(
    model: Any,
    latent: VaeLatent,
    text: Conditioning,
    *,
    how: InversionSettings,
    scheduler: str = SCHEDULER,
    check: bool = False,
    negative: Conditioning | None = None,
) -> tuple[WireTrajectory, VaeLatent, float]:
    """The trajectory, its noisiest level for samplers that add no noise, and the round trip's error (0 unchecked)."""
    samples, process = _samples(model, latent), SamplingProcess.of(model, scheduler)
    levels = stages.levels_of_climb(process, how)
    process.check_invertible(levels, how.steps)

    def loop(bound: LoopDenoisers, x0: Tensor, on_step: OnStep) -> tuple[Trajectory, float]:
        trajectory = stages.climb(bound, x0, how, on_step)
        denoise = bound.denoiser("inversion", how.guidance)
        return trajectory, float(round_trip_error(denoise, trajectory, on_step).max()) if check else 0.0

    texts = _connected({"inversion": text, "negative": negative})
    trajectory, error = run(model, samples, texts, process, levels, loop)
    noisy = trajectory.latents[1:].to(mm.intermediate_device(), copy=True)  # a view would keep the clean one as well
    noisiest = _to_vae_units(model, process.for_other_samplers(noisy[-1], levels[-1]))
    picture = _with_samples(latent, samples.to(mm.intermediate_device()))
    found = WireTrajectory(picture, noisy, trajectory.sigmas, trajectory.solver, _family(model), cell_pixels(model))
    return found, _with_samples(latent, noisiest), error


@dataclass(frozen=True)
class WireEdit:
    """One of the edits of a picture, on a node's wire."""

    mask: Tensor  # [B, H, W], at the picture's size
    target: Conditioning
    negative: Conditioning | None = None
    source: Conditioning | None = None
    draft: VaeLatent | None = None
    heatmap: Tensor | None = None  # [B, H, W]
    guidance: float | None = None  # instead of the node's own


def with_negative(edits: Sequence[WireEdit], negative: Conditioning) -> list[WireEdit]:
    """Those without a negative text of their own get this one."""
    return [edit if edit.negative is not None else replace(edit, negative=negative) for edit in edits]


def masked_denoise(
    model: Any, inverted: WireTrajectory, edits: Sequence[WireEdit], *, how: DecodingSettings, seed: int, room: int = 0
) -> tuple[VaeLatent, Tensor]:
    """The picture under the target text of each edit inside its mask, and the masks together: [B, H, W].

    Each is drawn as if it were the only one, so that its ControlNets, areas and guidance functions are its own.
    """
    _check_family(model, inverted.family)
    samples = inverted.picture["samples"]
    masks = [edit.mask.reshape(-1, *edit.mask.shape[-2:]).float() for edit in edits]
    _check_sizes(masks)

    def cells_of(mask: Tensor) -> Tensor:
        return _latent_mask(mask, samples, inverted.pixels, how.soft)

    planes = [cells_of(give_room(mask, room)) for mask in masks]
    drawing = [i for i, plane in enumerate(planes) if plane.any()] or [0]  # an empty mask changes nothing for the rest
    drawn = [_drawn(model, inverted, planes[i], edits[i], how, seed) for i in drawing]
    heats = [_latent_heat(edits[i].heatmap, samples, inverted.pixels) for i in drawing]
    are_known = all(heat is not None for heat in heats)
    claims = [
        claims_of(cells_of(masks[i]), planes[i], heat if are_known else None)
        for i, heat in zip(drawing, heats, strict=True)
    ]
    edited = joined(samples.to(drawn[0]), drawn, [planes[i] for i in drawing], claims, how.overlap)
    return _with_samples(inverted.picture, edited), union(masks)


def _drawn(
    model: Any, inverted: WireTrajectory, plane: Tensor, edit: WireEdit, how: DecodingSettings, seed: int
) -> Tensor:
    """One edit: the latent in the autoencoder's units. Without a source text, the negative one judges the tries.

    Where its draft is not the picture itself, the way down goes on from it.
    """
    background = BACKGROUNDS[how.background]
    if background.needs_source and edit.source is None:
        raise ValueError(
            f'background "{how.background}" denoises what is outside the mask under the source text; '
            'connect the source conditioning, or use background "retrace"'
        )
    how = how if edit.guidance is None else replace(how, guidance=edit.guidance)
    samples, process = inverted.picture["samples"], SamplingProcess.of(model)
    drafts = None if edit.draft is None else _of_picture(edit.draft["samples"], samples)
    has_draft = None if edit.draft is None else drafted(edit.draft, samples)

    def loop(bound: LoopDenoisers, x0: Tensor, on_step: OnStep) -> Tensor:
        change = None
        if drafts is not None and has_draft is not None:
            made = bound.in_model_units(drafts.to(x0)) - x0
            change = torch.where(per_image(has_draft, made), made, 0)
        here = plane.to(x0.device)
        return stages.redraw(bound, inverted.above(x0), here, how, Draws.of(seed), on_step, change=change)

    levels = stages.levels_of_redraw(process, inverted.sigmas, how)
    source = edit.negative if edit.source is None else edit.source
    texts = _connected({"target": edit.target, "negative": edit.negative, "source": source})
    edited = _to_vae_units(model, run(model, samples, texts, process, levels, loop, seed=seed))
    if background.is_exact:  # converting to model units and back rounds, so unmasked cells are copied from the input
        edited = torch.where(plane.to(edited.device) == 0, samples.to(edited), edited)
    return edited


def drafted(draft: VaeLatent, samples: Tensor | None = None) -> Tensor:
    """Which images of a batch of drafts are more than the picture [B]: as DiffEdit Mask noted, else as they differ."""
    noted = draft.get(DRAFTED, ())
    if len(noted) == len(draft["samples"]):
        return torch.tensor(noted)
    if samples is None:
        return torch.ones(len(draft["samples"]), dtype=torch.bool)
    return (draft["samples"].to(samples) != samples).flatten(1).any(1)


def is_video(model: Any) -> bool:
    """Whether its VAE takes a batch of pictures for one clip."""
    return model.get_model_object("latent_format").latent_dimensions == 3


def _samples(model: Any, latent: VaeLatent) -> Tensor:
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


def _of_picture(drafts: Tensor, samples: Tensor) -> Tensor:
    if drafts.shape != samples.shape:
        raise ValueError(
            f"the draft is {list(drafts.shape)} but the inverted picture is {list(samples.shape)}; "
            "connect the draft that DiffEdit Mask made of this picture, or none"
        )
    return drafts.float().to(samples.device)


def _drafted(pictures: Tensor, drafts: Tensor, has_draft: Tensor) -> Tensor:
    """The draft of each image that has one, of the others the picture, bit for bit."""
    return torch.where(per_image(has_draft, pictures), drafts, pictures)


def _to_vae_units(model: Any, x: Tensor) -> Tensor:
    return model.get_model_object("process_latent_out")(x.float()).to(mm.intermediate_device())


def _with_samples(latent: VaeLatent, samples: Tensor) -> VaeLatent:
    return {**{key: value for key, value in latent.items() if key not in SIZE_KEYS}, "samples": samples}


def _connected(texts: Mapping[Any, Conditioning | None]) -> Texts:
    return {role: conditioning for role, conditioning in texts.items() if conditioning is not None}


def _family(model: Any) -> tuple[str, str]:
    return type(model.get_model_object("latent_format")).__name__, SamplingProcess.of(model).kind


def cell_pixels(model: Any) -> int:
    """Along each side of a latent cell."""
    latent_format = model.get_model_object("latent_format")
    return getattr(latent_format, "spacial_downscale_ratio", PIXELS.get(type(latent_format).__name__, 8))


def _check_family(model: Any, family: tuple[str, str]) -> None:
    if _family(model) != family:
        have, need = (" ".join(names) for names in (_family(model), family))
        raise ValueError(
            f"the trajectory was made by a model of another family ({need}) than this one ({have}); "
            "give both nodes the same model"
        )


def _latent_mask(mask: Tensor, samples: Tensor, pixels: int, soft: bool) -> Tensor:
    """A MASK [n, H, W] for latents [B, C, h, w]: [n, 1, h, w]. For clips, one for all frames or one for each."""
    return _of_frames(cells(_on_picture(mask, samples, pixels), (samples.shape[-2], samples.shape[-1]), soft), samples)


def _latent_heat(heatmap: Tensor | None, samples: Tensor, pixels: int) -> Tensor | None:
    """A heatmap [n, H, W] in the same way."""
    if heatmap is None:
        return None
    return _of_frames(fit(_on_picture(heatmap, samples, pixels), (samples.shape[-2], samples.shape[-1])), samples)


def _on_picture(mask: Tensor, samples: Tensor, pixels: int) -> Tensor:
    """The part of a MASK that the latent holds."""
    size = (samples.shape[-2] * pixels, samples.shape[-1] * pixels)
    return crop_centred(mask.reshape(-1, *mask.shape[-2:]).float(), size, "latent's picture")


def _of_frames(planes: Tensor, samples: Tensor) -> Tensor:
    """[n, h, w] -> [n, 1, h, w], or [n, 1, T, h, w] for clips."""
    planes = planes[:, None]
    if samples.ndim == 4:
        return planes
    batch, frames = len(samples), samples.shape[2]
    if len(planes) == batch * frames:
        return planes.view(batch, 1, frames, *planes.shape[-2:])
    if len(planes) not in (1, batch):
        raise ValueError(
            f"{len(planes)} masks for {batch} clips of {frames} latent frames each; "
            f"give one mask for all, one for each clip, or {batch * frames}, one for each latent frame"
        )
    return planes[:, :, None].expand(-1, -1, frames, -1, -1)


def _check_sizes(masks: Sequence[Tensor]) -> None:
    sizes = list(dict.fromkeys(f"{mask.shape[-1]}x{mask.shape[-2]}" for mask in masks))
    if len(sizes) > 1:
        raise ValueError(f"the masks of the edits are {' and '.join(sizes)}; make all of them from one picture")
    check_batch({"masks": max(len(mask) for mask in masks), "masks of another edit": min(len(mask) for mask in masks)})
