"""These tests run in a ComfyUI's own interpreter, in its process. The pack is loaded by path, as ComfyUI does it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PACK = Path(__file__).parents[3]
NAME = "loaded_diffedit_pack"

sys.path.insert(0, os.environ["COMFYUI_PATH"])
sys.path.insert(1, str(Path(__file__).parent))

from comfy.cli_args import args  # noqa: E402

args.cpu = True  # read when model_management is imported, so it comes first

import torch  # noqa: E402
import utils.extra_config  # noqa: E402, F401  # as main.py does first: another module of this name is found later

torch.set_num_threads(1)


def load_pack() -> ModuleType:
    spec = importlib.util.spec_from_file_location(NAME, PACK / "__init__.py", submodule_search_locations=[str(PACK)])
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module


def pack(name: str = "") -> ModuleType:
    """The pack, or a module of it, under the name it was loaded by: pack("diffedit_core.masks")."""
    return importlib.import_module(f"{NAME}.{name}" if name else NAME)


def made_with_diffusers(script: str, folder: Path) -> None:
    """Runs a script of this folder where diffusers is; what it makes goes to the folder."""
    python = os.environ.get("DIFFEDIT_PYTHON", str(PACK / ".venv/bin/python"))
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        subprocess.run([python, "-c", "import diffusers, transformers"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"{python} has no diffusers; make it with: make .venv/ready, or name another in DIFFEDIT_PYTHON")
    command = [python, str(Path(__file__).with_name(script)), str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr


load_pack()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each model family, of which the tests outside make their table."""
    from families import FAMILIES

    ended = [report for each in ("passed", "failed", "error") for report in terminalreporter.getreports(each)]
    asked = [
        (name, each.outcome) for each in ended for key, name in getattr(each, "user_properties", ()) if key == "family"
    ]
    for name in FAMILIES if asked else ():
        outcomes = [outcome for family, outcome in asked if family == name]
        failed = sum(outcome != "passed" for outcome in outcomes)
        ran = f"{failed} of {len(outcomes)} tests failed" if failed else f"ran, {len(outcomes)} tests"
        said = (ran if outcomes else "not asked") if FAMILIES[name].made_by else "not in this version"
        terminalreporter.line(f"family {name}: {said}")


@pytest.fixture(autouse=True)
def inference():
    """As ComfyUI runs nodes."""
    with torch.inference_mode():
        yield
