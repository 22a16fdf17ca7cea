"""One invocation's streamed response: a separate POST to the Runtime API.

Source: Lambda Developer Guide "runtimes-custom", section on response streaming, read 2026-11. An
error before the first byte is posted to the invocation's error path, so that the invocation fails;
a later one is sent in the trailers, which the head announces. The connection is closed after the
stream.
"""

from __future__ import annotations

from binascii import b2a_base64

from tailrace.errors import PeerError
from tailrace.function.failure import Failure
from tailrace.limits import TRAILERS_BYTES_MAX
from tailrace.net.blocking.answer import HttpAnswer
from tailrace.net.blocking.upload import Upload, Url, connect
from tailrace.runtime.report import error_type_of
from tailrace.wire.runtime_api import (
    FUNCTION_ERROR_BODY,
    FUNCTION_ERROR_TYPE,
    INVOCATION_ID,
    RESPONSE_MODE,
    Invocation,
    error_body,
    response_path,
)

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

    from tailrace.net.blocking.keep_alive import KeepAliveClient

_FRAMING_BYTES: Final = len(f"{FUNCTION_ERROR_TYPE}: \r\n{FUNCTION_ERROR_BODY}: \r\n\r\n")
_NAME_CHARS_MAX: Final = 200


class NativeStream:
    """A response that the SDK writes, and that the invocation loop finishes and closes.

    The constructor connects to the Runtime API; nothing is sent.

    Raises:
        PeerError: the Runtime API cannot be reached.
    """

    __slots__ = ("_invocation", "_url", "has_started", "upload")

    def __init__(self, api: KeepAliveClient, invocation: Invocation) -> None:
        path = response_path(invocation.request_id)
        self._url = Url(False, api.host, api.port, path, api.authority)
        self._invocation = invocation
        self.upload = Upload(connect(self._url))
        self.has_started = False  # if set, the response is this stream, complete or not

    def start(self, media_type: str) -> None:
        """Queue the head, which is sent with the first chunk; later errors are sent in trailers."""
        self.has_started = True
        headers = [
            ("content-type", media_type),
            (RESPONSE_MODE, "streaming"),
            ("trailer", FUNCTION_ERROR_TYPE),
            ("trailer", FUNCTION_ERROR_BODY),
            ("connection", "close"),
        ]
        if self._invocation.invocation_id is not None:
            headers.append((INVOCATION_ID, self._invocation.invocation_id))
        self.upload.queue_head(self._url, headers)

    def fail(self, failure: Failure) -> None:
        """End the response by an error, unless it has ended or the connection is broken."""
        if self.upload.is_ended:
            return
        error_type = error_type_of(failure)
        room = (TRAILERS_BYTES_MAX - _FRAMING_BYTES - len(error_type)) // 4 * 3
        body = _error_within(room, failure, self._invocation.request_id)
        trailers = [
            (FUNCTION_ERROR_TYPE, error_type),
            (FUNCTION_ERROR_BODY, b2a_base64(body, newline=False).decode("ascii")),
        ]
        try:
            self.upload.put_end(trailers)
        except PeerError:
            pass  # `finish` raises the same

    def finish(self, timeout_s: float) -> HttpAnswer:
        """Complete the response, wait until all of it is sent; return the API's answer.

        Raises:
            AnsweredEarlyError: the API answered before it had the whole response.
            PeerError: the connection is broken, or no answer came within `timeout_s`.
        """
        if not self.upload.is_ended:
            self.upload.put_end()
        return self.upload.wait_answer(timeout_s)

    def close(self) -> None:
        """Close the connection, so that an incomplete response does not look complete."""
        upload = self.upload
        is_complete = upload.is_ended and not upload.has_unsent
        if is_complete or not self.has_started:  # a reset could discard bytes that the peer needs
            upload.close()
        else:
            upload.abort()


def _error_within(bytes_max: int, failure: Failure, request_id: str) -> bytes:
    """Return an error body of limited size: it keeps the innermost frames; the log has all."""
    error_type, message, frames = failure[:3]
    error_type = error_type[:_NAME_CHARS_MAX]
    body = error_body(error_type, message, frames, request_id)
    while len(body) > bytes_max and (frames or message):
        if frames:
            frames = frames[(len(frames) + 1) // 2 :]
        else:
            message = message[: len(message) // 2]
        body = error_body(error_type, message, frames, request_id)
    return body
