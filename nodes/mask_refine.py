"""MaskRefine: a mask made better, at once, without a model."""

from __future__ import annotations

from comfy_api.latest import io

from ..diffedit_core.hosts.comfyui_pictures import refine_mask
from ..diffedit_core.masks import RULES
from ..diffedit_core.refine import EDGE_SNAPS, Refinement
from .display import show_mask
from .fields import CATEGORY, advanced, rule_value, supported


class MaskRefine(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_MaskRefine",
            display_name="Mask Refine",
            category=CATEGORY,
            description="Cuts a mask from a heatmap, follows the picture's edges, cleans, grows and feathers it, in "
            "this order. It runs at once: turn a knob and look.",
            inputs=[
                io.Mask.Input("mask", tooltip="A mask, or a heatmap together with a rule."),
                io.Combo.Input(
                    "rule",
                    options=["none", *RULES],
                    default="none",
                    tooltip="How a heatmap becomes a mask. none: the input is a mask already.",
                ),
                rule_value(),
                io.Float.Input(
                    "threshold",
                    default=Refinement.threshold or 0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Keeps what is above it, and makes a soft mask hard. 0 = off.",
                ),
                *_steps(),
                io.Image.Input(
                    "picture",
                    optional=True,
                    tooltip="The picture the mask belongs to, which an edge snap needs. "
                    "The mask gets its size, where VAE Encode had cropped it.",
                ),
            ],
            outputs=[
                io.Mask.Output("refined", display_name="mask", tooltip="White where the picture may change."),
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
            search_aliases=["grow mask", "feather mask", "mask cleanup"],
        )

    @classmethod
    def execute(cls, mask, rule, value, threshold, picture=None, **steps) -> io.NodeOutput:
        how = Refinement(threshold=threshold or None, **steps)
        refined = refine_mask(mask, rule, value, how, picture)
        return io.NodeOutput(refined, ui=show_mask(cls, refined))


def _steps() -> list[io.Input]:
    """The rest of Refinement, in the order in which it is done."""
    pixels = {"max": 1024, "step": 1}
    share = {"min": 0.0, "max": 1.0, "step": 0.001}
    return [
        io.Combo.Input(
            "edge_snap",
            options=list(EDGE_SNAPS),
            default=Refinement.edge_snap,
            tooltip="Follows the picture's edges. grabcut: the region with the mask's colours, with hard edges. "
            "guided: soft rims along the edges.",
        ),
        advanced(
            io.Int.Input,
            "edge_radius",
            default=Refinement.edge_radius,
            min=0,
            **pixels,
            tooltip="Pixels within which an edge is looked for.",
        ),
        advanced(
            io.Int.Input,
            "open",
            default=Refinement.open,
            min=0,
            **pixels,
            tooltip="Pixels: removes what is thinner than twice this.",
        ),
        advanced(
            io.Int.Input,
            "close",
            default=Refinement.close,
            min=0,
            **pixels,
            tooltip="Pixels: bridges gaps narrower than twice this.",
        ),
        io.Float.Input(
            "min_island",
            default=Refinement.min_island,
            **share,
            tooltip="Removes separate parts that cover less than this share of the picture.",
        ),
        io.Float.Input(
            "fill_holes",
            default=Refinement.fill_holes,
            **share,
            tooltip="Fills holes of up to this share of the picture.",
        ),
        io.Int.Input(
            "keep_largest",
            default=Refinement.keep_largest,
            min=0,
            max=100,
            tooltip="Keeps this many separate parts, the largest first. 0 keeps all.",
        ),
        io.Int.Input("grow", default=Refinement.grow, min=-1024, **pixels, tooltip="Pixels; negative shrinks."),
        io.Boolean.Input("invert", default=Refinement.invert, tooltip="Swaps what may change with what stays."),
        io.Float.Input(
            "feather",
            default=Refinement.feather,
            min=0.0,
            max=256.0,
            step=0.5,
            tooltip="Pixels over which the rim is softened, to both sides.",
        ),
        advanced(
            io.Float.Input,
            "snap",
            default=Refinement.snap,
            min=0.0,
            max=0.49,
            step=0.01,
            tooltip="Values within this of 0 or 1 become 0 or 1.",
        ),
    ]
