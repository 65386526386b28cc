"""Memory that ran out: every library says it in words of its own, and few of them say what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import torch

OF_DEVICE = ("out of memory", "ALLOC_FAILED")
OF_MAIN = (
    *("allocate memory", "Failed to allocate", "not enough memory", "Insufficient memory", "bad_alloc"),
    "start new thread",
)
"""What RuntimeErrors say, of torch and its libraries, and OpenCV's errors."""


def is_out_of_memory(error: BaseException) -> bool:
    return is_out_of_device_memory(error) or is_out_of_main_memory(error)


def is_out_of_device_memory(error: BaseException) -> bool:
    return any(isinstance(each, torch.OutOfMemoryError) or _says(each, OF_DEVICE) for each in _with_causes(error))


def is_out_of_main_memory(error: BaseException) -> bool:
    return any(_is_of_system(each) or _says(each, OF_MAIN) for each in _with_causes(error))


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Also where it was put into words of ours, or into a library's own that say nothing of memory."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_of_system(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def _says(error: BaseException, phrases: tuple[str, ...]) -> bool:
    is_library = isinstance(error, RuntimeError) or type(error).__module__ == "cv2"
    return is_library and any(phrase in str(error) for phrase in phrases)
