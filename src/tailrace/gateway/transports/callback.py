"""The callback transport: the event has a URL, and the function sends its response there.

A callback is one POST to the capability URL. With the integration media type its body is an
integration response; without it, the response's headers are those of the POST, and the whole body
is relayed.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Final

from tailrace import limits
from tailrace.errors import CallbackRefusedError, CapabilityError, ResponseFormatError
from tailrace.gateway.exchange.live import Held, PendingInvocation
from tailrace.gateway.exchange.registry import Registry
from tailrace.gateway.exchange.state import (
    ResponseMalformed,
    SourceBroken,
    SourceOpened,
)
from tailrace.gateway.response_head import fields_from_callback
from tailrace.gateway.transports.protocol import Invoker, OnOutcome
from tailrace.net.client.request import WholeRequest
from tailrace.net.server.listener import IGNORE, Connection, Headers, Receiver, RequestHead
from tailrace.net.server.overload import Overload
from tailrace.wire.capability import EXCHANGE_FIELD
from tailrace.wire.integration import MEDIA_TYPE, PreludeParser, is_integration
from tailrace.wire.mark import keys_for_callback

_MEDIA_TYPE: Final = MEDIA_TYPE.encode()
_OPENED: Final = SourceOpened()
_JSON: Final = [(b"content-type", b"application/json")]


class CallbackTransport:
    """Sends events by an invoker that does not wait for the function, which calls back."""

    request_bytes_max = limits.REQUEST_BODY_BYTES_MAX
    keys = staticmethod(keys_for_callback)

    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker
        self.start = invoker.start
        self.close = invoker.close

    def dispatch(self, held: Held, payload: bytes, on_outcome: OnOutcome) -> PendingInvocation:
        """See `Transport.dispatch`."""
        on_done = partial(self._on_done, held, on_outcome)
        return self._invoker.invoke(held.route.function, payload, on_done)

    def _on_done(self, held: Held, on_outcome: OnOutcome, request: WholeRequest) -> None:
        try:
            held.request_id = self._invoker.outcome(held.route.function, request)
        except Exception as error:
            on_outcome(held, error)
        else:
            on_outcome(held, None)


class Callbacks:
    """The application of the callback listener."""

    def __init__(self, registry: Registry, overload: Overload) -> None:
        self._registry = registry
        self._overload = overload

    def __call__(self, head: RequestHead, connection: Connection) -> Receiver:
        """Open the callback of its exchange, or refuse it with 404, 405, 409 or 410."""
        if self._overload.wants_callback:
            self._overload.note_callback(connection)
        if head.method != "POST":
            connection.respond(405, [(b"allow", b"POST")])
            return IGNORE
        try:
            held = self._registry.claim(head.path)
        except (CapabilityError, CallbackRefusedError) as error:
            _answer(connection, error.status, str(error), 0)
            return IGNORE
        body = held.source = CallbackBody(held, connection)
        # Proves that the 100 is the gateway's: a proxy in between may send one as well.
        proof = f"{EXCHANGE_FIELD}: {held.capability.exchange_id}\r\n"
        connection.continue_fields = proof.encode()
        held.apply(_OPENED)
        body.open(head)
        return body


class CallbackBody:
    """Receives a callback, and is the source of its exchange: first a prelude, if it has one.

    What one read brings up to the first bytes of the body is sent to the client in one write; so
    is the end, if it is in that read.
    """

    __slots__ = ("_connection", "_has_begun", "_held", "_prelude")

    def __init__(self, held: Held, connection: Connection) -> None:
        self._held = held
        self._connection = connection
        self._prelude: PreludeParser | None = None
        self._has_begun = False  # the head was sent, and any body bytes of its read

    def open(self, head: RequestHead) -> None:
        """Start to relay, in the form that the media type announces."""
        media_type = head.get(b"content-type") or b""
        if media_type == _MEDIA_TYPE or is_integration(media_type.decode("latin-1")):
            self._prelude = PreludeParser()
            return
        held = self._held
        held.seat.cork()
        try:
            held.start(fields_from_callback(head))
        except ResponseFormatError as error:
            held.apply(ResponseMalformed(str(error)))
        if not self._connection.has_more_in_read:
            self._begin(b"")

    def on_body(self, data: bytes) -> None:
        """The data path: one call per read, one write to the client."""
        try:
            if self._has_begun:
                self._held.relay(data)
            elif self._prelude is None:
                self._begin(data)
            else:
                self._feed_prelude(self._prelude, data)
        except ResponseFormatError as error:
            self._held.apply(ResponseMalformed(str(error)))

    def _feed_prelude(self, prelude: PreludeParser, data: bytes) -> None:
        head = prelude.feed(data)
        if head is not None:
            self._prelude = None
            self._held.seat.cork()
            self._held.head_arrived(head)
            self._begin(prelude.rest)

    def _begin(self, data: bytes) -> None:
        """Relay the first bytes of the body, and send what was corked."""
        self._has_begun = True
        held = self._held
        if data:
            held.relay(data)
        if held.source is None or not self._connection.has_more_in_read:
            held.seat.uncork()  # otherwise the end follows in the same read, and sends everything

    def on_end(self, trailers: Headers) -> None:
        """The callback's message is complete. Its trailers are not relayed."""
        held = self._held
        if self._prelude is not None:
            try:
                self._prelude.finish()
            except ResponseFormatError as error:
                held.apply(ResponseMalformed(str(error)))
        else:
            held.body_ended()

    def on_gone(self) -> None:
        """The connection ended before the message: the function died, or aborted its callback."""
        self._held.source = None
        self._held.apply(SourceBroken())

    def on_pause(self) -> None:
        """Do nothing: the answer to a callback is too short for back-pressure."""

    def on_resume(self) -> None:
        """See `on_pause`."""

    # --- the source of a held exchange ----------------------------------------------------------

    def pause_reading(self) -> None:
        """See `Source`."""
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        """See `Source`."""
        self._connection.resume_reading()

    def answer(self, status: int, detail: str, count: int) -> None:
        """See `Source`."""
        _answer(self._connection, status, detail, count)


def _answer(connection: Connection, status: int, detail: str, count: int) -> None:
    """Answer a callback with JSON: the byte count if all was relayed, otherwise the reason."""
    if status == 200:
        connection.respond(200, _JSON, b'{"bytes": %d}\n' % count)
        return
    document = {"status": status, "detail": detail}
    connection.respond(status, _JSON, json.dumps(document).encode() + b"\n")
