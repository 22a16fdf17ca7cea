"""A client that notes how each of its requests ended; every byte is compared as it arrives."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

from tests.fakes import Fields, encode_request
from tests.torture.functions import piece_of

PATIENCE_S = 60.0
"""When a client gives up that gets no byte: longer than a restart that waits for all streams."""
COMPLETE = "complete"


@dataclass(slots=True, eq=False)
class Visit:
    """One request and how it ended."""

    kind: str
    target: str
    method: str = "GET"
    body: bytes = b""
    version: str = "1.1"
    headers: Fields = ()
    pieces: int = 1
    port: int = 0
    """The client's own port."""
    asked_s: float = 0.0
    head_s: float = 0.0
    """When its head was here; 0.0 before."""
    received: int = 0
    end: str = ""
    end_s: float = 0.0
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it was asked and has not ended."""
        return not self.end

    def expected(self, start: int, stop: int) -> bytes:
        """These bytes of the body."""
        first, last = start // 32, min((stop + 31) // 32, self.pieces)
        pieces = [piece_of(self.target, self.body, number) for number in range(first, last)]
        return b"".join(pieces)[start - 32 * first : stop - 32 * first]


class Line(asyncio.Protocol):
    """A connection of a client, for one request after the other. `broken` is how it has ended."""

    def __init__(self) -> None:
        self.broken = ""
        self.is_reusable = True
        self._visit: Visit | None = None
        self._unread = b""
        self._left: int | None = None  # the announced length
        self._is_chunked = False
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, host: str, port: int) -> Line:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        _, line = await asyncio.wait_for(loop.create_connection(cls, host, port), PATIENCE_S)
        return line

    async def ask(self, visit: Visit) -> None:
        """Send the request of a visit, and return when it has ended somehow."""
        self._visit = visit
        self._done: asyncio.Future[None] = self._loop.create_future()
        visit.port = self._transport.get_extra_info("sockname")[1]
        if not visit.asked_s:
            visit.asked_s = time.monotonic()
        if self.broken:
            self._end(f"unanswered: {self.broken}")
            return
        self._transport.write(
            encode_request(
                visit.method, visit.target, visit.headers, visit.body, version=visit.version
            )
        )
        self._heard_s = self._loop.time()
        self._timer = self._loop.call_later(PATIENCE_S, self._on_timer)
        try:
            await self._done
        finally:
            self._timer.cancel()

    def close(self) -> None:
        """Leave."""
        self._transport.close()

    def abort(self) -> None:
        """Leave at once."""
        self._transport.abort()

    # --- asyncio's side -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        visit = self._visit
        if visit is None or visit.end:
            self.broken = "bytes that nobody has asked for"
            return
        self._unread += data
        self._heard_s = self._loop.time()
        if not visit.head_s:
            if b"\r\n\r\n" not in self._unread:
                return
            head, _, self._unread = self._unread.partition(b"\r\n\r\n")
            if not self._read_head(visit, head.decode("latin-1")):
                return
        self._read_body(visit)

    def connection_lost(self, exception: Exception | None) -> None:
        self.broken = self.broken or ("end" if exception is None else "reset")
        visit = self._visit
        if visit is None or visit.end:
            return
        if not visit.head_s:
            self._end(f"unanswered: {self.broken}")
        elif self._left is None and not self._is_chunked and self.broken == "end":
            self._finish(visit)
        else:
            self._end(f"broken: {self.broken}")

    # --------------------------------------------------------------------------------------------

    def _read_head(self, visit: Visit, head: str) -> bool:
        """Return whether a body is wanted."""
        first, *lines = head.split("\r\n")
        visit.head_s = time.monotonic()
        visit.fields = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        status = first.split(" ")[1]
        if status != "200":
            self._end(f"status {status}")
            self.is_reusable = False
            self.close()
            return False
        length = visit.fields.get("content-length")
        self._is_chunked = visit.fields.get("transfer-encoding") == "chunked"
        self._left = None if length is None else int(length)
        if visit.version == "1.0" or visit.fields.get("connection", "").lower() == "close":
            self.is_reusable = False
        return True

    def _read_body(self, visit: Visit) -> None:
        if not self._is_chunked:
            data, self._unread = self._unread, b""
            self._take(visit, data)
            if visit.is_open and self._left is not None and visit.received >= self._left:
                self._finish(visit)
        while visit.is_open and self._is_chunked:  # chunks are small: whole ones only
            line, separator, rest = self._unread.partition(b"\r\n")
            if not separator or len(rest) < (size := int(line, 16)) + 2:
                return
            self._unread = rest[size + 2 :]
            if size == 0:
                self._finish(visit)
            else:
                self._take(visit, rest[:size])

    def _take(self, visit: Visit, data: bytes) -> None:
        end = visit.received + len(data)
        if data != visit.expected(visit.received, end):
            self._end("WRONG BYTES")
            self.is_reusable = False
            self._transport.abort()
        visit.received = end

    def _finish(self, visit: Visit) -> None:
        if visit.received != 32 * visit.pieces:
            self._end("SHORT, BUT ENDED AS WHOLE")
        elif self._unread:
            self._end("BYTES BEHIND THE END")
        else:
            self._end(COMPLETE)

    def _on_timer(self) -> None:
        left_s = self._heard_s + PATIENCE_S - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._on_timer)
            return
        assert self._visit is not None
        self._end("no end in time" if self._visit.head_s else "no head in time")
        self.is_reusable = False
        self._transport.abort()

    def _end(self, how: str) -> None:
        assert self._visit is not None
        self._visit.end, self._visit.end_s = how, time.monotonic()
        if not self._done.done():
            self._done.set_result(None)
