"""One held response: carries out what its exchange commands, on both connections.

Concurrency law: called from protocol callbacks and sweeps of one event loop, never awaits. Whoever
is called back from here may call here again; therefore every command is carried out on a state
that has been changed already.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Final, Protocol

from tailrace.errors import HeadError
from tailrace.net.http_server import Connection, Headers
from tailrace.wire.capability import Capability
from tailrace.wire.exchange import (
    AbortResponse,
    AcceptCallback,
    AnswerCallback,
    AnswerClient,
    ClientLeft,
    Close,
    Command,
    EndResponse,
    Event,
    Exchange,
    Function,
    HeadArrived,
    ResponseMalformed,
    StartResponse,
)
from tailrace.wire.http_head import has_body
from tailrace.wire.integration import Head
from tailrace.wire.problem import encode_problem
from tailrace.wire.relay_head import response_fields

logger = logging.getLogger("tailrace.gateway.exchange")

_JSON: Final = [(b"content-type", b"application/json")]


class Route(Protocol):
    """Where a request goes. Equal routes share one count of exchanges."""

    @property
    def function(self) -> str:
        """Name or ARN of the function."""

    @property
    def concurrency(self) -> int:
        """Exchanges at a time."""

    def __hash__(self) -> int: ...


class Held:
    """An exchange with its two connections and its counts.

    `client` is None once the client's response has ended, `callback` until a callback has come
    and again once it is answered.
    """

    __slots__ = (
        "_now_s",
        "_on_close",
        "_outgoing",
        "accept",
        "bytes_relayed",
        "callback",
        "capability",
        "client",
        "client_seen",
        "client_since_s",
        "exchange",
        "first_byte_s",
        "function_seen",
        "function_since_s",
        "invocation",
        "method",
        "path",
        "route",
        "started_s",
        "status",
        "was_called_back",
    )

    def __init__(
        self,
        capability: Capability,
        client: Connection,
        *,
        route: Route,
        method: str,
        path: str,
        accept: bytes | None,
        clock: Callable[[], float],
        on_close: Callable[[Held], None],
    ) -> None:
        self.capability = capability
        self.client: Connection | None = client
        self.callback: Connection | None = None
        self.invocation: asyncio.Task[None] | None = None
        self.exchange = Exchange()
        self.route = route
        self.method = method
        self.path = path
        self.accept = accept
        self.status = 0
        self.was_called_back = False
        self.bytes_relayed = 0
        self._now_s = clock
        self.started_s = self.function_since_s = self.client_since_s = clock()
        self.first_byte_s: float | None = None
        self.function_seen = self.client_seen = 0  # byte counts, as the last sweep saw them
        self._on_close = on_close
        self._outgoing: tuple[Headers, int | None] = ([], None)

    def relay(self, data: bytes) -> None:
        """Send body bytes on to the client: the data path.

        Raises:
            ResponseFormatError: the body is longer than its content-length.
        """
        self.bytes_relayed += len(data)
        if self.exchange.is_relaying:
            assert self.client is not None
            self.client.write(data)

    def head_arrived(self, head: Head) -> None:
        """The function has said its head; one that cannot be relayed is malformed."""
        try:
            self._outgoing = response_fields(head)
        except HeadError as error:
            self.apply(ResponseMalformed(str(error)))
            return
        # A body of announced length zero is complete with its head, as a 204 is.
        length = self._outgoing[1]
        self.apply(HeadArrived(head, length == 0 or not has_body(self.method, head.status)))

    @property
    def missing_bytes(self) -> int:
        """What a body of announced length still lacks."""
        return self.client.missing_bytes if self.client is not None else 0

    def apply(self, event: Event) -> None:
        """Feed an event and carry out what follows."""
        if isinstance(event, ClientLeft):
            self.client = None
        for command in self.exchange.feed(event):
            self._perform(command)

    def _perform(self, command: Command) -> None:
        client, callback = self.client, self.callback
        match command:
            case AcceptCallback():
                self.was_called_back = True  # and the connection says 100 to whoever waits for it
            case StartResponse(head):
                assert client is not None
                self.status = head.status
                self.first_byte_s = self._now_s()
                client.start(head.status, *self._outgoing)
            case EndResponse():
                assert client is not None
                self.client = None
                client.end()
            case AbortResponse(is_flushed):
                assert client is not None
                self.client = None
                (client.abort if is_flushed else client.cut)()
            case AnswerClient(status, detail, retry_after_s):
                assert client is not None
                self.client = None
                self._answer(client, status, detail, retry_after_s)
            case AnswerCallback(status, detail):
                self.callback = None
                if callback is not None:
                    answer_callback(callback, status, detail, self.bytes_relayed)
            case Close(outcome):
                self._close(outcome)

    def _answer(
        self, client: Connection, status: int, detail: str, retry_after_s: int | None
    ) -> None:
        self.status = status
        problem = encode_problem(
            status,
            detail,
            accept=self.accept,
            exchange_id=self.capability.exchange_id,
            retry_after_s=retry_after_s,
        )
        client.respond(status, *problem)

    def _close(self, outcome: str) -> None:
        if self.invocation is not None:
            self.invocation.cancel()  # whoever still waits to be sent need not be
            self.invocation = None
        self._on_close(self)
        if logger.isEnabledFor(logging.INFO):
            self._log(outcome)

    def _log(self, outcome: str) -> None:
        """The one summary line of this exchange."""
        now_s = self._now_s()
        first_ms = "-"
        if self.first_byte_s is not None:
            first_ms = f"{(self.first_byte_s - self.started_s) * 1000:.0f}"
        level = logging.INFO if outcome in ("complete", "client-left") else logging.WARNING
        logger.log(
            level,
            "exchange=%s method=%s path=%s function=%s status=%s outcome=%s bytes=%d "
            "first_byte_ms=%s total_ms=%.0f",
            self.capability.exchange_id,
            self.method,
            self.path,
            self.route.function,
            self.status or "-",
            outcome,
            self.bytes_relayed,
            first_ms,
            (now_s - self.started_s) * 1000,
        )

    @property
    def is_waiting(self) -> bool:
        """Whether no callback has come yet."""
        return self.exchange.function is Function.WAITING

    @property
    def has_head(self) -> bool:
        """Whether the function has said its head."""
        return self.exchange.function not in (Function.WAITING, Function.OPENED)


def answer_callback(connection: Connection, status: int, detail: str, count: int = 0) -> None:
    """Answer a callback: JSON, with the byte count when all was relayed."""
    if status == 200:
        connection.respond(200, _JSON, b'{"bytes": %d}\n' % count)
        return
    document = {"status": status, "detail": detail}
    connection.respond(status, _JSON, json.dumps(document).encode() + b"\n")
