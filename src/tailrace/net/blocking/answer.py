"""The answer to an HTTP/1.1 request: an incremental parser without I/O.

Source: RFC 9112, sections 4 to 7. Functions import this at their cold start: standard library only,
and not http.client, which imports the email package.
"""

from __future__ import annotations

from functools import lru_cache

from tailrace.errors import PeerError
from tailrace.limits import (
    ANSWER_NAMES_KEPT_MAX,
    ANSWER_STATUSES_KEPT_MAX,
    HEAD_BYTES_MAX,
    HEADER_COUNT_MAX,
    INTERIM_ANSWERS_MAX,
    KEPT_FIELD_BYTES_MAX,
)
from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final, NoReturn

_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HEX: Final = b"0123456789ABCDEFabcdef"
_DIGITS: Final = b"0123456789"
_BODILESS: Final = (204, 304)
_LINE_BYTES_MAX: Final = 4096


class HttpAnswer(NamedTuple):
    """A complete final answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case, values decoded as Latin-1; repeats are joined with a comma."""
    body: bytes


class AnswerParser:
    """Reads the answer to one request, from reads of any size.

    `status` is set with the head of the final answer, `answer` once its body is complete.
    `is_continued` is set by a `100 Continue`, `continue_headers` are those of the first one; other
    interim answers are skipped.
    """

    __slots__ = (
        "_body",
        "_body_bytes_max",
        "_buffer",
        "_headers",
        "_interim_count",
        "_is_last_chunk",
        "_left",
        "_scanned",
        "_trailer_count",
        "answer",
        "can_keep",
        "continue_headers",
        "is_continued",
        "status",
    )

    def __init__(self, body_bytes_max: int) -> None:
        self.answer: HttpAnswer | None = None
        self.status: int | None = None
        self.is_continued = False
        self.continue_headers: dict[str, str] = {}
        self.can_keep = False  # once `answer` is set: the connection may carry another request
        self._body_bytes_max = body_bytes_max
        self._buffer = bytearray()
        self._scanned = 0
        self._headers: dict[str, str] = {}
        self._body: bytearray | None = None  # of a chunked answer
        self._left: int | None = None  # bytes left of the body or chunk; None: until the end
        self._is_last_chunk = False
        self._interim_count = self._trailer_count = 0

    @property
    def has_started(self) -> bool:
        """Whether any byte of an answer has arrived."""
        return bool(self._buffer) or self.is_continued or self.status is not None

    @property
    def body_so_far(self) -> bytes:
        """The part of the final answer's body that has arrived."""
        if self.answer is not None:
            return self.answer.body
        if self.status is None:
            return b""
        return bytes(self._buffer if self._body is None else self._body)

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Bytes behind a complete answer are ignored; then the connection
        cannot be kept.

        Raises:
            PeerError: the answer is not HTTP/1.1, or it is over a limit.
        """
        if self.answer is not None:
            self.can_keep = False
            return
        self._buffer += data
        while self.status is None:
            if not self._read_head():
                return
        self._read_body()

    def end(self) -> None:
        """Take the end of the connection.

        Raises:
            PeerError: the answer is not complete.
        """
        if self.answer is not None:
            self.can_keep = False
            return
        if self.status is None or self._left is not None or self._body is not None:
            where = "in mid-answer" if self.has_started else "without an answer"
            raise PeerError(f"the peer closed the connection {where}")
        self._complete(bytes(self._buffer))

    def _read_head(self) -> bool:
        """Read one head if it is complete; return whether it was. An interim one is skipped."""
        end = self._buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end < 0:
            self._scanned = len(self._buffer)
            if self._scanned > HEAD_BYTES_MAX:
                _refuse(f"a head over {HEAD_BYTES_MAX} bytes")
            return False
        lines = bytes(memoryview(self._buffer)[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        self._scanned = 0
        is_short = len(lines[0]) <= KEPT_FIELD_BYTES_MAX
        status = (_kept_status if is_short else _read_status)(lines[0])
        headers = _read_fields(lines[1:])
        if status == 101:
            _refuse("another protocol, which was not asked for")
        if status < 200:
            self._interim_count += 1
            if self._interim_count > INTERIM_ANSWERS_MAX:
                _refuse(f"more than {INTERIM_ANSWERS_MAX} interim answers")
            if status == 100 and not self.is_continued:
                self.is_continued = True
                self.continue_headers = headers
            return True
        self._start_body(status, headers, is_old=lines[0].startswith(b"HTTP/1.0"))
        return True

    def _start_body(self, status: int, headers: dict[str, str], *, is_old: bool) -> None:
        self._headers = headers
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if status in _BODILESS:
            self._left = 0
        elif coding is not None:
            if coding.lower() != "chunked" or length is not None or is_old:
                _refuse("its body's framing is ambiguous")
            self._body = bytearray()
            self._left = None
        elif length is not None:
            if len(length) > 18 or not (length.isascii() and length.isdigit()):
                _refuse(f"its content-length is {length[:40]!r}")
            self._left = int(length)
            if self._left > self._body_bytes_max:
                self._refuse_size(status)
        is_framed = coding is not None or self._left is not None
        self.can_keep = (
            is_framed and not is_old and "close" not in headers.get("connection", "").lower()
        )
        self.status = status

    def _read_body(self) -> None:
        if self._body is not None:
            while self._read_chunk(self._body):
                pass
            return
        if self._left is None:
            if len(self._buffer) > self._body_bytes_max:
                self._refuse_size(self.status)
            return
        if len(self._buffer) >= self._left:
            if len(self._buffer) > self._left:
                self.can_keep = False
            self._complete(bytes(memoryview(self._buffer)[: self._left]))

    def _read_chunk(self, body: bytearray) -> bool:
        """Read one chunk, or one trailer, if it is complete; return whether to continue."""
        if self._left is None:
            line = self._read_line()
            if line is None:
                return False
            if self._is_last_chunk:
                if not line:
                    self.can_keep = self.can_keep and not self._buffer
                    self._complete(bytes(body))
                self._trailer_count += 1
                if self._trailer_count > HEADER_COUNT_MAX:
                    _refuse(f"more than {HEADER_COUNT_MAX} trailers")
                return bool(line)
            digits = line.partition(b";")[0].rstrip(b" \t")
            if len(digits) > 15 or b"\n" in line or not _is_made_of(_HEX, digits):
                _refuse(f"its chunk size is {line[:40]!r}")
            size = int(digits, 16)
            if len(body) + size > self._body_bytes_max:
                self._refuse_size(self.status)
            self._is_last_chunk = size == 0
            self._left = size or None
            return True
        if len(self._buffer) < self._left + 2:
            return False
        body += self._buffer[: self._left]
        if self._buffer[self._left : self._left + 2] != b"\r\n":
            _refuse("a chunk does not end where it should")
        del self._buffer[: self._left + 2]
        self._left = None
        return True

    def _read_line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n")
        if end > _LINE_BYTES_MAX or (end < 0 and len(self._buffer) > _LINE_BYTES_MAX):
            _refuse("a chunk extension or trailer is too long")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _complete(self, body: bytes) -> None:
        assert self.status is not None
        self.answer = HttpAnswer(self.status, self._headers, body)
        self._buffer.clear()

    def _refuse_size(self, status: int | None) -> NoReturn:
        raise PeerError(f"the peer's answer {status} has a body over {self._body_bytes_max} bytes")


def _read_status(line: bytes) -> int:
    """Read a status line. No regular expressions here: compiling them slows a cold start."""
    version, code, reason = line[:9], line[9:12], line[12:]
    is_legal = (
        version in (b"HTTP/1.1 ", b"HTTP/1.0 ")
        and len(code) == 3
        and _is_made_of(_DIGITS, code)
        and b"1" <= code[:1] <= b"5"
        and (not reason or (reason.startswith(b" ") and b"\n" not in reason))
    )
    if not is_legal:
        _refuse(f"it begins with {line[:40]!r}")
    return int(code)


_kept_status = lru_cache(ANSWER_STATUSES_KEPT_MAX)(_read_status)  # a peer has few of them


def _is_made_of(alphabet: bytes, text: bytes) -> bool:
    return bool(text) and not text.translate(None, alphabet)


def _read_fields(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > HEADER_COUNT_MAX:
        _refuse(f"more than {HEADER_COUNT_MAX} header fields")
    headers: dict[str, str] = {}
    for line in lines:
        raw_name, colon, raw_value = line.partition(b":")
        is_short = len(raw_name) <= KEPT_FIELD_BYTES_MAX
        name = (_kept_name if is_short else _field_name)(raw_name) if colon else None
        if name is None:
            _refuse(f"a header field is {line[:40]!r}")
        value = raw_value.strip(b" \t").decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _field_name(raw_name: bytes) -> str | None:
    """Return a name in lower case, None if it is no token."""
    return raw_name.decode("ascii").lower() if _is_made_of(_TOKEN, raw_name) else None


_kept_name = lru_cache(ANSWER_NAMES_KEPT_MAX)(_field_name)  # a peer has few of them


def _refuse(what: str) -> NoReturn:
    raise PeerError(f"the peer's answer is not understood: {what}")
