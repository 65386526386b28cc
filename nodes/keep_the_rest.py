"""KeepTheRest: a picture that was edited anywhere, with everything that was not meant to change as it was."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..diffedit_core.hosts.comfyui.keeping import keep
from ..diffedit_core.hosts.comfyui.running import runs
from ..diffedit_core.keeping import KeepSettings
from .display import show_kept
from .fields import PICTURES, supported, widgets


class KeepTheRest(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_KeepTheRest",
            display_name="Keep the Rest",
            category=PICTURES,
            description="Takes a picture and what any edit model made of it, and puts only what was meant to change "
            "into the picture. Shift, zoom and tint are undone, and everything else is the original, to the pixel.",
            inputs=[
                io.Image.Input("original", tooltip="The picture as it was before the edit."),
                io.Image.Input("edited", tooltip="The same picture, edited by any model or service, of any size."),
                *widgets(KeepSettings()),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Nothing changes outside it. Drawn on the original, or on the edited picture.",
                ),
                io.Mask.Input(
                    "heatmap",
                    optional=True,
                    tooltip="From DiffEdit Mask. Only changes that touch something hot count as meant.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "picture", display_name="picture", tooltip="The original with what was meant to change."
                ),
                io.Mask.Output("changed", display_name="mask", tooltip="Where it may differ from the original."),
                io.Image.Output(
                    "aligned",
                    display_name="aligned",
                    tooltip="The edited picture, laid onto the original and in its colours.",
                ),
                io.String.Output(
                    "report", display_name="report", tooltip="The shift, zoom, rotation and tint that were undone."
                ),
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
            search_aliases=[
                *("align", "color match", "colour match", "restore background", "keep background", "pixel shift"),
                *("drift", "kontext", "qwen image edit", "klein"),
            ],
        )

    @classmethod
    @runs
    def execute(
        cls, *, original: Tensor, edited: Tensor, mask: Tensor | None = None, heatmap: Tensor | None = None,
        **settings: Any,
    ) -> io.NodeOutput:  # fmt: skip
        kept = keep(original, edited, mask, heatmap, KeepSettings(**settings))
        return io.NodeOutput(kept.picture, kept.changed, kept.aligned, kept.report, ui=show_kept(cls, kept))
