"""`ndjson`: makes an endpoint that streams JSON, a value a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Final, overload

from tailrace.html.endpoint import Endpoint, P, endpoint_or_decorator
from tailrace.html.reply import Reply
from tailrace.html.streams.json_text import json_encoder
from tailrace.html.streams.sending import checked_heartbeat_s, send

if TYPE_CHECKING:
    from tailrace.function.request import Request
    from tailrace.function.way import ResponseWay
    from tailrace.html.hosts import Items
    from tailrace.html.streams.json_text import Default, ToJson


@overload
def ndjson(function: Callable[Concatenate[Reply, P], object], /) -> Endpoint[P]: ...
@overload
def ndjson(
    *, heartbeat_s: float | None = ..., default: Default | None = ...
) -> Callable[[Callable[Concatenate[Reply, P], object]], Endpoint[P]]: ...


def ndjson(
    function: Callable[..., Any] | None = None,
    /,
    *,
    heartbeat_s: float | None = None,
    default: Default | None = None,
) -> Any:
    """Make an endpoint that streams values as lines of JSON; with or without arguments.

    The function gets the reply, whose `status` and `headers` it may set, and yields values; it may
    be async. `heartbeat_s`: after so much silence a space is sent, which stands before the next
    value, or alone in a last line. `default`: converts what is not JSON.

    If the function fails, the response is aborted, and its last line is incomplete, so that it is
    not taken for a complete one where an abort is not to be seen.

    Raises:
        TypeError, ValueError: `heartbeat_s` is not legal.
    """
    checked_heartbeat_s(heartbeat_s)
    to_json = json_encoder(default)

    def produce(function: Callable[..., Any], request: Request, way: ResponseWay) -> Items:
        reply = Reply(request, way, "application/x-ndjson")
        return send(function, reply, LineFormat(to_json), heartbeat_s)

    return endpoint_or_decorator(function, produce)


class LineFormat:
    """The lines of one response."""

    heartbeat = " "

    def __init__(self, to_json: ToJson) -> None:
        self._to_json: Final = to_json

    def begin(self) -> str:
        """Return nothing."""
        return ""

    def piece(self, value: Any) -> str:
        """Return a value as a line."""
        return self._to_json(value) + "\n"

    def end(self) -> str:
        """Return nothing."""
        return ""

    def failure(self) -> tuple[str, bool]:
        """Return a line that no parser accepts."""
        return '{"failed":true', False
