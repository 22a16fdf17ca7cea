"""A request becomes an exchange: admitted, held, and sent to its function as an event."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from tailrace.errors import InvokeError, ThrottledError
from tailrace.gateway.event import encode_event
from tailrace.gateway.exchange.client_seat import HttpSeat
from tailrace.gateway.exchange.live import Held
from tailrace.gateway.exchange.registry import Registry
from tailrace.gateway.exchange.state import InvokeRefused
from tailrace.gateway.observe.tallies import Tallies
from tailrace.gateway.routes import Route, name_of
from tailrace.gateway.transports.choice import Transports
from tailrace.gateway.transports.protocol import Transport
from tailrace.net.clock import TimerClock
from tailrace.net.server.listener import (
    IGNORE,
    Connection,
    Headers,
    Receiver,
    RequestHead,
    WholeBody,
)
from tailrace.net.server.overload import Overload
from tailrace.net.server.problem import encode_problem
from tailrace.net.server.refusals import WebGuard

logger = logging.getLogger(__name__)

# Encoded once: under overload there are thousands of them a second.
OVERLOADED: Final = encode_problem(503, "the gateway is overloaded", retry_after_s=1)
OVERLOADED_PAGE: Final = encode_problem(
    503, "the gateway is overloaded", accept=b"text/html", retry_after_s=1
)


class Front:
    """The application of the public listener."""

    def __init__(
        self,
        registry: Registry,
        transports: Transports,
        *,
        find_route: Callable[[str, str], Route | None],
        callback_base: str,
        health_path: str,
        health: Callable[[], tuple[int, Headers, bytes]],
        overload: Overload,
        trusted_hops: int,
        scheme_header: str,
        clock: TimerClock,
        guard: WebGuard | None = None,
    ) -> None:
        self.registry = registry
        self.transports = transports
        self.find_route = find_route
        self.callback_base = callback_base
        self.trusted_hops = trusted_hops
        self.scheme_header = scheme_header
        self.is_draining = False
        self._health_path = health_path
        self._health = health
        self._overload = overload
        self._guard = guard
        self.refusals: Tallies[Route] = Tallies(clock)

    def __call__(self, head: RequestHead, connection: Connection) -> Receiver:
        """Answer a request that needs no function; collect the body of any other."""
        if self._guard is not None and (refusal := self._guard.find_refusal(head)) is not None:
            return _answer(connection, head, 403, str(refusal))
        if head.path == self._health_path:
            connection.respond(*self._health())
            return IGNORE
        if self._overload.wants_request and self._overload.must_refuse(connection):
            html = b"text/html" in (head.accept or b"").lower()
            connection.respond(503, *(OVERLOADED_PAGE if html else OVERLOADED))
            return IGNORE
        route = self.find_route(head.host, head.path)
        if route is None:
            return _answer(connection, head, 404, f"no route for {head.path[:200]}")
        transport = self.transports.of(route)
        on_complete = partial(self._hold, head, connection, route, transport)
        request = WholeBody(head, transport.request_bytes_max, on_complete, _nothing)
        try:
            self.registry.places.check(route)  # before an upload that could only be refused
        except ThrottledError as error:
            return self._refuse(connection, head, route, error)
        return request

    def _hold(
        self,
        head: RequestHead,
        connection: Connection,
        route: Route,
        transport: Transport,
        body: bytes,
        trailers: Headers,
    ) -> None:
        """The request is complete: hold its response and send the event."""
        seat = HttpSeat(connection)
        try:
            held = self.registry.hold(seat, head, route)
        except ThrottledError as error:  # the last place was taken during the upload
            self._refuse(connection, head, route, error)
            return
        connection.receiver = seat
        payload = encode_event(
            held,
            head,
            body,
            transport,
            peer=connection.peer,
            callback_base=self.callback_base,
            trusted_hops=self.trusted_hops,
            scheme_header=self.scheme_header,
        )
        try:
            held.invocation = transport.dispatch(held, payload, _invoked)
        except Exception as error:
            _invoked(held, error)

    def _refuse(
        self, connection: Connection, head: RequestHead, route: Route, error: ThrottledError
    ) -> Receiver:
        """Answer 503. Refusals may be many, so a warning counts those of a route since the last."""
        if count := self.refusals.add(route):
            logger.warning("function=%s refused=%d: %s", name_of(route), count, error)
        return _answer(connection, head, error.status, str(error), error.retry_after_s)


def _invoked(held: Held, error: Exception | None) -> None:
    """The outcome of an invocation is known: if the event was refused, answer the client."""
    held.invocation = None
    if error is None:
        return
    exchange_id, function = held.capability.exchange_id, name_of(held.route)
    if isinstance(error, InvokeError):
        held.request_id = error.request_id
        if error.note is not None:
            logger.warning("exchange=%s function=%s %s", exchange_id, function, error.note)
        held.apply(InvokeRefused(error.status, str(error), error.retry_after_s))
    else:
        logger.error(
            "exchange=%s function=%s invoking failed", exchange_id, function, exc_info=error
        )
        held.apply(InvokeRefused(500, "the gateway failed to invoke the function"))


def _nothing() -> None:
    """Do nothing: a client that leaves during its upload has no exchange yet."""


def _answer(
    connection: Connection,
    head: RequestHead,
    status: int,
    detail: str,
    retry_after_s: int | None = None,
) -> Receiver:
    """Answer a request that does not become an exchange."""
    problem = encode_problem(status, detail, accept=head.accept, retry_after_s=retry_after_s)
    connection.respond(status, *problem)
    return IGNORE
