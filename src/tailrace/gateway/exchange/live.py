"""One live exchange: relays the body, and performs the commands of the exchange's tables.

Concurrency law: called from protocol callbacks and sweeps of one event loop; nothing awaits.
Callbacks may re-enter `apply`; the state is updated before commands run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tailrace.config import GatewayConfig
from tailrace.errors import HeadError
from tailrace.gateway.exchange.client_seat import ClientSeat
from tailrace.gateway.exchange.deadlines import ExchangeProgress, describe
from tailrace.gateway.exchange.record import ExchangeRecord
from tailrace.gateway.exchange.state import (
    BEFORE_HEAD,
    WAITING,
    AbortResponse,
    AcceptSource,
    AnswerClient,
    AnswerSource,
    ClientLeft,
    Close,
    Command,
    DeadlinePassed,
    EndResponse,
    Event,
    Exchange,
    GatewayFailed,
    HeadArrived,
    ImpossibleEventError,
    ResponseMalformed,
    SourceEnded,
    StartResponse,
)
from tailrace.gateway.response_head import ResponseFields, response_fields
from tailrace.gateway.routes import Route, name_of
from tailrace.net.server.problem import encode_problem
from tailrace.wire.capability import Capability
from tailrace.wire.http_head import has_body
from tailrace.wire.integration import Head

logger = logging.getLogger(__name__)


# Events are immutable, so equal ones are made once.
_HEAD: Final = HeadArrived()
_BODILESS_HEAD: Final = HeadArrived(is_bodiless=True)
_ENDED: Final = SourceEnded()


class Source(Protocol):
    """The origin of an exchange's response: a callback, or Lambda's response stream."""

    def pause_reading(self) -> None:
        """Pause reading from the function: the client reads too slowly."""

    def resume_reading(self) -> None:
        """Resume reading from the function."""

    def answer(self, status: int, detail: str, count: int) -> None:
        """Answer the function: 200 when all `count` bytes were relayed, otherwise the reason."""


class PendingInvocation(Protocol):
    """An event that was sent, or that waits to be sent, until its outcome is known."""

    def cancel(self) -> None:
        """Wait no longer for the outcome; an event that was not sent yet is not sent."""


class Owner(Protocol):
    """The registry, as an exchange uses it."""

    deadlines: GatewayConfig

    def now_s(self) -> float: ...

    def release(self, held: Held, record: ExchangeRecord) -> None:
        """Remove an exchange that has ended, and observe its record."""


@dataclass(slots=True, eq=False, repr=False)
class Held:
    """An exchange with its client, its source and its counts.

    `source` is None before a source opens and after it was answered. `client_address` is the
    client's, `request_id` the invocation's in Lambda's log.
    """

    capability: Capability
    seat: ClientSeat
    owner: Owner
    route: Route
    method: str
    path: str
    accept: bytes | None
    """The client's `accept` header, which selects the format of the gateway's own responses."""
    started_s: float
    progress: ExchangeProgress
    exchange: Exchange
    source: Source | None = None
    invocation: PendingInvocation | None = None
    client_address: str = ""
    request_id: str | None = None
    status: int = 0
    was_called_back: bool = False
    bytes_relayed: int = 0
    bytes_padded: int = 0
    """Bytes of padding that were received, and not relayed."""
    first_byte_s: float | None = None
    outgoing: ResponseFields | None = None
    """The head for the client, set between its arrival and the response's start."""

    @property
    def is_waiting(self) -> bool:
        """Whether no source has opened yet."""
        return self.exchange.function is WAITING

    @property
    def has_head(self) -> bool:
        """Whether the response head has been received."""
        return self.exchange.function not in BEFORE_HEAD

    # --- from the source ------------------------------------------------------------------------

    def relay(self, data: bytes) -> None:
        """Relay body bytes to the client. This is the data path: once per read.

        Raises:
            ResponseFormatError: the body is longer than its content-length.
        """
        self.bytes_relayed += len(data)
        if self.exchange.is_relaying:
            self.seat.write(data)

    def head_arrived(self, head: Head) -> None:
        """Start the client's response; a head that cannot be relayed makes it malformed."""
        try:
            fields = response_fields(head)
        except HeadError as error:
            self.apply(ResponseMalformed(str(error)))
            return
        self.start(fields)

    def start(self, head: ResponseFields) -> None:
        """Start the client's response."""
        self.outgoing = head
        # A body with an announced length of zero is complete with its head, like a 204.
        is_bodiless = head.length == 0 or not has_body(self.method, head.status)
        self.apply(_BODILESS_HEAD if is_bodiless else _HEAD)

    def body_ended(self) -> None:
        """End the response; a body that is shorter than announced makes it malformed."""
        if missing := self.seat.missing_bytes:
            self.apply(ResponseMalformed(f"the body lacks {missing} bytes of its content-length"))
        else:
            self.apply(_ENDED)

    # --- from the client's seat -----------------------------------------------------------------

    def client_left(self) -> None:
        """See `SeatedExchange`."""
        self.apply(ClientLeft())

    def client_stalled(self) -> None:
        """See `SeatedExchange`."""
        self.apply(DeadlinePassed("stall", describe(self.owner.deadlines, "stall")))

    def client_is_slow(self) -> None:
        """See `SeatedExchange`: pause the source."""
        if self.source is not None:
            self.source.pause_reading()

    def client_has_caught_up(self) -> None:
        """See `SeatedExchange`: resume the source."""
        if self.source is not None:
            self.source.resume_reading()

    # --- events and commands --------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Feed an event to the tables, and perform the commands that follow.

        An impossible event is logged, and ends the exchange with `GatewayFailed`.
        """
        try:
            commands = self.exchange.feed(event)
        except ImpossibleEventError:
            logger.exception("exchange %s failed", self.capability.exchange_id)
            commands = self.exchange.feed(GatewayFailed())
        for command in commands:
            _PERFORM[type(command)](self, command)

    def _accept_source(self, command: AcceptSource) -> None:
        self.was_called_back = True  # the callback's connection sends the 100

    def _start_response(self, command: StartResponse) -> None:
        assert self.outgoing is not None
        status, fields, length = self.outgoing
        self.outgoing = None
        self.status = status
        self.first_byte_s = self.owner.now_s()
        self.seat.start(status, fields, length)

    def _end_response(self, command: EndResponse) -> None:
        self.seat.end()

    def _abort_response(self, command: AbortResponse) -> None:
        self.seat.abort(is_flushed=command.is_flushed)

    def _answer_source(self, command: AnswerSource) -> None:
        source, self.source = self.source, None
        if source is not None:
            source.answer(command.status, command.detail, self.bytes_relayed)

    def _answer_client(self, command: AnswerClient) -> None:
        self.status = command.status
        fields, body = encode_problem(
            command.status,
            command.detail,
            accept=self.accept,
            exchange_id=self.capability.exchange_id,
            retry_after_s=command.retry_after_s,
        )
        self.seat.answer(command.status, fields, body)

    def _close(self, command: Close) -> None:
        if self.invocation is not None:
            self.invocation.cancel()  # if the event has not been sent, it need not be
            self.invocation = None
        self.owner.release(self, self._record(command.outcome))

    def _record(self, outcome: str) -> ExchangeRecord:
        started_s, first_byte_s = self.started_s, self.first_byte_s
        return ExchangeRecord(  # by position, which costs half as much
            self.capability.exchange_id,
            self.request_id,
            self.client_address,
            self.method,
            self.path,
            name_of(self.route),
            self.route.transport,
            self.status,
            outcome,
            self.bytes_relayed,
            self.bytes_padded,
            None if first_byte_s is None else first_byte_s - started_s,
            self.owner.now_s() - started_s,
        )


_PERFORM: Final[dict[type[Command], Callable[[Held, Any], None]]] = {
    AcceptSource: Held._accept_source,
    StartResponse: Held._start_response,
    EndResponse: Held._end_response,
    AbortResponse: Held._abort_response,
    AnswerClient: Held._answer_client,
    AnswerSource: Held._answer_source,
    Close: Held._close,
}
