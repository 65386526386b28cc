"""DepthModel: a model that was trained on depth maps, with the depth of the picture."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..diffedit_core.hosts.comfyui.depth import with_depth
from ..diffedit_core.hosts.comfyui.running import runs
from .fields import EDITS, supported


class DepthModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_DepthModel",
            display_name="Model with Depth",
            category=EDITS,
            description="Gives a model that was trained on depth maps (SD2 for depth) the depth of the picture, so "
            "that what it draws keeps the shape of what is there.",
            inputs=[
                io.Model.Input("model", tooltip="One with a fifth channel for depth: 512-depth-ema."),
                io.Image.Input(
                    "depth", tooltip="The depth map of the picture that the model will work on. Bright is near."
                ),
            ],
            outputs=[
                io.Model.Output("seeing_model", display_name="model", tooltip="For our nodes, or for KSampler."),
            ],
            search_aliases=[
                "depth2img",
                "depth conditioning",
                "depth map",
                "keep the shape",
                "stable-diffusion-2-depth",
            ],
        )

    @classmethod
    @runs
    def execute(cls, *, model: Any, depth: Tensor) -> io.NodeOutput:
        return io.NodeOutput(with_depth(model, depth))
