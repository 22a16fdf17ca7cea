"""The response of a handler with three parameters. Imported only for such a handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tailrace.function.stream import Chunk, Stream
from tailrace.wire.integration import Head, merged_headers

if TYPE_CHECKING:
    from tailrace.function.flush.policy import FlushCounts, FlushPolicy, When

_METADATA_KEYS: Final = ("statusCode", "headers", "multiValueHeaders", "cookies")


class ResponseStream:
    """The response of `async def handler(event, response, context)`.

    What is written leaves at once. Several tasks may write; each chunk stays whole. When the
    client leaves, the handler is cancelled, or its write raises `ClientDisconnected` if it waits
    for one just then. A handler that returns without `end` has ended its response.
    """

    __slots__ = ("_drain", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._drain: Callable[[], Awaitable[None]] = _not_running

    def set_head(self, head: Head) -> None:
        """Set status, headers and cookies; they are sent with the first chunk, `flush` or `end`.

        Without it: 200, and text/plain in UTF-8 or application/octet-stream, as the first chunk is
        str or bytes.

        Raises:
            RuntimeError: the head has been sent already.
        """
        self._stream.set_head(head)

    def set_content_type(self, content_type: str) -> None:
        """Set the content type; status, other headers and cookies stay what they were.

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
            TypeError: this is no chunk.
        """
        self._stream.write(chunk)
        await self._drain()

    async def flush(self) -> None:
        """Let out all that was written, the head included if it was set.

        A callback holds nothing back. Lambda's native streaming holds small chunks back: there
        padding pushes them out, if the content type ignores it. At a place where padding may not
        stand, the flush is done later, at the next such place of what is written.

        Raises:
            FlushError: the native stream's content type ignores nothing, or the head promises a
                `Content-Length`, a content coding or a digest. Nothing is lost; what was written
                leaves when Lambda lets it, and the response can go on.
            ClientDisconnected: the client has left.
        """
        self._stream.flush()
        await self._drain()

    def set_flush_policy(self, policy: FlushPolicy | When) -> None:
        """Set when this response is flushed without being asked, whatever its handler's rule is.

        Raises:
            TypeError: this is neither a policy nor the name of one.
            RuntimeError: the head has been sent already.
        """
        from tailrace.function.flush.policy import policy_from

        self._stream.set_flush_policy(policy_from(policy))

    @property
    def flush_counts(self) -> FlushCounts:
        """The flushes by now; zero where nothing is held back, as over a callback."""
        from tailrace.function.flush.policy import FlushCounts

        return FlushCounts(*self._stream.flush_counts)

    async def end(self) -> None:
        """Complete the client's response now; the handler may work on.

        The client may leave then. A second call does nothing.

        Raises:
            ClientDisconnected: the client has left before.
        """
        self._stream.end()
        await self._drain()

    def _attach(self, drain: Callable[[], Awaitable[None]]) -> None:
        self._drain = drain


class HttpResponseStream:
    """`awslambda.HttpResponseStream` of Node.js, for handlers that are ported from there."""

    @staticmethod
    def from_(
        response: ResponseStream, metadata: Mapping[str, Any] | None = None, /
    ) -> ResponseStream:
        """Set status, headers and cookies as `awslambda.HttpResponseStream.from` does.

        `metadata` may have `statusCode`, `headers`, `multiValueHeaders` and `cookies`. Returns the
        response itself. Unlike Node's, a response that is never written to has its head, too.

        Raises:
            TypeError: there is another key.
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


async def _not_running() -> None:
    raise RuntimeError("the response can be written only while its handler runs")
