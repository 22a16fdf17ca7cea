"""The head of a response stream that does not say in which form it is.

Whoever invokes a function with a response stream gets bytes without their media type. A prelude
and its eight NUL bytes tell by themselves; what has none is a plain stream, or the result of a
function that does not stream.
"""

from __future__ import annotations

import json

from tailrace.errors import PreludeError
from tailrace.limits import BUFFERED_RESPONSE_BYTES_MAX, PRELUDE_BYTES_MAX
from tailrace.wire.http_event import response_from_result
from tailrace.wire.integration import DELIMITER, Head, PreludeParser
from tailrace.wire.stream_frames import FRAMES_FIELD, FRAMES_VERSION

_BLANKS = b" \t\r\n"


class StreamBody:
    """Finds the head of a response stream, however it was cut up.

    - A JSON object and eight NUL bytes within `PRELUDE_BYTES_MAX`: a prelude. It may say that
      frames follow; whoever asked the function for them takes it at its word.
    - What does not begin with "{", spaces aside: a plain stream, 200 `application/octet-stream`,
      as soon as that shows.
    - "{" and no NUL byte: the result of a function that does not stream. It is collected to the
      end, and then means what it means anywhere (`response_from_result`). If that is no JSON, or
      longer than a buffered response can be, it is a plain stream after all.
    """

    __slots__ = (
        "_buffer",
        "_is_object",
        "_prelude",
        "_scanned",
        "is_buffered",
        "is_framed",
        "rest",
    )

    rest: bytes
    """The body's first bytes, those that are known with the head."""

    is_buffered: bool
    """Whether the head was a function's buffered result."""

    is_framed: bool
    """Whether a prelude says that frames follow (`stream_frames`)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._is_object = False
        self._prelude: PreludeParser | None = None
        self.rest = b""
        self.is_buffered = False
        self.is_framed = False

    def feed(self, data: bytes) -> Head | None:
        """Take the next bytes; return the head once it is known, then never be called again.

        Raises:
            PreludeError: there is a prelude, and it is malformed or too long, or announces frames
                that are not known here.
            HeadError: the prelude says something that HTTP does not allow.
        """
        if self._prelude is not None:
            return self._feed_prelude(self._prelude, data)
        buffer = self._buffer
        buffer += data
        if not self._is_object:
            beginning = buffer.lstrip(_BLANKS)
            if not beginning and len(buffer) <= PRELUDE_BYTES_MAX:
                return None
            if beginning[:1] != b"{":
                return self._plain()
            self._is_object = True
        nul_at = buffer.find(0, self._scanned)
        if nul_at >= 0:  # no JSON text has one: this is a prelude, or nothing
            self._check_prelude(nul_at)
            self._prelude = PreludeParser()
            return self._feed_prelude(self._prelude, self._take())
        self._scanned = len(buffer)
        return self._plain() if len(buffer) > BUFFERED_RESPONSE_BYTES_MAX else None

    def finish(self) -> Head:
        """Say that the stream has ended before its head was known; `rest` is the whole body.

        Raises:
            PreludeError: it is empty, or ends inside a prelude.
            ResultError: it is a buffered result, and not a legal response.
        """
        if self._prelude is not None:
            self._prelude.finish()
        if not self._buffer:
            raise PreludeError("malformed response: the stream is empty")
        if not self._is_object:
            return self._plain()
        try:
            result = json.loads(self._buffer)
        except (ValueError, RecursionError):
            return self._plain()
        self.is_buffered = True
        head, body = response_from_result(result)
        # What is not an envelope is the body, letter for letter.
        self.rest = body if "statusCode" in result else self._take()
        return head

    def _feed_prelude(self, prelude: PreludeParser, data: bytes) -> Head | None:
        head = prelude.feed(data)
        if head is not None:
            self.rest = prelude.rest
            self.is_framed = _announces_frames(head)
        return head

    def _check_prelude(self, nul_at: int) -> None:
        if nul_at + len(DELIMITER) > PRELUDE_BYTES_MAX:
            raise PreludeError(
                f"prelude of {nul_at + len(DELIMITER)} bytes or more:"
                f" {PRELUDE_BYTES_MAX} are allowed, NUL bytes included"
            )

    def _plain(self) -> Head:
        self.rest = self._take()
        return Head(200, (("content-type", "application/octet-stream"),))

    def _take(self) -> bytes:
        taken, self._buffer = bytes(self._buffer), bytearray()
        return taken


def _announces_frames(head: Head) -> bool:
    said = head.get(FRAMES_FIELD)
    if said is not None and said != str(FRAMES_VERSION):
        raise PreludeError(f"{FRAMES_FIELD}: version {said[:40]!a} is not known")
    return said is not None
