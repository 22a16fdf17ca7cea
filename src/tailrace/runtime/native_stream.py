"""One invocation's streamed response: a POST of its own to the Runtime API.

Source: Lambda Developer Guide "runtimes-custom", section on response streaming, read 2026-11. An
error before the first byte goes to the invocation's error path, so that Lambda sees a failed
invocation; one after it goes into the trailers, which are announced up front. The connection is
closed after the stream.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING, Final

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

if TYPE_CHECKING:
    from tailrace.net.blocking.keep_alive import KeepAliveClient

_FRAMING_BYTES: Final = len(f"{FUNCTION_ERROR_TYPE}: \r\n{FUNCTION_ERROR_BODY}: \r\n\r\n")
_NAME_CHARS_MAX: Final = 200


class NativeStream:
    """Filled by the SDK; finished and closed by the invocation loop.

    To make one connects to the Runtime API; nothing is sent.

    Raises:
        PeerError: nobody is there.
    """

    __slots__ = ("_invocation", "_url", "has_begun", "upload")

    def __init__(self, api: KeepAliveClient, invocation: Invocation) -> None:
        path = response_path(invocation.request_id)
        self._url = Url(False, api.host, api.port, path, api.authority)
        self._invocation = invocation
        self.upload = Upload(connect(self._url))
        self.has_begun = False  # the response is this stream, whatever becomes of it

    def begin(self, media_type: str) -> None:
        """Queue the head, which leaves with the first chunk; from here on errors are trailers."""
        self.has_begun = True
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
        """End the response by an error, unless it has ended or nobody takes it any more."""
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
            pass  # `finish` finds the same

    def finish(self, timeout_s: float) -> HttpAnswer:
        """Complete the response, wait until all of it is taken; return what the API says.

        Raises:
            AnsweredEarlyError: the API answered before: it took no more.
            PeerError: it is gone, or silent for so long.
        """
        if not self.upload.is_ended:
            self.upload.put_end()
        return self.upload.wait_answer(timeout_s)

    def close(self) -> None:
        """Let go of the connection; a response that is not complete never looks so."""
        upload = self.upload
        is_complete = upload.is_ended and not upload.has_unsent
        if is_complete or not self.has_begun:  # a reset could take bytes from the peer
            upload.close()
        else:
            upload.abort()


def _error_within(bytes_max: int, failure: Failure, request_id: str) -> bytes:
    """Return an error body of limited size: the innermost frames are kept, the log has all."""
    error_type, message, frames = failure
    error_type = error_type[:_NAME_CHARS_MAX]
    body = error_body(error_type, message, frames, request_id)
    while len(body) > bytes_max and (frames or message):
        if frames:
            frames = frames[(len(frames) + 1) // 2 :]
        else:
            message = message[: len(message) // 2]
        body = error_body(error_type, message, frames, request_id)
    return body
