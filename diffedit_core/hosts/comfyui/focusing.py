"""Cut-outs of ComfyUI's pictures [B, H, W, 3] at the size of a MODEL, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...batches import gathered
from ...closeup import Cutout, canvas_of, closer
from ...focus import Canvas, Focus, View, joined
from ...pictures import Margin
from ...run import Opened, mask_of
from ...settings import EditSettings, MaskSettings
from ...shapes import is_hard
from ...stages import Look
from .clips import check_clip
from .demo import AREA
from .families import cell_pixels, is_video
from .guider import Conditioning
from .latents import VaeLatent, samples_of
from .pasting import WayBack
from .pictures import is_crop, place_centred
from .redrawing import WireEdit
from .stages import DRAFTED, KINDS, drafted, find_mask
from .wires import pictures_of, planes_of

AREAS = {"WAN22": 1280 * 704, "WAN21": 832 * 480, "LTXV": 768 * 512, "SD15": 512 * 512}
"""Pixels that a family was made for, by its class in ComfyUI or its latent format, where it is not a megapixel."""

MEGAPIXEL = 1024 * 1024

CUT_OUTS = {
    "each part": "one around every separate part of the mask",
    "one a picture": "one around all of its parts",
    "one for all": "the same place in all pictures, as the frames of a clip need it",
}
"""How many cut-outs are made, by name."""


@dataclass(frozen=True)
class Focused:
    """Cut-outs [N, h, w, 3] of one size with their masks [N, h, w], and drafts of them where there were any."""

    pictures: Tensor
    masks: Tensor
    way_back: WayBack
    draft: VaeLatent | None
    edits: tuple[WireEdit, ...] = ()


@dataclass(frozen=True)
class Eyes:
    """A MODEL with what it needs to look closer."""

    model: Any
    vae: Any = None
    source: Conditioning | None = None
    target: Conditioning | None = None

    @property
    def area(self) -> int:
        model = self.model.model
        names = {kind.__name__ for kind in (*type(model).__mro__, type(model.latent_format))}
        known = [area for name, area in AREAS.items() if name in names]
        return vars(model.model_config).get(AREA) or next(iter(known), MEGAPIXEL)

    @property
    def multiple(self) -> int:
        return 2 * cell_pixels(self.model)  # many models see cells in pairs

    @property
    def can_look(self) -> bool:
        return not (self.vae is None or self.source is None or self.target is None or is_video(self.model))

    def open(self, picture: Tensor) -> Opened:
        return Opened(picture, Margin.around(picture, 1), self.vae.encode(picture))

    def decode(self, latent: Tensor) -> Tensor:
        images = self.vae.decode(latent)
        return images.reshape(-1, *images.shape[-3:])

    def find(self, opened: Opened, how: MaskSettings) -> tuple[Tensor, Look]:
        assert self.source is not None and self.target is not None
        latent = {"samples": opened.x0}
        found = find_mask(self.model, latent, self.source, self.target, how=how.contrast, cut=how.cut, seed=0)
        mask = mask_of(found.heatmap.to(opened.picture), opened.picture, how)
        return mask, Look(found.heatmap, found.agreement, found.kinds, opened.x0)


def focus(
    eyes: Eyes,
    picture: Tensor,
    mask: Tensor | None = None,
    *,
    how: Focus = Focus(),
    cut_outs: str = "each part",
    draft: VaeLatent | None = None,
    edits: Sequence[WireEdit] = (),
) -> Focused:
    """The whole pictures at the model's size; or with masks, cut-outs around what these hold.

    A mask may be of the picture's size or of the size at which the whole is seen. A picture that is not much larger
    than the model's own size stays as it is. The masks and drafts of further edits are cut out with the first.
    """
    if cut_outs not in CUT_OUTS:
        raise ValueError(f"cut_outs is {cut_outs!r}; it must be one of {', '.join(CUT_OUTS)}")
    given = [*([] if mask is None else [mask]), *(edit.mask for edit in edits)]
    picture = pictures_of(picture, "picture")
    masks = [planes_of(each).to(picture) for each in given]
    count = check_clip({"pictures": len(picture), **{f"masks of edit {i}": len(m) for i, m in enumerate(masks, 1)}})
    picture, masks = picture.expand(count, -1, -1, -1), [_for_all(each, count) for each in masks]
    canvas = canvas_of(eyes, picture, how)
    if not canvas.is_large:
        placed = [place_centred(each, torch.zeros_like(picture[:1, ..., 0]), "mask") for each in masks]
        return _shown(
            picture,
            None if mask is None else placed[0],
            WayBack.of_whole(canvas.size, count),
            draft,
            [replace(edit, mask=its) for edit, its in zip(edits, placed[len(placed) - len(edits) :], strict=True)],
        )
    whole = canvas.whole()
    if mask is None:
        way_back = WayBack(canvas.size, (whole,) * count, tuple(range(count)))
        return _shown(whole.of(picture), None, way_back, draft, edits)
    return _cut_out(eyes, picture, masks, canvas, how, cut_outs, draft, edits)


def _for_all(masks: Tensor, count: int) -> Tensor:
    """A mask for each picture. Where masks of a clip lack its end, nothing is to change there."""
    if len(masks) in (1, count):
        return masks.expand(count, -1, -1)
    return torch.cat([masks, masks.new_zeros(count - len(masks), *masks.shape[1:])])


def _cut_out(
    eyes: Eyes,
    picture: Tensor,
    masks: Sequence[Tensor],
    canvas: Canvas,
    how: Focus,
    cut_outs: str,
    draft: VaeLatent | None,
    edits: Sequence[WireEdit],
) -> Focused:
    """Around what the masks hold: that of the node's own edit, and those of the further ones."""
    count, whole = len(picture), canvas.whole()
    asked = [(eyes, draft), *((replace(eyes, source=edit.source, target=edit.target), edit.draft) for edit in edits)]
    found = [
        _parts(seeing, picture, its, canvas, how, cut_outs, drafts)
        for its, (seeing, drafts) in zip(masks, asked, strict=True)
    ]
    every = [[view for parts in found for view, part in parts[i] if part.any()] for i in range(count)]
    views = _views(canvas, every, cut_outs if not is_video(eyes.model) else "one for all")
    rows = [(i, view) for i, each in enumerate(views) for view in each]
    first, *others = (gathered((_mask_in(view, parts[i]) for i, view in rows), len(rows)) for parts in found)
    return _shown(
        gathered((view.of(picture[i : i + 1]) for i, view in rows), len(rows)),
        first,
        WayBack(canvas.size, tuple(view for _, view in rows), tuple(i for i, _ in rows)),
        _draft_in(rows, whole, draft, eyes),
        [_edit_in(rows, whole, edit, its, eyes) for edit, its in zip(edits, others, strict=True)],
    )


def _shown(
    pictures: Tensor, mask: Tensor | None, way_back: WayBack, draft: VaeLatent | None, edits: Sequence[WireEdit]
) -> Focused:
    """Without a mask, all of it may change."""
    return Focused(pictures, torch.ones_like(pictures[..., 0]) if mask is None else mask, way_back, draft, tuple(edits))


def _edit_in(rows: list[Row], whole: View, edit: WireEdit, mask: Tensor, eyes: Eyes) -> WireEdit:
    """Without its heatmap, which was of the whole."""
    return replace(edit, mask=mask, draft=_draft_in(rows, whole, edit.draft, eyes), heatmap=None)


Row = tuple[int, View]
"""The number of a picture, and a view of it."""

Part = tuple[View, Tensor]
"""A view, and the mask [1, h, w] of what is in it."""


def _parts(
    eyes: Eyes, picture: Tensor, masks: Tensor, canvas: Canvas, how: Focus, cut_outs: str, draft: VaeLatent | None
) -> list[list[Part]]:
    """Of each picture what its mask holds. A mask of what was seen of the whole is looked at again, closer."""
    whole, size = canvas.whole(), (masks.shape[1], masks.shape[2])
    kinds, has_draft = (draft or {}).get(KINDS, ()), None if draft is None else drafted(draft)
    if is_crop(size, canvas.size):
        whole = View(0, 0, *canvas.size, canvas.size)
    elif not is_crop(size, whole.size):
        raise ValueError(
            f"the mask is {size[1]}x{size[0]} but the picture is {canvas.size[1]}x{canvas.size[0]}, seen as "
            f"{whole.size[1]}x{whole.size[0]}; use a mask of one of these sizes"
        )
    masks = place_centred(masks, masks.new_zeros(1, *whole.size), "mask")
    looks_closer = eyes.can_look and whole.scale > 1 and not (cut_outs == "one for all" and len(picture) > 1)
    found = []
    for i, mask in enumerate(masks.split(1)):
        kind = kinds[i] if i < len(kinds) else "object"
        if looks_closer and not (has_draft is not None and has_draft[i % len(has_draft)]):
            one = picture[i : i + 1]
            opened = eyes.open(whole.of(one))
            seen = Look(mask, torch.ones(1), (kind,), opened.x0)
            closest = closer(eyes, one, Cutout(whole, opened, mask, seen), EditSettings().mask, how)
            found.append([(part.view, part.mask) for part in closest])
        else:
            views = [] if kind == "area" else canvas.closer(whole, mask > 0, how.context)
            found.append([(view, _within(view, mask, whole)) for view in views or [canvas.whole()]])
    return found


def _views(canvas: Canvas, parts: list[list[View]], cut_outs: str) -> list[list[View]]:
    """Of each picture, around its parts; all of one size. A picture without any is shown as a whole."""
    whole = [canvas.whole().corners]
    boxes = [[view.corners for view in each] for each in parts]
    if cut_outs == "one for all":
        return [[canvas.view(joined([box for each in boxes for box in each] or whole))]] * len(parts)
    boxes = [each or whole for each in boxes]
    if cut_outs == "one a picture":
        boxes = [[joined(each)] for each in boxes]
    if sum(map(len, boxes)) == 1:
        return [[canvas.view(boxes[0][0])]]
    return [canvas.of_one_size(each) for each in boxes]


def _mask_in(view: View, parts: list[Part]) -> Tensor:
    return torch.stack([_within(view, mask, seen) for seen, mask in parts]).amax(0)


def _within(view: View, mask: Tensor, seen: View) -> Tensor:
    """The mask [1, h, w] of what is seen, in a view. A hard one that is enlarged stays hard."""
    within = view.within(mask, seen)
    return (within > 0.5).float() if seen.scale > view.scale and is_hard(mask.cpu().numpy()) else within


def _of_whole(draft: VaeLatent, whole: View, model: Any) -> Tensor:
    """Drafts of what is seen of the whole picture, as the model takes them."""
    samples, cell = samples_of(model, draft), cell_pixels(model)
    height, width = whole.size
    if samples.shape[-2:] != (height // cell, width // cell):
        raise ValueError(
            f"the draft is of a picture of {samples.shape[-1] * cell}x{samples.shape[-2] * cell} but this one is seen "
            f"as {width}x{height}; connect the draft that DiffEdit Mask made of what Focus showed of it"
        )
    return samples


def _draft_in(rows: list[Row], whole: View, draft: VaeLatent | None, eyes: Eyes) -> VaeLatent | None:
    """The drafts of the pictures, seen as close as the cut-outs."""
    if draft is None:
        return None
    samples, has_draft, kinds = _of_whole(draft, whole, eyes.model), drafted(draft), draft.get(KINDS, ())
    owners = [0] if is_video(eyes.model) else [i % len(samples) for i, _ in rows]
    size = [side // cell_pixels(eyes.model) for side in rows[0][1].size]
    latents = samples.new_zeros(len(owners), *samples.shape[1:-2], *size)
    for row, owner in enumerate(owners):
        view = rows[row][1]
        if view.corners == whole.corners:
            latents[row] = samples[owner]
        elif has_draft[owner]:
            if eyes.vae is None:
                raise ValueError("something was drafted for this picture; connect the VAE, to see the draft closer")
            latents[row] = eyes.vae.encode(view.within(eyes.decode(samples[owner : owner + 1]), whole))[0]
    noted = {DRAFTED: tuple(bool(has_draft[owner]) for owner in owners)}
    if kinds:
        noted[KINDS] = tuple(kinds[owner % len(kinds)] for owner in owners)
    return {**draft, "samples": latents, **noted}
