"""Writes the example graphs in both formats, from a running ComfyUI: ``python workflows/build.py [its address]``.

A graph has a name, of the file that is typed in a shell (``api/NAME.json``), and a title, of the file that people see
in ComfyUI's list of templates (``TITLE.json``, with ``TITLE.jpg`` beside it). Some are apps as well
(``TITLE.app.json``), and some become single nodes (``../subgraphs/``). What this version promises to later ones is
kept in ``../tests/golden/``.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

from apps import APPS
from blueprints import BLUEPRINTS
from canvas import to_blueprint, to_ui
from clips import clip_ltx, clip_wan
from compared import clip_layers, inpainting, instruct, mask_only, strengths
from drawing import NOTE, Graph, folded, numbers, to_api
from edits import demo, diffedit, diffedit_sdxl, diffedit_sdxl_turbo, fast_diffedit, two_edits
from golden import kept
from guided import diffedit_canny, diffedit_depth
from kept import keep_qwen_image_edit, keep_the_rest
from made import make_and_change, make_clip_and_change
from many import whole_folder
from outlined import outlined
from recent import (
    diffedit_flux,
    diffedit_flux2_klein,
    diffedit_krea2,
    diffedit_qwen_image,
    diffedit_sd35,
    diffedit_z_image,
)
from shaded import shades
from told import told_klein, told_kontext, told_qwen_image_edit
from written import from_instruction

HERE = Path(__file__).resolve().parent
SUBGRAPHS = HERE.parent / "subgraphs"
GRAPHS = (
    *(demo, diffedit, diffedit_sdxl, diffedit_sdxl_turbo),
    *(diffedit_z_image, diffedit_krea2, diffedit_qwen_image, diffedit_flux2_klein, diffedit_flux, diffedit_sd35),
    *(keep_the_rest, keep_qwen_image_edit),
    *(told_qwen_image_edit, told_kontext, told_klein, clip_wan, clip_ltx),
    *(diffedit_canny, diffedit_depth, two_edits, shades, whole_folder),
    *(mask_only, outlined, strengths, clip_layers, inpainting, instruct),
    *(fast_diffedit, make_and_change, make_clip_and_change, from_instruction),
)


def graphs() -> dict[str, Graph]:
    """By name."""
    return {graph.name: graph for graph in (describe() for describe in GRAPHS)}


def apps() -> dict[str, Graph]:
    """Only the page shows these; by name."""
    return {graph.name: graph for graph in (describe() for describe in APPS)}


def files(object_info: dict[str, Any], comfyui: str) -> dict[Path, str]:
    """{path: text} of all graphs, of apps and of blueprints, without those that need a later ComfyUI than this one."""
    project = (HERE.parent / "pyproject.toml").read_text(encoding="utf-8")
    version = re.findall(r'^version = "(.+?)"', project, re.MULTILINE)[0]
    described = graphs()
    texts = {}
    for graph in (described | apps()).values():
        if numbers(comfyui) < numbers(graph.since):
            continue
        missing = sorted({node.kind for node in graph.nodes} - {NOTE} - set(object_info))
        if missing:
            raise ValueError(f"{graph.name} needs {', '.join(missing)}; say in its Graph since which ComfyUI it runs")
        texts[HERE / f"{graph.title}.json"] = _json(to_ui(graph, object_info, version))
        if graph.name in described:
            texts[HERE / "api" / f"{graph.name}.json"] = _json(to_api(graph, object_info))
    texts |= kept(HERE, texts, object_info, version)
    for graph in (describe() for describe in BLUEPRINTS):
        texts[SUBGRAPHS / f"{folded(graph).name}.json"] = _json(to_blueprint(graph, object_info, version))
    return texts


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main(address: str = "http://127.0.0.1:8188") -> None:
    object_info, system = (_get(f"{address}/{what}") for what in ("object_info", "system_stats"))
    for path, text in files(object_info, system["system"]["comfyui_version"]).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=60) as response:
        return json.load(response)


if __name__ == "__main__":
    main(*sys.argv[1:])
