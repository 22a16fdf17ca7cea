"""A response in frames, for a gateway that reads them (see `wire.stream_frames`).

Padding is in separate frames, which the gateway removes: any content type can be flushed. The last
frame has the body's length. Imported only for an event whose mark allows frames.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tailrace.errors import HeadError, PreludeError
from tailrace.function.output.encoder import PRELUDE
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

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

    from tailrace.function.failure import Failure
    from tailrace.function.output.encoder import Encoder

_NAME_CHARS_MAX: Final = 200


class FrameEncoder:
    """Frames behind a prelude that announces them.

    A head that leaves no room for the announcement is sent without frames.
    """

    __slots__ = ()

    is_framed = True

    def media_type(self, head: Head) -> str:
        return MEDIA_TYPE

    def start(self, head: Head, data: bytes) -> tuple[Sequence[bytes], Encoder]:
        prelude = _announcing_prelude(head)
        if prelude is None:
            return PRELUDE.start(head, data)
        if not data:
            return (prelude,), self
        first, *others = self.data(data)
        if others:
            return (prelude, first, *others), self
        return (prelude + first,), self

    def data(self, data: bytes) -> Sequence[bytes]:
        if len(data) <= JOINED_CHUNK_BYTES_MAX:
            return (encode_data(data),)
        pieces: list[bytes] = []
        for at in range(0, len(data), FRAME_BYTES_MAX):
            piece = data[at : at + FRAME_BYTES_MAX]  # the same object if that is all of it
            pieces += data_header(len(piece)), piece
        return pieces

    def padding(self, padding: bytes) -> bytes:
        return encode_padding(padding)

    def end(self, body_bytes: int) -> bytes:
        return encode_end(body_bytes)

    def error(self, failure: Failure) -> bytes:
        return encode_error(_error_text(failure))


FRAMES: Final = FrameEncoder()


class AnywhereScanner:
    """The scanner of a framed response: padding may stand behind every byte."""

    __slots__ = ()

    allows = True

    def feed(self, data: bytes) -> None:
        """Ignore the body."""

    def find(self, data: bytes) -> int:
        """Return the place behind the first byte."""
        return 1

    def padding(self, size: int) -> bytes:
        """Return NUL bytes; no frame starts with one."""
        return bytes(size)


def _announcing_prelude(head: Head) -> bytes | None:
    """Return the prelude that announces frames; None if the head has no room for that."""
    fields = [field for field in head.headers if field[0].lower() != FRAMES_FIELD]
    fields.append((FRAMES_FIELD, str(FRAMES_VERSION)))
    try:
        return encode_prelude(Head(head.status, fields, head.cookies))
    except (HeadError, PreludeError):
        return None


def _error_text(failure: Failure) -> bytes:
    """Return an error as JSON that fits into its frame; the function's log has all of it."""
    error_type = failure.error_type[:_NAME_CHARS_MAX]
    message = failure.message[:FRAME_ERROR_BYTES_MAX]
    while True:
        text = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
        if len(text) <= FRAME_ERROR_BYTES_MAX:
            return text
        message = message[: len(message) // 2]
