"""The transport of responses that the function returns as its result."""

from __future__ import annotations

from tailrace.errors import ResponseTooLargeError
from tailrace.limits import BUFFERED_RESPONSE_BYTES_MAX
from tailrace.wire.integration import Head

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

    from tailrace.wire.events import EventCodec


class ResultTransport:
    """Collects a response, within the limit of its front end, or of Lambda, for a result.

    `codec` is that of the event; None if it is no HTTP request.

    Raises:
        ResponseTooLargeError: from `send`: it is over that limit.
    """

    __slots__ = ("_codec", "_has_result", "_head", "_pieces", "_result", "_size", "_size_max")

    peer: Final = None
    has_unsent: Final = False

    def __init__(self, codec: EventCodec | None) -> None:
        self._codec = codec
        self._size_max = BUFFERED_RESPONSE_BYTES_MAX if codec is None else codec.body_bytes_max
        self._head = Head()
        self._pieces: list[bytes] = []
        self._size = 0
        self._result: object = None
        self._has_result = False

    def keep_result(self, result: object) -> bool:
        if self._codec is not None and isinstance(result, bytes | bytearray | memoryview):
            return False  # no front end accepts bytes: they become base64
        self._result = result
        self._has_result = True
        return True

    def start(self, head: Head, media_type: str) -> None:
        self._head = head

    def send(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._size_max:
            raise _too_large(self._size_max)
        self._pieces.append(data)

    def push(self) -> None: ...

    def look(self) -> None: ...

    def drain(self) -> None: ...

    def end(self) -> None: ...

    def abort(self) -> None: ...

    def result(self, *, is_text: bool) -> Any:
        """Return the function's result.

        For an HTTP event a result in its front end's form. For any other event the body itself: str
        if all chunks were str, otherwise bytes, which Lambda's Python runtimes return as they are.

        Raises:
            ResponseTooLargeError: it is over the limit in that form, or was in a `send`, whatever
                the handler has made of that exception.
        """
        if self._size > self._size_max:
            raise _too_large(self._size_max)
        if self._has_result:
            return self._result
        body = b"".join(self._pieces)
        if self._codec is None:
            return body.decode("utf-8") if is_text else body
        result = self._codec.result(self._head, body)
        if len(result["body"]) > self._size_max:
            raise _too_large(self._size_max)
        return result


def _too_large(size_max: int) -> ResponseTooLargeError:
    return ResponseTooLargeError(
        f"the response is over {size_max} bytes, all that can be returned from a buffered"
        " invocation; a streamed one has no such limit"
    )
