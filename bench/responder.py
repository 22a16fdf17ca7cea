"""The function's side of relays on plain sockets, for runs in which microseconds count.

It serves the same kinds of relay as the stand-in. A request for `/paced/N` gets a first chunk and a
stream that stays open; any other gets one chunk. For each path it adds up how long the relay has
waited for the function: from each arrival that was awaited to the function's next write.
"""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import httptools

from bench.load import BenchError
from bench.measure import CHUNK
from bench.sockets import Poll, Reader, connect, listen, receive, send
from bench.stand_in import (
    ACCEPTED,
    CALLBACK_HEAD,
    HEADERS_CALLBACK_HEAD,
    HEADERS_PATH,
    PRELUDE,
    UPSTREAM_HEAD,
    frame,
)

PACED: Final = "/paced/"
LAST: Final = b"0\r\n\r\n"
FRAMED: Final = frame(CHUNK)


@dataclass(slots=True)
class Stream:
    """A paced response: where its chunks are written, and when those were that are under way."""

    sock: socket.socket
    chunk: bytes
    end: bytes
    written_ns: deque[int] = field(default_factory=deque)

    def write(self) -> int:
        """Writes a chunk; returns when."""
        now_ns = time.time_ns()
        self.written_ns.append(now_ns)
        send(self.sock, self.chunk)
        return now_ns


class Responder:
    """Listens as a stand-in does."""

    def __init__(self, poll: Poll) -> None:
        self.poll = poll
        self.streams: dict[str, Stream] = {}
        self.function_ns: dict[str, int] = {}
        """For each path, how long the relay has waited for the function."""
        self.short_callbacks = 0
        """How many callbacks of short responses are open."""
        self._connections: set[socket.socket] = set()
        self._listeners: list[socket.socket] = []
        self.invoke_port = self._listen(partial(_LambdaApi, self), is_kept=False)
        self.upstream_port = self._listen(partial(_Upstream, self), is_kept=False)

    async def control(self, callback_port: int) -> int:
        """Listens for the control connection of a floor relay; returns the port to give it."""
        return self._listen(partial(_Control, self, callback_port), is_kept=True)

    def add(self, sock: socket.socket, reader: Reader) -> None:
        """From now on its connection, until it ends or a run is abandoned."""
        self._connections.add(sock)
        self.poll.add(sock, reader)

    def close(self, sock: socket.socket) -> None:
        self._connections.discard(sock)
        self.poll.close(sock)

    def abandon(self) -> None:
        """Closes all connections but those on which floors are controlled."""
        for sock in list(self._connections):
            self.close(sock)
        self.streams.clear()
        self.function_ns.clear()
        self.short_callbacks = 0

    def stop(self) -> None:
        self.abandon()
        for sock in self._listeners:
            self.poll.close(sock)

    def waited(self, path: str, since_ns: int) -> None:
        """Notes the function's turn, which ends now."""
        self.function_ns[path] = self.function_ns.get(path, 0) + time.time_ns() - since_ns

    def respond(self, path: str, sock: socket.socket, opening: bytes, *, is_chunked: bool) -> None:
        """Writes all of a short response, or the begin of a stream."""
        chunk, end = (FRAMED, LAST) if is_chunked else (CHUNK, b"")
        if path.startswith(PACED):
            self.streams[path] = Stream(sock, chunk, end)
            end = b""
        send(sock, opening + chunk + end)

    def end(self, stream: Stream) -> None:
        """Ends a stream; a raw one by closing it."""
        if stream.end:
            send(stream.sock, stream.end)
        else:
            self.close(stream.sock)

    def _listen(self, accept: Callable[[socket.socket], Reader], *, is_kept: bool) -> int:
        sock = listen()
        self._listeners.append(sock)
        self.poll.add(sock, _Listener(self, sock, accept, is_kept=is_kept))
        port: int = sock.getsockname()[1]
        return port

    def keep(self, sock: socket.socket, reader: Reader) -> None:
        """The same as `add`, for a connection that no run abandons."""
        self._listeners.append(sock)
        self.poll.add(sock, reader)


class _Listener:
    """Accepts one connection at a time."""

    def __init__(
        self,
        responder: Responder,
        sock: socket.socket,
        accept: Callable[[socket.socket], Reader],
        *,
        is_kept: bool,
    ) -> None:
        self._sock = sock
        self._accept = accept
        self._add = responder.keep if is_kept else responder.add

    def on_readable(self) -> None:
        sock, _ = self._sock.accept()
        sock.setblocking(False)
        self._add(sock, self._accept(sock))


class _Server:
    """A connection on which requests arrive one after the other."""

    def __init__(self, responder: Responder, sock: socket.socket) -> None:
        self.responder = responder
        self.sock = sock
        self.arrived_ns = 0
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""
        self._requests: list[tuple[str, bytes]] = []

    def on_readable(self) -> None:
        data, self.arrived_ns = receive(self.sock)
        if not data:
            self._parser = None  # which refers to this object: a cycle
            self.responder.close(self.sock)
            return
        self._parser.feed_data(data)
        for url, body in self._requests:  # not in the parser, which would hide an error
            self.on_request(url, body)
        self._requests.clear()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._requests.append((self._url.decode(), self._body))
        self._url = self._body = b""

    def on_request(self, url: str, body: bytes) -> None:
        raise NotImplementedError


class _LambdaApi(_Server):
    """The Lambda API as far as the gateway uses it: each invocation is accepted and called back."""

    def on_request(self, url: str, body: bytes) -> None:
        event = json.loads(body)
        path = event["rawPath" if "rawPath" in event else "url"]
        has_prelude = "rawPath" in event and not path.startswith(HEADERS_PATH)
        send(self.sock, ACCEPTED)
        origin = urlsplit(event["origin"])
        opening = CALLBACK_HEAD if has_prelude else HEADERS_CALLBACK_HEAD
        head = opening.format(path=origin.path, host=origin.netloc).encode()
        self.responder.waited(path, self.arrived_ns)
        callback = connect(origin.port or 80)
        self.responder.add(callback, _Callback(self.responder, callback, path, has_prelude))
        if has_prelude:
            send(callback, head)
        else:
            self.responder.respond(path, callback, head, is_chunked=True)


class _Callback:
    """The function's side of a callback; it may wait for a 100, and ends with a 200."""

    def __init__(
        self, responder: Responder, sock: socket.socket, path: str, is_waiting: bool
    ) -> None:
        self._responder = responder
        self._sock = sock
        self._path = path
        self._is_waiting = is_waiting
        self._answer = b""
        responder.short_callbacks += not path.startswith(PACED)

    def on_readable(self) -> None:
        data, arrived_ns = receive(self._sock)
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not data:
            raise BenchError(f"the callback for {self._path} was closed: {head[:200]!r}")
        if not end:
            return
        status = head[9:12]
        if status == b"100" and self._is_waiting:
            self._is_waiting = False
            self._answer = body
            self._responder.waited(self._path, arrived_ns)
            self._responder.respond(self._path, self._sock, frame(PRELUDE), is_chunked=True)
            return
        if status != b"200":
            raise BenchError(f"the callback for {self._path} was answered {status!r}")
        self._responder.short_callbacks -= not self._path.startswith(PACED)
        self._responder.close(self._sock)


class _Upstream(_Server):
    """The function as an HTTP server behind a proxy; its connections are kept alive."""

    def on_request(self, url: str, body: bytes) -> None:
        self.responder.waited(url, self.arrived_ns)
        self.responder.respond(url, self.sock, UPSTREAM_HEAD, is_chunked=True)


class _Control:
    """The floor's control connection: lines "NUMBER PATH" name the clients that it holds."""

    def __init__(self, responder: Responder, callback_port: int, sock: socket.socket) -> None:
        self._responder = responder
        self._port = callback_port
        self._sock = sock
        self._rest = b""

    def on_readable(self) -> None:
        data, arrived_ns = receive(self._sock)
        if not data:
            self._responder.poll.close(self._sock)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            number, _, path = line.decode().partition(" ")
            self._responder.waited(path, arrived_ns)
            self._call_back(path, number.encode() + b"\n")

    def _call_back(self, path: str, opening: bytes) -> None:
        sock = connect(self._port)
        self._responder.add(sock, _FloorCallback(self._responder, sock))
        self._responder.respond(path, sock, opening, is_chunked=False)
        if not path.startswith(PACED):
            self._responder.close(sock)


class _FloorCallback:
    """The function's connection to the floor, which sends nothing."""

    def __init__(self, responder: Responder, sock: socket.socket) -> None:
        self._responder = responder
        self._sock = sock

    def on_readable(self) -> None:
        self._responder.close(self._sock)
