"""A streamed response on its way from a runtime to whoever listens to its attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tailrace import limits
from tailrace.emulator.invocation import Attempt, Listener, Outcome
from tailrace.emulator.runtime_answer import accept, find_failure, media_type_of, refuse
from tailrace.net.server.listener import Connection, Headers, RequestHead

_MAX: Final = limits.STREAM_RESPONSE_BYTES_MAX

TOO_LONG: Final = Outcome.failure(
    "Function.ResponseSizeTooLarge",
    f"Response payload size exceeded maximum allowed payload size ({_MAX} bytes).",
)


class StreamBody:
    """Receives the body of a streamed response and passes it on, read by read.

    The attempt has its outcome when the body is complete, and `on_end` is told; of one that
    breaks off `on_cut` is told.
    """

    __slots__ = (
        "_attempt",
        "_connection",
        "_listener",
        "_media_type",
        "_on_cut",
        "_on_end",
        "_size",
    )

    def __init__(
        self,
        head: RequestHead,
        connection: Connection,
        *,
        attempt: Attempt,
        listener: Listener,
        on_end: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._attempt = attempt
        self._listener = listener
        self._media_type = media_type_of(head)
        self._on_end = on_end
        self._on_cut = on_cut
        self._size = 0
        attempt.begin_stream(connection)
        listener.on_start(self._media_type)

    def on_body(self, data: bytes) -> None:
        """Pass on; what is over the limit, or comes after the outcome, is read and dropped."""
        self._size += len(data)
        if self._size > _MAX:
            self._attempt.answer(TOO_LONG)
        elif not self._attempt.outcome.done():
            self._listener.on_data(data)

    def on_end(self, trailers: Headers) -> None:
        """The response is complete, or its trailers say how it failed."""
        if self._size > _MAX:
            self._on_end()
            message = f"Exceeded maximum allowed payload size ({_MAX} bytes)."
            refuse(self._connection, 413, "RequestEntityTooLarge", message)
            return
        success = Outcome(b"", media_type=self._media_type, is_streamed=True)
        self._attempt.answer(find_failure(trailers) or success)
        self._on_end()
        accept(self._connection)

    def on_gone(self) -> None:
        """The runtime broke off in mid-body: nothing can be answered."""
        self._on_cut()

    def on_pause(self) -> None:
        """The answer is small."""

    def on_resume(self) -> None:
        """See `on_pause`."""
