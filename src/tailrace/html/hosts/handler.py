"""An endpoint as a handler on Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tailrace.function.drive import current_handler
from tailrace.function.handler import streamify_response
from tailrace.function.request import Request
from tailrace.function.way import way_of

if TYPE_CHECKING:
    from tailrace.function.streamified import StreamifiedHandler
    from tailrace.html.hosts import Produce


def handler_of(produce: Produce) -> StreamifiedHandler[Any]:
    """Return the handler that serves an endpoint."""

    def handler(event: Any, context: Any) -> Any:
        running = current_handler.get()
        assert running is not None, "streamify_response has called this"
        return produce(Request(event), way_of(running.stream))

    return streamify_response(handler)
