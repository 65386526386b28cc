"""Edit: one more thing to change in the same picture."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from ..diffedit_core.hosts.comfyui.guider import Conditioning
from ..diffedit_core.hosts.comfyui.latents import VaeLatent
from ..diffedit_core.hosts.comfyui.redrawing import WireEdit
from ..diffedit_core.hosts.comfyui.running import runs
from .fields import EDITS, Edits, supported


class Edit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_Edit",
            display_name="One More Edit",
            category=EDITS,
            description="One more thing to change in the same picture, with a mask and a text of its own. Masked "
            "Denoise draws it together with its own edit. Chain as many as you like.",
            inputs=[
                io.Mask.Input("mask", tooltip="White where this edit may change the picture."),
                io.Conditioning.Input("target", tooltip="The target text of this edit: what should be there."),
                io.Float.Input(
                    "guidance",
                    default=0.0,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How strongly this text is followed. 0 does as Masked Denoise says.",
                ),
                io.Conditioning.Input(
                    "negative", optional=True, tooltip="Instead of Masked Denoise's negative text, for this edit."
                ),
                io.Conditioning.Input(
                    "source", optional=True, tooltip="The source text of this edit. It judges tries."
                ),
                io.Latent.Input("draft", optional=True, tooltip="From the DiffEdit Mask of this edit."),
                io.Mask.Input(
                    "heatmap",
                    optional=True,
                    tooltip="From the DiffEdit Mask of this edit: where masks meet, the stronger heat decides.",
                ),
                Edits.Input("edits", optional=True, tooltip="Further edits, from another node like this one."),
            ],
            outputs=[Edits.Output("all_edits", display_name="edits", tooltip="For Masked Denoise, or the next edit.")],
            search_aliases=[
                "diffedit",
                "several edits",
                "multiple edits",
                "another edit",
                "regional prompt",
                "inpaint more",
            ],
        )

    @classmethod
    @runs
    def execute(
        cls, *, mask: Tensor, target: Conditioning, guidance: float, edits: tuple[WireEdit, ...] = (),
        negative: Conditioning | None = None, source: Conditioning | None = None, draft: VaeLatent | None = None,
        heatmap: Tensor | None = None,
    ) -> io.NodeOutput:  # fmt: skip
        own = WireEdit(mask, target, negative, source, draft, heatmap, guidance or None)
        return io.NodeOutput((*edits, own))
