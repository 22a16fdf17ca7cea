"""Messages between the parent and a worker: JSON objects, one a line, over a pair of sockets.

Parent to worker: `{"do": "drain", "delay_s", "is_node", "keeps_queue", "timeout_s"}`, and
`{"do": "stop"}`.
Worker to parent: `{"is": "ready", …}`, `{"is": "leaving"}`, `{"is": "failed", "code", "text"}`.
The end of a channel means that the other process has ended.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any, Self, cast

from tailrace.net.process import limits

Message = dict[str, Any]


class Channel(asyncio.Protocol):
    """One end of a channel. `on_end` is called once, also after `close`."""

    def __init__(
        self,
        on_message: Callable[[Message], None],
        on_end: Callable[[], None],
        received: bytes = b"",
    ) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self.received = received
        """The beginning of a message whose end has not arrived."""
        self.descriptor: int | None = None
        """None after the end."""
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(
        cls,
        sock: socket.socket,
        on_message: Callable[[Message], None],
        on_end: Callable[[], None],
        received: bytes = b"",
    ) -> Self:
        """Take over a connected socket, of which `received` has been read and not used."""
        loop = asyncio.get_running_loop()
        channel = cls(on_message, on_end, received)
        channel.descriptor = sock.fileno()
        await loop.create_unix_connection(lambda: channel, sock=sock)
        return channel

    def send(self, **message: Any) -> None:
        """Send a message; nothing happens if the other process has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(json.dumps(message).encode() + b"\n")

    @property
    def is_sent(self) -> bool:
        """Whether the kernel has taken all messages."""
        return self._transport is None or not self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Close this end, once what was written has been sent."""
        if self._transport is not None:
            self._transport.close()

    # --- the transport's side -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        *lines, self.received = (self.received + data).split(b"\n")
        if len(self.received) > limits.CHANNEL_LINE_BYTES_MAX:
            self.received = b""
            self.close()
        for line in lines:
            self._on_message(json.loads(line))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._transport = self.descriptor = None
        self._on_end()
