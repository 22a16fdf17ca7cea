"""A response while its handler writes it: one head, then chunks, then the end.

Concurrency law: nothing here blocks or awaits but `drain`.
"""

from __future__ import annotations

import logging

from tailrace.errors import ClientDisconnected, FlushError
from tailrace.wire.integration import Head

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final, TypeAlias, TypeGuard

    from tailrace.function.flush.policy import FlushPolicy
    from tailrace.function.output import Output

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
"""A generator yields it to flush the chunks that it has yielded before."""

_TEXT: Final = Head(200, (("content-type", "text/plain; charset=utf-8"),))
_BINARY: Final = Head(200, (("content-type", "application/octet-stream"),))
_BODILESS: Final = (204, 304)
_CHUNK_TYPES: Final = (str, bytes, bytearray, memoryview)


class Stream:
    """The state of a response that a handler writes.

    A response without a body (to HEAD, or 204 and 304) is complete with its head: `is_ended` is
    then true, and further chunks are ignored. `reads_several_values`: `multiValueHeaders` of plain
    results are headers of the response.
    """

    __slots__ = (
        "_is_bodiless",
        "_is_head_request",
        "_next_head",
        "_reads_several_values",
        "head",
        "is_ended",
        "is_text",
        "output",
    )

    def __init__(
        self, output: Output, *, is_head_request: bool, reads_several_values: bool = False
    ) -> None:
        self.output: Final = output
        self.head: Head | None = None  # once it has been sent
        self.is_ended = False
        self.is_text = True  # all chunks but empty ones were str
        self._is_head_request = is_head_request
        self._reads_several_values = reads_several_values
        self._is_bodiless = False
        self._next_head: Head | None = None

    def take(self, item: object) -> None:
        """Handle what a generator has yielded: send a Head or a chunk, or flush for FLUSH.

        Raises:
            TypeError: it is none of these, or a Head after the first chunk.
            FlushError: this response cannot be flushed.
            ClientDisconnected: the client has left.
        """
        if isinstance(item, _CHUNK_TYPES):
            self.write(item)
        elif item is FLUSH:
            self.flush()
        elif not _is_head(item):
            raise _not_a_chunk(item)
        elif self.head is not None:
            raise TypeError(
                f"{item!r} was yielded after the head (status {self.head.status}) had gone out:"
                " a Head comes first, and once"
            )
        else:
            self._start(item, b"")

    def take_from(self, chunks: Any, item: object) -> None:
        """Do as `take`, but raise errors in the iterator, at its `yield`.

        A generator may catch a FlushError; what it yields next is handled as well. Any other error
        is raised here as well, even if the generator catches it.
        """
        while True:
            try:
                self.take(item)
                return
            except ClientDisconnected:
                raise
            except FlushError as error:
                if not hasattr(chunks, "throw"):
                    raise
                try:
                    item = chunks.throw(error.with_traceback(None))
                except StopIteration:
                    return
            except Exception as error:
                if not hasattr(chunks, "throw"):
                    raise
                try:
                    chunks.throw(error.with_traceback(None))
                except StopIteration:
                    raise error from None
                raise

    def set_head(self, head: Head) -> None:
        """Set the head; it is sent with the first chunk, with `flush` or with the end.

        Raises:
            RuntimeError: the head has been sent.
        """
        if not _is_head(head):
            raise TypeError(f"a Head is wanted, not {_shown(head)}")
        self._raise_if_started()
        self._next_head = head

    def set_content_type(self, content_type: str) -> None:
        """Set the content type alone.

        Raises:
            HeadError: it is not legal.
            RuntimeError: the head has been sent.
        """
        self._raise_if_started()
        head = self._next_head or Head()
        others = [pair for pair in head.headers if pair[0].lower() != "content-type"]
        headers = [*others, ("content-type", content_type)]
        self._next_head = Head(head.status, headers, head.cookies)

    def write(self, chunk: object) -> None:
        """Send a chunk; an empty one writes nothing.

        Raises:
            TypeError: `chunk` is not a chunk.
            RuntimeError: the response has ended.
            ClientDisconnected: the client has left.
        """
        if isinstance(chunk, str):
            data = chunk.encode("utf-8")
        elif isinstance(chunk, (bytes, bytearray, memoryview)):
            data = bytes(chunk)
            self.is_text = self.is_text and not data
        else:
            raise _not_a_chunk(chunk)
        if self._is_bodiless:
            return
        if self.is_ended:
            raise RuntimeError("the response has ended: nothing more can be written to it")
        if not data:
            self.output.look()
        elif self.head is None:
            self._start(self._next_head or (_TEXT if isinstance(chunk, str) else _BINARY), data)
        else:
            self.output.write(data)

    def send_head(self) -> None:
        """Send the head now, if it was set and not yet sent; what follows is not flushed.

        Raises:
            PreludeError: the head is too long.
            ClientDisconnected: the client has left.
        """
        if self.head is None and self._next_head is not None and not self.is_ended:
            self._start(self._next_head, b"")

    def set_flush_policy(self, policy: FlushPolicy) -> None:
        """Set when the response is flushed automatically.

        Raises:
            RuntimeError: the head has been sent.
        """
        self._raise_if_started()
        self.output.set_flush_policy(policy)

    @property
    def flush_counts(self) -> tuple[int, int, int]:
        """Flushes, those of them that had to wait for a place, and bytes of padding."""
        return self.output.flush_counts

    def flush(self) -> None:
        """Send the head if it was set and not yet sent, and flush what Lambda holds back.

        Raises:
            FlushError: this response cannot be flushed; nothing is lost, and it can continue.
            ClientDisconnected: the client has left.
        """
        self.send_head()
        if self.head is not None and not self.is_ended:
            self.output.flush()

    def write_result(self, result: object) -> None:
        """Send a plain result as a whole response.

        If the response has ended already, the event was passed on to another handler, which has
        written it; then the result is ignored.

        Raises:
            ResultError: the result is not a legal response.
            RuntimeError: another handler has started the response, and not ended it.
        """
        if self.is_ended:
            if result is not None:
                logger.warning("the handler's result is not sent: its response was streamed")
            return
        if self.head is not None:
            raise RuntimeError("a result cannot follow a response that has broken off")
        if self.output.transport.keep_result(result):
            self.is_ended = True
            return
        # Imported here, and below: few handlers that stream return a result.
        from tailrace.wire.results import response_from_result

        reads_several_values = self._reads_several_values
        head, body = response_from_result(result, reads_several_values=reads_several_values)
        if (
            not reads_several_values
            and isinstance(result, dict)
            and "statusCode" in result
            and "multiValueHeaders" in result
        ):
            _warn_of_unread(head, result["multiValueHeaders"])
        self.output.set_flush_policy(None)  # not needed: the end follows, and flushes everything
        self._start(head, body)
        self.end()

    def end(self) -> None:
        """End the response: it is complete. A second call does nothing."""
        if self.is_ended:
            return
        if self.head is None:
            self._start(self._next_head or Head(), b"")
        if not self.is_ended:
            self.output.end()
            self.is_ended = True

    def fail(self) -> None:
        """End a failed handler's response: a complete 500, or an abort if the head was sent."""
        if self.is_ended:
            return
        if self.head is None:
            self._next_head = None
            self._start(
                Head(500, (("content-type", "application/json"),)),
                b'{"message":"Internal Server Error"}',
            )
            self.end()
        else:
            self.is_ended = True
            self.output.abort()

    def close(self) -> None:
        """Refuse all further writes: the invocation is over."""
        self.is_ended = True

    def drain(self) -> None:
        """Block until there is room for another chunk."""
        if not self.is_ended:
            self.output.drain()

    def _raise_if_started(self) -> None:
        if self.head is not None:
            raise RuntimeError(
                f"the head (status {self.head.status}) has gone out: it can be set only before"
                " the first chunk, flush or end"
            )

    def _start(self, head: Head, data: bytes) -> None:
        is_bodiless = self._is_head_request or head.status in _BODILESS
        if is_bodiless:
            self.output.set_flush_policy(None)  # no padding may stand between head and end
        self.output.start(head, b"" if is_bodiless else data)
        self.head = head
        if is_bodiless:
            self._is_bodiless = True
            self.output.end()
            self.is_ended = True


def _is_head(value: object) -> TypeGuard[Head]:
    """Whether a value is a Head, or of a subclass; found by a method that only Head has."""
    return hasattr(type(value), "joined_headers")


def _not_a_chunk(value: object) -> TypeError:
    return TypeError(f"a chunk is str, bytes, bytearray or memoryview, not {_shown(value)}")


def _warn_of_unread(head: Head, several: object) -> None:
    from tailrace.wire.results import lost_names

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
