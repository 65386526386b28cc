"""Each real ComfyUI that is found, run by its own interpreter; nothing of ComfyUI is imported here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphs import APPS, DESCRIBED
from installations import HOW_TO_GET_ONE, Installation, installations, make_models
from server import Server

collect_ignore = ["inside", "checkpoints.py", "today.py", "stand_in"]
FOUND = installations()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "installation" in metafunc.fixturenames:
        only_newest = metafunc.definition.get_closest_marker("newest") and not metafunc.config.getoption("--in-every")
        chosen = [max(FOUND, key=Installation.number)] if FOUND and only_newest else FOUND
        missing = pytest.param(None, marks=pytest.mark.skip(reason=HOW_TO_GET_ONE))
        names = [each.name for each in chosen] or ["none"]
        metafunc.parametrize("installation", chosen or [missing], ids=names, scope="session")


@pytest.fixture(autouse=True)
def has_the_nodes_of_the_graph(request: pytest.FixtureRequest) -> None:
    """A graph may need a later ComfyUI than this one."""
    here = getattr(request.node, "callspec", None)
    installation, name = (here.params.get(each) if here else None for each in ("installation", "name"))
    described = (DESCRIBED | APPS).get(name.split("/")[-1]) if name else None  # an earlier version's is VERSION/NAME
    since = described.since if described else ""
    if installation and since and not installation.has(since):
        pytest.skip(f"{name} needs ComfyUI {since}")


@pytest.fixture(scope="session")
def models(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Some 2.4 GB, so they go when they have served."""
    folder = tmp_path_factory.mktemp("models")
    make_models(installation, folder, "checkpoints.py", "today.py")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server(installation: Installation, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(installation, tmp_path_factory.mktemp("comfyui"), models)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def bare_server(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that has no models."""
    running = Server(installation, tmp_path_factory.mktemp("bare"), tmp_path_factory.mktemp("no_models"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def object_info(server: Server) -> dict:
    return server.get("/object_info")
