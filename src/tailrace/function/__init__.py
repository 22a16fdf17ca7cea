"""The function SDK: handlers that stream.

    from tailrace.function import Head, streamify_response

    @streamify_response
    def handler(event, context):
        yield Head(200, {"content-type": "text/plain; charset=utf-8"})
        for line in work():
            yield line

Standard library only; asyncio is imported only for an async handler. The module of a public name is
imported with the name: the runtime uses parts of this package, and a plain handler none.
"""

from __future__ import annotations

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

    from tailrace.errors import ClientDisconnected, FlushError, ResponseTooLargeError
    from tailrace.function.apps.asgi import asgi
    from tailrace.function.apps.wsgi import wsgi
    from tailrace.function.body import FormFields, FormFile
    from tailrace.function.flush.policy import FlushCounts, FlushPolicy
    from tailrace.function.handler import streamify_response
    from tailrace.function.request import Headers, Request
    from tailrace.function.response import HttpResponseStream, ResponseStream
    from tailrace.function.stream import FLUSH, Chunk, Flush
    from tailrace.function.streamified import StreamifiedHandler
    from tailrace.function.typed import Context, Event
    from tailrace.wire.integration import Head

__all__ = [
    "FLUSH",
    "Chunk",
    "ClientDisconnected",
    "Context",
    "Event",
    "Flush",
    "FlushCounts",
    "FlushError",
    "FlushPolicy",
    "FormFields",
    "FormFile",
    "Head",
    "Headers",
    "HttpResponseStream",
    "Request",
    "ResponseStream",
    "ResponseTooLargeError",
    "StreamifiedHandler",
    "asgi",
    "streamify_response",
    "wsgi",
]

_HOMES: Final = {
    "FLUSH": "tailrace.function.stream",
    "Chunk": "tailrace.function.stream",
    "ClientDisconnected": "tailrace.errors",
    "Context": "tailrace.function.typed",
    "Event": "tailrace.function.typed",
    "Flush": "tailrace.function.stream",
    "FlushCounts": "tailrace.function.flush.policy",
    "FlushError": "tailrace.errors",
    "FlushPolicy": "tailrace.function.flush.policy",
    "FormFields": "tailrace.function.body",
    "FormFile": "tailrace.function.body",
    "Head": "tailrace.wire.integration",
    "Headers": "tailrace.function.request",
    "HttpResponseStream": "tailrace.function.response",
    "Request": "tailrace.function.request",
    "ResponseStream": "tailrace.function.response",
    "ResponseTooLargeError": "tailrace.errors",
    "StreamifiedHandler": "tailrace.function.streamified",
    "asgi": "tailrace.function.apps.asgi",
    "streamify_response": "tailrace.function.handler",
    "wsgi": "tailrace.function.apps.wsgi",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(__import__(home, fromlist=[name]), name)
    globals()[name] = value
    return value
