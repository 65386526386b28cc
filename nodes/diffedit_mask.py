"""DiffEditMask: where two texts disagree about a picture."""

from __future__ import annotations

from comfy_api.latest import io

from ..diffedit_core.contrast import STATISTICS
from ..diffedit_core.editing import MaskSettings
from ..diffedit_core.hosts.comfyui import find_mask
from ..diffedit_core.masks import RULES
from .display import show_mask
from .fields import CATEGORY, advanced, contrast_inputs, mask_outputs, rule_value, seed, supported


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
                io.Float.Input(
                    "strength",
                    default=MaskSettings.strength,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="How much noise the texts are compared at: 0 is the picture, 1 pure noise. "
                    "Lower follows the picture's details, higher sees larger things.",
                ),
                io.Int.Input(
                    "draws",
                    default=MaskSettings.draws,
                    min=1,
                    max=1000,
                    tooltip="Noise draws that are averaged. More make a cleaner heatmap and take longer.",
                ),
                seed(),
                io.Combo.Input(
                    "statistic",
                    options=list(STATISTICS),
                    default=MaskSettings.statistic,
                    tooltip="How draws are averaged. signed: noise cancels before sizes are taken. "
                    "mean_abs: sizes are averaged, as the paper and diffusers do.",
                ),
                io.Combo.Input(
                    "rule",
                    options=list(RULES),
                    default=MaskSettings.rule,
                    tooltip="How the heatmap becomes a mask.",
                ),
                rule_value(),
                advanced(
                    io.Boolean.Input,
                    "paired",
                    default=MaskSettings.paired,
                    tooltip="Draws noise in +/- pairs, whose effects cancel. Use an even number of draws.",
                ),
                advanced(
                    io.Int.Input,
                    "steps",
                    default=MaskSettings.steps,
                    min=1,
                    max=1000,
                    tooltip="1 compares single predictions. Above 1 every draw is denoised in full under each text "
                    "(purist), with this many steps in the full schedule: slower by as much.",
                ),
                advanced(
                    io.Float.Input,
                    "guidance",
                    default=MaskSettings.guidance,
                    min=1.0,
                    max=30.0,
                    step=0.1,
                    tooltip="Only with more than 1 step: how far denoising is led away from the negative.",
                ),
                io.Conditioning.Input(
                    "negative",
                    optional=True,
                    tooltip="Only with more than 1 step and a guidance other than 1: usually the empty text.",
                ),
            ],
            outputs=mask_outputs(),
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
            search_aliases=["diffedit", "text mask", "find edit region"],
        )

    @classmethod
    def execute(
        cls, model, latent, source, target, strength, draws, seed, statistic, rule, value, paired, steps, guidance,
        negative=None,
    ) -> io.NodeOutput:  # fmt: skip
        how = MaskSettings(strength, draws, paired, statistic, rule, value or None, steps, guidance)
        mask, heatmap = find_mask(model, latent, source, target, how, seed, negative)
        return io.NodeOutput(mask, heatmap, ui=show_mask(cls, mask))
