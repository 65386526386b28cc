"""What a server holds for good: all that is free goes back to the system before its memory is looked at."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

from aiohttp import web


def add_to(server: Any) -> None:
    async def free(_: web.Request) -> web.Response:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        return web.json_response({})

    server.routes.post("/stand_in/free")(free)
