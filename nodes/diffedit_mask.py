"""DiffEditMask: where two texts disagree about a picture."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..diffedit_core.hosts.comfyui.guider import Conditioning
from ..diffedit_core.hosts.comfyui.latents import VaeLatent
from ..diffedit_core.hosts.comfyui.remarks import remarks
from ..diffedit_core.hosts.comfyui.running import runs
from ..diffedit_core.hosts.comfyui.stages import find_mask
from ..diffedit_core.settings import ContrastSettings, CutSettings
from .display import show_found
from .fields import MASKS, contrast_inputs, mask_outputs, rule_value, seed, supported, widgets


class DiffEditMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_DiffEditMask",
            display_name="DiffEdit Mask",
            category=MASKS,
            description="Finds where an edit belongs: adds noise to the picture and compares what the model predicts "
            "under the source text and under the target text.",
            inputs=[
                *contrast_inputs(),
                *widgets(ContrastSettings(), "strength", "draws"),
                seed(),
                *widgets(ContrastSettings(), "statistic"),
                *widgets(CutSettings(), "rule"),
                rule_value(),
                *widgets(ContrastSettings(), "kind", "drafts", "sure", "paired", "steps", "guidance"),
                io.Conditioning.Input(
                    "negative",
                    optional=True,
                    tooltip="What drafts of an added thing, and the purist mask, are guided away from. Usually the "
                    "empty text. Without it nothing is drafted.",
                ),
                io.Conditioning.Input(
                    "keep",
                    optional=True,
                    tooltip="Names what the edit must not touch, as in: a straw hat. It is left out of the mask.",
                ),
                supported(
                    io.Boolean.Input,
                    "each_picture",
                    optional=True,
                    default=False,
                    tooltip="Of a clip: a mask for each picture, which follows what moves, instead of one for all.",
                    advanced=True,
                ),
            ],
            outputs=[
                *mask_outputs(),
                io.Latent.Output(
                    "draft",
                    display_name="draft",
                    tooltip="What the heatmap belongs to: the picture, or where the texts add something, a draft with "
                    "the new thing in it. Decode it for Mask Refine, and give it to Masked Denoise.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
            search_aliases=[
                "diffedit",
                "mask by text",
                "text mask",
                "auto mask",
                "find edit region",
                "what to change",
                "replace",
                "segment",
            ],
        )

    @classmethod
    @runs
    def execute(
        cls, *, model: Any, latent: VaeLatent, source: Conditioning, target: Conditioning, seed: int, rule: str,
        value: float, negative: Conditioning | None = None, keep: Conditioning | None = None,
        each_picture: bool = False, **contrast: Any,
    ) -> io.NodeOutput:  # fmt: skip
        how, cut = ContrastSettings(**contrast), CutSettings(rule=rule, value=value or None)
        found = find_mask(
            model, latent, source, target,
            how=how, cut=cut, seed=seed, negative=negative, keep=keep, each_picture=each_picture,
        )  # fmt: skip
        shown = show_found(cls, found, remarks(model, latent, source, target, keep))
        return io.NodeOutput(found.mask, found.heatmap, found.draft, ui=shown)
