"""The script that queues a folder, on a real server with the bundled model: all pictures, and on after a stop."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from graphs import png
from installations import Installation
from PIL import Image
from server import PACK, Server

from diffedit_core import toybox

SCRIPT = PACK / "scripts" / "queue_folder.py"
FEW = ["DDIM Invert.steps=3", "DiffEdit Mask.draws=2", "DiffEdit Mask.kind=object", "Masked Denoise.tries=1"]


@pytest.fixture(scope="module")
def own_server(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Without checkpoints: the bundled model is enough."""
    models = tmp_path_factory.mktemp("no_models")
    running = Server(installation, tmp_path_factory.mktemp("comfyui"), models)
    yield running
    running.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures, and the graph of the template with the bundled model in place of the checkpoint."""
    graph = json.loads((PACK / "workflows" / "api" / "diffedit.json").read_text())
    (loader,) = [node for node in graph.values() if node["class_type"] == "CheckpointLoaderSimple"]
    loader.update(class_type="DiffEdit_DemoModel", inputs={})
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    for number in range(6):
        path = tmp_path / "in" / ("sub" if number == 5 else "") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(toybox.task(toybox.HELD_OUT_SEEDS[number], "colour").image))
    return tmp_path


def command(server: Server, folder: Path, *more: str) -> list[str]:
    asked = toybox.task(toybox.HELD_OUT_SEEDS[0], "colour")
    run = [sys.executable, str(SCRIPT), str(folder / "in"), str(folder / "out"), "--graph", str(folder / "graph.json")]
    run += ["--source", asked.source, "--target", asked.target, "--server", f"http://127.0.0.1:{server.port}"]
    return [*run, "--every", "0.1", *(word for each in FEW for word in ("--set", each)), *more]


def results(folder: Path) -> set[str]:
    return {path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*.png")}


def test_a_folder_is_queued_and_goes_on_after_a_stop(own_server, folder):
    process = subprocess.Popen(command(own_server, folder), stdout=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while len(results(folder)) < 2:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {name: (folder / "out" / name).stat().st_mtime_ns for name in results(folder)}
    done = subprocess.run(command(own_server, folder), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"6 pictures, {len(before)} of them done" in done.stdout
    assert results(folder) == {*(f"{number}.png.png" for number in range(5)), "sub/5.png.png"}
    assert all((folder / "out" / name).stat().st_mtime_ns == then for name, then in before.items())
    assert not [*(folder / "out").rglob(".*")] and not (folder / "out" / "queued.json").exists()
    original = toybox.task(toybox.HELD_OUT_SEEDS[0], "colour").image
    edited = np.asarray(Image.open(io.BytesIO((folder / "out" / "0.png.png").read_bytes())).convert("RGB"))
    assert edited.shape == original.shape and 0 < (edited != original).any(-1).mean() < 0.5
    history = own_server.get("/history")
    ran = [entry for entry in history.values() if entry["status"]["status_str"] == "success"]
    assert len(ran) == 6  # what was queued before the stop was not queued again
    again = subprocess.run(command(own_server, folder), capture_output=True, text=True, timeout=60)
    assert "6 pictures, 6 of them done" in again.stdout and again.returncode == 0


def test_what_goes_wrong_is_said(own_server, folder):
    for more, code, why in (
        (["--set", "Nothing.here=1"], 1, "the graph has no Nothing.here"),
        (["--server", "http://127.0.0.1:9"], 2, "there is no ComfyUI at http://127.0.0.1:9"),
        (["--set", "DDIM Invert.steps=-5"], 2, "the server says to /prompt"),
    ):
        done = subprocess.run(command(own_server, folder, *more), capture_output=True, text=True, timeout=60)
        assert done.returncode == code and why in done.stderr, done.stderr
    (folder / "in" / "0.png").write_text("no picture")
    done = subprocess.run(command(own_server, folder), capture_output=True, text=True, timeout=300)
    assert done.returncode != 0 and len(results(folder)) in (0, 5)
