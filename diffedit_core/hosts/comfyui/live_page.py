"""The page's side of live masks: routes on ComfyUI's own server, for the pages that are connected to it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from .live import Held, LiveMasks, as_file
from .newest import Newest
from .widgets import checked_values

MOST_ASKED = 2**17
"""Bytes of a question."""

VIEWS = ("overlay", "mask", "heatmap", "picture", "exact")
LIVE = web.AppKey("diffedit_live", LiveMasks)
GONE = "the server no longer holds what this node was given; run it again"

Respond = Callable[[Mapping[str, Any]], Awaitable[web.Response]]


class Refused(Exception):  # noqa: N818
    """An answer of its own kind: a status, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status, self.sentence = status, sentence


def add_routes(server: Any, inputs: Sequence[Any]) -> None:
    """``inputs`` are those of Mask Refine's schema."""
    live, newest = LiveMasks(), Newest()
    server.app[LIVE] = live

    async def refine(asked: Mapping[str, Any]) -> web.Response:
        view, settings = asked.get("view", "overlay"), checked_values(inputs, asked.get("settings", {}))
        held = live.get(str(asked.get("run")))
        if view not in VIEWS:
            raise Refused(400, f"view must be one of {', '.join(VIEWS)}")
        if held is None:
            raise Refused(404, GONE)
        answer = await newest.answer(f"{asked['run']} {view}", lambda: _answer(held, view, settings))
        if answer is None:
            raise Refused(409, "something newer was asked")
        body, kind, said = answer
        return web.Response(body=body, content_type=kind, headers={"Cache-Control": "no-store", "DiffEdit-Said": said})

    async def forget(asked: Mapping[str, Any]) -> web.Response:
        live.drop(str(asked.get("run")))
        return web.Response(status=204)

    server.routes.post("/diffedit/refine")(_route(server, refine))
    server.routes.post("/diffedit/forget")(_route(server, forget))


def hold(server: Any, node_id: str, held: Callable[[], Held]) -> str | None:
    """The word under which a page may ask for this run. None where no page waits for it."""
    live = server.app.get(LIVE) if server else None
    if live is None or server.client_id not in server.sockets:
        return None
    return live.hold(f"{server.client_id} {node_id}", held())


def _answer(held: Held, view: str, settings: Mapping[str, Any]) -> tuple[bytes, str, str]:
    """Its bytes, their type, and a sentence."""
    if view == "exact":
        return held.mask(settings).numpy().astype("<f4").tobytes(), "application/octet-stream", ""
    image, said = held.seen(view, settings)
    return *as_file(image), said


def _route(server: Any, respond: Respond) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return await respond(await _asked(server, request))
        except Refused as refused:
            return web.json_response({"error": refused.sentence}, status=refused.status)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)

    return handle


async def _asked(server: Any, request: web.Request) -> Mapping[str, Any]:
    if request.content_length is None or request.content_length > MOST_ASKED:
        raise Refused(413, f"a question has at most {MOST_ASKED} bytes")
    try:
        asked = json.loads(await request.read())
    except (ValueError, RecursionError) as error:  # RecursionError: nested too deep
        raise Refused(400, "the question is not JSON") from error
    if not isinstance(asked, Mapping):
        raise Refused(400, "the question is not a JSON object")
    if str(asked.get("client")) not in server.sockets:
        raise Refused(403, "only a page that is connected to this server may ask")
    return asked
