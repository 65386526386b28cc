"""A real ComfyUI server on CPU, with the pack linked into its custom_nodes, and the HTTP calls that the tests make."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from installations import Installation

PACK = Path(__file__).resolve().parents[2]
FOLDER_NAME = "ComfyUI-DiffEdit"
START_SECONDS, PROMPT_SECONDS = 180, 300


class RefusedError(Exception):
    """The server did not take a prompt: a dict with ``error`` and ``node_errors``."""


@dataclass(frozen=True)
class Run:
    """One prompt's entry in the history."""

    entry: dict[str, Any]

    @property
    def status(self) -> str:
        return self.entry["status"]["status_str"]

    @property
    def outputs(self) -> dict[str, Any]:
        return self.entry["outputs"]

    def messages(self, kind: str) -> list[dict[str, Any]]:
        return [data for name, data in self.entry["status"]["messages"] if name == kind]

    @property
    def cached(self) -> set[str]:
        """The ids of the nodes that did not run again."""
        return {node for message in self.messages("execution_cached") for node in message["nodes"]}

    @property
    def error(self) -> dict[str, Any]:
        errors = self.messages("execution_error")
        return errors[0] if errors else {}


class Server:
    settings: ClassVar[dict[str, str]] = {}

    def __init__(self, installation: Installation, base: Path, models: Path, *flags: str) -> None:
        self.installation, self.base, self.flags = installation, base, flags
        for name in ("custom_nodes", "input", "output", "temp", "user"):
            (base / name).mkdir(parents=True, exist_ok=True)
        (base / "models").symlink_to(models)
        (base / "custom_nodes" / FOLDER_NAME).symlink_to(PACK)
        (base / "custom_nodes" / "stand_in").symlink_to(Path(__file__).parent / "stand_in")
        self.network_log, self.writes_log = base / "network.log", base / "writes.log"
        self.log = base / "server.log"
        self.port = _free_port()
        self.process = self._start()
        self._wait_until_up()

    def _start(self) -> subprocess.Popen:
        command = [str(self.installation.python), "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(self.port)]
        command += ["--base-directory", str(self.base), "--database-url", f"sqlite:///{self.base / 'comfyui.db'}"]
        command += ["--disable-auto-launch", "--disable-api-nodes", *self.flags]
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(PACK / "tests" / "loopback"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NETWORK_LOG": str(self.network_log),
            "WRITES_LOG": str(self.writes_log),
            "TMPDIR": str(self.base),
            **self.settings,
        }
        return subprocess.Popen(
            command, cwd=self.installation.folder, env=environment, stdout=self.log.open("w"), stderr=subprocess.STDOUT
        )

    def _wait_until_up(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        self.stop()
        raise RuntimeError(f"ComfyUI {self.installation.version} did not start:\n{self.log.read_text()[-4000:]}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def get(self, path: str) -> Any:
        return json.loads(self.fetch(path))

    def fetch(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as response:
            return response.read()

    def post(self, path: str, data: Any = None) -> bytes:
        body = json.dumps(data or {}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.read()

    def queue(self, graph: dict[str, Any]) -> str:
        try:
            return json.loads(self.post("/prompt", {"prompt": graph, "client_id": "tests"}))["prompt_id"]
        except urllib.error.HTTPError as error:
            raise RefusedError(json.loads(error.read())) from error

    def wait(self, prompt_id: str, seconds: float = PROMPT_SECONDS) -> Run:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            entry = self.get(f"/history/{prompt_id}").get(prompt_id)
            if entry and (entry["status"] or {}).get("status_str"):
                return Run(entry)
            if self.process.poll() is not None:
                raise RuntimeError(f"the server died:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)
        raise TimeoutError(f"prompt {prompt_id} did not end in {seconds} s:\n{self.log.read_text()[-4000:]}")

    def run(self, graph: dict[str, Any]) -> Run:
        return self.wait(self.queue(graph))

    def run_well(self, graph: dict[str, Any]) -> Run:
        run = self.run(graph)
        assert run.status == "success", (
            f"{run.error.get('exception_message')}\n{''.join(run.error.get('traceback', []))}"
        )
        return run

    def upload(self, name: str, picture: bytes) -> None:
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        head += "Content-Type: image/png\r\n\r\n"
        tail = f'\r\n--{edge}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue\r\n--{edge}--\r\n'
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/upload/image",
            head.encode() + picture + tail.encode(),
            {"Content-Type": f"multipart/form-data; boundary={edge}"},
        )
        urllib.request.urlopen(request, timeout=60).close()

    def view(self, image: dict[str, str]) -> bytes:
        return self.fetch("/view?" + urllib.parse.urlencode(image))

    @property
    def memory(self) -> int:
        """Resident bytes, when all that is free went back to the system."""
        self.post("/stand_in/free")
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
