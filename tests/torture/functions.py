"""Lambda's endpoint and its functions, for one event loop: cheap enough for hundreds of streams.

A path with its query and the request's body make one response body and no other, paced as the query
says. `FunctionSide` keeps, for each request, the callback port that the event named, and so the
worker that holds the client's response.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes import encode_chunk, encode_head, encode_request

from tailrace.wire.integration import MEDIA_TYPE

MARK = "x-from-the-function"
"""A header of every response: the version or alias that was invoked, or 1."""
ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"


def piece_of(target: str, body: bytes, number: int) -> bytes:
    """A piece of the response to a request."""
    return hashlib.sha256(b"%b:%b:%d" % (target.encode(), body, number)).digest()


@dataclass
class Run:
    """One invocation, as its function sees it."""

    target: str
    body: bytes
    callback_url: str
    port: int
    """Of the callback listener: each worker has its own."""
    qualifier: str = ""
    """The version or alias by which it was invoked."""
    is_gated: bool = False
    sent: int = 0
    """Pieces that were given to the kernel."""
    has_sent_all: bool = False
    end: str = ""
    """How it ended: "whole", or what was missing."""

    @functools.cached_property
    def query(self) -> dict[str, str]:
        """What the client's query asks for: `n` pieces, `ms` of pause, `len=1` for a length.

        With `gate=0` the function waits before its head until it is released, with `gate=2` after
        two pieces.
        """
        return {name: each[0] for name, each in parse_qs(urlsplit(self.target).query).items()}


class FunctionSide:
    """The endpoint. `runs` has the latest run of each target; `surprises` is what must not happen.

    Everything happens in the loop that has started it.
    """

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.invocations = 0
        self.repeated = 0
        """Targets that were invoked more than once: no client of ours repeats a target."""
        self.ports: set[int] = set()
        """Every callback port that an event has named."""
        self.ends: dict[str, int] = {}
        self.surprises: list[str] = []
        self._gated: list[Callback] = []
        self._open: set[asyncio.Transport] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Endpoint(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Leave nothing open."""
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in list(self._open):
            transport.abort()
        while self._open:
            await asyncio.sleep(0.001)

    def is_idle(self) -> bool:
        """Whether no function runs."""
        return not self._tasks and all(run.end for run in self.runs.values())

    def release(self) -> None:
        """Let the functions go on that wait at their gate."""
        gated, self._gated = self._gated, []
        for callback in gated:
            callback.release()

    # --- for connections ----------------------------------------------------------------------

    def invoke(self, name: str, event: dict[str, Any]) -> None:
        query = event["rawQueryString"]
        target = event["rawPath"] + (f"?{query}" if query else "")
        body = event.get("body") or ""
        raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
        url: str = event["tailrace"]["callback"]
        run = Run(target, raw, url, urlsplit(url).port or 80, name.partition(":")[2])
        self.repeated += target in self.runs
        self.runs[target] = run
        self.ports.add(run.port)
        self.invocations += 1
        task = asyncio.get_running_loop().create_task(self._call_back(run))
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.surprises.append(repr(error))

    async def _call_back(self, run: Run) -> None:
        host = urlsplit(run.callback_url).hostname
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: Callback(self, run), host or "", run.port
            )
        except OSError as error:
            self.note_end(run, f"no connection: {type(error).__name__}")

    def note_end(self, run: Run, end: str) -> None:
        run.end = end
        self.ends[end] = self.ends.get(end, 0) + 1

    def wait_gate(self, callback: Callback) -> None:
        callback.run.is_gated = True
        self._gated.append(callback)

    def add(self, transport: asyncio.Transport) -> None:
        self._open.add(transport)

    def discard(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)


class Endpoint(asyncio.Protocol):
    """A connection of the gateway to Lambda's Invoke API: each event is answered with a 202."""

    def __init__(self, side: FunctionSide) -> None:
        self._side = side
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._side.add(self._transport)

    def connection_lost(self, exception: Exception | None) -> None:
        self._side.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n")) >= 0:
            lines = self._unread[:end].lower().split(b"\r\n")
            name = unquote(lines[0].split(b"/")[3].decode())
            lengths = [line for line in lines if line.startswith(b"content-length:")]
            total = end + 4 + int(lengths[0].partition(b":")[2])
            if len(self._unread) < total:
                return
            payload, self._unread = self._unread[end + 4 : total], self._unread[total:]
            self._transport.write(ACCEPTED)
            self._side.invoke(name, json.loads(payload))


class Callback(asyncio.Protocol):
    """A function: it waits for its 100, sends its pieces at their pace, and reads its answer."""

    def __init__(self, side: FunctionSide, run: Run) -> None:
        self._side = side
        self.run = run
        query = run.query
        self._pieces = int(query.get("n", "1"))
        self._pause_s = int(query.get("ms", "0")) / 1000
        self._gate = int(query.get("gate", "-1"))
        self._unread = b""
        self._is_begun = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._side.add(self._transport)
        parts = urlsplit(self.run.callback_url)
        fields = [
            ("host", parts.netloc),
            ("content-type", MEDIA_TYPE),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
        ]
        self._transport.write(encode_request("POST", parts.path, fields))

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if not self._is_begun and b"\r\n\r\n" in self._unread:
            head, _, self._unread = self._unread.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 100 "):
                self._side.note_end(self.run, f"refused: {head[9:12].decode()}")
                self._transport.abort()
                return
            self._is_begun = True
            if self._gate == 0:
                self._side.wait_gate(self)
            else:
                self._begin()

    def release(self) -> None:
        """Go on behind the gate."""
        if self._transport.is_closing():
            return
        gate, self._gate = self._gate, -1
        if gate == 0:
            self._begin()
        else:
            self._go_on()

    def _begin(self) -> None:
        """Send the head and go on with the pieces."""
        headers = {"content-type": "application/octet-stream", MARK: self.run.qualifier or "1"}
        if "len" in self.run.query:
            headers["content-length"] = str(32 * self._pieces)
        self._transport.write(encode_chunk(encode_head(headers=headers)))
        self._go_on()

    def _go_on(self) -> None:
        run = self.run
        if run.sent == self._gate:
            self._side.wait_gate(self)
            return
        if run.sent == self._pieces:
            run.has_sent_all = True
            self._transport.write(b"0\r\n\r\n")
            return
        self._transport.write(encode_chunk(piece_of(run.target, run.body, run.sent)))
        run.sent += 1
        if self._pause_s:
            self._timer = asyncio.get_running_loop().call_later(self._pause_s, self._go_on)
        else:
            self._go_on()

    def connection_lost(self, exception: Exception | None) -> None:
        self._side.discard(self._transport)
        if self._timer is not None:
            self._timer.cancel()
        run = self.run
        if run.end:
            return
        answer = b'{"bytes": %d}\n' % (32 * self._pieces)
        is_ok = self._unread.startswith(b"HTTP/1.1 200 ") and self._unread.endswith(answer)
        if run.has_sent_all and is_ok:
            self._side.note_end(run, "whole")
        elif self._unread:
            self._side.note_end(run, f"answered {self._unread[9:12].decode()}")
        else:
            self._side.note_end(run, "lost" if self._is_begun else "lost before its 100")
