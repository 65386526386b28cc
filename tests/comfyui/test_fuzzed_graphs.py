"""Random graphs of our nodes and ComfyUI's own end well, or in a sentence, and leave the server as it was."""

from __future__ import annotations

import pytest
from server import Server
from soak.prompts import run

pytestmark = pytest.mark.newest


def test_nothing_breaks_on_random_graphs(server: Server) -> None:
    outcome = run(server, 20, seed=19)
    assert outcome.findings == [], "\n".join(outcome.findings)
    assert not outcome.measured.startswith("0 ran"), outcome.measured
