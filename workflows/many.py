"""A whole folder in one run: ComfyUI takes each picture through the graph in turn."""

from __future__ import annotations

from drawing import Graph
from models import SD15, load_all
from parts import SOURCE, TARGET, edit, end, finish, introduce, look, mask, say

FOLDER = "example"


def whole_folder() -> Graph:
    """For some dozens of pictures, which all are in memory at once; for more, there is scripts/queue_folder.py."""
    about = "All pictures of a folder get the same edit, each with a mask of its own."
    graph = Graph("whole_folder", "Change one thing in a whole folder (SD1.5)", about, since="0.33.0")
    introduce(graph, "SD1.5. Put your pictures into a folder inside ComfyUI's input folder, and choose it.")
    model, clip, vae = load_all(graph, SD15)
    title = "A folder inside the input folder"
    pictures = graph.add("LoadImageDataSetFromFolder", 0, title=title, folder=FOLDER)["images"]
    start = look(graph, model, clip, vae, pictures, say(graph, clip, SOURCE, TARGET))
    place = mask(graph, start)
    return end(graph, finish(graph, start, edit(graph, start, place), place))
