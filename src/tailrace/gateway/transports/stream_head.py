"""The head of a response stream whose form is not announced.

The bytes of a response stream come without their media type. A prelude is recognized by its eight
NUL bytes; without one, the bytes are a plain stream, or the result of a function that does not
stream.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum
from typing import Final

from tailrace.errors import PreludeError
from tailrace.limits import BUFFERED_RESPONSE_BYTES_MAX, PRELUDE_BYTES_MAX
from tailrace.wire.integration import DELIMITER, Head, PreludeParser
from tailrace.wire.mark import FRAMES_VERSION
from tailrace.wire.object_scan import ObjectScan
from tailrace.wire.stream_frames import FRAMES_FIELD

_BLANKS: Final = b" \t\r\n"
_STARTS_JSON: Final = re.compile(rb'\s*\{\s*["}]').match
_IN_PRELUDE: Final = frozenset((b"statusCode", b"headers", b"multiValueHeaders", b"cookies"))
_IN_RESULT: Final = _IN_PRELUDE | {b"body", b"isBase64Encoded", b"statusDescription"}
_OCTETS: Final = Head(200, (("content-type", "application/octet-stream"),))
_JSON: Final = Head(200, (("content-type", "application/json"),))

ReadEnvelope = Callable[[bytes], tuple[Head, bytes] | None]
"""Parses a buffered result: returns the response, or None if it has no `statusCode`.

Raises ValueError if it is not a JSON object, and ResultError if it is not a legal response.
"""


class StreamForm(Enum):
    """The form of a response stream."""

    PRELUDE = "a prelude and a body"
    PLAIN = "a plain stream"
    RESULT = "the result of a function that does not stream"


class HeadFinder:
    """Finds the head of a response stream, whatever the boundaries of its pieces.

    - A JSON object and eight NUL bytes within `PRELUDE_BYTES_MAX`: a prelude. It may announce
      frames.
    - The first character, white space aside, is not "{": a plain stream, 200
      `application/octet-stream`.
    - Bytes follow an object: a plain stream, as soon as they are received. White space counts only
      if no member of the object is one of a prelude: no runtime writes any behind a result.
    - An object is not complete within `PRELUDE_BYTES_MAX`, and none of its members so far is one of
      a prelude or a result: a plain stream, 200 `application/json`.
    - Any other object: the result of a function that does not stream. It is collected to the end.
      It is an envelope (`ReadEnvelope`) if it has a `statusCode`, and either a `body` or no members
      but those of a result; otherwise its bytes are the body of a 200 `application/json`. If it is
      not JSON, or longer than a buffered response can be, it is a plain stream.
    """

    __slots__ = (
        "_buffer",
        "_is_object",
        "_is_result",
        "_prelude",
        "_read_envelope",
        "_scan",
        "_scanned",
        "form",
        "is_framed",
        "rest",
    )

    rest: bytes
    """The body's first bytes, received together with the head."""

    form: StreamForm
    """Valid once the head is known."""

    is_framed: bool
    """Whether a prelude announces frames (`wire.stream_frames`)."""

    def __init__(self, read_envelope: ReadEnvelope) -> None:
        self._read_envelope = read_envelope
        self._buffer = bytearray()
        self._scan = ObjectScan()
        self._scanned = 0  # for NUL bytes
        self._is_object = False
        self._is_result = False  # if set, everything is collected
        self._prelude: PreludeParser | None = None
        self.rest = b""
        self.form = StreamForm.PRELUDE
        self.is_framed = False

    @property
    def held_bytes(self) -> int:
        """The number of bytes received while the head is not known yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Head | None:
        """Take the next bytes; return the head once it is known. Do not call it after that.

        Raises:
            PreludeError: there is a prelude, and it is malformed, too long, or announces frames of
                another version.
            HeadError: the prelude has a status or header that HTTP does not allow.
        """
        if self._prelude is not None:
            return self._feed_prelude(self._prelude, data)
        buffer = self._buffer
        buffer += data
        if not self._is_object:
            start = buffer.lstrip(_BLANKS)
            if not start and len(buffer) <= PRELUDE_BYTES_MAX:
                return None
            if start[:1] != b"{":
                return self._plain(_OCTETS)
            self._is_object = True
        nul_at = buffer.find(0, self._scanned)
        self._scanned = len(buffer) if nul_at < 0 else nul_at
        if not self._is_result and (head := self._look(self._scanned)) is not None:
            return head
        if nul_at >= 0:  # JSON text has no NUL: this is a prelude, or malformed
            self._check_prelude(nul_at)
            self._prelude = PreludeParser()
            return self._feed_prelude(self._prelude, self._take())
        return self._plain(_OCTETS) if len(buffer) > BUFFERED_RESPONSE_BYTES_MAX else None

    def finish(self) -> Head:
        """Return the head of a stream that ended before it was known; `rest` is the whole body.

        Raises:
            PreludeError: the stream is empty, or ends inside a prelude.
            ResultError: it is a buffered result, but not a legal response.
        """
        if self._prelude is not None:
            self._prelude.finish()
        if not self._buffer:
            raise PreludeError("malformed response: the stream is empty")
        if not self._is_object:
            return self._plain(_OCTETS)
        try:
            response = self._read_result()
        except ValueError:
            return self._plain(_OCTETS)
        self.form = StreamForm.RESULT
        if response is None:
            self.rest = self._take()
            return _JSON
        head, self.rest = response
        return head

    def _look(self, until: int) -> Head | None:
        """Return a plain stream's head if these bytes are neither a prelude nor a result."""
        scan, buffer = self._scan, self._buffer
        scan.scan(buffer, min(until, PRELUDE_BYTES_MAX))
        if scan.end is None:
            if until <= PRELUDE_BYTES_MAX:
                return None
            if scan.names.isdisjoint(_IN_RESULT):
                return self._plain(_JSON if _STARTS_JSON(buffer) else _OCTETS)
            self._is_result = True
            return None
        if until > PRELUDE_BYTES_MAX or buffer[scan.end : until].strip(_BLANKS):
            return self._plain(_OCTETS)
        if until > scan.end and scan.names.isdisjoint(_IN_PRELUDE):
            return self._plain(_OCTETS)
        return None

    def _read_result(self) -> tuple[Head, bytes] | None:
        """Return the response of an envelope; None for another JSON object."""
        names = self._scan.names
        if self._is_result or (
            b"statusCode" in names and (b"body" in names or names <= _IN_RESULT)
        ):
            return self._read_envelope(bytes(self._buffer))
        try:
            json.loads(self._buffer)
        except RecursionError:
            raise ValueError("too deeply nested") from None
        return None

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

    def _plain(self, head: Head) -> Head:
        self.form = StreamForm.PLAIN
        self.rest = self._take()
        return head

    def _take(self) -> bytes:
        taken, self._buffer = bytes(self._buffer), bytearray()
        return taken


def _announces_frames(head: Head) -> bool:
    version = head.get(FRAMES_FIELD)
    if version is not None and version != str(FRAMES_VERSION):
        raise PreludeError(f"{FRAMES_FIELD}: version {version[:40]!a} is not known")
    return version is not None
