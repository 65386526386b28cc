"""FastMask: FastDiffEdit's mask, with few knobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io

from ..diffedit_core.hosts.comfyui.guider import Conditioning
from ..diffedit_core.hosts.comfyui.latents import VaeLatent
from ..diffedit_core.hosts.comfyui.remarks import remarks
from ..diffedit_core.hosts.comfyui.running import runs
from ..diffedit_core.hosts.comfyui.stages import find_mask
from ..diffedit_core.settings import FASTDIFFEDIT
from .display import show_mask
from .fields import MASKS, contrast_inputs, mask_outputs, seed, supported, widgets


class FastMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_FastMask",
            display_name="Fast Mask",
            category=MASKS,
            description="FastDiffEdit's mask: single predictions under both texts over several noise draws, cut at "
            "their mean and grown a little. Made for inpainting models, which fill in what it covers.",
            inputs=[*contrast_inputs(), *widgets(FASTDIFFEDIT.mask.contrast, "strength", "draws"), seed()],
            outputs=mask_outputs(),
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
            search_aliases=["fastdiffedit", "mask by text", "text mask", "auto mask", "inpaint mask", "quick mask"],
        )

    @classmethod
    @runs
    def execute(
        cls, *, model: Any, latent: VaeLatent, source: Conditioning, target: Conditioning, seed: int, **contrast: Any
    ) -> io.NodeOutput:
        how, cut = replace(FASTDIFFEDIT.mask.contrast, **contrast), FASTDIFFEDIT.mask.cut
        found = find_mask(model, latent, source, target, how=how, cut=cut, seed=seed)
        shown = show_mask(cls, found.mask, remarks=remarks(model, latent, source, target))
        return io.NodeOutput(found.mask, found.heatmap, ui=shown)
