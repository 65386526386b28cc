"""AverageTexts: several wordings of one thing, as one conditioning."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..diffedit_core.hosts.comfyui.averaging import average
from ..diffedit_core.hosts.comfyui.guider import Conditioning
from ..diffedit_core.hosts.comfyui.running import runs
from .fields import EDITS, supported


class AverageTexts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_AverageTexts",
            display_name="Average Texts",
            category=EDITS,
            description="Encodes any number of texts and averages them. Several wordings of the source text, and as "
            "many of the target text, find a place more surely than one of each.",
            inputs=[
                io.String.Input(
                    "texts",
                    default="",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="One wording a line. Empty lines do not count.",
                ),
                io.Clip.Input("clip", optional=True, tooltip="Encodes the texts. Not needed where there are none."),
                io.Conditioning.Input("conditioning", optional=True, tooltip="A text that is encoded already."),
                io.Conditioning.Input(
                    "more",
                    optional=True,
                    tooltip="Another one. An average from a node like this one counts as much as the texts in it, so "
                    "chain as many as you like.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    "average", display_name="conditioning", tooltip="For any node that takes a text."
                )
            ],
            search_aliases=[
                "prompt average",
                "average prompts",
                "combine prompts",
                "mean",
                "embeddings",
                "wordings",
                "synonyms",
            ],
        )

    @classmethod
    @runs
    def execute(
        cls, *, texts: str, clip: Any = None, conditioning: Conditioning | None = None, more: Conditioning | None = None
    ) -> io.NodeOutput:
        given = [each for each in (conditioning, more) if each is not None]
        return io.NodeOutput(average(clip, texts, given))
