"""A folder of pictures through a running ComfyUI, one after the other, with nothing but Python.

    python scripts/queue_folder.py PICTURES RESULTS --source "a bowl of apples" --target "a bowl of pears"

It uploads each picture, queues the graph with it, waits, and saves what comes back under the picture's name. Stop it
whenever you like: started again, it goes on with the pictures that have no result yet.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

GRAPH = Path(__file__).resolve().parents[1] / "workflows" / "api" / "diffedit.json"
PICTURES = {".png", ".jpg", ".jpeg", ".webp"}
QUEUED = "queued.json"  # in the folder of the results: what the server was given and has not answered yet
TOGETHER = 4  # prompts in the server's queue at a time

Graph = dict[str, Any]


class Server:
    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def call(self, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        request = urllib.request.Request(self.address + path, body, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"the server says to {path}: {error.read().decode(errors='replace')[:500]}") from None
        except urllib.error.URLError as error:
            raise RuntimeError(f"there is no ComfyUI at {self.address}: {error.reason}") from None

    def upload(self, picture: Path) -> str:
        """Its name among the server's inputs."""
        edge = uuid.uuid4().hex
        name = f"{uuid.uuid5(uuid.NAMESPACE_URL, str(picture.resolve())).hex}{picture.suffix}"  # no two share one
        head = f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode()
        tail = f'\r\n--{edge}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue\r\n--{edge}--\r\n'
        body = head + picture.read_bytes() + tail.encode()
        return json.loads(self.call("/upload/image", body, f"multipart/form-data; boundary={edge}"))["name"]

    def queue(self, graph: Graph) -> str:
        answer = json.loads(self.call("/prompt", json.dumps({"prompt": graph}).encode()))
        if answer.get("node_errors"):  # it runs what is left of the graph
            raise RuntimeError(f"the server says to /prompt: {json.dumps(answer['node_errors'])[:500]}")
        return answer["prompt_id"]

    def answer(self, prompt: str) -> dict[str, Any] | None:
        """What became of a prompt; None while it is not done."""
        entry = json.loads(self.call(f"/history/{prompt}")).get(prompt)
        return entry if entry and (entry.get("status") or {}).get("status_str") else None

    def waiting(self) -> set[str]:
        """The prompts in the queue."""
        queue = json.loads(self.call("/queue"))
        return {each[1] for name in ("queue_running", "queue_pending") for each in queue[name]}

    def download(self, image: dict[str, str]) -> bytes:
        return self.call("/view?" + urllib.parse.urlencode(image))


def filled(graph: Graph, settings: dict[str, Any]) -> Graph:
    """With "Title.input": value put in. A title is that of a node, up to its colon."""
    graph = copy.deepcopy(graph)
    for name, value in settings.items():
        title, _, field = name.rpartition(".")
        nodes = [each for each in graph.values() if each["_meta"]["title"].split(":")[0] == title]
        if len(nodes) != 1 or field not in nodes[0]["inputs"]:
            titles = ", ".join(sorted({each["_meta"]["title"].split(":")[0] for each in graph.values()}))
            raise SystemExit(f"the graph has no {name}; its nodes are {titles}")
        nodes[0]["inputs"][field] = value
    return graph


def save(path: Path, content: bytes) -> None:
    """Whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def result_of(picture: Path, options: argparse.Namespace) -> Path:
    """Beside a.png there may be an a.jpg, so the whole name stays."""
    return options.results / f"{picture.relative_to(options.pictures).as_posix()}.png"


def images_of(graph: Graph, entry: dict[str, Any]) -> list[dict[str, str]]:
    saving = [name for name, node in graph.items() if node["class_type"] == "SaveImage"]
    return [image for name in saving for image in entry["outputs"].get(name, {}).get("images", [])]


def run(options: argparse.Namespace) -> int:
    server, graph = Server(options.server), filled(json.loads(options.graph.read_text()), dict(options.set))
    found = (path for path in options.pictures.rglob("*") if path.suffix.lower() in PICTURES)
    pictures = sorted(path for path in found if not path.resolve().is_relative_to(options.results.resolve()))
    todo = [path for path in pictures if not result_of(path, options).exists()]
    print(f"{len(pictures)} pictures, {len(pictures) - len(todo)} of them done")
    options.results.mkdir(parents=True, exist_ok=True)
    state, failed = options.results / QUEUED, 0
    known: dict[str, str] = json.loads(state.read_text()) if state.exists() else {}
    underway = {path: known[str(path)] for path in todo if str(path) in known}  # of an earlier run
    todo = [path for path in todo if path not in underway]
    while todo or underway:
        while todo and len(underway) < TOGETHER:
            picture = todo.pop(0)
            underway[picture] = server.queue(filled(graph, {options.input: server.upload(picture)}))
            save(state, json.dumps({str(path): prompt for path, prompt in underway.items()}).encode())
        waiting = server.waiting()  # asked before the history: what is in neither is lost
        for picture, prompt in list(underway.items()):
            entry = server.answer(prompt)
            if entry is None and prompt in waiting:
                continue
            del underway[picture]
            if entry is None:  # the server was restarted meanwhile
                todo.append(picture)
            elif images := images_of(graph, entry):
                save(result_of(picture, options), server.download(images[0]))
                print(f"{picture}: done, {len(todo) + len(underway)} left", flush=True)
            else:
                failed += 1
                print(f"{picture}: {why(entry)}", file=sys.stderr, flush=True)
        time.sleep(options.every)
    state.unlink(missing_ok=True)
    return 1 if failed else 0


def why(entry: dict[str, Any]) -> str:
    errors = [data for name, data in entry["status"]["messages"] if name == "execution_error"]
    return errors[0]["exception_message"].strip() if errors else "no picture came back; does the graph save one?"


def setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, metavar="PICTURES")
    parser.add_argument("results", type=Path, metavar="RESULTS", help="a folder that holds nothing else")
    parser.add_argument("--graph", type=Path, default=GRAPH, metavar="FILE", help="in the API format [diffedit.json]")
    parser.add_argument("--source", metavar="TEXT")
    parser.add_argument("--target", metavar="TEXT")
    parser.add_argument("--input", default="Load Image.image", metavar="TITLE.INPUT", help="where the picture goes")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="TITLE.INPUT=VALUE")
    parser.add_argument("--server", default="http://127.0.0.1:8188", metavar="URL")
    parser.add_argument("--every", type=float, default=0.5, metavar="SECONDS", help="how often to ask the server")
    options = parser.parse_args()
    texts = {"Source": options.source, "Target": options.target}
    options.set += [(f"{name}.text", text) for name, text in texts.items() if text is not None]
    try:
        return run(options)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from there", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
