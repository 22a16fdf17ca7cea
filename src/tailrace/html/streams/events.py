"""`events`: makes an endpoint that streams server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Final, overload

from tailrace.html.endpoint import Endpoint, P, endpoint_or_decorator
from tailrace.html.limits import STREAM_HEARTBEAT_S
from tailrace.html.reply import ON_TIME
from tailrace.html.streams.event_stream import EventStream
from tailrace.html.streams.json_text import json_encoder
from tailrace.html.streams.sending import checked_heartbeat_s, send
from tailrace.html.streams.server_event import (
    COMMENT,
    DONE_ID,
    FAILED_ID,
    ServerEvent,
    checked_retry_ms,
    encode_event,
)
from tailrace.wire.integration import Head

if TYPE_CHECKING:
    from tailrace.function.request import Request
    from tailrace.function.way import ResponseWay
    from tailrace.html.hosts import Items
    from tailrace.html.streams.json_text import Default, ToJson

_FAILED: Final = ServerEvent({}, name="failed")


@overload
def events(function: Callable[Concatenate[EventStream, P], object], /) -> Endpoint[P]: ...
@overload
def events(
    *,
    heartbeat_s: float | None = ...,
    retry_ms: int | None = ...,
    default: Default | None = ...,
) -> Callable[[Callable[Concatenate[EventStream, P], object]], Endpoint[P]]: ...


def events(
    function: Callable[..., Any] | None = None,
    /,
    *,
    heartbeat_s: float | None = STREAM_HEARTBEAT_S,
    retry_ms: int | None = None,
    default: Default | None = None,
) -> Any:
    """Make an endpoint that streams server-sent events; with or without arguments.

    The function takes an `EventStream` and yields each a `ServerEvent` or its data; it may be
    async. None is skipped. `heartbeat_s`: after so much silence a comment is sent; None: never.
    `retry_ms`: how long clients wait before they reconnect. `default`: converts what is not JSON.

    The stream ends with the event `done`, and clients that reconnect after it get a 204. If the
    function fails before its first event, the response is a 500. Afterwards it is aborted, and its
    client resumes behind the last id that it has got. If there is none, or none further on than
    where this response began, the event `failed` ends the stream instead.

    Raises:
        TypeError, ValueError: `heartbeat_s` or `retry_ms` is not legal.
    """
    checked_heartbeat_s(heartbeat_s)
    to_json = json_encoder(default)
    first = ServerEvent(None, retry_ms=None if retry_ms is None else checked_retry_ms(retry_ms))

    def produce(function: Callable[..., Any], request: Request, way: ResponseWay) -> Items:
        stream = EventStream(request, way)
        if stream.has_ended:
            return _no_content()
        return send(function, stream, EventFormat(stream, to_json, first), heartbeat_s)

    return endpoint_or_decorator(function, produce)


async def _no_content() -> Items:
    yield Head(204, ON_TIME)


class EventFormat:
    """The events of one response."""

    heartbeat = COMMENT

    def __init__(self, stream: EventStream, to_json: ToJson, first: ServerEvent) -> None:
        self._stream: Final = stream
        self._to_json: Final = to_json
        self._first: Final = first
        self._is_further = False  # than its client was

    def begin(self) -> str:
        """Return the time of reconnects, and the id that the client has: if the response is lost
        before the next id, also a client that forgets it resumes there."""
        if not self._has_events:
            return ""
        return encode_event(self._first, self._to_json, end_id=self._stream.last_event_id)

    def piece(self, value: Any) -> str:
        """Return an event as it is sent."""
        event = value if isinstance(value, ServerEvent) else ServerEvent(value)
        text = encode_event(event, self._to_json)
        if event.id is not None and event.id != self._stream.last_event_id:
            self._is_further = True
        return text

    def end(self) -> str:
        """Return the last event."""
        final = self._stream.final
        if final is None or not self._has_events:
            return ""
        return encode_event(final, self._to_json, end_id=DONE_ID)

    def failure(self) -> tuple[str, bool]:
        """Return an event that ends the stream, or nothing if its client can resume it further on.

        The response is not aborted behind the event: Chromium may drop what comes just before.
        """
        if self._is_further and self._stream.way.streams:
            return "", False
        return encode_event(_FAILED, self._to_json, end_id=FAILED_ID), True

    @property
    def _has_events(self) -> bool:
        return 200 <= self._stream.status < 300  # others are refusals
