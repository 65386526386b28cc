"""What a node shows on itself when it has run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from comfy_api.latest import io, ui
from server import PromptServer
from torch import Tensor

from ..diffedit_core.hosts.comfyui.keeping import Kept
from ..diffedit_core.hosts.comfyui.live import Held
from ..diffedit_core.hosts.comfyui.live_page import hold
from ..diffedit_core.hosts.comfyui.refining import Given, said_of, share
from ..diffedit_core.hosts.comfyui.stages import Found
from ..diffedit_core.kinds import in_words
from ..diffedit_core.masks import advice
from ..diffedit_core.stopping import may_stop

NOWHERE = "the two texts do not say where; connect the negative text, so that a draft can choose a place"


def show_mask(
    node: type[io.ComfyNode], mask: Tensor, is_area: bool = False, remarks: Sequence[str] = ()
) -> dict[str, Any]:
    """The mask itself, and what to change where it, or what the node was given, looks wrong."""
    return _with_text(node, mask, advice(mask, is_area) or share(mask), *remarks)


def show_found(node: type[io.ComfyNode], found: Found, remarks: Sequence[str]) -> dict[str, Any]:
    """The same, with the kind of edit that the two texts ask for."""
    if found.lacks_negative:
        return _with_text(node, found.mask, NOWHERE, *remarks)
    finding = f"{share(found.mask)}: {in_words(found.kinds, found.agreement, found.may_draft)}"
    return _with_text(node, found.mask, advice(found.clips, "area" in found.kinds) or finding, *remarks)


def show_refined(node: type[io.ComfyNode], made: Tensor, given: Given, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same. A page that is there to turn the knobs gets the word by which to ask for it, and shows it itself."""
    text, node_id = said_of(given, settings, made), node.hidden.unique_id if node.hidden else None
    word = hold(getattr(PromptServer, "instance", None), str(node_id), lambda: Held(given.first(), settings))
    if word is None:
        return _with_text(node, made, text)
    return {**ui.PreviewMask(made, cls=node).as_dict(), **ui.PreviewText(text).as_dict(), "diffedit_live": [word]}


def _with_text(node: type[io.ComfyNode], mask: Tensor, *texts: str) -> dict[str, Any]:
    may_stop()
    return {**ui.PreviewMask(mask, cls=node).as_dict(), **show_text(node, *texts)}


def show_advice(node: type[io.ComfyNode], mask: Tensor, count: int) -> dict[str, Any] | None:
    """Only what to change where the masks of so many images or clips look wrong. A large one may be meant."""
    text = advice(mask if len(mask) % count else mask.unflatten(0, (count, -1)), is_area=True)
    return show_text(node, text) if text else None


def show_inverted(node: type[io.ComfyNode], error: float | None, remarks: Sequence[str]) -> dict[str, Any] | None:
    """The error of the round trip, where that was asked for."""
    texts = [*([] if error is None else [f"round trip error {error:.2%}"]), *remarks]
    return show_text(node, *texts) if texts else None


def show_left_over(node: type[io.ComfyNode], count: int) -> dict[str, Any] | None:
    """How many pictures at the end of a clip the VAE left out."""
    return show_text(node, _left_over(count)) if count else None


def show_kept(node: type[io.ComfyNode], kept: Kept) -> dict[str, Any]:
    """Where the picture changes, and what was found of the edit."""
    left = [_left_over(kept.left_over)] if kept.left_over else []
    return _with_text(node, kept.changed, *kept.in_short, *left)


def _left_over(count: int) -> str:
    which, stay = ("picture", "stays as it was") if count == 1 else (f"{count} pictures", "stay as they were")
    return f"the last {which} of the clip {stay}: the VAE left {'it' if count == 1 else 'them'} out"


def show_text(node: type[io.ComfyNode], *texts: str) -> dict[str, Any]:
    text = "\n".join(texts)
    server = getattr(PromptServer, "instance", None)
    node_id = node.hidden.unique_id if node.hidden else None
    if server and node_id:
        server.send_progress_text(text, node_id)
    return ui.PreviewText(text).as_dict()
