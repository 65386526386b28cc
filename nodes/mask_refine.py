"""MaskRefine: a mask made better, at once, without a model."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..diffedit_core.hosts.comfyui.pasting import WayBack as Way
from ..diffedit_core.hosts.comfyui.refining import Given, refined
from ..diffedit_core.hosts.comfyui.running import runs
from ..diffedit_core.masks import RULES
from ..diffedit_core.refine import Refinement
from .display import show_refined
from .fields import MASKS, WayBack, painted, rule_value, supported, widgets


class MaskRefine(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_MaskRefine",
            display_name="Mask Refine",
            category=MASKS,
            description="Cuts a mask from a heatmap, follows the picture's edges, cleans, grows and feathers it, in "
            "this order. It needs no model, so you see the result at once.",
            inputs=[
                io.Mask.Input("mask", tooltip="A mask, or a heatmap together with a rule."),
                io.Combo.Input(
                    "rule",
                    options=["none", *(name for name, rule in RULES.items() if not rule.sees_cells)],
                    default="none",
                    tooltip="How a heatmap becomes a mask. none: the input is already a mask.",
                ),
                rule_value(),
                *widgets(Refinement()),
                io.Image.Input(
                    "picture",
                    optional=True,
                    tooltip="The picture that the mask belongs to. An edge snap needs it. The mask gets its size, "
                    "which undoes the crop of VAE Encode.",
                ),
                WayBack.Input(
                    "way_back",
                    optional=True,
                    tooltip="From Focus, where the mask is of what Focus showed and should be of the whole picture.",
                ),
                painted("corrections"),
            ],
            outputs=[io.Mask.Output("refined", display_name="mask", tooltip="White where the picture may change.")],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
            search_aliases=[
                *("grow mask", "expand mask", "shrink mask", "feather mask", "blur mask", "invert mask"),
                *("mask cleanup", "fix mask", "fill holes", "mask edges", "threshold", "heatmap to mask"),
            ],
        )

    @classmethod
    @runs
    def execute(
        cls, *, mask: Tensor, picture: Tensor | None = None, way_back: Way | None = None, **settings: Any
    ) -> io.NodeOutput:
        given = Given(mask, picture, way_back)
        made = refined(given, **settings)
        return io.NodeOutput(made, ui=show_refined(cls, made, given, settings))
