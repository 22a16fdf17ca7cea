"""Gates: a function waits at one until the test lets it go on, and says how far it is.

What a test has read before it opens the gate was there before the function could write any more,
whatever the clock says.
"""

from __future__ import annotations

import select
import socket

WAIT_S = 30.0
"""When a wait is in vain: longer than twenty cold starts take on a busy machine."""

# The function's side of a gate, for handlers in Python. It knows the event's query only.
SOURCE = '''
import asyncio
import select
import socket
from urllib.parse import parse_qs


def query(event):
    """The parameters of the client's request, each with its first value."""
    return {name: values[0] for name, values in parse_qs(event["rawQueryString"]).items()}


class Gate:
    """Where this invocation waits for the test, and says how far it is."""

    def __init__(self, event):
        self._sock = socket.create_connection(("127.0.0.1", int(query(event)["gate"])))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._sock.close()

    def wait(self):
        if not self._sock.recv(1):
            raise RuntimeError("the test has left")

    async def wait_async(self):
        self._sock.setblocking(False)
        if not await asyncio.get_running_loop().sock_recv(self._sock, 1):
            raise RuntimeError("the test has left")

    def is_open(self):
        return bool(select.select([self._sock], [], [], 0)[0])

    def tell(self, line):
        self._sock.sendall(f"{line}\\n".encode())
'''


class Gate:
    """The test's side of a gate; the function finds it by the query `gate=PORT`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(WAIT_S)
        self.port: int = self._listener.getsockname()[1]
        self._function: socket.socket | None = None
        self._unread = b""

    def open(self) -> None:
        """Let the function go on, once."""
        self._meet().sendall(b".")

    def line(self) -> str:
        """What the function says next; empty when it has left."""
        function = self._meet()
        while b"\n" not in self._unread:
            data = function.recv(65_536)
            if not data:
                return ""
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def latest(self, before: str = "") -> str:
        """The last of the lines that have come by now, or `before` when there is none."""
        function = self._meet()
        if select.select([function], [], [], 0)[0]:
            self._unread += function.recv(1_048_576)
        lines, end, self._unread = self._unread.rpartition(b"\n")
        return lines.rpartition(b"\n")[2].decode() if end else before

    def close(self) -> None:
        """Leave; a function that waits here fails."""
        self._listener.close()
        if self._function is not None:
            self._function.close()

    def _meet(self) -> socket.socket:
        if self._function is None:
            self._function, _ = self._listener.accept()
            self._function.settimeout(WAIT_S)
        return self._function
