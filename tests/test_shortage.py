"""Memory that runs out for real: it is known for what it is, and the command line says in one line what to do."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from diffedit_core.hosts.foreign import loading
from diffedit_core.shortage import is_out_of_device_memory, is_out_of_main_memory, is_out_of_memory

TOO_MUCH = 2**46  # bytes

SHORT: dict[str, Callable[[], object]] = {
    "numpy": lambda: np.empty(TOO_MUCH, np.uint8),
    "torch": lambda: torch.empty(TOO_MUCH, dtype=torch.uint8),
    "python": lambda: bytearray(TOO_MUCH),
    "opencv": lambda: cv2.resize(np.zeros((1, 1, 4)), (2**20, 2**21)),
}


@pytest.mark.parametrize("library", SHORT)
def test_every_library_says_it_in_its_own_way(library: str):
    with pytest.raises(Exception) as raised:
        SHORT[library]()
    assert is_out_of_main_memory(raised.value) and not is_out_of_device_memory(raised.value)


@pytest.mark.parametrize("library", SHORT)
def test_it_is_known_in_words_of_ours_too(library: str):
    with pytest.raises(Exception) as raised:
        SHORT[library]()
    with pytest.raises(ValueError) as ours:
        raise ValueError("demo cannot be loaded") from raised.value
    assert is_out_of_main_memory(ours.value) and not is_out_of_device_memory(ours.value)


def test_it_is_known_where_a_library_tried_something_else_and_complains_of_that():
    """As diffusers does: it takes weights that it cannot map for a text, and says that it cannot read them."""
    with pytest.raises(OSError) as other:
        try:
            SHORT["torch"]()
        except RuntimeError:
            raise OSError("Unable to load weights from checkpoint file")  # noqa: B904
    assert is_out_of_main_memory(other.value)
    with pytest.raises(OSError) as another:
        try:
            SHORT["torch"]()
        except RuntimeError:
            raise OSError("there is no such file") from None
    assert not is_out_of_memory(another.value)


def test_what_a_gpu_says():
    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
    ):
        assert is_out_of_device_memory(error) and not is_out_of_main_memory(error)
    assert is_out_of_device_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
    assert is_out_of_main_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))


def test_what_is_something_else():
    for error in (
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("shapes differ"),
        ValueError("out of memory"),
    ):
        assert not is_out_of_memory(error)


@pytest.mark.parametrize("library", SHORT)
def test_a_model_for_which_there_is_no_memory_is_not_said_to_be_broken(library: str):
    with pytest.raises(Exception) as raised, loading("model"):
        SHORT[library]()
    assert is_out_of_memory(raised.value) and "cannot be loaded" not in str(raised.value)


SHORT_OF = """
import re, resource, sys
from pathlib import Path
from diffedit_core.cli.program import run
size = re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())
most = int(size[1]) * 1024 + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("room", [8, 300])
def test_a_command_line_with_few_mebibytes_left_says_one_line(room: int, tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (2400, 3200, 3)).astype(np.uint8)
    picture, out = tmp_path / "picture.png", tmp_path / "out.png"
    Image.fromarray(pixels).save(picture, compress_level=0)
    command = [sys.executable, "-c", SHORT_OF, room, "keep", picture, picture, "-o", out]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, timeout=300)
    assert ended.returncode == 1, ended.stderr
    assert re.fullmatch(r"diffedit: out of memory: use a smaller picture .+\n", ended.stderr), ended.stderr
    assert not out.exists()
