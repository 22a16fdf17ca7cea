"""The head of a response, from what a function sends to what the client gets.

Fields that belong to one connection are left out (RFC 9110, section 7.6.1): the gateway frames each
side separately.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tailrace.errors import HeadError
from tailrace.wire.forwarded import HOP_BY_HOP, named_by_connection
from tailrace.wire.http_head import Headers, RequestHead
from tailrace.wire.integration import Head, legal_status

_OF_REQUESTS: Final = frozenset(
    (
        # RFC 9110, fields of requests alone (sections 7.2, 8.6, 10.1, 11.6, 12.5, 13.1 and 14.2),
        # and those of a path (7.6).
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "authorization",
        "from",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "max-forwards",
        "range",
        "referer",
        "user-agent",
        "via",
        # Other standards: cookies (RFC 6265), Forwarded (RFC 7239), and what browsers send.
        "access-control-request-headers",
        "access-control-request-method",
        "cookie",
        "dnt",
        "forwarded",
        "origin",
        "upgrade-insecure-requests",
        # What instrumented HTTP clients add: the trace that the callback belongs to.
        "b3",
        "baggage",
        "request-id",
        "sentry-trace",
        "traceparent",
        "tracestate",
        "x-amzn-trace-id",
        "x-cloud-trace-context",
        # Our own.
        "x-status-code",
    )
)
"""Headers of a callback that describe its request, not the response that it carries."""

_OF_REQUESTS_PREFIXES: Final = (b"sec-", b"x-b3-", b"x-datadog-", b"x-forwarded-")
"""Prefixes of such headers: of browsers and of fetch in Node.js, of traces, of proxies."""

_NOT_SENT: Final = HOP_BY_HOP | {"content-length"}
"""Headers of a response that its framing replaces."""

_NOT_OF_CALLBACKS: Final = frozenset(
    name.encode() for name in _OF_REQUESTS | _NOT_SENT | {"set-cookie"}
)
"""The headers of a callback that are not copied as they are."""

_LENGTH_DIGITS_MAX: Final = 18
"""Digits of a content-length that fits into a signed 64-bit integer, as clients use it."""


class ResponseFields(NamedTuple):
    """A response head as the client's connection sends it, without framing."""

    status: int
    fields: Headers
    length: int | None
    """The announced length of the body."""


def response_fields(head: Head) -> ResponseFields:
    """Return a function's head as it is sent to the client.

    Raises:
        HeadError: there are several lengths, or one is not a number.
    """
    fields: Headers = []
    length: int | None = None
    dropped: frozenset[str] = frozenset()
    for name, value in head.headers:
        lower = name.lower()
        if lower not in _NOT_SENT:
            fields.append((lower.encode("latin-1"), value.encode("latin-1")))
        elif lower == "content-length":
            if length is not None:
                raise HeadError(f"content-length: {value[:40]!r} is not one length")
            length = _length_of(value)
        elif lower == "connection":
            dropped |= named_by_connection((value,))
    if dropped:
        fields = [field for field in fields if field[0].decode("latin-1") not in dropped]
    for cookie in head.cookies:
        fields.append((b"set-cookie", cookie.encode("latin-1")))
    return ResponseFields(head.status, fields, length)


def _length_of(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= _LENGTH_DIGITS_MAX):
        raise HeadError(f"content-length: {value[:40]!r} is not one length")
    return int(value)


def fields_from_callback(head: RequestHead) -> ResponseFields:
    """Return the response head in the headers of a callback without the integration type.

    The status is in `x-status-code`; 200 if it is missing. All headers are the response's, except
    those of a request and of the connection. Cookies come last, as on other paths.

    Raises:
        HeadError: the status is not legal, or the length not a number.
    """
    fields: Headers = []
    cookies: Headers = []
    length = b""
    status: bytes | None = None
    dropped: frozenset[str] = frozenset()
    for field in head.headers:  # of which the parser has checked names and values
        name, value = field
        if name not in _NOT_OF_CALLBACKS and not name.startswith(_OF_REQUESTS_PREFIXES):
            fields.append(field)
        elif name == b"x-status-code":
            status = value if status is None else status
        elif name == b"set-cookie":
            cookies.append(field)
        elif name == b"content-length":
            length = value
        elif name == b"connection":
            dropped |= named_by_connection((value.decode("latin-1"),))
    if status and not (len(status) == 3 and status.isdigit()):
        raise HeadError(f"x-status-code: {status[:40]!r} is not a status")
    if dropped:
        fields = [field for field in fields if field[0].decode("latin-1") not in dropped]
    return ResponseFields(
        legal_status(int(status or b"200")),
        fields + cookies,
        _length_of(length.decode("latin-1")) if length else None,
    )
