"""An execution environment in this process: our runtime in a thread, and its peers over loopback.

The caller plays the Runtime API, the gateway and the client, so a response arrives read by read.
One invocation runs at a time. The thread is the runtime's, so that apps and what starts them run in
the environment's one event loop.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Literal, Self

from tests.peers import WAIT_S, Callback, Peer
from tests.runtime_api import RuntimeLoop, StreamPost

from tailrace.wire.integration import Head

PathName = Literal["native", "callback"]
Handler = Callable[[Any, Any], Any]


class FunctionError(Exception):
    """The invocation failed before its response had begun: Lambda's caller gets this report."""


class BrokenOffError(Exception):
    """The response ended before it was complete."""


class Environment:
    """A function process that serves any handler.

    `path`: how responses come back: by Lambda's response stream, or by a gateway's callback.
    """

    def __init__(self, path: PathName) -> None:
        self._path = path
        self._next: Handler = lambda event, context: None
        self._stack = ExitStack()
        self._peer = self._stack.enter_context(Peer())
        self._gateway = self._stack.enter_context(Peer())
        loop = RuntimeLoop(self._peer, self._serve, TAILRACE_RESPONSE_MODE="stream")
        self._runtime = self._stack.enter_context(loop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self._stack.close()

    def run(self, call: Callable[[], None]) -> None:
        """Run a function in the environment's thread, outside of any request."""
        self._next = lambda event, context: call()
        self._give({})
        kind, _, body = self._runtime.report()
        if kind == "error":
            raise FunctionError(body.decode())
        self._runtime.expect_next()

    def invoke(self, handler: Handler, event: dict[str, Any]) -> Arriving:
        """Invoke a handler; return its response when the head has arrived.

        Raises:
            FunctionError: the invocation failed before that.
        """
        self._next = handler
        if self._path == "callback":
            self._give({**event, "tailrace": {"v": 1, "callback": self._gateway.url}})
            callback = self._gateway.accept_callback()
            callback.go_on()
            return Arriving(self._runtime, callback)
        self._give(event)
        stream = self._runtime.accept_stream()
        if not stream.socket.recv(1, socket.MSG_PEEK):  # closed, with nothing in it
            kind, _, body = self._runtime.report()
            self._runtime.expect_next()
            raise FunctionError(f"{kind}: {body.decode()}")
        return Arriving(self._runtime, stream.begin())

    def _give(self, event: dict[str, Any]) -> None:
        self._runtime.give(event, deadline_ms=round((time.time() + WAIT_S) * 1000))

    def _serve(self, event: Any, context: Any) -> Any:
        return self._next(event, context)


class Arriving:
    """A response whose head has arrived."""

    def __init__(self, runtime: RuntimeLoop, peer: Callback | StreamPost) -> None:
        self._runtime = runtime
        self._peer = peer
        self._size: int | None = None  # of the body, once it is complete
        self._is_broken = False
        self.head: Head = peer.read_response_head()

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it was sent.

        Raises:
            BrokenOffError: it ends before it is complete.
        """
        size = 0
        while piece := self._read():
            size += len(piece)
            yield piece
        self._size = size

    def _read(self) -> bytes:
        try:
            if piece := self._peer.read_piece():
                return piece
            trailers = self._peer.read_trailers() if isinstance(self._peer, StreamPost) else {}
        except (AssertionError, ConnectionResetError) as error:
            self._is_broken = True
            raise BrokenOffError(str(error)) from error
        if trailers:
            self._is_broken = True
            self._peer.accept_response()
            raise BrokenOffError(f"an error follows the body: {trailers}")
        return b""

    def end(self) -> bool:
        """Confirm a complete response, leave an incomplete one; wait for the invocation's end.

        Return whether it was complete or the function broke it off.
        """
        left = self._size is None and not self._is_broken
        if isinstance(self._peer, StreamPost):
            self._end_stream(self._peer)
        else:
            self._end_callback(self._peer)
        self._runtime.expect_next()
        return not left

    def _end_stream(self, stream: StreamPost) -> None:
        if self._size is not None:
            stream.accept_response()
        elif not self._is_broken:
            stream.reset()
        stream.close()

    def _end_callback(self, callback: Callback) -> None:
        if self._size is not None:
            callback.answer(200, json.dumps({"bytes": self._size}).encode())
        elif not self._is_broken:
            callback.answer(410)
            callback.ends_with()
        callback.close()
        kind, _, body = self._runtime.report()
        assert kind == "response", body
