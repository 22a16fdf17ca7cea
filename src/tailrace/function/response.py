"""The response of a handler with three parameters. Imported only for such a handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from tailrace.function.stream import Chunk, Stream
from tailrace.wire.integration import Head, merged_headers

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

    from tailrace.function.flush.policy import FlushCounts, FlushPolicy, When

_METADATA_KEYS: Final = ("statusCode", "headers", "multiValueHeaders", "cookies")


class ResponseStream:
    """The response of `async def handler(event, response, context)`.

    Each chunk is sent immediately. Several tasks may write; chunks are never mixed. If the client
    leaves, the handler is cancelled; if it waits for a write, that raises `ClientDisconnected`
    instead. When the handler returns, its response ends.
    """

    __slots__ = ("_drain", "_on_loss", "_send_queued", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._drain: Callable[[], Awaitable[None]] = _not_running
        self._send_queued: Callable[[], None] = _nothing_queued
        self._on_loss: Callable[[], None] | None = None  # called before the handler is cancelled

    def set_head(self, head: Head) -> None:
        """Set status, headers and cookies; they are sent with the first chunk, `flush` or `end`.

        The default is 200, with text/plain in UTF-8 if the first chunk is str, or
        application/octet-stream if it is bytes.

        Raises:
            RuntimeError: the head has been sent already.
        """
        self._stream.set_head(head)

    def set_content_type(self, content_type: str) -> None:
        """Set the content type; status, other headers and cookies do not change.

        Raises:
            HeadError: HTTP does not allow the text.
            RuntimeError: the head has been sent already.
        """
        self._stream.set_content_type(content_type)

    async def write(self, chunk: Chunk) -> None:
        """Send a chunk; return when there is room for another. An empty one writes nothing.

        Cancelling is safe: the chunk stays queued, whole.

        Raises:
            ClientDisconnected: the client has left.
            RuntimeError: the response has ended.
            TypeError: `chunk` is not a chunk.
        """
        self._stream.write(chunk)
        await self._drain()

    async def flush(self) -> None:
        """Make all that was written leave now, including the head if it was set.

        A callback holds nothing back, so this sends nothing more. Lambda's native streaming holds
        small chunks back; there this sends padding, if the content type allows it. Where padding
        may not stand, it is sent later, at the next allowed place in what is written.

        Raises:
            FlushError: the native stream's content type allows no padding, or the head has a
                `Content-Length`, a content coding or a digest. Nothing is lost: what was written
                leaves when Lambda sends it, and the response can continue.
            ClientDisconnected: the client has left.
        """
        self._stream.flush()
        await self._drain()

    def set_flush_policy(self, policy: FlushPolicy | When) -> None:
        """Set when this response is flushed automatically, in place of its handler's policy.

        Raises:
            TypeError: `policy` is neither a policy nor the name of one.
            RuntimeError: the head has been sent already.
        """
        from tailrace.function.flush.policy import policy_from

        self._stream.set_flush_policy(policy_from(policy))

    @property
    def flush_counts(self) -> FlushCounts:
        """The flushes so far; all zero if nothing is held back, as over a callback."""
        from tailrace.function.flush.policy import FlushCounts

        return FlushCounts(*self._stream.flush_counts)

    async def end(self) -> None:
        """End the response: it is complete. The handler may continue to work.

        After this, it does not matter if the client leaves. A second call does nothing.

        Raises:
            ClientDisconnected: the client has left before.
        """
        self._stream.end()
        await self._drain()

    def _attach(
        self, drain: Callable[[], Awaitable[None]], send_queued: Callable[[], None] | None
    ) -> None:
        self._drain = drain
        if send_queued is not None:
            self._send_queued = send_queued


class HttpResponseStream:
    """`awslambda.HttpResponseStream` of Node.js, for handlers that are ported from there."""

    @staticmethod
    def from_(
        response: ResponseStream, metadata: Mapping[str, Any] | None = None, /
    ) -> ResponseStream:
        """Set status, headers and cookies as `awslambda.HttpResponseStream.from` does.

        `metadata` may have `statusCode`, `headers`, `multiValueHeaders` and `cookies`. Returns
        `response`. Unlike in Node.js, the head is also sent if nothing is written.

        Raises:
            TypeError: `metadata` has another key.
            HeadError: HTTP does not allow a value.
            RuntimeError: the head has been sent already.
        """
        response.set_head(head_from_metadata({} if metadata is None else metadata))
        return response


def head_from_metadata(metadata: Mapping[str, Any]) -> Head:
    """Return the head that a prelude with these keys would have."""
    unknown = [key for key in metadata if key not in _METADATA_KEYS]
    if unknown:
        known = ", ".join(_METADATA_KEYS)
        raise TypeError(f"metadata has {known}, not {', '.join(map(repr, unknown))}")
    status, headers, several, cookies = (metadata.get(key) for key in _METADATA_KEYS)
    singles = () if headers is None else dict(headers).items()
    multiples = () if several is None else dict(several).items()
    merged = merged_headers(singles, multiples, cookies)
    return Head(200 if status is None else status, merged, cookies or ())


def _nothing_queued() -> None: ...


async def _not_running() -> None:
    raise RuntimeError("the response can be written only while its handler runs")
