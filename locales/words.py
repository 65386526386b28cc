"""Writes what ComfyUI says of the nodes in each language: ``python locales/words.py [address of a running ComfyUI]``.

English is what the nodes say themselves, and what the page of the live mask says. ``LANGUAGE.json`` has how another
language says the same texts: a new one is put there, to be filled in, and one that is no longer said goes. The folders,
which ComfyUI reads, are made of these.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ENGLISH = "en"
LANGUAGES = ("zh", "zh-TW", "ja", "ko", "fr", "es", "ru", "pt-BR")
PREFIX = "DiffEdit_"
IN_COMFYUI = ("mask", "image")  # categories that ComfyUI has, and translates itself
PAGE = HERE.parent / "web" / "live_mask.js"  # marks its texts: word("...")
Tree = dict[str, Any]


def english(object_info: Tree) -> Tree:
    """{file: what it holds} in English, as ComfyUI's frontend looks it up."""
    nodes = {node: info for node, info in object_info.items() if node.startswith(PREFIX)}
    parts = {part: part for info in nodes.values() for part in info["category"].split("/") if part not in IN_COMFYUI}
    main = {"nodeCategories": parts, "diffedit": page_texts()}
    return {"main": main, "nodeDefs": {node: _node(info) for node, info in nodes.items()}}


def page_texts() -> Tree:
    return {text: text for text in re.findall(r'\bword\("(\w.+?)"\)', PAGE.read_text(encoding="utf-8"))}


def _node(info: Tree) -> Tree:
    given = {name: spec for group in ("required", "optional") for name, spec in info["input"].get(group, {}).items()}
    outputs = zip(info["output_name"], info["output_tooltips"], strict=True)
    return {
        "display_name": info["display_name"],
        "description": info["description"],
        "inputs": {name: {"name": name, "tooltip": spec[1]["tooltip"]} for name, spec in given.items()},
        "outputs": {str(index): {"name": name, "tooltip": tooltip} for index, (name, tooltip) in enumerate(outputs)},
    }


def texts(tree: Tree) -> Iterator[str]:
    """Every text in it, in order."""
    for value in tree.values():
        yield from texts(value) if isinstance(value, dict) else [value]


def said(tree: Tree, words: dict[str, str]) -> Tree:
    """The same in another language. What it has no word for stays English."""
    return {
        key: said(value, words) if isinstance(value, dict) else words.get(value) or value for key, value in tree.items()
    }


def words_of(language: str) -> dict[str, str]:
    path = HERE / f"{language}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def files(tree: Tree) -> dict[Path, str]:
    """{path: text} of everything in this folder."""
    written = {}
    for language in (ENGLISH, *LANGUAGES):
        words = {} if language == ENGLISH else {text: words_of(language).get(text, "") for text in texts(tree)}
        if words:
            written[HERE / f"{language}.json"] = _json(words)
        for name, part in said(tree, words).items():
            written[HERE / language / f"{name}.json"] = _json(part)
    return written


def _json(value: Tree) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main(address: str = "http://127.0.0.1:8188") -> None:
    with urllib.request.urlopen(f"{address}/object_info", timeout=60) as response:
        tree = english(json.load(response))
    for path, text in files(tree).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
