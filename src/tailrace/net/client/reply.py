"""Answers of HTTP/1.1 servers as httptools reads them: a recorder with limits.

httptools calls back in the middle of a read; nothing but recording happens there.
"""

from __future__ import annotations

import httptools

from tailrace import limits
from tailrace.errors import PeerError


class ReplyParser:
    """Reads one answer after the other.

    After each `feed`: `status` and `fields` once the head is complete, `take_body` for what came of
    the body, `is_complete` at the end. `renew` begins the next answer.
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
        self.on_body = self._pieces.append  # called for each chunk: a method would cost twice that
        self.renew()

    def renew(self) -> None:
        """Prepare for the next answer."""
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.status = 0  # until the head is complete
        self.fields: dict[str, str] = {}  # names in lower case, the last of repeats
        self.is_complete = False
        self.is_kept = False  # the peer expects another request on this connection
        self.read_bytes = 0  # of this answer, as they came
        self._start = b""  # of the first status line: the parser takes RTSP as well
        self._pieces.clear()

    def close(self) -> None:
        """Release the parser, which holds our bound methods: they would be a cycle."""
        self._parser = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            PeerError: they are not an answer, or one without end.
        """
        assert self._parser is not None
        self.read_bytes += len(data)
        if not self.status:
            self._start = (self._start + data[:5])[:5]
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_complete:
                cause = error.__context__
                if isinstance(cause, PeerError):
                    raise cause from None
                raise PeerError("the answer is not HTTP", "not-http") from error
            self.is_kept = False  # more came than the answer

    def take_body(self) -> bytes:
        """The body bytes of the last read, in one piece."""
        pieces = self._pieces
        if not pieces:
            return b""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return data

    @property
    def http_version(self) -> str:
        """Of the answer that is being read: "1.1"."""
        assert self._parser is not None
        version: str = self._parser.get_http_version()
        return version

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is the end of this answer, which has not come yet."""
        framing = {"content-length", "transfer-encoding"}
        return self.status > 0 and not (self.is_complete or framing & self.fields.keys())

    # --- called by httptools --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise PeerError("more came than the answer")
        self.fields = {}  # those of an informational answer (RFC 9110 §15.2), if one came before

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
        if self._start != b"HTTP/" or parser.get_http_version() not in ("1.1", "1.0"):
            raise PeerError("the answer is not HTTP/1.1")
        if status >= 200:
            self.status = status
            self.is_kept = parser.should_keep_alive()
        elif status < 100:
            raise PeerError("the answer has no status")

    def on_message_complete(self) -> None:
        self.is_complete = self.status > 0  # or an informational one is
