"""Faults on purpose: the button pressed at the n-th check of a prompt, or memory that is out at the n-th allocation.

What is armed holds for the next prompt. That counts, too: so one that is only watched says how many there are.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from inspect import isbuiltin
from typing import Any

import comfy.model_management as mm
import cv2
import execution
import torch
from aiohttp import web
from torch.utils._python_dispatch import TorchDispatchMode

import nodes

KINDS = ("none", "interrupt", "device", "main")
OURS = "DiffEdit_"
LOADS = "DiffEdit_DemoModel"
"""Has safetensors read a file, which takes any error on the way for another one."""

CHECK = "throw_exception_if_processing_interrupted"

NO_ROOM = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "4294967296 bytes. Error code 12 (Cannot allocate memory)"
)
NO_ROOM_OF_GPU = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB of which 0 bytes is free."
)
NO_ROOM_OF_NUMPY = "Unable to allocate 4.00 GiB for an array with shape (32768, 32768) and data type float32"
NO_ROOM_OF_OPENCV = (
    "OpenCV(4.11.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 4294967296 bytes in function "
    "'OutOfMemoryError'"
)


@dataclass
class Watched:
    """A prompt while it runs: what was counted, and what is to happen at which count."""

    kind: str = "none"
    at: int = 0
    within: str = ""  # of which nodes it counts; of all where none are named
    node: str = ""  # that runs now
    struck: str = ""  # in which it happened
    checks: Counter[str] = field(default_factory=Counter)
    allocations: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)  # seconds from one check to the next
    since: tuple[float, float] = (0.0, 0.0)

    def check(self) -> None:
        self.mark()
        self.checks[self.node] += 1
        count = self.checks[self.within] if self.within else self.checks.total()
        if self.kind == "interrupt" and count == self.at and self.node.startswith(self.within):
            self.struck = self.node or "between nodes"
            mm.interrupt_current_processing()

    def allocate(self, on_device: Exception, in_main: Exception) -> None:
        if not self.node.startswith(OURS) or self.node == LOADS:
            return
        self.allocations[self.node] += 1
        if self.kind in ("device", "main") and self.allocations.total() == self.at:
            self.struck = self.node
            raise on_device if self.kind == "device" else in_main

    def mark(self) -> None:
        """Other processes take time, and other threads are busy: the shorter of both is this one's."""
        now = time.perf_counter(), time.process_time()
        took = min(late - early for late, early in zip(now, self.since, strict=True))
        self.longest[self.node] = max(self.longest.get(self.node, 0.0), took)
        self.since = now

    def facts(self) -> dict[str, Any]:
        return {
            "struck": self.struck,
            "checks": self.checks.total(),
            "allocations": self.allocations.total(),
            "checks_of": dict(self.checks),
            "allocations_of": dict(self.allocations),
            "longest": self.longest,
        }


class Faults:
    def __init__(self) -> None:
        self.armed: Watched | None = None  # for the next prompt
        self.last: Watched | None = None

    def arm(self, kind: str, at: int, within: str) -> None:
        assert kind in KINDS, kind
        self.armed = Watched(kind, at, within)

    def add_to(self, server: Any) -> None:
        async def arm(request: web.Request) -> web.Response:
            asked = await request.json()
            self.arm(asked.get("kind", "none"), asked.get("at", 0), asked.get("within", ""))
            return web.json_response({})

        async def last(_: web.Request) -> web.Response:
            return web.json_response(self.last.facts() if self.last else {})

        server.routes.post("/stand_in/fault")(arm)
        server.routes.get("/stand_in/fault")(last)
        execute = execution.PromptExecutor.execute

        def watched(*given: Any, **options: Any) -> Any:
            self.last, self.armed = self.armed, None
            with running(self.last) if self.last else ExitStack():
                return execute(*given, **options)

        execution.PromptExecutor.execute = watched


class Allocating(TorchDispatchMode):
    """Whatever gives a tensor that is none of those it got allocates one."""

    def __init__(self, watched: Watched) -> None:
        super().__init__()
        self.watched = watched

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        returns = function._schema.returns
        if any(each.alias_info is None and "Tensor" in str(each.type) for each in returns):
            self.watched.allocate(torch.OutOfMemoryError(NO_ROOM_OF_GPU), RuntimeError(NO_ROOM))
        return function(*args, **(kwargs or {}))


@contextmanager
def running(watched: Watched) -> Iterator[None]:
    with checking(watched), noting(watched), drawing(watched), Allocating(watched):
        watched.since = time.perf_counter(), time.process_time()
        yield


@contextmanager
def checking(watched: Watched) -> Iterator[None]:
    own = getattr(mm, CHECK)

    def check() -> None:
        watched.check()
        own()

    places = [each for each in [*sys.modules.values()] if getattr(each, "__dict__", {}).get(CHECK) is own]
    with put(places, CHECK, check):
        yield


@contextmanager
def noting(watched: Watched) -> Iterator[None]:
    """Which node runs."""
    own, names = execution.get_output_data, {kind: name for name, kind in nodes.NODE_CLASS_MAPPINGS.items()}

    async def run(prompt_id: Any, unique_id: Any, node: Any, *given: Any, **options: Any) -> Any:
        watched.mark()
        watched.node = names.get(type(node), type(node).__name__)
        try:
            return await own(prompt_id, unique_id, node, *given, **options)
        finally:
            watched.mark()
            watched.node = ""

    with put([execution], "get_output_data", run):
        yield


@contextmanager
def drawing(watched: Watched) -> Iterator[None]:
    """OpenCV's functions allocate what they return."""

    def counted(own: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **options: Any) -> Any:
            error = cv2.error(NO_ROOM_OF_OPENCV)
            error.code = cv2.Error.StsNoMem
            watched.allocate(error, MemoryError(NO_ROOM_OF_NUMPY))
            return own(*given, **options)

        return run

    own = {name: each for name, each in vars(cv2).items() if isbuiltin(each)}
    with ExitStack() as stack:
        for name, each in own.items():
            stack.enter_context(put([cv2], name, counted(each)))
        yield


@contextmanager
def put(places: list[Any], name: str, new: Any) -> Iterator[None]:
    own = [getattr(place, name) for place in places]
    for place in places:
        setattr(place, name, new)
    try:
        yield
    finally:
        for place, each in zip(places, own, strict=True):
            setattr(place, name, each)


class Turn:
    """The same picture, but to the cache another one: what hangs on it runs again."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "turn", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"picture": ("IMAGE",), "number": ("INT", {"default": 0, "max": 2**31})}}

    def turn(self, picture: torch.Tensor, number: int) -> tuple[torch.Tensor]:
        return (picture.clone(),)
