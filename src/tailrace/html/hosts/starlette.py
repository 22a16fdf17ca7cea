"""An endpoint as a response of Starlette and FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from tailrace.html.hosts.asgi import serve

if TYPE_CHECKING:
    from tailrace.html.hosts import Produce


class StreamedResponse(Response):
    """Sends what an endpoint makes for the request."""

    def __init__(self, produce: Produce) -> None:
        super().__init__()
        self._produce = produce

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await serve(self._produce, scope, receive, send)
