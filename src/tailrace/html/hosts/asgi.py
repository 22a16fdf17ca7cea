"""An endpoint as an ASGI app.

Source: ASGI specification 3.0, "HTTP & WebSocket ASGI Message Format" (asgiref, read 2026-11).
Concurrency law: the response is sent by the app's task; another one waits for the disconnect, and
cancels it.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

from tailrace.function.request import Request
from tailrace.function.stream import FLUSH
from tailrace.function.way import EXTENSION, ResponseWay
from tailrace.html.limits import REQUEST_BODY_BYTES_MAX
from tailrace.net.tasks import TaskSet
from tailrace.wire.integration import Head

if TYPE_CHECKING:
    from tailrace.html.hosts import Items, Produce

_TOO_LARGE = 413


async def serve(produce: Produce, scope: Any, receive: Any, send: Any) -> None:
    """Serve one HTTP request, or the lifespan of the server."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["type"] != "http":
        raise TypeError(f"only HTTP is served, not {scope['type']}")
    body = await _body(receive)
    if body is None:
        await _send_head(send, Head(_TOO_LARGE))
        await send({"type": "http.response.body", "body": b""})
        return
    way = scope.get("extensions", {}).get(EXTENSION, ResponseWay())
    items = produce(Request(event_of(scope, body)), way)
    task = asyncio.current_task()
    assert task is not None, "ASGI apps run in tasks"
    left = asyncio.Event()
    tasks = TaskSet()
    tasks.spawn(_watch(receive, left, task), "disconnect")
    try:
        await _send_all(items, send, is_head=scope["method"] == "HEAD")
    except (asyncio.CancelledError, OSError):
        if not left.is_set():
            raise
        task.uncancel()
    finally:
        await items.aclose()  # type: ignore[attr-defined]  # an async generator
        await tasks.cancel_all()


def event_of(scope: Any, body: bytes) -> dict[str, Any]:
    """Return a request as the event of a Function URL, which `Request` reads."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    headers: dict[str, str] = {}
    for name, value in pairs:
        if name in headers:
            headers[name] += ("; " if name == "cookie" else ",") + value
        else:
            headers[name] = value
    headers.setdefault("x-forwarded-proto", scope.get("scheme", "http"))
    raw_path = scope.get("raw_path") or scope["path"].encode()
    return {
        "version": "2.0",
        "rawPath": raw_path.decode("latin-1"),
        "rawQueryString": scope["query_string"].decode("latin-1"),
        "headers": headers,
        "requestContext": {
            "domainName": headers.get("host", ""),
            "http": {
                "method": scope["method"],
                "path": scope["path"],
                "protocol": f"HTTP/{scope.get('http_version', '1.1')}",
                "sourceIp": (scope.get("client") or ("",))[0],
                "userAgent": headers.get("user-agent", ""),
            },
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


async def _live(receive: Any, send: Any) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def _body(receive: Any) -> bytes | None:
    """The request's body; None if it is too long."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > REQUEST_BODY_BYTES_MAX:
            return None
        if not message.get("more_body"):
            return bytes(body)


async def _watch(receive: Any, left: asyncio.Event, task: asyncio.Task[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    left.set()
    task.cancel()


async def _send_all(items: Items, send: Any, *, is_head: bool) -> None:
    async for item in items:
        if item is FLUSH:
            continue
        if isinstance(item, Head):
            await _send_head(send, item)
            if is_head or item.status in (204, 304):
                break
            continue
        data = item.encode() if isinstance(item, str) else item
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_head(send: Any, head: Head) -> None:
    pairs = [(name.lower(), value) for name, value in head.headers]
    pairs += [("set-cookie", cookie) for cookie in head.cookies]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    await send({"type": "http.response.start", "status": head.status, "headers": headers})
