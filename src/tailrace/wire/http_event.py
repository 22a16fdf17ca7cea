"""HTTP requests as Function URL events (payload format 2.0), and buffered results as responses.

Source: Lambda Developer Guide "urls-invocation" (read 2026-11), and events and responses that
others recorded on AWS in 2025 and 2026. What is not documented is said where it is decided.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tailrace.errors import HeadError, ResultError
from tailrace.limits import EVENT_CONTROLS_MAX
from tailrace.wire.integration import Head

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


def response_from_result(result: object) -> tuple[Head, bytes]:
    """Return the response that a buffered result means.

    A result is what AWS's Python runtime makes JSON of (`result_json`), Decimals and named tuples
    included. A dict with `statusCode` is a response: `headers`, `cookies`, `body` (text) and
    `isBase64Encoded` are understood, other keys (`multiValueHeaders` too) are ignored, and a body
    without a content type is `application/json`, as Lambda says it. A body that is a dict or a
    list, which Lambda accepts too, is its minified JSON.

    Anything else is a 200 of `application/json`: text as it is, without quotes; None as `null`;
    the rest as minified JSON. Bytes, which Lambda does not know, are `application/octet-stream`.

    Raises:
        ResultError: a status, header or cookie that HTTP does not allow, a body that is not text,
            base64 that is none, or a value that JSON does not know.
    """
    envelope = result if isinstance(result, dict) else _record(result)
    if envelope is not None and "statusCode" in envelope:
        return _response_from_envelope(envelope)
    if isinstance(result, bytes | bytearray | memoryview):
        return Head(200, (("content-type", "application/octet-stream"),)), bytes(result)
    text = result if isinstance(result, str) else _json(result)
    return Head(200, (("content-type", "application/json"),)), _utf8(text, "the result")


def result_from_response(head: Head, body: bytes) -> dict[str, Any]:
    """Return the buffered result that means a response: the inverse of `response_from_result`.

    The body is base64 when it is not UTF-8, or has a NUL byte: it is not text then, and JSON would
    take six characters for each. Repeated headers are joined with ", ".
    """
    result: dict[str, Any] = {"statusCode": head.status, "headers": head.joined_headers()}
    if head.cookies:
        result["cookies"] = list(head.cookies)
    try:
        text = None if b"\0" in body else body.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    result["body"] = _base64(body) if text is None else text
    result["isBase64Encoded"] = text is None
    return result


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


def _response_from_envelope(envelope: dict[Any, Any]) -> tuple[Head, bytes]:
    body = _envelope_body(envelope)
    headers = _as_json(envelope.get("headers"))
    cookies = _as_json(envelope.get("cookies"))
    if headers is not None and not isinstance(headers, Mapping):
        raise ResultError("headers: an object of names and values is wanted")
    try:
        head = Head(
            _as_json(envelope["statusCode"]),
            () if headers is None else headers,
            () if cookies is None else cookies,
        )
        if body and head.get("content-type") is None:
            headers = (*head.headers, ("content-type", "application/json"))
            head = Head(head.status, headers, head.cookies)
    except HeadError as error:
        raise ResultError(str(error)) from error
    return head, body


def _envelope_body(envelope: dict[Any, Any]) -> bytes:
    body = envelope.get("body")
    if body is None:
        body = ""
    if isinstance(body, bytes):
        body = _as_json(body)
    elif isinstance(body, dict | list | tuple):
        body = _json(body)
    if not isinstance(body, str):
        raise ResultError(f"body: text is wanted, not {type(body).__name__}")
    is_base64 = envelope.get("isBase64Encoded")
    if is_base64 is None or is_base64 is False:
        return _utf8(body, "body")
    if is_base64 is not True:
        raise ResultError(f"isBase64Encoded: a boolean is wanted, not {type(is_base64).__name__}")
    try:
        # Line breaks are allowed, other characters outside the alphabet are not.
        encoded = body.encode("ascii")
        if b"\n" in encoded or b"\r" in encoded:
            encoded = encoded.translate(None, b"\r\n")
        return binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError as error:
        raise ResultError(
            f"body: isBase64Encoded is true, but this is not base64: {error}"
        ) from None


def _record(value: object) -> dict[Any, Any] | None:
    if not hasattr(value, "_asdict"):
        return None
    from tailrace.wire import result_json  # here and below: most handlers return no result

    try:
        return result_json.fields_of_record(value)
    except TypeError as error:
        raise ResultError(f"the result is not JSON: {error}") from None


def _as_json(value: object) -> Any:
    """Return a member of a response as it is read back from JSON.

    What JSON does not know is returned as it is, for the check of the member, which names it.
    """
    if value is None or type(value) in (str, int):
        return value
    from tailrace.wire import result_json

    try:
        return json.loads(result_json.encode(value, is_ascii=True))
    except Exception:  # what a method of the value raises, too
        return value


def _json(value: object) -> str:
    from tailrace.wire import result_json

    try:
        return result_json.encode(value, is_ascii=False, is_minified=True, allows_nan=False)
    except Exception as error:  # what a method of the value raises, too
        raise ResultError(f"the result is not JSON: {error}") from None


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ResultError(f"{what}: a lone surrogate at {error.start} cannot be sent") from None


def _base64(body: bytes) -> str:
    return binascii.b2a_base64(body, newline=False).decode("ascii")
