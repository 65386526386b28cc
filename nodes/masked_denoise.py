"""MaskedDenoise: down again under the new text, inside the mask."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..diffedit_core.hosts.comfyui.guider import Conditioning
from ..diffedit_core.hosts.comfyui.latents import VaeLatent
from ..diffedit_core.hosts.comfyui.redrawing import WireEdit, masked_denoise, with_negative
from ..diffedit_core.hosts.comfyui.running import runs
from ..diffedit_core.hosts.comfyui.stages import WireTrajectory
from ..diffedit_core.settings import DecodingSettings, EditSettings
from .display import show_advice
from .fields import EDITS, Edits, Trajectory, seed, supported, widgets


class MaskedDenoise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_MaskedDenoise",
            display_name="Masked Denoise",
            category=EDITS,
            description="Denoises an inverted picture under the new text inside the mask. Outside the mask, the latent "
            "stays as it was.",
            inputs=[
                io.Model.Input("model", tooltip="The model that inverted the picture, or one of its family."),
                Trajectory.Input("trajectory", tooltip="The picture, from DDIM Invert."),
                io.Mask.Input("mask", tooltip="White where the picture may change, at the picture's size."),
                io.Conditioning.Input("target", tooltip="The target text: what should be there."),
                io.Conditioning.Input("negative", tooltip="What guidance leads away from. Usually the empty text."),
                *widgets(DecodingSettings()),
                *widgets(EditSettings(), "room"),
                seed(),
                io.Conditioning.Input(
                    "source",
                    optional=True,
                    tooltip="The source text. Tries are judged by how much closer they are to the target text than to "
                    "this one, or to the negative text where nothing is connected.",
                ),
                io.Latent.Input(
                    "draft",
                    optional=True,
                    tooltip="From DiffEdit Mask. Where the texts add something, the edit goes on from its draft.",
                ),
                Edits.Input("edits", optional=True, tooltip="More to change in the same picture, from One More Edit."),
                io.Mask.Input(
                    "heatmap",
                    optional=True,
                    tooltip="From DiffEdit Mask. Where the masks of several edits meet, the stronger heat decides; "
                    "without heatmaps they are mixed.",
                ),
            ],
            outputs=[
                io.Latent.Output("edited", display_name="latent", tooltip="The edited picture, for VAE Decode."),
                io.Mask.Output("masks", display_name="mask", tooltip="The masks of all edits in one, for Paste Back."),
            ],
            hidden=[io.Hidden.unique_id],
            search_aliases=[
                *("diffedit", "inpaint", "edit with text", "replace", "remove", "change colour", "change color"),
                *("change background", "add object", "img2img", "sampler"),
            ],
        )

    @classmethod
    @runs
    def execute(
        cls, *, model: Any, trajectory: WireTrajectory, mask: Tensor, target: Conditioning, negative: Conditioning,
        seed: int, room: int, source: Conditioning | None = None, draft: VaeLatent | None = None,
        edits: tuple[WireEdit, ...] = (), heatmap: Tensor | None = None, **decoding: Any,
    ) -> io.NodeOutput:  # fmt: skip
        all_edits = with_negative([WireEdit(mask, target, negative, source, draft, heatmap), *edits], negative)
        how = DecodingSettings(**decoding)
        edited, masks = masked_denoise(
            model, trajectory, all_edits, how=how, seed=seed, room=EditSettings(room=room).room
        )
        return io.NodeOutput(edited, masks, ui=show_advice(cls, masks, trajectory.count))
