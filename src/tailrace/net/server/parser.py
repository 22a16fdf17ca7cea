"""Parses requests with httptools: records what it reports, within limits.

httptools (llhttp, the parser that Node.js uses) calls back in the middle of a read; the callbacks
only record. A second request in the same read is not parsed: it is not served.
What llhttp accepts although it is not HTTP is refused here (in the request line), and what it
accepts without a bound is bounded here (empty lines before a request, framing of chunks).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

import httptools

from tailrace import limits
from tailrace.errors import HttpError
from tailrace.wire.http_head import Headers, RequestHead

_REQUEST_LINE: Final = re.compile(r"([A-Z_-]+) ([!-~]+) HTTP/(1\.[01])\r\n")
_VERSION: Final = re.compile(rb" HTTP/([0-9]\.[0-9])")
_SERVED: Final = (b"1.0", b"1.1")


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one listener; None switches a deadline off.

    Without `keeps_alive` each connection serves one request.
    """

    head_bytes: int = limits.HEAD_BYTES_MAX
    header_count: int = limits.HEADER_COUNT_MAX
    target_bytes: int = limits.TARGET_BYTES_MAX
    framing_bytes: int = limits.FRAMING_BYTES_SLACK
    small_chunks: int | None = limits.SMALL_CHUNKS_MAX
    """Small chunks of one request; None on a listener whose requests are streams."""
    head_timeout_s: float = limits.HEAD_TIMEOUT_S
    body_timeout_s: float | None = limits.BODY_TIMEOUT_S
    body_total_timeout_s: float | None = None
    keep_alive_timeout_s: float = limits.KEEP_ALIVE_TIMEOUT_S
    drain_idle_timeout_s: float = limits.DRAIN_IDLE_TIMEOUT_S
    linger_timeout_s: float = limits.LINGER_TIMEOUT_S
    stall_timeout_s: float = limits.CLIENT_STALL_TIMEOUT_S
    connections: int = limits.CONNECTIONS_MAX
    descriptors_left: int = limits.DESCRIPTORS_LEFT
    """File descriptors of the process that are reserved for uses other than connections."""
    uploads: int | None = limits.UPLOADS_MAX
    """Request bodies at a time; None on a listener whose requests are streams."""
    keeps_alive: bool = True
    tracks_chunks: bool = False
    """Track the start and end of each chunk of a request, which costs two calls per chunk."""


@lru_cache(maxsize=32)
def bare_head(method: str, version: str) -> RequestHead:
    """A head with a method and a version only; equal ones are one object."""
    return RequestHead(method, "/", version, [])


class RequestParser:
    """Parses one request after the other.

    After each `feed`: `head` is set once the head is complete; `take_body` returns the body bytes
    of this read, if there are `pieces` or `overhead`; `is_complete` is set at the end; `is_behind`
    if bytes follow the request, which are not served. `finish` returns the trailers of a complete
    request, `renew` prepares for the next one.
    """

    __slots__ = (
        "_empty_lines",
        "_head_tail",
        "_limits",
        "_line",
        "_parser",
        "_small_chunks",
        "head",
        "is_behind",
        "is_complete",
        "is_last",
        "on_body",
        "overhead",
        "pieces",
        "raw_count",
        "trailers",
    )

    is_inside_chunk = False
    """Whether the last read started inside a chunk; see `HttpLimits.tracks_chunks`."""

    def __init__(self, bounds: HttpLimits) -> None:
        self._limits = bounds
        self.pieces: list[bytes] = []  # of the body, in the last read
        # Called for each chunk: a method would cost twice as much.
        self.on_body = self.pieces.append
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self.renew()

    def renew(self) -> None:
        """Prepare for the next request."""
        self.head: RequestHead | None = None
        self.trailers: Headers = []  # the head's fields until the head is complete
        self.is_complete = False
        self.is_last = not self._limits.keeps_alive  # no request is served behind this one
        self.raw_count = 0  # bytes of this request, framing included
        self.overhead = 0  # bytes of the body that were neither data nor plain chunk framing
        self._small_chunks = 0
        self._line = self._head_tail = b""  # the request line; the head's last bytes so far
        self._empty_lines = 0  # before the request line
        self.pieces.clear()
        self.is_behind = False

    def finish(self) -> Headers:
        """Return the trailers of a complete request.

        Only what the framing of the answer depends on is kept of the request: a response may be
        held for minutes, and its application has received the rest.
        """
        assert self.head is not None
        trailers, self.trailers = self.trailers, []
        self.head = bare_head(self.head.method, self.head.version)
        return trailers

    def close(self) -> None:
        """Release the parser: it refers to our bound methods, which makes a reference cycle."""
        self._parser = None

    def feed(self, data: bytes) -> None:
        """Parse the next bytes.

        Raises:
            HttpError: the request is malformed or over a limit; do not call `feed` again.
        """
        parser = self._parser
        assert parser is not None
        self.raw_count += len(data)
        is_in_head = self.head is None
        seen = data  # what may have the end of the head
        if not is_in_head:
            self.overhead += len(data)
        elif not self._line and (end := data.find(b"\n") + 1) and not data.startswith(b"\r"):
            self._line = data[:end]
        else:
            seen = self._take_line(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.is_last = True
            self.is_behind = upgrade.args[0] < len(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, HttpError):
                raise cause from None
            if not self.is_complete:
                self._check_version()
                raise HttpError(400, f"malformed request: {str(error).lower()}") from None
            self.is_last = self.is_behind = True
        if not is_in_head:
            return
        # Bound an incomplete head; count the bytes behind a complete one.
        if self.head is not None:
            self.overhead = len(seen) - seen.find(b"\r\n\r\n") - 4
            self._line = self._head_tail = b""  # a held response needs neither
        elif self.raw_count > self._limits.head_bytes:
            raise HttpError(431, f"the head is over {self._limits.head_bytes} bytes")
        else:
            self._head_tail = seen[-3:]

    def _take_line(self, data: bytes) -> bytes:
        """Collect a request line that arrives in pieces, without the empty lines before it.

        Returns what of the head has to be searched for its end: the empty lines do not end it.
        """
        seen = self._head_tail + data
        if not self._line.strip():
            seen = seen.lstrip(b"\r\n")
        start = 0
        while not self._line.endswith(b"\n"):
            end = data.find(b"\n", start) + 1
            self._line += data[start : end or len(data)]
            if not end:
                break
            if self._line == b"\r\n":
                self._line = b""
                self._empty_lines += 1
                if self._empty_lines > limits.EMPTY_LINES_MAX:
                    most = limits.EMPTY_LINES_MAX
                    raise HttpError(400, f"over {most} empty lines before the request line")
            start = end
        return seen

    def _check_version(self) -> None:
        """Refuse another version of HTTP with 505, which the parser reports as malformed."""
        found = _VERSION.search(self._line) if self.head is None else None
        if found is not None and found[1] not in _SERVED:
            raise HttpError(505, f"HTTP version {found[1].decode()} is not served here")

    def take_body(self) -> bytes:
        """Return the body bytes of the last read, joined.

        Raises:
            HttpError: chunk extensions and trailers are too long, or too many chunks are small.
        """
        pieces = self.pieces
        data = b""
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            plain = len(data) + len(pieces) * limits.FRAMING_BYTES_PER_READ_PIECE
            self.overhead = max(0, self.overhead - plain)
            if len(pieces) > 1:
                self._count_small(len(pieces), len(data))
            pieces.clear()
        if self.overhead > self._limits.framing_bytes:
            self._check_overhead()
        return data

    def _check_overhead(self) -> None:
        """Bound chunk framing. Bytes behind a request count as well, because the parser does not
        report where they start."""
        most = self._limits.framing_bytes
        behind = limits.PIPELINED_BYTES_MAX if self.is_behind else 0
        is_chunked = self.head is not None and self.head.get(b"transfer-encoding") is not None
        if is_chunked and self.overhead > most + behind:
            raise HttpError(400, f"chunk sizes, extensions and trailers are over {most} bytes")

    def _count_small(self, count: int, size: int) -> None:
        """Bound the number of small chunks, because each costs a call.

        The first piece of a read is not counted: each read has one, of whatever size.
        """
        most = self._limits.small_chunks
        self._small_chunks += max(0, count - 1 - size // limits.SMALL_CHUNK_BYTES)
        if most is not None and self._small_chunks > most:
            small = limits.SMALL_CHUNK_BYTES
            raise HttpError(400, f"over {most} chunks of the body are under {small} bytes")

    # --- called by httptools -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise _BehindError  # which ends the parser's work

    def on_header(self, name: bytes, value: bytes) -> None:
        fields = self.trailers
        # The parser leaves trailing white space, which is not part of the value (RFC 9110 §5.5).
        fields.append((name.lower(), value.rstrip(b" \t")))
        if len(fields) > self._limits.header_count:
            raise HttpError(431, f"more than {self._limits.header_count} header fields")

    def on_headers_complete(self) -> None:
        bounds, fields, parser = self._limits, self.trailers, self._parser
        assert parser is not None
        line = self._line.decode("latin-1")
        found = _REQUEST_LINE.fullmatch(line)
        method, target, version = found.groups() if found else _parts_of(line, parser)
        if len(target) > bounds.target_bytes:
            raise HttpError(414, f"the request target is over {bounds.target_bytes} bytes")
        # Fields are shorter than what was read.
        if self.raw_count > bounds.head_bytes and _size_of(fields) > bounds.head_bytes:
            raise HttpError(431, f"the head is over {bounds.head_bytes} bytes")
        # `check_request` refuses other versions, with another status.
        if found is None and version in ("1.1", "1.0"):
            raise HttpError(
                400, f"malformed request line {line[:80]!r}: not METHOD TARGET HTTP/1.1"
            )
        self.head = RequestHead(method, target, version, fields)
        self.trailers = []
        self.is_last = self.is_last or version != "1.1" or not parser.should_keep_alive()

    def on_message_complete(self) -> None:
        self.is_complete = True


class _BehindError(Exception):
    """Bytes follow the request in the same read."""


def _parts_of(line: str, parser: httptools.HttpRequestParser) -> tuple[str, str, str]:
    """Return method, target and version of a line that is not as it should be."""
    words = line.encode("latin-1").split(None, 2)
    target = words[1].decode("latin-1") if len(words) > 1 else ""
    return parser.get_method().decode(), target, parser.get_http_version()


def _size_of(fields: Headers) -> int:
    return sum(len(name) + len(value) for name, value in fields)


class ChunkTrackingParser(RequestParser):
    """Tracks, too, whether a read starts inside a chunk of an earlier read."""

    __slots__ = ("_open", "is_inside_chunk", "on_chunk_complete", "on_chunk_header")

    def __init__(self, bounds: HttpLimits) -> None:
        self._open: list[bool] = []  # holds one item while a chunk is open
        self.on_chunk_header = partial(self._open.append, True)  # no methods: see `on_body`
        self.on_chunk_complete = self._open.clear
        super().__init__(bounds)

    def renew(self) -> None:
        """Prepare for the next request."""
        super().renew()
        self._open.clear()
        self.is_inside_chunk = False

    def feed(self, data: bytes) -> None:
        """Parse the next bytes; see `RequestParser.feed`."""
        self.is_inside_chunk = bool(self._open)
        super().feed(data)
