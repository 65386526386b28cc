"""The core called with everything a user or a programmer can give it, and much that nobody should."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import test_properties
import torch

from . import calls_edits, calls_masks, calls_pictures, calls_texts
from .outcome import Outcome
from .properties import Property, properties_of, tried

WANTED = "10,000, findings left: 0"

PROPERTIES = properties_of(test_properties, calls_masks, calls_pictures, calls_texts, calls_edits)


def run(count: int = 10_000, seed: int = 0) -> Outcome:
    """So many calls, spread over all properties by their shares; where one has no more to try, others do."""
    torch.set_num_threads(1)
    done, findings, seconds = 0, list[str](), dict[str, float]()
    total = sum(each.share for each in PROPERTIES)
    with quiet():
        for round_ in range(9):
            left = (count - done) / total
            if left <= 0:
                break
            for number, each in enumerate(PROPERTIES):
                started = time.process_time()
                found = tried(each, max(1, round(each.share * left)), seed + 1000 * round_ + number)
                done += found.done
                findings += [found.finding] if found.finding else []
                seconds[each.name] = seconds.get(each.name, 0.0) + time.process_time() - started
    slowest = max(seconds, key=lambda name: seconds[name])
    said = f"{len(PROPERTIES)} properties, {sum(seconds.values()):.0f} s of a CPU, most for {_words(slowest)}"
    return Outcome("fuzzed calls of the core", done, findings, WANTED, said)


@contextmanager
def quiet() -> Iterator[None]:
    """Warnings are right here, and thousands."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


__all__ = ["PROPERTIES", "Property", "run"]
