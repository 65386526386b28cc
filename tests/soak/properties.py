"""What must always hold, as a test and, in great number, as a part of the soak."""

from __future__ import annotations

import linecache
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisException, UnsatisfiedAssumption
from hypothesis.strategies import SearchStrategy
from torch import Tensor

import diffedit_core

OURS = Path(diffedit_core.__file__).parent

LONGEST = 400
"""Letters of a finding that say what was called."""


@dataclass(frozen=True)
class Property:
    name: str
    body: Callable[..., None]
    drawn: Mapping[str, SearchStrategy[Any]]
    share: float  # of the calls, beside the others
    seconds: float  # of a CPU that one call may take: ten times what it takes


def always(
    examples: int = 40, share: float = 1.0, seconds: float = 2.0, **drawn: SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A property: a test of so many examples, with a note of what it is for the soak."""

    def tested(body: Callable[..., None]) -> Callable[..., None]:
        few = settings(max_examples=examples, deadline=None, derandomize=True)
        test = few(given(**drawn)(body))
        vars(test)["noted"] = Property(body.__name__, body, drawn, share, seconds)
        return test

    return tested


def properties_of(*modules: ModuleType) -> list[Property]:
    return [each.noted for module in modules for each in vars(module).values() if hasattr(each, "noted")]


@dataclass(frozen=True)
class Tried:
    done: int
    finding: str | None


def tried(found: Property, count: int, number: int) -> Tried:
    """So many calls under a seed. What fails is made as small as it can be."""
    done, failing = 0, ""

    def counted(**drawn: Any) -> None:
        nonlocal done, failing
        started = time.process_time()
        try:
            found.body(**drawn)
            took = time.process_time() - started
            assert took < found.seconds, f"took {took:.1f} s"
        except UnsatisfiedAssumption:
            raise
        except Exception:
            failing = ", ".join(f"{name}={value!r:.{LONGEST}}" for name, value in drawn.items())
            raise
        finally:
            done += 1

    how = settings(
        max_examples=count,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    try:
        seed(number)(how(given(**found.drawn)(counted)))()
    except (Exception, HypothesisException) as cause:
        line = traceback.extract_tb(cause.__traceback__)[-1]
        said = f"{' '.join(str(cause).split()):.{LONGEST}} at {Path(line.filename).name}:{line.lineno} ({line.line})"
        return Tried(done, f"{found.name}, seed {number}: {type(cause).__name__}: {said}; with {failing}")
    return Tried(done, None)


def answered(call: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """The result, or None where the call is refused in a sentence of ours. Any other error goes on."""
    try:
        return call(*given, **named)
    except (ValueError, TypeError) as cause:
        if not _is_ours(cause):
            raise
        said = str(cause)
        assert said and said == said.strip() and "\n" not in said, said
        return None


def _is_ours(cause: BaseException) -> bool:
    """Whether the line that the error comes from is one of ours, and raises it."""
    last = cause.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return False
    file = last.tb_frame.f_code.co_filename
    return OURS in Path(file).parents and linecache.getline(file, last.tb_lineno).lstrip().startswith("raise ")


@contextmanager
def unchanged(*tensors: Tensor | None) -> Iterator[None]:
    before = [None if each is None else each.clone() for each in tensors]
    yield
    for old, new in zip(before, tensors, strict=True):
        assert same(old, new), "an input was changed"


def same(one: Tensor | None, other: Tensor | None) -> bool:
    """To the bit, and NaN where NaN is."""
    if one is None or other is None:
        return one is other
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.equal(one, other) or torch.equal(one.nan_to_num(7e7), other.nan_to_num(7e7))


def is_mask(mask: Tensor) -> bool:
    return bool(mask.dtype == torch.float32 and mask.isfinite().all() and (mask >= 0).all() and (mask <= 1).all())
