"""What each version promised for ever: its graphs, and of its nodes the ids, sockets, widgets, limits and defaults.

They are kept in ``tests/golden/VERSION/``. Until that version is released, a build writes them anew; from then on they
stay as they are, and every later version must read and run them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
NODES = "nodes.json"
OURS = "DiffEdit_"


def kept(folder: Path, texts: dict[Path, str], object_info: dict[str, Any], version: str) -> dict[Path, str]:
    """{path: text}: copies of the graphs that lie in a folder, and the nodes."""
    here = GOLDEN / version
    copies = {here / path.relative_to(folder): text for path, text in texts.items()}
    return copies | {here / NODES: json.dumps(promised(object_info), indent=1) + "\n"}


def promised(object_info: dict[str, Any]) -> dict[str, Any]:
    return {name: _node(info) for name, info in sorted(object_info.items()) if name.startswith(OURS)}


def _node(info: dict[str, Any]) -> dict[str, Any]:
    groups = {group: info["input"].get(group, {}) for group in ("required", "optional")}
    return {
        **{group: {name: _input(*each) for name, each in inputs.items()} for group, inputs in groups.items()},
        "outputs": [list(each) for each in zip(info["output"], info["output_name"], strict=True)],
    }


def _input(kind: str | list[str], about: dict[str, Any] | None = None) -> dict[str, Any]:
    said = {key: value for key in ("default", "min", "max", "options") if (value := (about or {}).get(key)) is not None}
    return {"type": kind, **said}
