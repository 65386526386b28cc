"""The ComfyUIs on this machine: ``COMFYUI_PATH`` (folders separated by ':'), or every ``~/ComfyUI*`` with a main.py."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
HOW_TO_GET_ONE = (
    "no ComfyUI found; get one with `git clone https://github.com/comfyanonymous/ComfyUI ~/ComfyUI && cd ~/ComfyUI && "
    "python -m venv .venv && .venv/bin/pip install -r requirements.txt pytest opencv-python`, "
    "or name its folder in COMFYUI_PATH"
)


@dataclass(frozen=True)
class Installation:
    folder: Path
    python: Path

    @property
    def version(self) -> str:
        found = re.search(r'__version__ = "(.+?)"', (self.folder / "comfyui_version.py").read_text())
        return found[1] if found else self.folder.name

    @property
    def name(self) -> str:
        return f"{self.folder.name}-{self.version}"

    def number(self) -> list[int]:
        return numbers(self.version)

    def has(self, since: str) -> bool:
        """Whether it is of this version or later."""
        return self.number() >= numbers(since)


def run_python(installation: Installation, *arguments: str, **environment: str) -> str:
    """What the ComfyUI's own interpreter printed; an assertion with all of it where it failed."""
    ended = ran(installation, *arguments, **environment)
    assert ended.returncode == 0, ended.stdout[-20000:]
    return ended.stdout


def ran(
    installation: Installation, *arguments: str, seconds: float = 2400, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(installation.python), *arguments],
        cwd=installation.folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )


def make_models(installation: Installation, folder: Path, *scripts: str) -> None:
    """Small checkpoints under the names that the graphs use, by scripts that lie beside this file."""
    for script in scripts:
        run_python(installation, str(HERE / script), str(installation.folder), str(folder))


def numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def installations() -> list[Installation]:
    named = os.environ.get("COMFYUI_PATH")
    folders = [Path(name).expanduser() for name in named.split(os.pathsep)] if named else default_folders()
    return [Installation(folder.resolve(), interpreter(folder)) for folder in folders]


def default_folders() -> list[Path]:
    return sorted(main.parent for main in Path.home().glob("ComfyUI*/main.py"))


def interpreter(folder: Path) -> Path:
    """``COMFYUI_PYTHON``, else the folder's own virtual environment."""
    if named := os.environ.get("COMFYUI_PYTHON"):
        return Path(named)
    choices = [folder / venv / place for venv in (".venv", "venv") for place in ("bin/python", "Scripts/python.exe")]
    found = next((choice for choice in choices if choice.exists()), None)
    if found is None:
        raise FileNotFoundError(f"{folder} has no .venv or venv; make one, or name its interpreter in COMFYUI_PYTHON")
    return found
