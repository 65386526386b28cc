"""What ComfyUI shows: one class per node."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io
from server import PromptServer

from ..diffedit_core.hosts.comfyui.live_page import add_routes
from .boxes_and_points import BoxesAndPoints
from .ddim_invert import DDIMInvert
from .demo import DemoModel, DemoScene
from .depth_model import DepthModel
from .diffedit_mask import DiffEditMask
from .edit import Edit
from .fast_mask import FastMask
from .focus import Focus
from .keep_the_rest import KeepTheRest
from .mask_refine import MaskRefine
from .masked_denoise import MaskedDenoise
from .pictures import Panels, PasteBack
from .texts import AverageTexts


class DiffEditExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        method = [DiffEditMask, FastMask, DDIMInvert, MaskedDenoise, MaskRefine]
        helping = [AverageTexts, Focus, PasteBack, KeepTheRest, BoxesAndPoints, Panels, DepthModel]
        return [*method, Edit, *helping, DemoModel, DemoScene]


async def comfy_entrypoint() -> DiffEditExtension:
    if server := getattr(PromptServer, "instance", None):
        add_routes(server, MaskRefine.define_schema().inputs)
    return DiffEditExtension()
