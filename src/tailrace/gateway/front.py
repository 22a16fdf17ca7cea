"""The client's side: a request is admitted, held and handed to Lambda as an event."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Final

from tailrace import limits
from tailrace.errors import InvokeError, ThrottledError
from tailrace.gateway.event import encode_event
from tailrace.gateway.exchange.live import Held, Route, name_of
from tailrace.gateway.exchange.registry import Registry
from tailrace.gateway.exchange.state import ClientLeft, DeadlinePassed, InvokeRefused
from tailrace.gateway.transports.invokers import Invokers
from tailrace.net.clock import TimerClock
from tailrace.net.server.listener import (
    IGNORE,
    Connection,
    Headers,
    Receiver,
    RequestHead,
    WholeBody,
)
from tailrace.net.server.problem import encode_problem
from tailrace.net.server.refusals import Tally, WebGuard
from tailrace.net.tasks import TaskSet

logger = logging.getLogger(__name__)

_JSON: Final = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


class Front:
    """The application of the public listener."""

    def __init__(
        self,
        registry: Registry,
        invokers: Invokers,
        *,
        find_route: Callable[[str, str], Route | None],
        callback_base: str,
        health_path: str,
        health: Callable[[], dict[str, object]],
        trusted_hops: int,
        clock: TimerClock,
        guard: WebGuard | None = None,
    ) -> None:
        self.registry = registry
        self.invokers = invokers
        self.find_route = find_route
        self.callback_base = callback_base
        self.trusted_hops = trusted_hops
        self.tasks = TaskSet()
        self.is_draining = False
        self._health_path = health_path
        self._health = health
        self._clock = clock
        self.refused_count = 0  # requests that found no place, since the start
        self._guard = guard
        self._refusals: dict[Route, Tally] = {}

    def __call__(self, head: RequestHead, connection: Connection) -> Receiver:
        """Answer at once what needs no function; receive the body of everything else."""
        if self._guard is not None and (refusal := self._guard.find_refusal(head)) is not None:
            return _answer(connection, head, 403, str(refusal))
        if head.path == self._health_path:
            self._answer_health(connection)
            return IGNORE
        host = (head.get(b"host") or b"").decode("latin-1")
        route = self.find_route(host, head.path)
        if route is None:
            return _answer(connection, head, 404, f"no route for {head.path[:200]}")
        client = ClientSide(self, head, connection, route)  # refuses too long a body
        try:
            self.registry.check_room(route)  # no use in an upload that has no place at its end
        except ThrottledError as error:
            return self.refuse(connection, head, route, error)
        return client

    def refuse(
        self, connection: Connection, head: RequestHead, route: Route, error: ThrottledError
    ) -> Receiver:
        """Answer 503. Refusals come in floods: one warning of a route now and then counts them."""
        self.refused_count += 1
        if route not in self._refusals and len(self._refusals) >= limits.REFUSAL_ROUTES_MAX:
            self._refusals.clear()  # routes come and go with the configuration
        tally = self._refusals.setdefault(route, Tally(self._clock.now_s))
        if count := tally.add():
            logger.warning("function=%s refused=%d: %s", name_of(route), count, error)
        return _answer(connection, head, error.status, str(error), error.retry_after_s)

    def _answer_health(self, connection: Connection) -> None:
        status, text = (503, "draining") if self.is_draining else (200, "ok")
        document = {"status": text, **self._health()}
        connection.respond(status, _JSON, json.dumps(document).encode() + b"\n")


class ClientSide:
    """Receives one request of a client, and then what becomes of that client."""

    __slots__ = ("_body", "_connection", "_front", "_head", "_held", "_route")

    def __init__(
        self, front: Front, head: RequestHead, connection: Connection, route: Route
    ) -> None:
        self._front = front
        self._head: RequestHead | None = head
        self._connection = connection
        self._route = route
        self._held: Held | None = None
        self._body: WholeBody | None = WholeBody(
            head, _body_bytes_max(route), self._on_request, self.on_gone
        )

    def on_body(self, data: bytes) -> None:
        """Collect."""
        assert self._body is not None
        self._body.on_body(data)

    def on_end(self, trailers: Headers) -> None:
        """The request is complete."""
        assert self._body is not None
        self._body.on_end(trailers)

    def on_gone(self) -> None:
        """The client has left, or takes nothing."""
        held = self._held
        if held is None:
            return
        if self._connection.has_stalled:
            held.apply(DeadlinePassed("stall", self._front.registry.deadlines.describe("stall")))
        else:
            held.apply(ClientLeft())

    def on_pause(self) -> None:
        """The client reads too slowly: hold the function back."""
        if self._held is not None and self._held.source is not None:
            self._held.source.pause_reading()

    def on_resume(self) -> None:
        """The client has caught up."""
        if self._held is not None and self._held.source is not None:
            self._held.source.resume_reading()

    def _on_request(self, body: bytes, trailers: Headers) -> None:
        """Hold the response and send the event on its way."""
        front, head, route = self._front, self._head, self._route
        assert head is not None
        self._head = self._body = None  # a held response needs neither
        try:
            held = self._held = front.registry.hold(self._connection, head, route)
        except ThrottledError as error:  # the last place was taken during the upload
            front.refuse(self._connection, head, route, error)
            return
        payload = encode_event(
            held,
            head,
            body,
            peer=self._connection.peer,
            callback_base=front.callback_base,
            trusted_hops=front.trusted_hops,
        )
        held.invocation = front.tasks.spawn(_invoke(front.invokers, held, payload), "invoke")


def _body_bytes_max(route: Route) -> int:
    """How long a client's body may be: an event has room for it in Lambda's limit."""
    if route.transport == "response-stream":
        return limits.STREAM_REQUEST_BODY_BYTES_MAX
    return limits.REQUEST_BODY_BYTES_MAX


async def _invoke(invokers: Invokers, held: Held, payload: bytes) -> None:
    """Hand the event over; a refusal is the client's answer."""
    route = held.route
    try:
        await invokers.invoke(held, payload)
    except InvokeError as error:
        retry_after_s = error.retry_after_s if isinstance(error, ThrottledError) else None
        held.invocation = None  # this task: it must not cancel itself
        held.request_id = error.request_id
        if error.note is not None:
            exchange_id = held.capability.exchange_id
            logger.warning("exchange=%s function=%s %s", exchange_id, name_of(route), error.note)
        held.apply(InvokeRefused(error.status, str(error), retry_after_s))
    except Exception:
        exchange_id = held.capability.exchange_id
        logger.exception("exchange=%s function=%s invoking failed", exchange_id, name_of(route))
        held.invocation = None
        held.apply(InvokeRefused(500, "the gateway failed to invoke the function"))
    held.invocation = None


def _answer(
    connection: Connection,
    head: RequestHead,
    status: int,
    detail: str,
    retry_after_s: int | None = None,
) -> Receiver:
    """Answer a request that does not become an exchange."""
    problem = encode_problem(
        status, detail, accept=head.get(b"accept"), retry_after_s=retry_after_s
    )
    connection.respond(status, *problem)
    return IGNORE
