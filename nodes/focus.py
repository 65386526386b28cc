"""Focus: what a model sees of a large picture."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..diffedit_core.focus import Focus as FocusSettings
from ..diffedit_core.hosts.comfyui.focusing import CUT_OUTS, Eyes, Focused, focus
from ..diffedit_core.hosts.comfyui.guider import Conditioning
from ..diffedit_core.hosts.comfyui.latents import VaeLatent
from ..diffedit_core.hosts.comfyui.redrawing import WireEdit
from ..diffedit_core.hosts.comfyui.running import runs
from ..diffedit_core.hosts.comfyui.wires import pictures_of
from ..diffedit_core.sheets import framed
from .display import show_text
from .fields import PICTURES, Edits, WayBack, supported, widgets


class Focus(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_Focus",
            display_name="Focus",
            category=PICTURES,
            description="Takes a picture of any size to the size that the model was made for: the whole of it, or with "
            "a mask, a cut-out around what the mask holds. Paste Back puts the edited cut-out back. A picture of about "
            "the model's size stays as it is.",
            inputs=[
                io.Image.Input("picture", tooltip="Of any size, or a batch of them."),
                io.Model.Input("model", tooltip="The model that will see the picture: its size is aimed at."),
                *widgets(FocusSettings(), "context", "area"),
                io.Combo.Input(
                    "cut_outs",
                    options=list(CUT_OUTS),
                    tooltip="; ".join(f"{name}: {meaning}" for name, meaning in CUT_OUTS.items()) + ".",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="What the cut-out is made around: drawn on the picture, or found in what Focus showed of "
                    "the whole. Without a mask the whole picture is shown.",
                ),
                io.Vae.Input("vae", optional=True, tooltip="With both texts: looks at the cut-out again, closer."),
                io.Conditioning.Input("source", optional=True, tooltip="Says what is there now."),
                io.Conditioning.Input("target", optional=True, tooltip="Says what should be there instead."),
                io.Latent.Input(
                    "draft",
                    optional=True,
                    tooltip="From DiffEdit Mask. What was drafted is cut out like the picture; this needs the VAE.",
                ),
                Edits.Input(
                    "edits",
                    optional=True,
                    tooltip="From One More Edit. Their masks and drafts are cut out too, all in one cut-out.",
                ),
            ],
            outputs=[
                io.Image.Output("cut_out", display_name="picture", tooltip="What the model sees, at its own size."),
                io.Mask.Output("cut_out_mask", display_name="mask", tooltip="The mask, as it lies in the cut-out."),
                WayBack.Output("way_back", display_name="way back", tooltip="For Paste Back: where the cut-out was."),
                io.Latent.Output(
                    "cut_out_draft", display_name="draft", tooltip="The draft, as it lies in the cut-out."
                ),
                Edits.Output(
                    "cut_out_edits", display_name="edits", tooltip="The further edits, as they lie in the cut-out."
                ),
            ],
            hidden=[io.Hidden.unique_id],
            search_aliases=[
                *("crop and stitch", "inpaint crop", "detailer", "crop by mask", "zoom in", "large image"),
                *("high resolution", "small face"),
            ],
        )

    @classmethod
    @runs
    def execute(
        cls, *, picture: Tensor, model: Any, context: float, area: float, cut_outs: str, mask: Tensor | None = None,
        vae: Any = None, source: Conditioning | None = None, target: Conditioning | None = None,
        draft: VaeLatent | None = None, edits: tuple[WireEdit, ...] = (),
    ) -> io.NodeOutput:  # fmt: skip
        how, eyes = FocusSettings(context=context, area=area), Eyes(model, vae, source, target)
        seen = focus(eyes, picture, mask, how=how, cut_outs=cut_outs, draft=draft, edits=edits)
        cut_out = seen.pictures, seen.masks, seen.way_back, seen.draft, seen.edits
        return io.NodeOutput(*cut_out, ui=_show(cls, picture, seen))


def _show(node: type[io.ComfyNode], picture: Tensor, focused: Focused) -> dict[str, Any]:
    """The first picture with its cut-outs drawn in, and how large they are."""
    way = focused.way_back
    boxes = [view.corners for view, owner in zip(way.views, way.owners, strict=True) if owner == 0]
    shown = ui.PreviewImage(framed(pictures_of(picture, "picture")[:1], boxes), cls=node)
    return {**shown.as_dict(), **show_text(node, _in_words(focused))}


def _in_words(focused: Focused) -> str:
    way, (height, width) = focused.way_back, focused.pictures.shape[1:3]
    if way.views[0].size == way.size:
        return f"as it is: {width}x{height}"
    first = way.views[0]
    if (first.height, first.width) == way.size:
        return f"the whole of {first.width}x{first.height}, seen as {width}x{height}"
    count = "one cut-out" if len(way.views) == 1 else f"{len(way.views)} cut-outs, the first"
    return f"{count} of {first.width}x{first.height}, seen as {width}x{height}"
