"""On a server's PYTHONPATH: writes every address it asks for that is not this machine into ``NETWORK_LOG``."""

import os
import sys

HERE = ("127.", "::1", "localhost", "0.0.0.0")


def watch(event: str, arguments: tuple) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else "localhost"
    elif event == "socket.getaddrinfo":
        host = arguments[0] or "localhost"
    else:
        return
    host = host.decode() if isinstance(host, bytes) else str(host)
    if not host.startswith(HERE):
        with open(os.environ["NETWORK_LOG"], "a") as log:  # noqa: PTH123 - pathlib may not be importable yet
            log.write(f"{event} {host}\n")
        raise ConnectionRefusedError(f"this test server may reach no network, not even {host}")


if "NETWORK_LOG" in os.environ:
    sys.addaudithook(watch)
