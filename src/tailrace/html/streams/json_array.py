"""`json_array`: makes an endpoint that streams one JSON array, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Final, overload

from tailrace.html.endpoint import Endpoint, P, endpoint_or_decorator
from tailrace.html.limits import STREAM_HEARTBEAT_S
from tailrace.html.reply import Reply
from tailrace.html.streams.json_text import json_encoder
from tailrace.html.streams.sending import checked_heartbeat_s, send

if TYPE_CHECKING:
    from tailrace.function.request import Request
    from tailrace.function.way import ResponseWay
    from tailrace.html.hosts import Items
    from tailrace.html.streams.json_text import Default, ToJson


@overload
def json_array(function: Callable[Concatenate[Reply, P], object], /) -> Endpoint[P]: ...
@overload
def json_array(
    *, heartbeat_s: float | None = ..., default: Default | None = ...
) -> Callable[[Callable[Concatenate[Reply, P], object]], Endpoint[P]]: ...


def json_array(
    function: Callable[..., Any] | None = None,
    /,
    *,
    heartbeat_s: float | None = STREAM_HEARTBEAT_S,
    default: Default | None = None,
) -> Any:
    """Make an endpoint that streams values as one JSON array; with or without arguments.

    The function gets the reply, whose `status` and `headers` it may set, and yields the elements;
    it may be async. `heartbeat_s`: after so much silence a space is sent; None: never. `default`:
    converts what is not JSON.

    If the function fails, the response is aborted, and the array is not closed.

    Raises:
        TypeError, ValueError: `heartbeat_s` is not legal.
    """
    checked_heartbeat_s(heartbeat_s)
    to_json = json_encoder(default)

    def produce(function: Callable[..., Any], request: Request, way: ResponseWay) -> Items:
        reply = Reply(request, way, "application/json")
        return send(function, reply, ArrayFormat(to_json), heartbeat_s)

    return endpoint_or_decorator(function, produce)


class ArrayFormat:
    """The array of one response."""

    heartbeat = " "

    def __init__(self, to_json: ToJson) -> None:
        self._to_json: Final = to_json
        self._separator = ""

    def begin(self) -> str:
        """Return the bracket that opens the array."""
        return "["

    def piece(self, value: Any) -> str:
        """Return an element, on a line of its own.

        The line ends with it, since nothing can be flushed directly behind a number.
        """
        text = f"{self._separator}{self._to_json(value)}\n"
        self._separator = ","
        return text

    def end(self) -> str:
        """Return the bracket that closes the array."""
        return "]\n"

    def failure(self) -> tuple[str, bool]:
        """Return nothing: the array stays open."""
        return "", False
