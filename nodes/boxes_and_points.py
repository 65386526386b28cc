"""BoxesAndPoints: where a mask is, for a model that outlines what it is shown."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..diffedit_core.hosts.comfyui.pointing import point_at
from ..diffedit_core.hosts.comfyui.running import runs
from ..diffedit_core.pointing import PointSettings
from .fields import MASKS, supported, widgets

BoundingBox = io.Custom("BOUNDING_BOX")  # ComfyUI has a class of it since 0.15


class BoxesAndPoints(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_BoxesAndPoints",
            display_name="Boxes and Points",
            category=MASKS,
            description="Turns a mask into boxes and points, for SAM3 Detect or another model that outlines what it is "
            "shown. The two texts know what is meant, and such a model knows where its edge is.",
            inputs=[
                io.Mask.Input("mask", tooltip="Where the thing is, at the picture's size. Each part gets its own box."),
                *widgets(PointSettings()),
                io.Mask.Input(
                    "heatmap",
                    optional=True,
                    tooltip="From DiffEdit Mask. Points inside go where it is hot, and those outside where it is cold.",
                ),
            ],
            outputs=[
                BoundingBox.Output("boxes", display_name="boxes", tooltip="For bboxes of SAM3 Detect."),
                io.String.Output(
                    "points_inside", display_name="inside", tooltip="For positive_coords of SAM3 Detect, as JSON."
                ),
                io.String.Output(
                    "points_outside", display_name="outside", tooltip="For negative_coords of SAM3 Detect, as JSON."
                ),
            ],
            search_aliases=["sam", "sam3", "segment anything", "bounding box", "mask to box", "point prompt"],
        )

    @classmethod
    @runs
    def execute(cls, *, mask: Tensor, heatmap: Tensor | None = None, **settings: Any) -> io.NodeOutput:
        return io.NodeOutput(*point_at(mask, heatmap, PointSettings(**settings)))
