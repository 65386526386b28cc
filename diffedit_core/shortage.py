"""Memory that ran out: every library says it in words of its own, and few of them say what to do."""

from __future__ import annotations

import errno

import torch

OF_DEVICE = ("out of memory", "ALLOC_FAILED")
OF_MAIN = ("can't allocate memory", "not enough memory", "Insufficient memory", "bad_alloc")
"""What RuntimeErrors say, of torch and its libraries, and OpenCV's errors."""


def is_out_of_memory(error: BaseException) -> bool:
    return is_out_of_device_memory(error) or is_out_of_main_memory(error)


def is_out_of_device_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or _says(error, OF_DEVICE)


def is_out_of_main_memory(error: BaseException) -> bool:
    is_known = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    return is_known or _says(error, OF_MAIN)


def _says(error: BaseException, phrases: tuple[str, ...]) -> bool:
    is_library = isinstance(error, RuntimeError) or type(error).__module__ == "cv2"
    return is_library and any(phrase in str(error) for phrase in phrases)
