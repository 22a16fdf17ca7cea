"""An endpoint as an ASGI app.

Source: ASGI specification 3.0, "HTTP & WebSocket ASGI Message Format" (asgiref, read 2026-11).
Concurrency law: one task makes and sends the response, another one waits for the disconnect; the
app's task waits for the first of them, and for the end of both, also when it is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from tailrace.errors import ClientDisconnected, FlushError
from tailrace.function.stream import FLUSH
from tailrace.function.way import EXTENSION, FLUSH_EXTENSION, ResponseWay
from tailrace.html.hosts.asgi_request import AsgiRequest
from tailrace.html.limits import REQUEST_BODY_BYTES_MAX
from tailrace.limits import FLUSH_QUIET_S
from tailrace.net.tasks import TaskSet
from tailrace.wire.integration import Head

if TYPE_CHECKING:
    from tailrace.html.hosts import Items, Produce

logger = logging.getLogger("tailrace.html")

_TEXT: Final = "text/plain; charset=utf-8"
_LEFT: Final = 499
"""nginx's status of a request whose client has left; no client gets it."""


class _ClientHasLeft(Exception):
    """`send` has raised an OSError (since ASGI 2.4), or `receive` has returned the disconnect."""


async def serve(produce: Produce, scope: Any, receive: Any, send: Any) -> None:
    """Serve one HTTP request, or the lifespan of the server. A WebSocket is refused."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "websocket":
        await _refuse_websocket(scope, receive, send)
    elif scope["type"] == "http":
        await _serve_http(produce, scope, receive, send)
    else:
        raise ValueError(f"ASGI scopes of type {scope['type']!r} are not served, only http")


async def respond(
    items: Items, scope: Any, receive: Any, send: Any, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send a response, with `more` headers; close `items` in every case.

    Returns without an error if the client leaves.

    Raises:
        Exception: what `items` or `send` raised, but for an OSError of `send`.
    """
    sender = _Sender(scope, send, tuple(more))
    tasks = TaskSet()
    sending = tasks.spawn(_outcome(sender, items), "response")
    leaving = tasks.spawn(_wait_left(receive), "disconnect")
    try:
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        has_left = not sending.done() and _is_ended(leaving)
        if not has_left:
            await asyncio.wait((sending,))
    finally:
        await _end(tasks, sending, leaving)
    if sending.cancelled() and not has_left:
        raise RuntimeError("the response was cancelled by its own code")
    error = None if sending.cancelled() else sending.result()
    if isinstance(error, _ClientHasLeft) or has_left:
        if not sender.has_started:
            await sender.apologize()
    elif error is not None:
        raise error


def way_in(scope: Any) -> ResponseWay:
    """Return the way of a response."""
    way: ResponseWay = (scope.get("extensions") or {}).get(EXTENSION, ResponseWay())
    return way


async def _serve_http(produce: Produce, scope: Any, receive: Any, send: Any) -> None:
    try:
        body = await _body(scope, receive)
    except _ClientHasLeft:
        await _Sender(scope, send, ()).apologize()
        return
    if body is None:
        text = f"the request body is longer than {REQUEST_BODY_BYTES_MAX} bytes; send less\n"
        await _send_whole(scope, send, 413, text)
        return
    await respond(produce(AsgiRequest(scope, body), way_in(scope)), scope, receive, send)


async def _live(receive: Any, send: Any) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def _refuse_websocket(scope: Any, receive: Any, send: Any) -> None:
    """Answer the handshake; servers send a 403."""
    logger.warning(
        "a WebSocket to %s was refused: pages and streams are read by GET", scope["path"]
    )
    await receive()
    await send({"type": "websocket.close", "code": 1000, "reason": "use HTTP"})


async def _body(scope: Any, receive: Any) -> bytes | None:
    """Return the request's body; None if it is too long."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > REQUEST_BODY_BYTES_MAX:
            return None
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientHasLeft
        piece = message.get("body", b"")
        size += len(piece)
        if size > REQUEST_BODY_BYTES_MAX:
            return None
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


async def _send_whole(scope: Any, send: Any, status: int, text: str) -> None:
    """Send a response, and close an HTTP/1.1 connection, because the rest of the body follows."""
    headers = [("content-type", _TEXT)]
    if scope.get("http_version", "1.1").startswith("1"):
        headers.append(("connection", "close"))
    sender = _Sender(scope, send, ())
    await sender.start(Head(status, headers))
    await sender.write(text.encode())
    await sender.end()


async def _outcome(sender: _Sender, items: Items) -> Exception | None:
    """Send a response; return the exception that it has raised, which the app's task raises."""
    try:
        async with aclosing(items) as each:  # type: ignore[type-var]  # an async generator
            await sender.send_all(each)
    except Exception as error:
        return error
    return None


async def _wait_left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_ended(task: asyncio.Task[None]) -> bool:
    """Whether a task is done, and neither cancelled nor failed; a failure is logged."""
    return task.done() and not task.cancelled() and task.exception() is None


async def _end(tasks: TaskSet, *cancelled: asyncio.Task[Any]) -> None:
    """Cancel tasks once, and wait for their end.

    Cancellations of this wait are raised afterwards: a cancel scope of anyio, as around Starlette's
    middleware, cancels again in each turn of the loop, which would break off what cleans up.
    """
    for task in cancelled:
        task.cancel()
    cancellation: asyncio.CancelledError | None = None
    while len(tasks):
        try:
            await tasks.wait_all()
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        raise cancellation


class _Sender:
    """Sends one response as ASGI messages."""

    def __init__(self, scope: Any, send: Any, more: tuple[tuple[bytes, bytes], ...]) -> None:
        self.has_started = False
        self._send = send
        self._flush = (scope.get("extensions") or {}).get(FLUSH_EXTENSION)
        self._more = more
        self._is_bodiless = scope["method"] == "HEAD"

    async def send_all(self, items: Items) -> None:
        """Send what an endpoint makes; raises _ClientHasLeft."""
        async for item in items:
            if isinstance(item, Head):
                await self.start(item)
                if self._is_bodiless:
                    break
            elif item is FLUSH:
                await self._flush_if_held()
            else:
                await self.write(item.encode() if isinstance(item, str) else bytes(item))
        await self.end()

    async def start(self, head: Head) -> None:
        pairs = [(name.lower(), value) for name, value in head.headers]
        pairs += [("set-cookie", cookie) for cookie in head.cookies]
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
        headers += self._more
        self._is_bodiless = self._is_bodiless or head.status in (204, 304)
        self.has_started = True
        await self._put(type="http.response.start", status=head.status, headers=headers)

    async def write(self, data: bytes) -> None:
        if data and not self._is_bodiless:
            await self._put(type="http.response.body", body=data, more_body=True)

    async def end(self) -> None:
        await self._put(type="http.response.body", body=b"", more_body=False)

    async def apologize(self) -> None:
        """Send a response though nobody reads it: middleware fails if there is none."""
        try:
            await self.start(Head(_LEFT))
            await self.end()
        except _ClientHasLeft:
            pass

    async def _flush_if_held(self) -> None:
        """Flush in a function of Lambda: no message of ASGI does that."""
        if self._flush is None:
            return
        await asyncio.sleep(FLUSH_QUIET_S)  # middleware passes on what was sent before
        try:
            await self._flush()
        except (FlushError, ClientDisconnected):
            self._flush = None

    async def _put(self, **message: Any) -> None:
        try:
            await self._send(message)
        except OSError as error:
            raise _ClientHasLeft from error
