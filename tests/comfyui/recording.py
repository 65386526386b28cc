"""What graphs load besides one picture: a clip, a folder. And what stands in the clips that they save."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import numpy as np
from graphs import Graph, picture, png, shown_all, the
from server import Run, Server

CLIP_SIZE, PER_SECOND = (64, 64), 24.0
FRAMES = {"clip_wan": 5, "clip_ltx": 9}  # the fewest of which the model makes two
SIZES = {
    "demo": (128, 128),
    "make_and_change": (64, 64),
    "make_clip_and_change": (32, 32),
    "whole_folder": (64, 64),
    **dict.fromkeys(FRAMES, CLIP_SIZE),
}
"""Of what graphs make, or load besides the one picture."""


@dataclass(frozen=True)
class Clip:
    frames: np.ndarray  # [T, H, W, 3] uint8
    per_second: float
    has_sound: bool


def record(server: Server, count: int) -> None:
    """So many frames, no two of them alike, and some silence."""
    graph: Graph = {}
    for i in range(count):
        server.upload(f"frame{i}.png", png(picture(*CLIP_SIZE, seed=i)))
        graph[f"frame{i}"] = {"class_type": "LoadImage", "inputs": {"image": f"frame{i}.png"}}
        pair = {"image1": ["frame0", 0] if i == 1 else [f"batch{i - 1}", 0], "image2": [f"frame{i}", 0]}
        if i:
            graph[f"batch{i}"] = {"class_type": "ImageBatch", "inputs": pair}
    silence = {"duration": count / PER_SECOND, "sample_rate": 44100, "channels": 2}
    graph["silence"] = {"class_type": "EmptyAudio", "inputs": silence}
    inputs = {"images": [f"batch{count - 1}", 0], "fps": PER_SECOND, "audio": ["silence", 0]}
    graph["video"] = {"class_type": "CreateVideo", "inputs": inputs}
    how = {"filename_prefix": "recorded", "format": "mp4", "format.codec": "h264"}
    graph["save"] = {"class_type": "SaveVideo", "inputs": {"video": ["video", 0], **how}}
    as_input(server, server.run_well(graph), "save", "clip.mp4")


def as_input(server: Server, run: Run, node: str, name: str) -> None:
    """A saved clip, where Load Video finds it."""
    (saved,) = run.outputs[node]["images"]
    shutil.copy(server.base / "output" / saved["subfolder"] / saved["filename"], server.base / "input" / name)


def played(server: Server, run: Run, graph: Graph) -> Clip:
    """What a graph has saved with Save Video."""
    as_input(server, run, the(graph, "SaveVideo"), "played.mp4")
    playing: Graph = {
        "load": {"class_type": "LoadVideo", "inputs": {"file": "played.mp4"}},
        "parts": {"class_type": "GetVideoComponents", "inputs": {"video": ["load", 0]}},
        "frames": {"class_type": "PreviewImage", "inputs": {"images": ["parts", 0]}},
        "speed": {"class_type": "PreviewAny", "inputs": {"source": ["parts", 2]}},
        "sound": {"class_type": "PreviewAny", "inputs": {"source": ["parts", 1]}},
    }
    played = server.run_well(playing)
    speed, sound = (played.outputs[node]["text"][0] for node in ("speed", "sound"))
    return Clip(shown_all(server, played, "frames"), float(speed), sound != "None")


def gather(server: Server) -> list[np.ndarray]:
    """Pictures in the folder that the graph loads."""
    pictures = [picture(*SIZES["whole_folder"], seed=seed) for seed in range(3)]
    (server.base / "input" / "example").mkdir(exist_ok=True)
    for number, pixels in enumerate(pictures):
        (server.base / "input" / "example" / f"{number}.png").write_bytes(png(pixels))
    return pictures
