"""The head of a response, from what a function sends to what the client gets.

Fields that belong to one connection are left out (RFC 9110, section 7.6.1): the gateway frames each
side separately.
"""

from __future__ import annotations

from typing import Final

from tailrace.errors import HeadError
from tailrace.wire.forwarded import HOP_BY_HOP, named_by_connection
from tailrace.wire.http_head import Headers, RequestHead
from tailrace.wire.integration import Head

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

_OF_REQUESTS_PREFIXES: Final = ("sec-", "x-b3-", "x-datadog-", "x-forwarded-")
"""Prefixes of such headers: of browsers and of fetch in Node.js, of traces, of proxies."""

_LENGTH_DIGITS_MAX: Final = 18
"""Digits of a content-length that fits into a signed 64-bit integer, as clients use it."""


def response_fields(head: Head) -> tuple[Headers, int | None]:
    """Return a function's head as header fields for the client, and the announced length.

    Raises:
        HeadError: there are several lengths, or one is not a number.
    """
    fields: Headers = []
    length: int | None = None
    dropped = named_by_connection(
        value for name, value in head.headers if name.lower() == "connection"
    )
    for name, value in head.headers:
        lower = name.lower()
        if lower == "content-length":
            if length is not None or not _is_length(value):
                raise HeadError(f"content-length: {value[:40]!r} is not one length")
            length = int(value)
        elif lower not in HOP_BY_HOP and lower not in dropped:
            fields.append((lower.encode("latin-1"), value.encode("latin-1")))
    fields += [(b"set-cookie", cookie.encode("latin-1")) for cookie in head.cookies]
    return fields, length


def _is_length(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= _LENGTH_DIGITS_MAX


def head_from_callback(head: RequestHead) -> Head:
    """Return the response head in the headers of a callback without the integration type.

    The status is in `x-status-code`; 200 if it is missing. All headers are the response's, except
    those of a request; `response_fields` leaves out those of the connection, as on other paths.

    Raises:
        HeadError: the status or a header is not legal.
    """
    status = head.get(b"x-status-code") or b"200"
    fields = []
    for raw_name, raw_value in head.headers:
        name = raw_name.decode("latin-1")
        if name not in _OF_REQUESTS and not name.startswith(_OF_REQUESTS_PREFIXES):
            fields.append((name, raw_value.decode("latin-1")))
    if not (len(status) == 3 and status.isdigit()):
        raise HeadError(f"x-status-code: {status[:40]!r} is not a status")
    return Head(int(status), fields)
