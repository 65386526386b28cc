"""A page's open line to a server: what ComfyUI sends over it while a prompt runs."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from typing import Any

from server import Server

TEXT, BINARY = 1, 2


class Listener:
    """``with Listener(server, "tests")``: to the server, the page of that client is open."""

    def __init__(self, server: Server, client: str) -> None:
        self.line = socket.create_connection(("127.0.0.1", server.port), 60)
        key = base64.b64encode(os.urandom(16)).decode()
        self.line.sendall(
            f"GET /ws?clientId={client} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.file = self.line.makefile("rb")
        while self.file.readline().strip():
            pass
        self.next()  # the server says how it is: from now on it knows this page

    def next(self) -> dict[str, Any] | bytes:
        """The next message: JSON, or a picture's bytes after the number of what kind of message it is."""
        kind, size = self.file.read(2)
        size &= 127
        if size > 125:
            size = struct.unpack(*((">H", self.file.read(2)) if size == 126 else (">Q", self.file.read(8))))[0]
        body = self.file.read(size)
        if kind & 15 == TEXT:
            return json.loads(body)
        return body if kind & 15 == BINARY else self.next()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.line.close()
