import os
import runpy
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from comfyui.installations import installations
from comfyui.table import rows

BY_THEMSELVES = {
    "test_inside",
    "test_browser_live",
    "test_faults",
    "test_live_server",
    "test_queue_folder",
    "test_setups",
}
LOOPBACK = Path(__file__).parent / "loopback"

# The models here are tiny: one thread is fastest, and it keeps sums in one order.
torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--in-every", action="store_true", help="what else is tried in the newest ComfyUI alone")


def pytest_configure(config: pytest.Config) -> None:
    """No test, and nothing that a test starts, reaches another machine."""
    if "NETWORK_LOG" in os.environ:  # one of xdist's processes, which began with it
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what they start hears Ctrl-C: a background job does not
    folder = Path(tempfile.mkdtemp())
    config.add_cleanup(lambda: shutil.rmtree(folder))
    os.environ["NETWORK_LOG"] = str(folder / "network.log")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(LOOPBACK), os.environ.get("PYTHONPATH")]))
    os.environ["HF_HUB_OFFLINE"] = "1"  # a name that is no folder is looked for there, again and again
    runpy.run_path(str(LOOPBACK / "sitecustomize.py"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    log = Path(os.environ["NETWORK_LOG"])
    asked = log.read_text().splitlines() if log.exists() else []
    if not hasattr(session.config, "workerinput") and asked:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        raise pytest.UsageError("\n".join(["the tests asked for other machines:", *asked]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors, as tests in a ComfyUI wait for its server."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests in one ComfyUI go to one process, which keeps its server; each of the others to whichever is free, and so
    do modules that start a server or a process of their own.
    """
    from xdist.scheduler import LoadScopeScheduling

    names = [each.name for each in installations()]

    class ByInstallation(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            at = next((name for name in names if name in nodeid), nodeid)
            return f"{file} {at}" if Path(file).stem in BY_THEMSELVES else at

    return ByInstallation(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The model families, as each ComfyUI's own tests reported them: with xdist, from another process."""
    reports = [report for each in ("passed", "failed") for report in terminalreporter.getreports(each)]
    said = dict(value for each in reports for name, value in each.user_properties if name == "families")
    if said:
        terminalreporter.section("model families")
        terminalreporter.write("\n".join([*rows(said), ""]))
