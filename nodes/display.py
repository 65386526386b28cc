"""What a node shows on itself when it has run."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui
from server import PromptServer
from torch import Tensor

from ..diffedit_core.hosts.comfyui.stages import Found
from ..diffedit_core.kinds import in_words
from ..diffedit_core.masks import advice, coverage

NOWHERE = "the two texts do not say where; connect the negative text, so that a draft can choose a place"


def show_mask(node: type[io.ComfyNode], mask: Tensor, is_area: bool = False) -> dict[str, Any]:
    """The mask itself, and what to change where it looks wrong."""
    return _with_text(node, mask, advice(mask, is_area) or _share(mask))


def show_found(node: type[io.ComfyNode], found: Found) -> dict[str, Any]:
    """The same, with the kind of edit that the two texts ask for."""
    if found.lacks_negative:
        return _with_text(node, found.mask, NOWHERE)
    finding = f"{_share(found.mask)}: {in_words(found.kinds, found.agreement, found.may_draft)}"
    return _with_text(node, found.mask, advice(found.mask, "area" in found.kinds) or finding)


def _share(mask: Tensor) -> str:
    return f"{100 * float(coverage(mask).mean()):.1f} % of the picture"


def _with_text(node: type[io.ComfyNode], mask: Tensor, text: str) -> dict[str, Any]:
    return {**ui.PreviewMask(mask, cls=node).as_dict(), **show_text(node, text)}


def show_advice(node: type[io.ComfyNode], mask: Tensor) -> dict[str, Any] | None:
    """Only what to change where the mask looks wrong. A large one may be meant."""
    text = advice(mask, is_area=True)
    return show_text(node, text) if text else None


def show_text(node: type[io.ComfyNode], text: str) -> dict[str, Any]:
    server = getattr(PromptServer, "instance", None)
    node_id = node.hidden.unique_id if node.hidden else None
    if server and node_id:
        server.send_progress_text(text, node_id)
    return ui.PreviewText(text).as_dict()
