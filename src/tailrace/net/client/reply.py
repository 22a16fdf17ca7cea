"""Parses answers of HTTP/1.1 servers with httptools: records what it reports, within limits.

httptools calls back in the middle of a read; the callbacks only record.
"""

from __future__ import annotations

from typing import Final

import httptools

from tailrace import limits
from tailrace.errors import PeerError

_STARTS: Final = (b"HTTP/1.1", b"HTTP/1.0")
_START_BYTES: Final = 8
_LATER: Final = b"HTTP/?.?"
"""In place of the start of a head that follows an informational answer, perhaps in one read."""


class ReplyParser:
    """Parses one answer after the other.

    After each `feed`: `status` and `fields` are set once the head is complete, `take_body` returns
    the body bytes of this read, `is_complete` is set at the end. `renew` prepares for the next
    answer.
    """

    __slots__ = (
        "_parser",
        "_pieces",
        "_start",
        "fields",
        "is_complete",
        "is_kept",
        "on_body",
        "read_bytes",
        "status",
    )

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        # Called for each chunk: a method would cost twice as much.
        self.on_body = self._pieces.append
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.renew()

    def renew(self) -> None:
        """Prepare for the next answer, after one whose connection is kept."""
        self.status = 0  # until the head is complete
        self.fields: dict[str, str] = {}  # names in lower case, of repeats the last value
        self.is_complete = False
        self.is_kept = False  # the peer accepts another request on this connection
        self.read_bytes = 0  # of this answer, head and framing included
        self._start = b""  # of the first status line, because the parser accepts RTSP as well
        self._pieces.clear()

    def close(self) -> None:
        """Release the parser: it refers to our bound methods, which makes a reference cycle."""
        self._parser = None

    def feed(self, data: bytes) -> None:
        """Parse the bytes of one read.

        Raises:
            PeerError: they are not an HTTP/1.1 answer, or its head is over a limit.
        """
        assert self._parser is not None
        self.read_bytes += len(data)
        if len(self._start) < _START_BYTES:
            self._start = (self._start + data[:_START_BYTES])[:_START_BYTES]
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_complete:
                cause = error.__context__
                if isinstance(cause, PeerError):
                    raise cause from None
                raise PeerError("the answer is not HTTP", "not-http") from error
            self.is_kept = False  # bytes follow the answer

    def take_body(self) -> bytes:
        """Return the body bytes of the last read, joined."""
        pieces = self._pieces
        if not pieces:
            return b""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return data

    @property
    def http_version(self) -> str:
        """The version of the present answer, such as "1.1"."""
        assert self._parser is not None
        version: str = self._parser.get_http_version()
        return version

    @property
    def ends_with_connection(self) -> bool:
        """Whether this answer is not complete, and the end of the connection will end it."""
        framing = {"content-length", "transfer-encoding"}
        return self.status > 0 and not (self.is_complete or framing & self.fields.keys())

    # --- called by httptools --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise PeerError("more came than the answer")
        self.fields = {}  # discard those of an informational answer (RFC 9110 §15.2), if any

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:
            return  # a trailer
        self.fields[name.decode("latin-1").lower()] = value.decode("latin-1")
        if len(self.fields) > limits.HEADER_COUNT_MAX:
            raise PeerError(f"the answer has more than {limits.HEADER_COUNT_MAX} header fields")

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        status = parser.get_status_code()
        start = self._start
        if start == _LATER:
            start = b"HTTP/" + parser.get_http_version().encode()
        if start not in _STARTS:
            raise PeerError("the answer is not HTTP/1.1")
        if status >= 200:
            self.status = status
            self.is_kept = parser.should_keep_alive()
        elif status < 100:
            raise PeerError("the answer has no status")
        else:
            self._start = _LATER

    def on_message_complete(self) -> None:
        self.is_complete = self.status > 0  # not for an informational answer
