from typing import Any

import pytest
import torch
from comfyui.installations import installations

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
