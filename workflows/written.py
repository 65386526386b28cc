"""An edit whose texts a language model writes, from what should change and from the picture."""

from __future__ import annotations

from typing import Any

import notes
from drawing import Graph, Node, Socket
from models import SD15, Model, load
from parts import FINE, ONCE, PICTURE, edit, end, finish, introduce, look, mask, say

from diffedit_core.wording import texts_asked

QWEN = Model("Comfy-Org/Qwen3.5", "text_encoders/qwen3.5_4b_bf16.safetensors", "text_encoders")
INSTRUCTION = "make the dress blue"
BLANK = "(what should change)"
SEEN: dict[str, Any] = {"upscale_method": "area", "megapixels": 0.5}
"""Of the picture that the model is shown: a photograph would be thousands of tokens."""

JSON: dict[str, Any] = {"regex_pattern": r"\{[^{}]*\}", "mode": "First Match"}


def from_instruction() -> Graph:
    described = "Say what should change in your own words; a model that sees the picture writes both texts."
    graph = Graph("from_instruction", "Say it in your own words (SD1.5, Qwen3.5)", described, since="0.19.2")
    introduce(graph, "SD1.5, and Qwen3.5 or another text encoder that sees pictures and writes.")
    loader = load(graph, 0, SD15)
    picture = graph.add("LoadImage", 0, height=260, image=PICTURE)["IMAGE"]
    asked = graph.add("PrimitiveStringMultiline", 0, title="What should change", height=60, value=INSTRUCTION)
    graph.note(0, notes.WRITING, title="The model that writes", height=300)
    written = len(graph.nodes)
    source, target = _written(graph, picture, asked["STRING"])
    others = len(graph.nodes)
    said = say(graph, loader["CLIP"], source, target)
    start = look(graph, loader["MODEL"], loader["CLIP"], loader["VAE"], picture, said)
    place = mask(graph, start)
    end(graph, finish(graph, start, edit(graph, start, place, FINE, ONCE), place))
    for node in graph.nodes[written:others]:
        node.column = 1
    for node in graph.nodes[others:]:
        node.column += 1
    return graph


def _written(graph: Graph, picture: Socket, asked: Socket) -> tuple[Socket, Socket]:
    """Both texts, in a column of their own."""
    writer = load(graph, 0, QWEN, type="stable_diffusion")
    shown = graph.add("ImageScaleToTotalPixels", 0, title="The picture, smaller", image=picture, **SEEN)
    question = {"string": texts_asked(BLANK), "find": BLANK, "replace": asked}
    prompt = graph.add("StringReplace", 0, title="The question", height=160, **question)
    heard: dict[str, Any] = {"clip": writer["CLIP"], "image": shown["IMAGE"], "prompt": prompt["STRING"]}
    answer = graph.add("TextGenerate", 0, title="The answer", max_length=256, sampling_mode="off", **heard)
    found = graph.add("RegexExtract", 0, title="The JSON in it", string=answer["generated_text"], **JSON)
    source, target = (_text(graph, found, side) for side in ("source", "target"))
    return source, target


def _text(graph: Graph, found: Node, side: str) -> Socket:
    text = graph.add("JsonExtractString", 0, title=f"The {side} text", json_string=found["STRING"], key=side)["STRING"]
    graph.add("PreviewAny", 0, title=f"This {side} text was written", height=60, source=text)
    return text
