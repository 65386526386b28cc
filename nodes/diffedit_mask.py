"""DiffEditMask: where two texts disagree about a picture."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..diffedit_core.hosts.comfyui.guider import Conditioning
from ..diffedit_core.hosts.comfyui.stages import VaeLatent, find_mask
from ..diffedit_core.settings import ContrastSettings, CutSettings
from .display import show_mask
from .fields import CATEGORY, contrast_inputs, mask_outputs, rule_value, seed, supported, widgets


class DiffEditMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_DiffEditMask",
            display_name="DiffEdit Mask",
            category=CATEGORY,
            description="Finds where an edit belongs: adds noise to the picture and compares what the model predicts "
            "under the source text and under the target text.",
            inputs=[
                *contrast_inputs(),
                *widgets(ContrastSettings(), "strength", "draws"),
                seed(),
                *widgets(ContrastSettings(), "statistic"),
                *widgets(CutSettings(), "rule"),
                rule_value(),
                *widgets(ContrastSettings(), "paired", "steps", "guidance"),
                io.Conditioning.Input(
                    "negative",
                    optional=True,
                    tooltip="Only with more than 1 step and a guidance other than 1. Usually the empty text.",
                ),
            ],
            outputs=mask_outputs(),
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
            search_aliases=["diffedit", "text mask", "find edit region"],
        )

    @classmethod
    def execute(
        cls, *, model: Any, latent: VaeLatent, source: Conditioning, target: Conditioning, seed: int, rule: str,
        value: float, negative: Conditioning | None = None, **contrast: Any,
    ) -> io.NodeOutput:  # fmt: skip
        cut = CutSettings(rule=rule, value=value or None)
        how = ContrastSettings(**contrast)
        mask, heatmap = find_mask(model, latent, source, target, how=how, cut=cut, seed=seed, negative=negative)
        return io.NodeOutput(mask, heatmap, ui=show_mask(cls, mask))
