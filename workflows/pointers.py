"""The notes beside what is folded, and in apps."""

from __future__ import annotations

KNOBS = {
    "value": "the size of the mask: above 1 it is smaller, below 1 larger; 0 leaves it to the rule",
    "grow": "pixels to grow the mask by",
    "edge_snap": "how the mask follows the picture's edges",
    "draws": "more of them make the heatmap less noisy",
    "strength": "how far the picture is turned into noise; higher changes more",
    "guidance": "how strongly the target text is followed",
    "tries": "makes several attempts and keeps the best",
    "seed": "if it draws the wrong thing, use another one",
}


def knobs(*names: str) -> str:
    listed = "\n".join(f"- **{name}**: {KNOBS[name]}" for name in names)
    return f"""{listed}

For everything else, open the node above with the button in its corner: inside is the whole graph, with a note on \
each part."""


APP = """The page of fields shows this graph's two texts, its pictures and its result. **App** and **Graph**, at the \
top left, go from one to the other.

Needs ComfyUI {} or later."""

OUTLINING = """**Boxes and Points** shows SAM3 where to look: a box around each part of the mask, and points well \
inside it and clearly outside. SAM3 finds the edge.

- it takes in too much: connect **inside** and **outside** to its coordinates instead of the boxes
- a part is missing: connect both; it joins what it finds
- it is the wrong thing: correct the mask first, in the node on the left

Use the outline wherever a mask goes: in Masked Denoise, or in any inpainting node."""
