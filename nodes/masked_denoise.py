"""MaskedDenoise: down again under the new text, inside the mask."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..diffedit_core.hosts.comfyui.guider import Conditioning
from ..diffedit_core.hosts.comfyui.stages import VaeLatent, WireTrajectory, masked_denoise
from ..diffedit_core.settings import DecodingSettings, EditSettings
from .display import show_advice
from .fields import CATEGORY, Trajectory, seed, supported, widgets


class MaskedDenoise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_MaskedDenoise",
            display_name="Masked Denoise",
            category=CATEGORY,
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
            ],
            outputs=[io.Latent.Output("edited", display_name="latent", tooltip="The edited picture, for VAE Decode.")],
            hidden=[io.Hidden.unique_id],
            search_aliases=["diffedit", "inpaint", "edit with text"],
        )

    @classmethod
    def execute(
        cls, *, model: Any, trajectory: WireTrajectory, mask: Tensor, target: Conditioning, negative: Conditioning,
        seed: int, room: int, source: Conditioning | None = None, draft: VaeLatent | None = None, **decoding: Any,
    ) -> io.NodeOutput:  # fmt: skip
        how, given = DecodingSettings(**decoding), {"source": source, "draft": draft}
        edited = masked_denoise(model, trajectory, mask, target, negative, how=how, seed=seed, room=room, **given)
        return io.NodeOutput(edited, ui=show_advice(cls, mask))
