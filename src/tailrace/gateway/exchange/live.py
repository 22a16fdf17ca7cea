"""One held response: carries out what its exchange commands, on its client and its source.

Concurrency law: called from protocol callbacks and sweeps of one event loop, never awaits. Whoever
is called back from here may call here again; therefore every command is carried out on a state
that has been changed already.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import urlsplit

from tailrace.errors import HeadError
from tailrace.gateway.exchange.deadlines import Progress
from tailrace.gateway.exchange.state import (
    AbortResponse,
    AcceptSource,
    AnswerClient,
    AnswerSource,
    ClientLeft,
    Close,
    Command,
    EndResponse,
    Event,
    Exchange,
    Function,
    GatewayFailed,
    HeadArrived,
    ImpossibleEventError,
    ResponseMalformed,
    SourceEnded,
    StartResponse,
)
from tailrace.net.server.listener import Connection, Headers
from tailrace.net.server.problem import encode_problem
from tailrace.wire.capability import Capability
from tailrace.wire.http_head import has_body
from tailrace.wire.integration import Head
from tailrace.wire.relay_head import response_fields

logger = logging.getLogger(__name__)
_summary: Final = logging.getLogger("tailrace.gateway.exchange")

_NO_HEAD: Final[tuple[Headers, int | None]] = ([], None)


class Route(Protocol):
    """Where a request goes. Equal routes share one count of exchanges."""

    @property
    def function(self) -> str:
        """Name or ARN of the function, or the URL that invokes it."""

    @property
    def invoke_url(self) -> str | None:
        """Where events are sent instead of to Lambda."""

    @property
    def transport(self) -> str:
        """How the response comes back: "callback" or "response-stream"."""

    @property
    def concurrency(self) -> int:
        """Exchanges at a time."""

    def __hash__(self) -> int: ...


class Source(Protocol):
    """Where the response of a held exchange comes from."""

    def pause_reading(self) -> None:
        """Take no more for now: the client reads too slowly."""

    def resume_reading(self) -> None:
        """Go on."""

    def answer(self, status: int, detail: str, count: int) -> None:
        """Tell how it ended: 200 when all `count` bytes were relayed, otherwise why not."""


class Held:
    """An exchange with its client, its source and its counts.

    `source_ip` is the client's address, `request_id` the invocation's in Lambda's log.

    `client` is None once the client's response has ended, `source` until there is one and again
    once it is answered.
    """

    __slots__ = (
        "_now_s",
        "_on_close",
        "_outgoing",
        "accept",
        "bytes_padded",
        "bytes_relayed",
        "capability",
        "client",
        "exchange",
        "first_byte_s",
        "invocation",
        "method",
        "path",
        "progress",
        "request_id",
        "route",
        "source",
        "source_ip",
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
        self.source: Source | None = None
        self.invocation: asyncio.Task[None] | None = None
        self.exchange = Exchange()
        self.route = route
        self.method = method
        self.path = path
        self.accept = accept
        self.source_ip = ""
        self.request_id: str | None = None
        self.status = 0
        self.was_called_back = False
        self.bytes_relayed = 0
        self.bytes_padded = 0  # on the way here; no client gets them
        self._now_s = clock
        self.started_s = clock()
        self.progress = Progress(self.started_s)
        self.first_byte_s: float | None = None
        self._on_close = on_close
        self._outgoing = _NO_HEAD

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

    def body_ended(self) -> None:
        """The source is complete; a body that is shorter than announced is malformed."""
        missing = self.client.missing_bytes if self.client is not None else 0
        if missing:
            self.apply(ResponseMalformed(f"the body lacks {missing} bytes of its content-length"))
        else:
            self.apply(SourceEnded())

    def apply(self, event: Event) -> None:
        """Feed an event and carry out the commands that follow.

        An event that is impossible is logged, and ends the exchange.
        """
        if type(event) is ClientLeft:
            self.client = None
        try:
            commands = self.exchange.feed(event)
        except ImpossibleEventError:
            logger.exception("exchange %s failed", self.capability.exchange_id)
            commands = self.exchange.feed(GatewayFailed())
        for command in commands:
            self._perform(command)

    def _perform(self, command: Command) -> None:
        client, source = self.client, self.source
        match command:
            case AcceptSource():
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
            case AnswerSource(status, detail):
                self.source = None
                if source is not None:
                    source.answer(status, detail, self.bytes_relayed)
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
        if _summary.isEnabledFor(logging.INFO):
            self._log(outcome)

    def _log(self, outcome: str) -> None:
        """The one summary line of this exchange."""
        is_good = outcome in ("complete", "client-left") and self.status < 500
        # By name, so that a formatter can have the values; "-" is what is not known.
        summary: dict[str, str | int] = {
            "exchange": self.capability.exchange_id,
            "request_id": _word(self.request_id),
            "client": _word(self.source_ip),
            "method": self.method,
            "path": self.path,
            "function": name_of(self.route),
            "transport": self.route.transport,
            "status": self.status or "-",
            "outcome": outcome,
            "bytes": self.bytes_relayed,
            "padded": self.bytes_padded,
            "first_byte_ms": self._since_start_ms(self.first_byte_s),
            "total_ms": self._since_start_ms(self._now_s()),
        }
        _summary.log(logging.INFO if is_good else logging.WARNING, _LINE, summary)

    def _since_start_ms(self, at_s: float | None) -> int | str:
        return "-" if at_s is None else round((at_s - self.started_s) * 1000)

    @property
    def is_waiting(self) -> bool:
        """Whether there is no source yet."""
        return self.exchange.function is Function.WAITING

    @property
    def has_head(self) -> bool:
        """Whether the function has said its head."""
        return self.exchange.function not in (Function.WAITING, Function.OPENED)


_LINE: Final = " ".join(
    f"{name}=%({name})s"
    for name in (
        *("exchange", "request_id", "client", "method", "path", "function", "transport"),
        *("status", "outcome", "bytes", "padded", "first_byte_ms", "total_ms"),
    )
)
_is_word: Final = re.compile(r"[0-9A-Za-z.:_%/@+-]{1,100}").fullmatch


def _word(text: str | None) -> str:
    """What a peer has sent, if it can stand in a line as it is."""
    return text if text and _is_word(text) else "-"


def name_of(route: Route) -> str:
    """What a route invokes, for the log: a function's name, or a URL's host."""
    url = route.invoke_url  # its path and query may be secret
    return route.function if url is None else urlsplit(url).netloc.rpartition("@")[2]
