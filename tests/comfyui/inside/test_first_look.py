"""What a node shows at first, and the words that find it."""

from __future__ import annotations

import pytest
from test_nodes import IDS, NODES

MOST_WIDGETS = 6
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
FAR = 30  # where a word begins, at most: the frontend's search takes 0.01 off for each letter before it, and allows 0.3
PEOPLE_TYPE = {
    "DiffEditMask": ["mask by text", "auto mask", "what to change", "replace", "segment"],
    "FastMask": ["mask by text", "inpaint mask", "quick mask", "fastdiffedit"],
    "DDIMInvert": ["unsample", "image to noise", "inversion", "invert image"],
    "MaskedDenoise": ["inpaint", "remove", "replace", "change colour", "change color", "background"],
    "MaskRefine": ["grow mask", "blur mask", "feather", "fill holes", "threshold", "shrink mask"],
    "Edit": ["several edits", "another edit", "regional prompt"],
    "AverageTexts": ["average prompts", "combine prompts", "synonyms"],
    "Focus": ["crop", "zoom in", "detailer", "high resolution", "inpaint crop"],
    "PasteBack": ["stitch", "composite", "uncrop", "keep background", "blend"],
    "KeepTheRest": ["keep the rest", "color match", "colour match", "align", "pixel shift", "background"],
    "BoxesAndPoints": ["mask to box", "bounding box", "sam3", "segment anything", "point prompt"],
    "Panels": ["compare", "before after", "side by side"],
    "DepthModel": ["depth map", "keep the shape", "depth2img"],
    "DemoModel": ["demo", "no download", "test model"],
    "DemoScene": ["demo", "test image", "example picture"],
}


def info(name):
    return NODES[name].GET_NODE_INFO_V1()


pytestmark = pytest.mark.skipif(
    "search_aliases" not in info("FastMask"), reason="this version folds nothing away, and searches names alone"
)


def first_look(name):
    """The widgets that are not folded away, with the one that ComfyUI adds to a seed."""
    shown = []
    for group in ("required", "optional"):
        for widget, (kind, options, *_) in info(name)["input"].get(group, {}).items():
            is_widget = isinstance(kind, list) or kind in WIDGETS
            if is_widget and not (options.get("advanced") or options.get("hidden") or options.get("forceInput")):
                shown += [widget, *(["control"] if options.get("control_after_generate") else [])]
    return shown


@pytest.mark.parametrize("name", IDS)
def test_a_first_look_shows_few_widgets(name):
    assert len(first_look(name)) <= MOST_WIDGETS, first_look(name)


def test_what_people_turn_is_seen_at_once():
    assert {"value", "strength", "kind", "seed"} < set(first_look("DiffEditMask"))
    assert {"rule", "value", "grow", "feather", "edge_snap", "keep_largest"} == set(first_look("MaskRefine"))
    assert {"guidance", "tries", "background", "room", "seed"} < set(first_look("MaskedDenoise"))
    assert {"strength", "steps"} == set(first_look("DDIMInvert"))


def is_found(name, typed):
    """As the frontend finds nodes: all words that were typed, near the start of a name or of an alias."""
    about = info(name)
    fields = [about["name"], about["display_name"], *about["search_aliases"]]
    return any(all(0 <= field.lower().find(word) <= FAR for word in typed.split()) for field in fields)


@pytest.mark.parametrize("name", IDS)
def test_a_node_is_found_by_the_words_that_people_type(name):
    assert len(PEOPLE_TYPE[name]) >= 3
    assert [typed for typed in PEOPLE_TYPE[name] if not is_found(name, typed)] == []
    assert not is_found(name, "upscale") and not is_found(name, "audio")
