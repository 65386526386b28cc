"""PasteBack and Panels: the finished picture, and the one that explains it."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..diffedit_core.editing import EditSettings
from ..diffedit_core.hosts.comfyui_pictures import panels, paste_back
from .fields import CATEGORY, supported


class PasteBack(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_PasteBack",
            display_name="Paste Back",
            category=CATEGORY,
            description="Puts the original pixels back outside the mask. A VAE alone changes every pixel a little; "
            "after this, only the mask's differ.",
            inputs=[
                io.Image.Input("original", tooltip="The picture as it was loaded."),
                io.Image.Input("edited", tooltip="The edited picture, from VAE Decode."),
                io.Mask.Input("mask", tooltip="White where the edited picture is to be seen."),
                io.Float.Input(
                    "feather",
                    default=EditSettings.feather,
                    min=0.0,
                    max=256.0,
                    step=0.5,
                    tooltip="Pixels of rim, inside the mask, over which the two are blended.",
                ),
            ],
            outputs=[io.Image.Output("picture", display_name="picture", tooltip="At the original's size.")],
            search_aliases=["composite", "blend", "keep background"],
        )

    @classmethod
    def execute(cls, original, edited, mask, feather) -> io.NodeOutput:
        return io.NodeOutput(paste_back(original, edited, mask, feather))


class Panels(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_Panels",
            display_name="Panels",
            category=CATEGORY,
            description="The picture, its mask and the edit side by side, to look at or to publish.",
            inputs=[
                io.Image.Input("original", tooltip="The picture as it was loaded."),
                io.Mask.Input("mask", tooltip="Painted over the picture."),
                io.Image.Input("edited", tooltip="The finished picture."),
                io.String.Input("caption", optional=True, default="", tooltip="Stands over the edited picture."),
            ],
            outputs=[io.Image.Output("panels", display_name="panels", tooltip="All three, under their titles.")],
            is_output_node=True,
            search_aliases=["compare", "before after"],
        )

    @classmethod
    def execute(cls, original, mask, edited, caption="") -> io.NodeOutput:
        sheet = panels(original, mask, edited, caption)
        return io.NodeOutput(sheet, ui=ui.PreviewImage(sheet, cls=cls))
