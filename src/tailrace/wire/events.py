"""HTTP requests as events: the shape that Function URLs send (payload format 2.0).

Source: Lambda Developer Guide "urls-invocation" (read 2026-11), and events that others recorded on
AWS in 2025 and 2026. Each decision that no document covers is named where it is made.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tailrace.limits import EVENT_CONTROLS_MAX

_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_TEXT_TYPES: Final = ("application/json", "application/xml", "application/javascript")
_CONTROLS: Final = bytes(byte for byte in range(0x20) if byte not in b"\b\t\n\f\r")
"""Characters of which JSON makes six."""


class RequestParts(NamedTuple):
    """What an event is made of; create it with keywords."""

    method: str
    path: str
    """As sent: percent-encoded, without the query."""
    query: str
    """As sent, without the question mark."""
    headers: Sequence[tuple[str, str]]
    """Lower-case names, values decoded as Latin-1, in the order they came."""
    body: bytes
    source_ip: str
    request_id: str
    time_epoch_ms: int
    domain_name: str
    """The host that the client asked for, without a port."""
    protocol: str = "HTTP/1.1"


def event_from_request(parts: RequestParts, *, account_id: str = "anonymous") -> dict[str, Any]:
    """Return the Function URL event of a request: a new dict of JSON types.

    As recorded on AWS: `rawPath` and `rawQueryString` are as sent, `requestContext.http.path` is
    decoded; repeated headers and query parameters are joined with a comma and no space; the
    Cookie header stays in `headers`; `cookies`, `queryStringParameters` and `body` are absent
    when there are none.

    Which bodies AWS sends as plain text is not documented. Here, as recorded of API Gateway's HTTP
    APIs, which have the same format: what is declared as `text/*` or one of `_TEXT_TYPES`. It must
    be UTF-8, with at most `EVENT_CONTROLS_MAX` control characters. Everything else is base64.
    """
    # Imported here because a function at its cold start makes no event.
    from urllib.parse import unquote

    headers = _joined(parts.headers)
    prefix = parts.domain_name.partition(".")[0]
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
    }
    cookies = [part.strip() for part in headers.get("cookie", "").split(";")]
    if any(cookies):
        event["cookies"] = [cookie for cookie in cookies if cookie]
    event["headers"] = headers
    parameters = _query_parameters(parts.query)
    if parameters:
        event["queryStringParameters"] = parameters
    event["requestContext"] = {
        "accountId": account_id,
        "apiId": prefix,
        "domainName": parts.domain_name,
        "domainPrefix": prefix,
        "http": {
            "method": parts.method,
            "path": unquote(parts.path),
            "protocol": parts.protocol,
            "sourceIp": parts.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": parts.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": _access_log_time(parts.time_epoch_ms // 1000),
        "timeEpoch": parts.time_epoch_ms,
    }
    text = _text(headers.get("content-type", ""), parts.body)
    if parts.body:
        event["body"] = _base64(parts.body) if text is None else text
    event["isBase64Encoded"] = text is None
    return event


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        if name not in joined:
            joined[name] = value
        elif name == "cookie":
            # A comma would become part of a cookie's value (RFC 9113, section 8.2.3).
            joined[name] += "; " + value
        else:
            joined[name] += "," + value
    return joined


def _query_parameters(query: str) -> dict[str, str]:
    from urllib.parse import unquote_plus

    # Joined at the end: thousands of values of one name would be copied again for each.
    values: dict[str, list[str]] = {}
    for piece in query.split("&"):
        if not piece:
            continue
        raw_name, _, raw_value = piece.partition("=")
        values.setdefault(unquote_plus(raw_name), []).append(unquote_plus(raw_value))
    return {name: ",".join(every) for name, every in values.items()}


@lru_cache(maxsize=1)  # a busy gateway asks for one second many times
def _access_log_time(epoch_s: int) -> str:
    """Return a time as in 10/Jul/2026:19:19:06 +0000."""
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(epoch_s, UTC)
    # Not strftime("%b"): that depends on the locale.
    return f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"


def _text(content_type: str, body: bytes) -> str | None:
    """Return a body as text, or None when an event must carry it as base64."""
    if not body:
        return ""
    media_type = content_type.partition(";")[0].strip().lower()
    if not (media_type.startswith("text/") or media_type in _TEXT_TYPES):
        return None
    if len(body) - len(body.translate(None, _CONTROLS)) > EVENT_CONTROLS_MAX:
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _base64(body: bytes) -> str:
    return binascii.b2a_base64(body, newline=False).decode("ascii")
