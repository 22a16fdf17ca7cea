"""Requests as httptools reads them: a recorder with limits.

httptools (llhttp, the parser that Node.js uses) calls back in the middle of a read; nothing but
recording happens there. A second request in the same read is not recorded: it is not served.
"""

from __future__ import annotations

from dataclasses import dataclass

import httptools

from tailrace import limits
from tailrace.errors import HttpError
from tailrace.wire.http_head import Headers, RequestHead


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one listener; None switches a deadline off.

    Without `keeps_alive` each connection serves one request.
    """

    head_bytes: int = limits.HEAD_BYTES_MAX
    header_count: int = limits.HEADER_COUNT_MAX
    target_bytes: int = limits.TARGET_BYTES_MAX
    framing_bytes: int = limits.FRAMING_BYTES_SLACK
    head_timeout_s: float = limits.HEAD_TIMEOUT_S
    body_timeout_s: float | None = limits.BODY_TIMEOUT_S
    body_total_timeout_s: float | None = None
    keep_alive_timeout_s: float = limits.KEEP_ALIVE_TIMEOUT_S
    drain_idle_timeout_s: float = limits.DRAIN_IDLE_TIMEOUT_S
    linger_timeout_s: float = limits.LINGER_TIMEOUT_S
    stall_timeout_s: float = limits.CLIENT_STALL_TIMEOUT_S
    connections: int = limits.CONNECTIONS_MAX
    descriptors_left: int = limits.DESCRIPTORS_LEFT
    """File descriptors of the process that this listener's connections leave to others."""
    uploads: int | None = limits.UPLOADS_MAX
    """Request bodies under way; None on a listener whose requests are streams."""
    keeps_alive: bool = True
    tells_chunks: bool = False
    """Connections know where chunks of a request begin, which costs two calls for each."""


class RequestParser:
    """Reads one request after the other.

    After each `feed`: `head` once the head is complete, `take_body` for what came of the body,
    `is_complete` with `trailers`, `is_behind` when more has come than this request, which is not
    served. `renew` begins the next request.
    """

    __slots__ = (
        "_is_begun",
        "_limits",
        "_overhead",
        "_parser",
        "_pieces",
        "_target",
        "head",
        "is_behind",
        "is_complete",
        "is_last",
        "raw_count",
        "trailers",
    )

    is_inside_chunk = False
    """Whether the last read began in the middle of a chunk, if that is told."""

    def __init__(self, bounds: HttpLimits) -> None:
        self._limits = bounds
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self.renew()

    def renew(self) -> None:
        """Forget the last request."""
        self.head: RequestHead | None = None
        self.trailers: Headers = []  # the head's fields until the head is complete
        self.is_complete = False
        self.is_last = not self._limits.keeps_alive  # nothing is read behind this request
        self.raw_count = 0  # bytes of this request as they came
        self._overhead = 0  # bytes of the body that were neither data nor plain chunk framing
        self._target = b""
        self._pieces: list[bytes] = []
        self._is_begun = self.is_behind = False

    def close(self) -> None:
        """Let go of the parser, which holds our bound methods: they would be a cycle."""
        self._parser = None

    def feed(self, data: bytes) -> None:
        """Read on.

        Raises:
            HttpError: the request is malformed or over a limit; nothing more can be read.
        """
        assert self._parser is not None
        self.raw_count += len(data)
        if self.head is not None:
            self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.is_last = True
            self.is_behind = upgrade.args[0] < len(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, HttpError):
                raise cause from None
            if not self.is_complete:
                raise HttpError(400, f"malformed request: {str(error).lower()}") from None
            self.is_last = self.is_behind = True
        if self.head is None and self.raw_count > self._limits.head_bytes:
            raise HttpError(431, f"the head is over {self._limits.head_bytes} bytes")

    @property
    def has_pieces(self) -> bool:
        """Whether body bytes wait to be taken."""
        return bool(self._pieces)

    def take_body(self) -> bytes:
        """The body bytes of the last read, in one piece.

        Raises:
            HttpError: chunk extensions or trailers have no end.
        """
        pieces = self._pieces
        data = b""
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            plain = len(data) + len(pieces) * limits.FRAMING_BYTES_PER_READ_PIECE
            self._overhead = max(0, self._overhead - plain)
            pieces.clear()
        if self._overhead > self._limits.framing_bytes:
            raise HttpError(400, "chunk extensions and trailers are too long")
        return data

    # --- called by httptools -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._is_begun:
            self.is_behind = self.is_last = True
        self._is_begun = True

    def on_url(self, url: bytes) -> None:
        if not self.is_behind:
            self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.is_behind:
            return
        # The parser leaves what space is behind a value on it (RFC 9110 §5.5: not part of it).
        self.trailers.append((name.lower(), value.rstrip(b" \t")))
        if len(self.trailers) > self._limits.header_count:
            raise HttpError(431, f"more than {self._limits.header_count} header fields")

    def on_headers_complete(self) -> None:
        if self.is_behind:
            return
        bounds, fields, parser = self._limits, self.trailers, self._parser
        assert parser is not None
        if len(self._target) > bounds.target_bytes:
            raise HttpError(414, f"the request target is over {bounds.target_bytes} bytes")
        if sum(len(name) + len(value) for name, value in fields) > bounds.head_bytes:
            raise HttpError(431, f"the head is over {bounds.head_bytes} bytes")
        version = parser.get_http_version()
        target = self._target.decode("latin-1")
        self.head = RequestHead(parser.get_method().decode(), target, version, fields)
        self.trailers = []
        self.is_last = self.is_last or version != "1.1" or not parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if not self.is_behind:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        if not self.is_behind:
            self.is_complete = True


class ChunkTellingParser(RequestParser):
    """Knows, too, whether a read went on with a chunk that an earlier one had begun."""

    __slots__ = ("_is_open", "is_inside_chunk")

    def renew(self) -> None:
        """Forget the last request."""
        super().renew()
        self._is_open = self.is_inside_chunk = False

    def feed(self, data: bytes) -> None:
        """Read on; see `RequestParser.feed`."""
        self.is_inside_chunk = self._is_open
        super().feed(data)

    def on_chunk_header(self) -> None:
        self._is_open = True

    def on_chunk_complete(self) -> None:
        self._is_open = False
