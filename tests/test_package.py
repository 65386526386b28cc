"""What the registry asks for, what goes into the package, and what the public runners run."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
VERSION = re.findall(r'^version = "(.+?)"', PROJECT, re.MULTILINE)[0]
RAW = "https://raw.githubusercontent.com/comfyui-diffedit/ComfyUI-DiffEdit/main/"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}


def packed() -> set[str]:
    """What is tracked and not left out by .comfyignore, which reads as a .gitignore does."""
    listing = ["git", "ls-files", "--cached"]
    tracked, left_out = (
        set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())
        for command in (listing, [*listing, "--ignored", "--exclude-from=.comfyignore"])
    )
    return tracked - left_out


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what is packed is asked of git")
def test_the_package_has_what_comfyui_needs_and_nothing_else():
    files = packed()
    assert {"__init__.py", "pyproject.toml", "requirements.txt", "LICENSE", "README.md"} <= files
    for folder, pattern in {
        "nodes": "*.py", "diffedit_core": "**/*.py", "diffedit_core/toybox/weights": "**/*.safetensors",
        "web": "**/*.*", "locales": "*/*.json", "workflows": "*.jp*g",
    }.items():  # fmt: skip
        here = {str(path.relative_to(ROOT)) for path in (ROOT / folder).glob(pattern) if path.is_file()}
        assert here and here <= files, sorted(here - files)[:5]
    folders = {name.split("/")[0] for name in files if "/" in name}
    assert folders <= {"diffedit_core", "nodes", "web", "locales", "subgraphs", "workflows"}
    assert not [name for name in files if name.startswith("workflows/") and name.endswith(".py")]


def test_the_templates_are_in_the_one_folder_that_comfyui_serves():
    """It serves the first of these names that a pack has, and lists those of all: with two of them, none opens."""
    names = ("example_workflows", "example", "examples", "workflow", "workflows")
    assert [name for name in names if (ROOT / name).exists()] == ["workflows"]


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("Icon", lambda width, height: width == height <= 800),
        ("Banner", lambda width, height: 9 * width == 21 * height),
    ],
)
def test_the_listing_has_its_pictures(name, fits):
    (address,) = re.findall(rf'^{name} = "(.+?)"', PROJECT, re.MULTILINE)
    assert address.startswith(RAW)
    assert fits(*Image.open(ROOT / address.removeprefix(RAW)).size)


def test_the_changelog_speaks_of_this_version():
    assert re.search(rf"^## {re.escape(VERSION)}$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_runners_run_what_the_makefile_has():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    jobs = WORKFLOWS["test.yml"]["jobs"]
    runs = {name: [step.get("run", "") for step in job["steps"]] for name, job in jobs.items()}
    made = {
        name: {target for run in each if run.startswith("make ") for target in run.split()[1:]}
        for name, each in runs.items()
    }
    assert made == {"alone": {"check", "test"}, "comfyui": {"test-comfyui"}}
    assert set.union(*made.values()) <= targets
    for job in jobs.values():
        assert job["strategy"]["matrix"]["python"] == ["3.10", "3.12"]


def test_a_version_is_published_when_it_is_tagged():
    published = WORKFLOWS["publish.yml"]
    assert published[True]["push"] == {"tags": ["v*"]}  # YAML reads "on" as yes
    assert published["jobs"]["publish"]["steps"][-1]["uses"].startswith("Comfy-Org/publish-node-action@")
