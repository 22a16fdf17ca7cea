"""Heads of HTTP/1.1 messages: the checks of a request head, and response heads as bytes.

The parser (llhttp) refuses the well-known forms of request smuggling: both lengths at once, signed
or repeated lengths, bare line feeds, folded headers, NUL. The checks here refuse the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from tailrace import limits
from tailrace.errors import HttpError

Fields = Iterable[tuple[bytes, bytes]]
"""Header fields of a response: names in lower case, without those of the framing."""
Headers = list[tuple[bytes, bytes]]
"""Header fields in the order in which they are sent, names in lower case."""

# RFC 3986 §3.2.2 and §3.2.3: a name or address, an IPv6 address in brackets, perhaps a port.
_HOST: Final = re.compile(
    rb"(\[[0-9A-Fa-f:.]+(%25[A-Za-z0-9\-._~]+)?\]|[A-Za-z0-9\-._~%!$&'()*+,;=]*)(:[0-9]{0,5})?"
)
_URL: Final = re.compile(r"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)
_LENGTH_BYTES_MAX: Final = 64  # a length of 64 bits has 20 digits; zeros may stand before them
_STATUS_LINES: Final = {
    status: b"HTTP/1.1 %d %b\r\n"
    % (status, HTTPStatus(status).phrase.encode() if status in set(HTTPStatus) else b"")
    for status in range(100, 600)
}
_BODILESS: Final = frozenset({204, 304})


class RequestHead:
    """The head of one request.

    `target` is as it was sent, `path` and `query` are its two parts, still percent-encoded.

    `check_request` sets the rest. `host` is the Host header, or the authority of an absolute
    target (RFC 9112, section 3.2.2), with its port; empty if there is none. `accept` is the first
    Accept header. `content_length` is None if the body is chunked, or if there is none.
    `is_chunked` is set if the body is chunked, `expects_continue` if the sender waits for
    `100 Continue` before it sends the body.
    """

    __slots__ = (
        "accept",
        "content_length",
        "expects_continue",
        "headers",
        "host",
        "is_chunked",
        "method",
        "path",
        "query",
        "target",
        "version",
    )

    def __init__(self, method: str, target: str, version: str, headers: Headers) -> None:
        self.method = method
        self.target = target
        self.path, _, self.query = target.partition("?")
        self.version = version
        self.headers = headers
        self.host = ""
        self.accept: bytes | None = None
        self.content_length: int | None = None
        self.is_chunked = self.expects_continue = False

    def get(self, name: bytes) -> bytes | None:
        """Return the first value of a header; `name` is in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def has_body(self) -> bool:
        """Whether a body is announced, even one of length zero."""
        return self.content_length is not None or self.is_chunked


def check_request(head: RequestHead) -> None:
    """Refuse a request that the parser accepts but that must not be served.

    Sets the attributes that are derived from the fields.

    Raises:
        HttpError: with the status to answer: 400, 405 (CONNECT), 417, 501 or 505.
    """
    version, fields = head.version, head.headers
    if version != "1.1" and version != "1.0":
        raise HttpError(505, f"HTTP version {version} is not served here")
    if head.method == "CONNECT":
        raise HttpError(405, "CONNECT is not served here")
    first = dict(reversed(fields))  # the first value of each name
    if len(first) < len(fields) or b"" in first:
        _check_names([name for name, _ in fields])
    if b"content-length" in first:
        head.content_length = _length(first[b"content-length"])
    if b"transfer-encoding" in first:
        _check_coding(head, first[b"transfer-encoding"])
    if b"host" in first:
        host = first[b"host"]
        head.host = (_kept_host if len(host) <= limits.KEPT_FIELD_BYTES_MAX else _host_in)(host)
    elif version == "1.1":
        raise HttpError(400, "no host header")
    head.accept = first.get(b"accept")
    if "#" in head.target or not head.path.startswith("/"):
        _check_target(head)
    if b"upgrade" in first:
        _check_upgrade(head)
    if b"expect" in first:
        _check_expectation(head)


def _check_names(names: list[bytes]) -> None:
    if b"" in names:
        raise HttpError(400, "a header field has no name")
    for name in (b"host", b"transfer-encoding", b"content-length"):
        if names.count(name) > 1:
            raise HttpError(400, f"more than one {name.decode()} header")


def _host_in(value: bytes) -> str:
    """Return the value of a Host field as text."""
    if not _HOST.fullmatch(value):
        raise HttpError(400, "the host header is not a host")
    return value.decode("latin-1")


_kept_host: Final = lru_cache(limits.HOSTS_KEPT)(_host_in)


def _length(value: bytes) -> int:
    if len(value) > _LENGTH_BYTES_MAX or not value.isdigit():
        raise HttpError(400, "the content-length is not a length")
    return int(value)


def _values(head: RequestHead, name: bytes) -> set[bytes]:
    """Return the values of a header, in lower case; lists in them are not split."""
    return {value.lower() for key, value in head.headers if key == name}


def _check_coding(head: RequestHead, coding: bytes) -> None:
    if head.version == "1.0":  # RFC 9112 §6.1: the framing is faulty
        raise HttpError(400, "transfer-encoding in an HTTP/1.0 request")
    if head.content_length is not None:
        raise HttpError(400, "content-length and transfer-encoding in one request")
    if coding.lower() != b"chunked":
        raise HttpError(501, "the only transfer coding served here is chunked")
    head.is_chunked = True


def _check_expectation(head: RequestHead) -> None:
    for name, value in head.headers:
        if name == b"expect" and value.lower() != b"100-continue":
            raise HttpError(417, "the only expectation met here is 100-continue")
    head.expects_continue = head.version == "1.1"


def _check_target(head: RequestHead) -> None:
    """Split an absolute URL (RFC 9112, section 3.2.2); refuse any other target."""
    if "#" in head.target:
        raise HttpError(400, "the request target has a fragment")
    url = _URL.fullmatch(head.target)
    if url is None:
        raise HttpError(400, "the request target is neither a path nor a URL")
    authority = url[1].encode("latin-1")
    if not authority or not _HOST.fullmatch(authority):
        raise HttpError(400, "the request target has no host")
    path, _, head.query = url[2].partition("?")
    head.path = path or "/"
    head.host = url[1]
    head.headers[:] = [
        (b"host", authority),
        *(field for field in head.headers if field[0] != b"host"),
    ]


def _check_upgrade(head: RequestHead) -> None:
    if not any(b"upgrade" in value for value in _values(head, b"connection")):
        return
    if head.has_body:
        # The parser ends the message here and treats the body as another protocol.
        raise HttpError(400, "an upgrade is asked for on a request with a body")
    if any(b"websocket" in value for value in _values(head, b"upgrade")):
        raise HttpError(501, "WebSocket is not served here")


def has_body(method: str, status: int) -> bool:
    """Whether a response to `method` with `status` may carry a body (RFC 9110 §6.4.1)."""
    return method != "HEAD" and status not in _BODILESS


def encode_response_head(
    status: int, headers: Fields, framing: bytes = b"", date: bytes = b""
) -> bytes:
    """Return a response head with its empty line; `headers` are not checked.

    `framing` and `date` are whole lines, behind the headers; a date in `headers` replaces `date`.
    """
    parts = [_STATUS_LINES[status]]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")  # joined, which costs less than formatting
        if name == b"date":
            date = b""
    parts += (framing, date, b"\r\n")
    return b"".join(parts)
