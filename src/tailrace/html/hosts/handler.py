"""An endpoint as a handler on Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tailrace.function.drive import current_handler
from tailrace.function.handler import streamify_response
from tailrace.function.request import Request
from tailrace.function.way import ResponseWay, way_of

if TYPE_CHECKING:
    from tailrace.function.streamified import StreamifiedHandler
    from tailrace.html.hosts import Produce


def handler_of(produce: Produce) -> StreamifiedHandler[Any]:
    """Return the handler that serves an endpoint."""

    async def handler(event: Any, context: Any) -> Any:
        running = current_handler.get()
        # An async handler with a response object that awaits `__wrapped__` has none.
        way = ResponseWay() if running is None else way_of(running.stream)
        return produce(Request(event), way)

    return streamify_response(handler)
