"""DemoModel and DemoScene: the bundled model and the small world that it knows."""

from __future__ import annotations

from comfy_api.latest import io

from ..diffedit_core.hosts.comfyui.demo import demo_model, demo_scene
from ..diffedit_core.hosts.comfyui.running import runs
from ..diffedit_core.toybox import KINDS
from .fields import DEMO, seed, supported


class DemoModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_DemoModel",
            display_name="Demo Model",
            category=DEMO,
            description="The small model that comes with this pack: it knows soft shapes on textured grounds, 128 "
            "pixels wide. Nothing is downloaded.",
            inputs=[],
            outputs=[
                io.Model.Output("model", display_name="model", tooltip="Like the model of any checkpoint."),
                io.Clip.Output("clip", display_name="clip", tooltip="For CLIP Text Encode."),
                io.Vae.Output("vae", display_name="vae", tooltip="For VAE Encode and VAE Decode."),
            ],
            search_aliases=["test model", "example model", "no download", "without a checkpoint"],
        )

    @classmethod
    @runs
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(*demo_model())


class DemoScene(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_DemoScene",
            display_name="Demo Scene",
            category=DEMO,
            description="A picture of the demo model's world, an edit of it in words, and the right result.",
            inputs=[seed(), io.Combo.Input("kind", options=list(KINDS), tooltip="What the edit changes.")],
            outputs=[
                io.Image.Output("picture", display_name="picture", tooltip="128x128."),
                io.String.Output("source", display_name="source", tooltip="Says what is in the picture."),
                io.String.Output("target", display_name="target", tooltip="Says what should be there instead."),
                io.Mask.Output("region", display_name="region", tooltip="The true region of the edit."),
                io.Image.Output("truth", display_name="truth", tooltip="The true edited picture."),
            ],
            search_aliases=["test image", "example picture", "sample prompts", "toybox"],
        )

    @classmethod
    @runs
    def execute(cls, *, seed: int, kind: str) -> io.NodeOutput:
        return io.NodeOutput(*demo_scene(seed, kind))
