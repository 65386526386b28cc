"""Masked Denoise on ComfyUI's MODEL: one or several edits of an inverted picture, each with its own CONDITIONING."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ... import stages
from ...batches import check_batch, per_image
from ...decoding import BACKGROUNDS
from ...denoiser import OnStep
from ...draws import Draws
from ...greys import GREYS
from ...masks import fit, union
from ...refine import give_room
from ...settings import DecodingSettings
from ...sharing import Drawn, joined
from .clips import Clips
from .families import cell_pictures
from .guider import Conditioning, LoopDenoisers, connected, run
from .latents import VaeLatent, check_family, on_cells, to_vae_units, with_samples
from .noise import SamplingProcess
from .stages import WireTrajectory, drafted
from .wires import planes_of


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

    Each is drawn as if it were the only one, so that its ControlNets, areas and guidance functions are its own. In a
    clip, a latent frame changes where the mask of any of its pictures says so.
    """
    check_family(model, inverted.family)
    samples, greys = inverted.picture["samples"], GREYS[how.greys]
    clips = Clips.of(samples, cell_pictures(model))
    shown = [clips.by_picture(_planes(edit.mask)) for edit in edits]
    _check_sizes(shown)
    masks = [clips.by_frame(_planes(edit.mask)) for edit in edits]

    def cells_of(mask: Tensor) -> Tensor:
        return on_cells(mask, samples, inverted.pixels, greys.cells)

    rooms = [cells_of(give_room(mask, room)) for mask in masks]
    drawing = [i for i, plane in enumerate(rooms) if plane.any()] or [0]  # an empty mask changes nothing for the rest
    drawn = [
        Drawn(
            _drawn(model, inverted, rooms[i], edits[i], how, seed),
            cells_of(masks[i]),
            rooms[i],
            None
            if (heat := edits[i].heatmap) is None
            else on_cells(clips.by_frame(_planes(heat, "heatmap")), samples, inverted.pixels, fit),
        )
        for i in drawing
    ]
    edited = joined(samples.to(drawn[0].latent), drawn, how.overlap)
    return with_samples(inverted.picture, edited), union(greys.pasted(mask) for mask in shown)


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
    _check_draft(edit, samples)

    def loop(bound: LoopDenoisers, x0: Tensor, on_step: OnStep) -> Tensor:
        change, here = _change(bound, edit, samples, x0), plane.to(x0.device)
        return stages.redraw(bound, inverted.above(x0), here, how, Draws.of(seed), on_step, change=change)

    levels = stages.levels_of_redraw(process, samples, inverted.sigmas, how)
    source = edit.negative if edit.source is None else edit.source
    texts = connected({"target": edit.target, "negative": edit.negative, "source": source})
    edited = to_vae_units(model, run(model, samples, texts, process, levels, loop, seed=seed))
    if background.is_exact:  # converting to model units and back rounds, so unmasked cells are copied from the input
        edited = torch.where(plane.to(edited.device) == 0, samples.to(edited), edited)
    return edited


def _change(bound: LoopDenoisers, edit: WireEdit, samples: Tensor, x0: Tensor) -> Tensor | None:
    """What the edit's draft adds to the picture, in the model's units; 0 where it is the picture."""
    if edit.draft is None:
        return None
    made = bound.in_model_units(edit.draft["samples"].float().to(x0)) - x0
    return torch.where(per_image(drafted(edit.draft, samples), made), made, 0)


def _check_draft(edit: WireEdit, samples: Tensor) -> None:
    if edit.draft is not None and edit.draft["samples"].shape != samples.shape:
        raise ValueError(
            f"the draft is {list(edit.draft['samples'].shape)} but the inverted picture is {list(samples.shape)}; "
            "connect the draft that DiffEdit Mask made of this picture, or none"
        )


def _planes(mask: Tensor, name: str = "mask") -> Tensor:
    return planes_of(mask, name).float()


def _check_sizes(masks: Sequence[Tensor]) -> None:
    sizes = list(dict.fromkeys(f"{mask.shape[-1]}x{mask.shape[-2]}" for mask in masks))
    if len(sizes) > 1:
        raise ValueError(f"the masks of the edits are {' and '.join(sizes)}; make all of them from one picture")
    check_batch({"masks": max(len(mask) for mask in masks), "masks of another edit": min(len(mask) for mask in masks)})
