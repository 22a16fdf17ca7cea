"""A response on its way into its sink: one head, then body bytes, then the end.

Concurrency law: nothing here blocks or awaits; whoever drives the handler drains the sink.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tailrace.errors import ClientDisconnected, FlushError
from tailrace.function.sink import Sink
from tailrace.wire.integration import Head
from tailrace.wire.results import lost_names, response_from_result

if TYPE_CHECKING:
    from tailrace.function.flush.policy import FlushPolicy

logger = logging.getLogger("tailrace.function")

Chunk: TypeAlias = str | bytes | bytearray | memoryview
"""A piece of a body; str is sent as UTF-8."""


class Flush:
    """The type of `FLUSH`, for annotations."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "FLUSH"

    def __reduce__(self) -> str:
        return "FLUSH"


FLUSH: Final = Flush()
"""What a generator yields to say that all it has yielded must be on its way now."""

_TEXT: Final = Head(200, (("content-type", "text/plain; charset=utf-8"),))
_BINARY: Final = Head(200, (("content-type", "application/octet-stream"),))
_BODILESS: Final = (204, 304)


class Stream:
    """What the handler has said so far, and what of it has gone out.

    A response that has no body (to HEAD, or 204 and 304) is complete with its head: `is_ended`
    is then true, and further chunks are dropped.
    """

    __slots__ = (
        "_is_bodiless",
        "_is_head_request",
        "_next_head",
        "_sink",
        "head",
        "is_ended",
        "is_text",
    )

    def __init__(self, sink: Sink, *, is_head_request: bool) -> None:
        self.head: Head | None = None  # once it has gone out
        self.is_ended = False
        self.is_text = True  # all chunks but empty ones were str
        self._sink = sink
        self._is_head_request = is_head_request
        self._is_bodiless = False
        self._next_head: Head | None = None

    def take(self, item: object) -> None:
        """Take what a generator has yielded: a Head, which goes out at once, a chunk, or FLUSH.

        Raises:
            TypeError: it is neither, or a Head that comes too late.
            FlushError: there is no way to flush this response.
            ClientDisconnected: nobody takes the response any more.
        """
        if item is FLUSH:
            self.flush()
            return
        if not isinstance(item, Head):
            self.put(item)
            return
        if self.head is not None:
            raise TypeError(
                f"{item!r} was yielded after the head (status {self.head.status}) had gone out:"
                " a Head comes first, and once"
            )
        self._begin(item, b"")

    def take_from(self, chunks: Any, item: object) -> None:
        """Take what an iterator has yielded; an error is raised in it, at that `yield`.

        A generator may catch a FlushError; what it yields then is taken, too. Any other error
        counts all the same.
        """
        while True:
            try:
                self.take(item)
                return
            except ClientDisconnected:
                raise
            except Exception as error:
                if not hasattr(chunks, "throw"):
                    raise
                try:
                    item = chunks.throw(error.with_traceback(None))
                except StopIteration:
                    if isinstance(error, FlushError):
                        return
                    raise error from None
                if not isinstance(error, FlushError):
                    raise

    def set_head(self, head: Head) -> None:
        """Say the head; it goes out with the first chunk, with `flush` or with the end.

        Raises:
            RuntimeError: the head has gone out.
        """
        if not isinstance(head, Head):
            raise TypeError(f"a Head is wanted, not {_shown(head)}")
        self._raise_if_begun()
        self._next_head = head

    def set_content_type(self, content_type: str) -> None:
        """Say the content type alone.

        Raises:
            HeadError: it is not legal.
            RuntimeError: the head has gone out.
        """
        self._raise_if_begun()
        head = self._next_head or Head()
        others = [pair for pair in head.headers if pair[0].lower() != "content-type"]
        headers = [*others, ("content-type", content_type)]
        self._next_head = Head(head.status, headers, head.cookies)

    def put(self, chunk: object) -> None:
        """Take a chunk; an empty one writes nothing.

        Raises:
            TypeError: it is no chunk.
            RuntimeError: the response has ended.
            ClientDisconnected: nobody takes the response any more.
        """
        data = self._bytes(chunk)
        if self._is_bodiless:
            return
        if self.is_ended:
            raise RuntimeError("the response has ended: nothing more can be written to it")
        if not data:
            self._sink.look()
        elif self.head is None:
            self._begin(self._next_head or (_TEXT if isinstance(chunk, str) else _BINARY), data)
        else:
            self._sink.put(data)

    def set_flush_policy(self, policy: FlushPolicy) -> None:
        """Say when the response is flushed without being asked.

        Raises:
            RuntimeError: the head has gone out.
        """
        self._raise_if_begun()
        self._sink.set_flush_policy(policy)

    @property
    def flush_counts(self) -> tuple[int, int, int]:
        """Flushes, those of them that had to wait for a place, and bytes of padding."""
        return self._sink.flush_counts

    def flush(self) -> None:
        """Send the head if it was said and has not gone out; let out what is held on the way.

        Raises:
            FlushError: there is no way to do that; nothing is lost, and the response can go on.
            ClientDisconnected: nobody takes the response any more.
        """
        if self.head is None and self._next_head is not None and not self.is_ended:
            self._begin(self._next_head, b"")
        if self.head is not None and not self.is_ended:
            self._sink.flush()

    def put_result(self, result: object) -> None:
        """Take a plain result: all of the response at once.

        One that has ended is that of a handler to which the event was handed on.

        Raises:
            ResultError: it cannot be understood as a response.
            RuntimeError: that one has begun, and has not ended.
        """
        if self.is_ended:
            if result is not None:
                logger.warning("the handler's result is not sent: its response was streamed")
            return
        if self.head is not None:
            raise RuntimeError("a result cannot follow a response that has broken off")
        if self._sink.keep_result(result):
            self.is_ended = True
            return
        head, body = response_from_result(result)
        if isinstance(result, dict) and "statusCode" in result and "multiValueHeaders" in result:
            _warn_of_unread(head, result["multiValueHeaders"])
        self._sink.set_flush_policy(None)  # the end follows, and lets all out
        self._begin(head, body)
        self.end()

    def end(self) -> None:
        """Complete the response; a second time is nothing."""
        if self.is_ended:
            return
        if self.head is None:
            self._begin(self._next_head or Head(), b"")
        if not self.is_ended:
            self._sink.put_end()
            self.is_ended = True

    def fail(self) -> None:
        """The handler has failed: a complete 500 if the head has not gone out, else a break."""
        if self.is_ended:
            return
        if self.head is None:
            self._next_head = None
            self._begin(
                Head(500, (("content-type", "application/json"),)),
                b'{"message":"Internal Server Error"}',
            )
            self.end()
        else:
            self.is_ended = True
            self._sink.abort()

    def close(self) -> None:
        """The invocation is over; whoever still holds the response can write nothing more."""
        self.is_ended = True

    def drain(self) -> None:
        """Block until the sink has room again."""
        if not self.is_ended:
            self._sink.drain()

    def _raise_if_begun(self) -> None:
        if self.head is not None:
            raise RuntimeError(
                f"the head (status {self.head.status}) has gone out: it can be set only before"
                " the first chunk, flush or end"
            )

    def _begin(self, head: Head, data: bytes) -> None:
        is_bodiless = self._is_head_request or head.status in _BODILESS
        if is_bodiless:
            self._sink.set_flush_policy(None)  # the end follows, and nothing may be between
        self._sink.put_head(head, b"" if is_bodiless else data)
        self.head = head
        if is_bodiless:
            self._is_bodiless = True
            self._sink.put_end()
            self.is_ended = True

    def _bytes(self, chunk: object) -> bytes:
        if isinstance(chunk, str):
            return chunk.encode("utf-8")
        if isinstance(chunk, (bytes, bytearray, memoryview)):
            data = bytes(chunk)
            self.is_text = self.is_text and not data
            return data
        raise TypeError(f"a chunk is str, bytes, bytearray or memoryview, not {_shown(chunk)}")


def _warn_of_unread(head: Head, several: object) -> None:
    lost = lost_names(head, several)
    if lost:
        logger.warning(
            "the result's multiValueHeaders are not read, and these are lost: %s. Give each"
            " Set-Cookie in cookies, and several values of another header in headers, joined with"
            " commas",
            ascii(", ".join(lost))[1:-1][:200],
        )


def _shown(value: object) -> str:
    text = repr(value)
    shown = text if len(text) <= 80 else text[:79] + "…"
    return f"{type(value).__name__}: {shown}"
