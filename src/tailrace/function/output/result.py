"""The transport of responses that the function returns as its result."""

from __future__ import annotations

from tailrace.errors import ResponseTooLargeError
from tailrace.limits import BUFFERED_RESPONSE_BYTES_MAX
from tailrace.wire.integration import Head

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final


class ResultTransport:
    """Collects a response, within Lambda's limit for a result.

    Raises:
        ResponseTooLargeError: from `send`: it is over that limit.
    """

    __slots__ = ("_has_result", "_head", "_is_http", "_pieces", "_result", "_size")

    peer: Final = None
    has_unsent: Final = False

    def __init__(self, *, is_http: bool) -> None:
        self._is_http = is_http
        self._head = Head()
        self._pieces: list[bytes] = []
        self._size = 0
        self._result: object = None
        self._has_result = False

    def keep_result(self, result: object) -> bool:
        if self._is_http and isinstance(result, bytes | bytearray | memoryview):
            return False  # a Function URL accepts no bytes: they become base64
        self._result = result
        self._has_result = True
        return True

    def start(self, head: Head, media_type: str) -> None:
        self._head = head

    def send(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > BUFFERED_RESPONSE_BYTES_MAX:
            raise _too_large()
        self._pieces.append(data)

    def push(self) -> None: ...

    def look(self) -> None: ...

    def drain(self) -> None: ...

    def end(self) -> None: ...

    def abort(self) -> None: ...

    def result(self, *, is_text: bool) -> Any:
        """Return the function's result.

        For an HTTP event a result of format 2.0. For any other event the body itself: str if all
        chunks were str, otherwise bytes, which Lambda's Python runtimes return as they are.

        Raises:
            ResponseTooLargeError: in base64 it is over Lambda's limit.
        """
        if self._has_result:
            return self._result
        body = b"".join(self._pieces)
        if not self._is_http:
            return body.decode("utf-8") if is_text else body
        from tailrace.wire.results import result_from_response

        result = result_from_response(self._head, body)
        if len(result["body"]) > BUFFERED_RESPONSE_BYTES_MAX:
            raise _too_large()
        return result


def _too_large() -> ResponseTooLargeError:
    return ResponseTooLargeError(
        f"the response is over {BUFFERED_RESPONSE_BYTES_MAX} bytes, all that Lambda returns"
        " from a buffered invocation; a streamed one has no such limit"
    )
