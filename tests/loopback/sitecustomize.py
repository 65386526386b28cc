"""On PYTHONPATH: no process of the tests reaches another machine. What one asks for is refused, and written down.

``NETWORK_LOG`` names the file; without it, all is as ever. ``WRITES_LOG`` names a file for the paths of all that was
opened to be written.
"""

import os
import socket
import sys

HERE = ("127.", "::1", "localhost", "0.0.0.0", socket.gethostname())
WRITES = os.environ.get("WRITES_LOG")


def watch(event: str, arguments: tuple) -> None:
    if event == "socket.connect":
        address = arguments[1]
        refuse(event, address[0] if isinstance(address, tuple) else "localhost")
    elif event == "socket.getaddrinfo":
        refuse(event, arguments[0] or "localhost")
    elif event == "open" and WRITES:
        see_writing(*arguments)


def refuse(event: str, host: object) -> None:
    host = host.decode() if isinstance(host, bytes) else str(host)
    if not host.startswith(HERE) and "NETWORK_LOG" in os.environ:
        note(os.environ["NETWORK_LOG"], f"{event} {host} {sys.argv[:1]}")
        raise ConnectionRefusedError(f"a test may reach no network, not even {host}")


def see_writing(path: object, mode: object, flags: int) -> None:
    if isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR) and os.fsdecode(path) != WRITES:
        note(WRITES, os.path.realpath(os.fsdecode(path)))


def note(log: str, line: str) -> None:
    with open(log, "a") as file:  # noqa: PTH123 - pathlib may not be importable yet
        file.write(f"{line}\n")


if "NETWORK_LOG" in os.environ:
    sys.addaudithook(watch)
