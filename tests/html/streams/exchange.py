"""One request to an endpoint, as an ASGI server sends it, and the response as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from tailrace.function.way import EXTENSION, ResponseWay

App = Callable[[Any, Any, Any], Awaitable[None]]


class Exchange:
    """A request to an app, which runs in a task while this is entered.

    Leaving it is what a client does that closes its connection. With `is_slow` there is room for
    one message only.
    """

    def __init__(
        self,
        app: App,
        *,
        headers: Mapping[str, str] = {},
        query: str = "",
        way: ResponseWay | None = None,
        is_slow: bool = False,
    ) -> None:
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "extensions": {} if way is None else {EXTENSION: way},
        }
        self._app = app
        self._messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(int(is_slow))
        self._left = asyncio.Event()
        self._is_requested = False
        self._is_over = False
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        self.task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.leave()
        await asyncio.wait([self.task])

    def leave(self) -> None:
        """Close the connection."""
        self._left.set()

    async def piece(self) -> str | None:
        """The next piece of the body; None at a complete end.

        Raises what the app raised: the server would abort the response.
        """
        while not self._is_over and (message := await self._messages.get()) is not None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {n.decode(): v.decode() for n, v in message["headers"]}
                continue
            self._is_over = not message.get("more_body")
            if message["body"]:
                return bytes(message["body"]).decode()
        if self._is_over:
            return None
        await self.task
        raise AssertionError("the app has returned without an end")

    async def text(self) -> str:
        """The whole body."""
        pieces = []
        while (piece := await self.piece()) is not None:
            pieces.append(piece)
        return "".join(pieces)

    async def broken_text(self) -> tuple[str, BaseException | None]:
        """What comes of a body, and why it broke off; None if it has not."""
        pieces = []
        try:
            while (piece := await self.piece()) is not None:
                pieces.append(piece)
        except Exception as error:
            return "".join(pieces), error
        return "".join(pieces), None

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._messages.put)
        finally:
            if not self._messages.full():
                self._messages.put_nowait(None)

    async def _receive(self) -> dict[str, Any]:
        if not self._is_requested:
            self._is_requested = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}


def body_of(app: App, **request: Any) -> str:
    """The complete body that an app sends."""
    return asyncio.run(_whole(app, request))[1]


def response_of(app: App, **request: Any) -> tuple[int, str]:
    """The status and the complete body that an app sends."""
    return asyncio.run(_whole(app, request))


def broken_response_of(app: App, **request: Any) -> tuple[int, str, BaseException | None]:
    """The status and what comes of the body, and why it broke off."""

    async def ask() -> tuple[int, str, BaseException | None]:
        async with Exchange(app, **request) as exchange:
            text, error = await exchange.broken_text()
            return exchange.status, text, error

    return asyncio.run(ask())


async def _whole(app: App, request: Any) -> tuple[int, str]:
    async with Exchange(app, **request) as exchange:
        text = await exchange.text()
        return exchange.status, text
