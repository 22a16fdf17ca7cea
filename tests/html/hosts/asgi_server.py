"""An ASGI server without sockets: one request, whose client a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any


class AsgiClient:
    """The client of one request: what the app has sent, and when it leaves."""

    def __init__(
        self,
        target: str = "/",
        *,
        method: str = "GET",
        headers: Sequence[tuple[bytes, bytes]] = (),
        body: Sequence[bytes] = (b"",),
        **scope: Any,
    ) -> None:
        path, _, query = target.partition("?")
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"example.test"), *headers],
            "client": ("192.0.2.1", 4711),
            "server": ("example.test", 80),
            **scope,
        }
        self.messages: list[dict[str, Any]] = []
        self.send_error: OSError | None = None
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._news = asyncio.Condition()
        self._gone = asyncio.Event()
        for number, piece in enumerate(body, 1):
            more = number < len(body)
            message = {"type": "http.request", "body": piece, "more_body": more}
            self._incoming.put_nowait(message)

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def receive(self) -> dict[str, Any]:
        if not self._incoming.empty():
            return self._incoming.get_nowait()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if self.send_error is not None:
            raise self.send_error
        async with self._news:
            self.messages.append(message)
            self._news.notify_all()

    async def wait_text(self, text: str) -> None:
        """Wait until a text is in the body."""
        async with self._news:
            await self._news.wait_for(lambda: text in self.text)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    def header(self, name: bytes) -> list[bytes]:
        """The values of a header of the response."""
        return [value for own, value in self.messages[0]["headers"] if own == name]

    @property
    def text(self) -> str:
        """The body so far."""
        return b"".join(message.get("body", b"") for message in self.messages).decode()

    @property
    def is_complete(self) -> bool:
        last = self.messages[-1] if self.messages else {}
        return last.get("type") == "http.response.body" and not last.get("more_body")
