"""A request whose whole answer is wanted: sent on a connection of a pool, and again if need be.

Concurrency law: protocol callbacks of one event loop. A task runs only while the request waits for
its message or for a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from tailrace.errors import PeerError
from tailrace.net.client.connection import ClientConnection
from tailrace.net.tasks import TaskSet

EncodedRequest = bytes | Callable[[], Awaitable[bytes]]
"""An encoded request, or a function that returns it after a wait."""


class PoolAnswer(NamedTuple):
    """A whole answer; header names in lower case, of repeats the last value."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connections(Protocol):
    """The pool of a request (`HttpPool`, which imports this module)."""

    answer_bytes_max: int
    tasks: TaskSet

    def deadline_s(self) -> float: ...
    def take_kept(self) -> ClientConnection | None: ...
    async def enter(self, deadline_s: float) -> ClientConnection: ...


class WholeRequest:
    """One request, from `HttpPool.request` until `on_done` is called with it, or until `cancel`.

    `fields` are those of the answer, as in `PoolAnswer.headers`. The request is repeated if a kept
    connection ends before a byte of the answer arrives.
    """

    __slots__ = (
        "_connection",
        "_deadline_s",
        "_error",
        "_message",
        "_on_done",
        "_pieces",
        "_pool",
        "_status",
        "_task",
        "fields",
    )

    _connection: ClientConnection

    def __init__(
        self,
        pool: Connections,
        message: EncodedRequest,
        deadline_s: float,
        on_done: Callable[[WholeRequest], None],
    ) -> None:
        self._pool = pool
        self._message = message
        self._on_done: Callable[[WholeRequest], None] | None = on_done
        self._deadline_s = deadline_s
        self._status = 0
        self.fields: dict[str, str] = {}
        self._error: Exception | None = None
        self._pieces: list[bytes] = []
        self._task: asyncio.Task[None] | None = None

    def status(self) -> int:
        """Return the status of the answer. Call this in `on_done`, or later.

        Raises:
            PeerError: the peer is unreachable, ended the answer early, or sent no HTTP.
            TimeoutError: waiting for a connection, connecting and the answer took too long.
            Exception: what the function raised that returns the message.
        """
        if self._error is not None:
            raise self._error
        return self._status

    def answer(self) -> PoolAnswer:
        """Return the answer; raises as `status` does."""
        return PoolAnswer(self.status(), self.fields, b"".join(self._pieces))

    def cancel(self) -> None:
        """Do not call `on_done`. The request may have been sent, and is not sent from now on.

        The connection returns to the pool when its answer is complete.
        """
        self._on_done = None
        self._message = b""
        if self._task is not None:
            self._task.cancel()

    def start(self) -> None:
        """Send the request now if a kept connection is free; otherwise by a task."""
        message = self._message
        if isinstance(message, bytes) and (connection := self._pool.take_kept()) is not None:
            self._connection = connection
            connection.send_request(message, self, self._deadline_s, self._pool.answer_bytes_max)
        else:
            self._task = self._pool.tasks.spawn(self._send_later(message), "request")
            self._task.add_done_callback(self._on_task_done)

    async def _send_later(self, message: EncodedRequest) -> None:
        try:
            if not isinstance(message, bytes):
                self._message = message = await message()
                self._deadline_s = self._pool.deadline_s()
            self._connection = connection = await self._pool.enter(self._deadline_s)
        except Exception as error:  # whatever it is, the request has ended
            self._finish(error)
        else:
            connection.send_request(message, self, self._deadline_s, self._pool.answer_bytes_max)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # by the pool, if not by `cancel`
            self._finish(PeerError("the connections are closed"))

    def _finish(self, error: Exception | None) -> None:
        """Call `on_done`, unless the request was cancelled; without an error there is an answer."""
        on_done, self._on_done = self._on_done, None
        self._message = b""
        if on_done is not None:
            self._error = error
            on_done(self)

    # --- called by the connection ---------------------------------------------------------------

    def on_head(self, status: int, fields: dict[str, str]) -> None:
        """See `StreamReceiver`."""
        self._status, self.fields = status, fields

    def on_body(self, data: bytes) -> None:
        """See `StreamReceiver`."""
        self._pieces.append(data)

    def on_end(self) -> None:
        """See `StreamReceiver`."""
        self._finish(None)

    def on_broken(self, error: PeerError) -> None:
        """See `StreamReceiver`."""
        connection = self._connection
        match error.fault:
            case "overdue":
                self._finish(TimeoutError(str(error)))
            case "cut-short" if connection.is_used and not connection.read_bytes:
                # Other kept connections may have ended as well; the last attempt is on a new one.
                if self._on_done is not None:
                    self.start()
            case "cut-short":
                text = "the connection broke before the answer was complete"
                self._finish(PeerError(text, error.fault))
            case _:
                self._finish(error)
