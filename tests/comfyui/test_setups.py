"""Flags of a server, models unloaded, two clients: the results stay what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from installations import Installation
from server import Server
from soak import setups

pytestmark = pytest.mark.newest


def test_flags_change_no_result(installation: Installation, tmp_path: Path) -> None:
    """All of those that change no bit, at once. Weights of fewer bits need a checkpoint: ``make soak``."""
    numbers = iter(range(9))

    def start(*flags: str) -> Server:
        return Server(installation, tmp_path / str(next(numbers)), tmp_path / "no_models", *flags)

    (tmp_path / "no_models").mkdir()
    at_once = tuple(flag for flags in setups.SAME for flag in flags)
    assert [*setups.under_flags(start, [at_once], [])] == []


def test_a_model_unloaded_between_two_prompts(bare_server: Server) -> None:
    assert [*setups.after_unloading(bare_server)] == []


def test_two_clients_at_once(bare_server: Server) -> None:
    assert [*setups.two_at_once(bare_server)] == []
