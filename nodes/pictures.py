"""PasteBack and Panels: the finished picture, and the one that explains it."""

from __future__ import annotations

from dataclasses import replace

from comfy_api.latest import io, ui
from torch import Tensor

from ..diffedit_core.hosts.comfyui.pasting import WayBack as Way
from ..diffedit_core.hosts.comfyui.pasting import paste_back
from ..diffedit_core.hosts.comfyui.pictures import panels
from ..diffedit_core.hosts.comfyui.running import runs
from ..diffedit_core.settings import EditSettings
from .display import show_left_over
from .fields import PICTURES, WayBack, supported, widgets


class PasteBack(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_PasteBack",
            display_name="Paste Back",
            category=PICTURES,
            description="Puts the original pixels back outside the mask. A VAE changes every pixel a little; after "
            "this node, only pixels inside the mask differ.",
            inputs=[
                io.Image.Input("original", tooltip="The picture as it was loaded."),
                io.Image.Input("edited", tooltip="The edited picture, from VAE Decode."),
                io.Mask.Input(
                    "mask", tooltip="White where the edited picture should show. Drawn on it, or on the original."
                ),
                *widgets(EditSettings(), "rim"),
                *widgets(replace(EditSettings(), room=0), "room"),
                *widgets(EditSettings(), "seam"),
                WayBack.Input(
                    "way_back",
                    optional=True,
                    tooltip="From Focus, where the edited picture is a cut-out of the original.",
                ),
            ],
            outputs=[
                io.Image.Output("picture", display_name="picture", tooltip="At the original's size."),
                io.Mask.Output("changed", display_name="mask", tooltip="Where it differs from the original."),
            ],
            hidden=[io.Hidden.unique_id],
            search_aliases=[
                "composite",
                "blend",
                "keep background",
                "stitch",
                "uncrop",
                "restore pixels",
                "paste image",
            ],
        )

    @classmethod
    @runs
    def execute(
        cls, *, original: Tensor, edited: Tensor, mask: Tensor, rim: float, room: int, seam: str,
        way_back: Way | None = None,
    ) -> io.NodeOutput:  # fmt: skip
        how = EditSettings(rim=rim, room=room, seam=seam)
        pasted = paste_back(original, edited, mask, rim=how.rim, room=how.room, seam=how.seam, way_back=way_back)
        return io.NodeOutput(pasted.picture, pasted.changed, ui=show_left_over(cls, pasted.left_over))


class Panels(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_Panels",
            display_name="Panels",
            category=PICTURES,
            description="The picture, its mask and the edit side by side, to look at or to publish.",
            inputs=[
                io.Image.Input("original", tooltip="The picture as it was loaded."),
                io.Mask.Input("mask", tooltip="Painted over the picture."),
                io.Image.Input("edited", tooltip="The finished picture."),
                io.String.Input("caption", optional=True, default="", tooltip="A title above the edited picture."),
            ],
            outputs=[io.Image.Output("panels", display_name="panels", tooltip="All three, under their titles.")],
            is_output_node=True,
            search_aliases=["compare", "before after", "side by side", "show the mask"],
        )

    @classmethod
    @runs
    def execute(cls, *, original: Tensor, mask: Tensor, edited: Tensor, caption: str = "") -> io.NodeOutput:
        sheet = panels(original, mask, edited, caption)
        return io.NodeOutput(sheet, ui=ui.PreviewImage(sheet, cls=cls))
