"""Who may import whom: the arrows of the house, read from the sources and tried in a fresh interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORE = ROOT / "diffedit_core"
HOSTS = CORE / "hosts"
METHOD = sorted(CORE.glob("*.py"))  # beside it stand the folders that bring a model: cli, hosts and toybox
HOSTS_OF_THE_WORLD = {"comfy", "comfy_api", "comfy_extras", "folder_paths", "diffusers", "transformers", "accelerate"}


def imports(source: str, module: str) -> set[str]:
    """The absolute names of all that a module imports, wherever in it: "a.b" and "a.b.c" of `from a.b import c`."""
    package = module.rsplit(".", 1)[0]
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


def forbidden(names: set[str], *roots: str) -> set[str]:
    return {name for name in names if any(name == root or name.startswith(root + ".") for root in roots)}


def imports_of(path: Path, package: str = "") -> set[str]:
    """Of a file of the repository; its own dots are resolved as if the repository were the package `pack`."""
    inside = path.relative_to(ROOT).with_suffix("")
    module = ".".join(["pack", *(inside.parts if inside.name != "__init__" else [*inside.parent.parts, "__init__"])])
    return imports(path.read_text(encoding="utf-8"), module)


@pytest.mark.parametrize("path", METHOD, ids=lambda path: path.stem)
def test_the_method_imports_no_host(path):
    names = imports_of(path)
    assert not forbidden(names, *HOSTS_OF_THE_WORLD)
    assert not forbidden(names, *(f"pack.diffedit_core.{folder}" for folder in ("cli", "hosts", "toybox")))
    assert not forbidden(names, "pack.nodes", "nodes")


@pytest.mark.parametrize("path", sorted((CORE / "batch").glob("*.py")), ids=lambda path: path.stem)
def test_many_rows_are_worked_on_without_knowing_how(path):
    names = imports_of(path)
    assert not forbidden(names, *HOSTS_OF_THE_WORLD, "torch", "pack.nodes", "nodes")
    assert forbidden(names, "pack.diffedit_core") <= forbidden(names, "pack.diffedit_core.batch")


def test_importing_the_method_loads_no_host():
    """What its modules load in the end, through whatever they import."""
    modules = ["diffedit_core", *(f"diffedit_core.{path.stem}" for path in METHOD if path.stem != "__init__")]
    assert loaded_by(*modules) == set()


def loaded_by(*modules: str) -> set[str]:
    """The hosts in a fresh interpreter after the imports."""
    listing = f"import sys, {', '.join(modules)}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    names = set(done.stdout.split())
    folders = (f"diffedit_core.{folder}" for folder in ("cli", "hosts", "toybox"))
    return forbidden(names, *HOSTS_OF_THE_WORLD, "nodes", *folders)


@pytest.mark.parametrize("path", sorted(HOSTS.rglob("*.py")), ids=lambda path: str(path.relative_to(HOSTS)))
def test_a_host_knows_the_core_and_its_own_world_alone(path):
    names = imports_of(path)
    theirs = {"comfy", "comfy_api", "comfy_extras", "folder_paths"}
    is_comfyui = path.relative_to(HOSTS).parts[0] == "comfyui"
    if path != HOSTS / "comfyui" / "demo.py":  # which hands the bundled model to ComfyUI
        assert not forbidden(names, "pack.diffedit_core.toybox")
    assert not forbidden(names, *(HOSTS_OF_THE_WORLD - theirs if is_comfyui else theirs))
    assert not forbidden(
        names, "pack.diffedit_core.hosts.diffusers" if is_comfyui else "pack.diffedit_core.hosts.comfyui"
    )
    assert not forbidden(names, "pack.nodes", "nodes", "pack.diffedit_core.cli")


@pytest.mark.parametrize("path", sorted((ROOT / "nodes").glob("*.py")), ids=lambda path: path.stem)
def test_nodes_know_comfyui_and_not_diffusers(path):
    names = imports_of(path)
    assert not forbidden(names, "diffusers", "transformers", "accelerate", "pack.diffedit_core.hosts.diffusers")
    assert not forbidden(names, "pack.diffedit_core.cli")
    assert not forbidden(names, "diffedit_core", "nodes")  # inside ComfyUI the pack is loaded by its path


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(CORE)))
def test_nothing_installed_imports_the_nodes_or_itself_by_name(path):
    assert not forbidden(imports_of(path), "pack.nodes", "nodes", "pack.tests", "pack.bench", "diffedit_core")


@pytest.mark.skipif(not (ROOT / "__init__.py").exists(), reason="the checkout is not a node pack yet")
def test_the_root_hands_over_the_entry_point_and_imports_nothing_else():
    assert imports_of(ROOT / "__init__.py") <= {"pack.nodes", "pack.nodes.comfy_entrypoint"}


def test_the_checks_can_fail():
    """On sources that break every rule in turn, in every way an import can be written."""
    core, host = "pack.diffedit_core.masks", "pack.diffedit_core.hosts.comfyui.stages"
    for source, module, name in (
        ("import comfy.samplers", core, "comfy"),
        ("from diffusers import DDIMScheduler", core, "diffusers"),
        ("def late():\n    import transformers.models as m", core, "transformers"),
        ("from .hosts import diffusers", core, "pack.diffedit_core.hosts.diffusers"),
        ("from . import hosts", core, "pack.diffedit_core.hosts"),
        ("from ..nodes import fields", core, "pack.nodes"),
        ("from .. import nodes", core, "pack.nodes"),
        ("from ....nodes.fields import MODEL", host, "pack.nodes.fields"),
        ("from ...cli import main", host, "pack.diffedit_core.cli"),
        ("from ..diffusers import DiffusersHost", host, "pack.diffedit_core.hosts.diffusers"),
    ):
        assert forbidden(imports(source, module), name), source
    assert not forbidden(imports("import comfyish\nfrom .hosting import x", core), "comfy", "pack.diffedit_core.hosts")


def test_the_fresh_interpreter_can_fail():
    assert "diffusers" in loaded_by("diffusers")
    assert "diffedit_core.hosts" in loaded_by("diffedit_core.hosts.diffusers")


def test_no_two_modules_that_tests_import_by_their_plain_names_share_one():
    """The tests of the graphs put the folder of the graphs' modules before their own."""
    folders = ("tests", "tests/comfyui", "workflows")
    names = [path.stem for folder in folders for path in (ROOT / folder).glob("*.py") if path.stem != "conftest"]
    assert len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)
