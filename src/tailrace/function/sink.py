"""Where a response goes: into the function's own result here, to a peer in `upload_sink`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from tailrace.errors import ResponseTooLargeError
from tailrace.limits import BUFFERED_RESPONSE_BYTES_MAX
from tailrace.wire.integration import Head
from tailrace.wire.results import result_from_response

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from threading import Condition

    from tailrace.function.flush.policy import FlushPolicy


class Sink(Protocol):
    """Takes one head, then body bytes, then the end; nothing of it blocks but `drain`.

    All of it may raise `ClientDisconnected`.
    """

    def keep_result(self, result: object) -> bool:
        """Take a plain result as it is; False when it must be sent as a response."""

    def put_head(self, head: Head, data: bytes) -> None:
        """Take the head, and the first body bytes with it."""

    def put(self, data: bytes) -> None:
        """Take body bytes."""

    def set_flush_policy(self, policy: FlushPolicy | None) -> None:
        """Say, before the head, when to let out what is held; None is "explicit"."""

    def flush(self) -> None:
        """See that nothing of what was taken is held back on its way to the client.

        Raises:
            FlushError: this response has nothing that would do that.
        """

    @property
    def flush_counts(self) -> tuple[int, int, int]:
        """Flushes, those of them that had to wait for a place, and bytes of padding."""

    def put_end(self) -> None:
        """The response is complete."""

    def look(self) -> None:
        """See whether the client is still there."""

    def drain(self) -> None:
        """Block until there is room again."""

    def abort(self) -> None:
        """Make it visible that the response will never be complete."""


class FlushTimer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not make the call."""


class FlushClock:
    """The time of adaptive flushes: when it is, and how a loop or a thread waits for it."""

    __slots__ = ("now_s",)

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        # Not a loop's time: uvloop's stands still while its callbacks run.
        self.now_s = now_s

    def call_later(
        self, loop: AbstractEventLoop, delay_s: float, callback: Callable[[], None]
    ) -> FlushTimer:
        """Call `callback()` in a running loop after a delay."""
        return loop.call_later(delay_s, callback)

    def wait(self, change: Condition, timeout_s: float | None) -> None:
        """Wait until a condition that is held is notified, or the time is over."""
        change.wait(timeout_s)


class BufferedSink:
    """Collects the response, to be returned from the function."""

    def __init__(self, *, is_http: bool) -> None:
        self._is_http = is_http
        self._head = Head()
        self._pieces: list[bytes] = []
        self._size = 0
        self._result: object = None
        self._has_result = False

    def keep_result(self, result: object) -> bool:
        if self._is_http and isinstance(result, bytes | bytearray | memoryview):
            return False  # a Function URL knows no bytes: they become base64
        self._result = result
        self._has_result = True
        return True

    def put_head(self, head: Head, data: bytes) -> None:
        self._head = head
        self.put(data)

    def put(self, data: bytes) -> None:
        self._size += len(data)
        _check_size(self._size)
        self._pieces.append(data)

    def set_flush_policy(self, policy: FlushPolicy | None) -> None: ...

    def flush(self) -> None: ...

    @property
    def flush_counts(self) -> tuple[int, int, int]:
        return 0, 0, 0

    def put_end(self) -> None: ...

    def look(self) -> None: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...

    def result(self, *, is_text: bool) -> Any:
        """Return what the function returns.

        For an HTTP event a result of format 2.0. For any other event the body itself: str when
        all chunks were str, otherwise bytes, which Lambda's Python runtimes hand out as they are.

        Raises:
            ResponseTooLargeError: in base64 it is over Lambda's limit.
        """
        if self._has_result:
            return self._result
        body = b"".join(self._pieces)
        if not self._is_http:
            return body.decode("utf-8") if is_text else body
        result = result_from_response(self._head, body)
        _check_size(len(result["body"]))
        return result


def _check_size(size: int) -> None:
    if size > BUFFERED_RESPONSE_BYTES_MAX:
        raise ResponseTooLargeError(
            f"the response is over {BUFFERED_RESPONSE_BYTES_MAX} bytes, all that Lambda returns"
            " from a buffered invocation; a streamed one has no such limit"
        )
