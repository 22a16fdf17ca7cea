"""Responses in frames: to a gateway that has asked for them, by the runtime's native stream.

A flush is a frame of padding, whatever the content type: the gateway takes it out again. The
response ends with how long it was. Imported only when an event asks for frames.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tailrace.errors import ClientDisconnected, HeadError, PreludeError
from tailrace.function.failure import Failure
from tailrace.function.mode import NativeResponse
from tailrace.function.upload_sink import NativeSink, UploadSink
from tailrace.limits import FRAME_BYTES_MAX, FRAME_ERROR_BYTES_MAX, JOINED_CHUNK_BYTES_MAX
from tailrace.wire.integration import MEDIA_TYPE, Head, encode_prelude
from tailrace.wire.mark import FRAMES_VERSION
from tailrace.wire.stream_frames import (
    FRAMES_FIELD,
    data_header,
    encode_data,
    encode_end,
    encode_error,
    encode_padding,
)

if TYPE_CHECKING:
    from tailrace.function.flush.policy import FlushPolicy
    from tailrace.function.flush.scanners import Scanner

_NAME_CHARS_MAX: Final = 200


class FramedSink(NativeSink):
    """To a gateway, through Lambda, in frames.

    Where the head leaves no room in the prelude to say so, the response goes without frames.
    """

    def __init__(self, native: NativeResponse, *, policy: FlushPolicy | None = None) -> None:
        super().__init__(native, is_http=True, policy=policy)
        self._is_framed = False
        self._data_bytes = 0

    def put_end(self) -> None:
        if self._is_framed:
            UploadSink.put(self, encode_end(self._data_bytes))
        super().put_end()

    def fail(self, failure: Failure) -> None:
        if self._is_framed and not self.upload.is_ended:
            try:
                UploadSink.put(self, encode_error(_error_text(failure)))
            except ClientDisconnected:
                return  # nobody is there to be told
        super().fail(failure)

    def _send_head(self, head: Head, data: bytes) -> None:
        prelude = _marked_prelude(head)
        if prelude is None:
            super()._send_head(head, data)
            return
        self._native.begin(MEDIA_TYPE)
        self.has_begun = self._is_framed = True
        if len(data) > JOINED_CHUNK_BYTES_MAX:
            UploadSink.put(self, prelude)
            self._send(data)
            return
        self._data_bytes = len(data)
        UploadSink.put(self, prelude + encode_data(data) if data else prelude)

    def _send(self, data: bytes) -> None:
        if not self._is_framed:
            super()._send(data)
            return
        self._data_bytes += len(data)
        if len(data) <= JOINED_CHUNK_BYTES_MAX:
            UploadSink.put(self, encode_data(data))
            return
        for at in range(0, len(data), FRAME_BYTES_MAX):
            piece = data[at : at + FRAME_BYTES_MAX]  # the same object when that is all of it
            UploadSink.put(self, data_header(len(piece)))
            UploadSink.put(self, piece)

    def _send_padding(self, padding: bytes) -> None:
        UploadSink.put(self, encode_padding(padding) if self._is_framed else padding)

    def _scanner(self, head: Head, policy: FlushPolicy) -> Scanner:
        return Anywhere() if self._is_framed else super()._scanner(head, policy)


class Anywhere:
    """The scanner of a framed response: padding may stand behind every byte of any type."""

    __slots__ = ()

    allows = True

    def feed(self, data: bytes) -> None:
        """Nothing of it matters."""

    def find(self, data: bytes) -> int:
        """Right behind the first byte."""
        return 1

    def padding(self, size: int) -> bytes:
        """NUL bytes, which begin no frame."""
        return bytes(size)


def _marked_prelude(head: Head) -> bytes | None:
    """The prelude that says that frames follow; None when there is no room for that."""
    fields = [field for field in head.headers if field[0].lower() != FRAMES_FIELD]
    fields.append((FRAMES_FIELD, str(FRAMES_VERSION)))
    try:
        return encode_prelude(Head(head.status, fields, head.cookies))
    except (HeadError, PreludeError):
        return None


def _error_text(failure: Failure) -> bytes:
    """An error as JSON that fits into its frame; the function's log has all of it."""
    error_type = failure.error_type[:_NAME_CHARS_MAX]
    message = failure.message[:FRAME_ERROR_BYTES_MAX]
    while True:
        text = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
        if len(text) <= FRAME_ERROR_BYTES_MAX:
            return text
        message = message[: len(message) // 2]
