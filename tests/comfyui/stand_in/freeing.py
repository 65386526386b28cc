"""What a server holds for good: all that is free goes back to the system before its memory is looked at."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

import comfy.model_management as mm
from aiohttp import web


def add_to(server: Any) -> None:
    async def free(_: web.Request) -> web.Response:
        mm.cleanup_models_gc()  # models that nobody has any more, which else go with the next prompt
        mm.cleanup_models()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        return web.json_response({})

    server.routes.post("/stand_in/free")(free)
