"""An endpoint as a response of Starlette and FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from tailrace.html.hosts.asgi import respond, way_in
from tailrace.html.hosts.asgi_request import AsgiRequest

if TYPE_CHECKING:
    from tailrace.html.hosts import Produce


class StreamedResponse(Response):
    """Sends what an endpoint makes for the request.

    Headers and cookies that are set here are sent as well as those of the page. The app has the
    request's body.
    """

    def __init__(self, produce: Produce) -> None:
        super().__init__()
        self.raw_headers = []  # without a content-length
        self._produce = produce

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        items = self._produce(AsgiRequest(scope, None), way_in(scope))
        await respond(items, scope, receive, send, self.raw_headers)
        if self.background is not None:
            await self.background()
