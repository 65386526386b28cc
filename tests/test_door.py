"""What the project never does, wherever it is: run code from a file, unpickle a stranger's bytes, reach the network."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [path for folder in ("diffedit_core", "nodes") for path in sorted((ROOT / folder).rglob("*.py"))] + [
    ROOT / "__init__.py"
]
NETWORK = {"requests", "urllib.request", "http.client", "socket", "aiohttp.client", "httpx"}
OWN_PICKLES = ROOT / "diffedit_core" / "batch" / "cluster.py"  # between the processes of one Ray, which pickles as well


def calls_and_imports(path: Path) -> tuple[list[ast.Call], set[str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)], imported


def wrong_in(path: Path) -> list[str]:
    calls, imported = calls_and_imports(path)
    found = [f"imports {name}" for name in imported & NETWORK]
    if path != OWN_PICKLES:
        found += [f"imports {name}" for name in imported & {"pickle", "dill", "marshal", "shelve", "joblib"}]
    for call in calls:
        said, options = ast.unparse(call.func), {each.arg: ast.unparse(each.value) for each in call.keywords}
        if said in ("eval", "exec", "os.system", "yaml.load") or said.startswith("subprocess."):
            found.append(f"{said} in line {call.lineno}")
        if said == "torch.load" and options.get("weights_only") != "True":
            found.append(f"torch.load without weights_only in line {call.lineno}")
        if options.get("allow_pickle", "False") != "False" or options.get("trust_remote_code", "False") != "False":
            found.append(f"{said} trusts what it loads in line {call.lineno}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_run_or_asked_of_the_network(path):
    assert wrong_in(path) == []


FILES = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "imread", "imwrite"}
READS = {"hosts/comfyui/demo.py": {"read_text"}}  # the bundled model's own


def test_in_comfyui_no_file_is_touched():
    """Pictures come and go through ComfyUI's own nodes. What is opened here is a tensor, and never a path."""
    ours = ROOT / "diffedit_core"
    outside = ("cli", "batch", "toybox")
    for path in [*(ROOT / "nodes").glob("*.py"), *(ours / "hosts" / "comfyui").glob("*.py"), *ours.glob("*.py")]:
        assert not {*path.relative_to(ROOT).parts} & {*outside}
        calls, _ = calls_and_imports(path)
        names = {ast.unparse(call.func).rpartition(".")[2] for call in calls if not has_a_tensor(call)}
        allowed = READS.get(path.relative_to(ours).as_posix(), set()) if path.is_relative_to(ours) else set()
        assert names & FILES == allowed, path


def has_a_tensor(call: ast.Call) -> bool:
    """Run.open and what is like it: named after what it sees."""
    return ast.unparse(call.func) in ("run.open", "model.open", "eyes.open")


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from urllib.request import urlopen",
        "torch.load(x)",
        "np.load(x, allow_pickle=True)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "eval(x)",
        "subprocess.run(x)",
    ],
)
def test_it_would_be_seen(line, tmp_path):
    (tmp_path / "m.py").write_text(line)
    assert len(wrong_in(tmp_path / "m.py")) == 1


def test_a_process_of_the_tests_reaches_no_other_machine(tmp_path):
    attempt = "import socket\ntry: socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError as e: print(e)"
    log = tmp_path / "log"
    environment = os.environ | {"NETWORK_LOG": str(log)}
    said = subprocess.run([sys.executable, "-c", attempt], env=environment, capture_output=True, text=True, check=True)
    assert "not even 192.0.2.1" in said.stdout and "192.0.2.1" in log.read_text()
