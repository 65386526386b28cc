"""Interrupts and a lack of memory in the middle of a run, on a real server: a few of those in ``make soak``."""

from __future__ import annotations

import pytest
from graphs import api, changed
from server import Server
from soak import faults, limits
from soak.scenes import SCENE, Scene

pytestmark = pytest.mark.newest


def test_the_button_is_heard_and_the_next_prompt_is_right(bare_server: Server) -> None:
    outcome = faults.run_interrupts(bare_server, 2, seed=0)
    assert outcome.findings == []


def test_without_memory_a_node_says_what_to_do_and_the_next_prompt_is_right(bare_server: Server) -> None:
    outcome = faults.run_memory(bare_server, 2, seed=1)
    assert outcome.findings == []


@pytest.mark.parametrize(
    ("kind", "said"), [("device", "start ComfyUI with --lowvram"), ("main", "close other programs")]
)
def test_it_says_which_memory_is_full(bare_server: Server, kind: str, said: str) -> None:
    scene = Scene.of("demo", changed(api("demo"), "DiffEdit_DDIMInvert", steps=2), SCENE)
    first, *_ = faults.armed(bare_server, scene.turned(), kind, 1).error["exception_message"].splitlines()
    assert first.startswith(faults.FULL) and first.endswith(said)


@pytest.mark.parametrize("node", ["DiffEdit_PasteBack", "DiffEdit_BoxesAndPoints"])
def test_a_node_at_its_limits_hears_the_button_within_a_second(bare_server: Server, node: str) -> None:
    assert limits.run(bare_server, nodes=(node,), one_by_one=False).findings == []
