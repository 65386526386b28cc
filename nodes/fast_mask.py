"""FastMask: FastDiffEdit's mask, with nothing to turn but its noise."""

from __future__ import annotations

from dataclasses import replace

from comfy_api.latest import io

from ..diffedit_core.editing import FAST_MASK
from ..diffedit_core.hosts.comfyui import find_mask
from .display import show_mask
from .fields import CATEGORY, contrast_inputs, mask_outputs, seed, supported


class FastMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_FastMask",
            display_name="Fast Mask",
            category=CATEGORY,
            description="FastDiffEdit's mask: single predictions under both texts over a few noise draws, cut at their "
            "mean and grown a little. Made for inpainting models, which fill in what it covers.",
            inputs=[
                *contrast_inputs(),
                io.Float.Input(
                    "strength",
                    default=FAST_MASK.strength,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="How much noise the texts are compared at: 0 is the picture, 1 pure noise.",
                ),
                io.Int.Input(
                    "draws", default=FAST_MASK.draws, min=1, max=1000, tooltip="Noise draws that are averaged."
                ),
                seed(),
            ],
            outputs=mask_outputs(),
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
            search_aliases=["fastdiffedit", "text mask"],
        )

    @classmethod
    def execute(cls, model, latent, source, target, strength, draws, seed) -> io.NodeOutput:
        how = replace(FAST_MASK, strength=strength, draws=draws)
        mask, heatmap = find_mask(model, latent, source, target, how, seed)
        return io.NodeOutput(mask, heatmap, ui=show_mask(cls, mask))
