"""A node's work as ComfyUI runs it: its button stops it between two steps, and a lack of memory is said in one line."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_management as mm
import torch

from ...shortage import is_out_of_device_memory, is_out_of_main_memory
from ...stopping import stoppable

Execute = Callable[..., Any]

FULL_DEVICE = (
    "the GPU's memory is full: use a smaller picture or a cut-out of it (Focus), fewer pictures at a time, or start "
    "ComfyUI with --lowvram"
)
FULL_MAIN = "the main memory is full: use a smaller picture or fewer pictures at a time, or close other programs"


def runs(execute: Execute) -> Execute:
    """Around a node's ``execute``."""

    @functools.wraps(execute)
    def run(node: type, **given: Any) -> Any:
        with stoppable(mm.throw_exception_if_processing_interrupted), saying_what_is_full():
            return execute(node, **given)

    return run


@contextmanager
def saying_what_is_full() -> Iterator[None]:
    """ComfyUI makes room where it is told that there was none on the device."""
    try:
        yield
    except Exception as error:
        if is_out_of_device_memory(error):
            raise torch.OutOfMemoryError(FULL_DEVICE) from error
        if is_out_of_main_memory(error):
            raise MemoryError(FULL_MAIN) from error
        raise
