"""Endpoints under uvicorn, and a proxy that cuts their streams, for clients that we have not
written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from math import inf
from typing import Any, Self, TypeVar

from tests.html.page_site import WAIT_S, PageSite

T = TypeVar("T")


class EventSite(PageSite):
    """Serves ASGI apps by path, and an empty page at `/`, while entered.

    `requests` has the path, the `Last-Event-ID` and, once there is one, the status of each request
    to an app.
    """

    def __init__(self, **apps: Callable[..., Any]) -> None:
        super().__init__(**apps)
        self.requests: list[tuple[str, str | None, int]] = []

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that runs in the loop of the site."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].strip("/")
        if path not in self.apps:
            await _send_page(send)
            return
        last_id = dict(scope["headers"]).get(b"last-event-id")
        place = len(self.requests)
        told = (path, None if last_id is None else last_id.decode())
        self.requests.append((*told, 0))

        async def send_noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.requests[place] = (*told, message["status"])
            await send(message)

        await self.apps[path](scope, receive, send_noted)


class Cutter:
    """A proxy before a site that cuts each event stream, while entered.

    Each of the cuts is how many bytes of a response pass behind its head, or the last of them; when
    there are no more, all pass. With `waits` each connection stays open there until `cut`: Chromium
    may drop what comes just before the end of a connection.
    """

    def __init__(
        self, site: EventSite, cuts: Iterable[int | bytes], *, waits: bool = False
    ) -> None:
        self._site = site
        self._permits = asyncio.Semaphore(0) if waits else None
        self._cuts: Iterator[int | bytes] = iter(cuts)

    def __enter__(self) -> Self:
        self._site.call(self._start())
        return self

    def __exit__(self, *exception: object) -> None:
        self._site.call(self._stop())

    def cut(self) -> None:
        """Cut the connection that waits for it, or soon will."""

        async def permit() -> None:
            assert self._permits is not None
            self._permits.release()

        self._site.call(permit())

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        self._server.close()

    async def _connected(self, down: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._site.port)
        sending = asyncio.ensure_future(_copy(down, writer))
        try:
            await self._copy_cut(reader, up)
        except ConnectionError:
            pass
        finally:
            sending.cancel()
            up.close()
            writer.close()

    async def _copy_cut(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut, body = None, b""
        while data := await reader.read(65_536):
            if cut is None and b"content-type: text/event-stream" in data:
                cut = next(self._cuts, None)
                head, blank, data = data.partition(b"\r\n\r\n")
                writer.write(head + blank)
            if cut is not None:
                body += data
                at = cut if isinstance(cut, int) else _end_of(cut, body)
                if at <= len(body):
                    writer.write(data[: len(data) - len(body) + at])
                    if self._permits is not None:
                        await writer.drain()
                        await self._permits.acquire()
                    return
            writer.write(data)
            await writer.drain()


def _end_of(part: bytes, body: bytes) -> int | float:
    at = body.find(part)
    return inf if at < 0 else at + len(part)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def _send_page(send: Any) -> None:
    headers = [(b"content-type", b"text/html; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"<!doctype html><title>Events</title>"})
