"""What is said on stdout and stderr, wherever they lead: a pipe that nobody reads, a full disk, nowhere."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from PIL import Image

logger = logging.getLogger(__name__)


def put(text: str) -> None:
    """On stdout. What cannot be written there as text, such as an odd name of a file, is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except OSError as cause:
        with suppress(OSError):  # so that the end of the program does not try again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(cause, BrokenPipeError):  # whoever reads no further has seen enough
            raise ValueError(f"cannot write to stdout: {cause.strerror}") from None


@contextmanager
def warnings_on_stderr() -> Iterator[None]:
    logger, handler = logging.getLogger("diffedit_core"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("diffedit: %(message)s"))
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            heed_warnings()
            yield
    finally:
        logger.removeHandler(handler)


def heed_warnings() -> None:
    """What Pillow finds odd with a file is said as our own warnings are."""
    warnings.filterwarnings("always", module=r"PIL\.")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # it refuses twice as much
    warnings.showwarning = _said


def _said(message: Warning | str, *where: object) -> None:
    logger.warning("%s", " ".join(str(message).split()))


def opened_streams() -> None:
    """Where a stream was closed, what is said there is for nobody."""
    sys.stdout = sys.stdout or io.StringIO()
    sys.stderr = sys.stderr or io.StringIO()
