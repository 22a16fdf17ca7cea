"""The function SDK: handlers that stream.

    from tailrace.function import Head, streamify_response

    @streamify_response
    def handler(event, context):
        yield Head(200, {"content-type": "text/plain; charset=utf-8"})
        for line in work():
            yield line

Standard library only; asyncio is imported only for an async handler.
"""

from tailrace.errors import ClientDisconnected, ResponseTooLargeError
from tailrace.function.handler import StreamifiedHandler, streamify_response
from tailrace.function.response import HttpResponseStream, ResponseStream
from tailrace.function.stream import Chunk
from tailrace.wire.integration import Head

__all__ = [
    "Chunk",
    "ClientDisconnected",
    "Head",
    "HttpResponseStream",
    "ResponseStream",
    "ResponseTooLargeError",
    "StreamifiedHandler",
    "streamify_response",
]
