from typing import Any

import pytest
import torch
from comfyui.installations import installations
from comfyui.table import rows

# The models here are tiny: one thread is fastest, and it keeps sums in one order.
torch.set_num_threads(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests in one ComfyUI go to one process, which keeps its server; each of the others to whichever is free."""
    from xdist.scheduler import LoadScopeScheduling

    names = [each.name for each in installations()]

    class ByInstallation(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((name for name in names if name in nodeid), nodeid)

    return ByInstallation(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The model families, as each ComfyUI's own tests reported them: with xdist, from another process."""
    reports = [report for each in ("passed", "failed") for report in terminalreporter.getreports(each)]
    said = dict(value for each in reports for name, value in each.user_properties if name == "families")
    if said:
        terminalreporter.section("model families")
        terminalreporter.write("\n".join([*rows(said), ""]))
