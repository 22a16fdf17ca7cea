"""The shape of Function URLs (payload format 2.0): its events, read and written, and its results.

The gateway and the emulator write them. Source: Lambda Developer Guide "urls-invocation" (read
2026-11), and events that others recorded on AWS in 2025 and 2026. Each decision that no document
covers is named where it is made.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from tailrace.limits import EVENT_CONTROLS_MAX
from tailrace.wire.events import EventCodec
from tailrace.wire.events.fields import body_in, mapping_in, text_in
from tailrace.wire.integration import Head, encode_prelude

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_TEXT_TYPES: Final = ("application/json", "application/xml", "application/javascript")
_NEVER_IN_A_PATH: Final = frozenset(" ?#")
_CONTROLS: Final = bytes(byte for byte in range(0x20) if byte not in b"\b\t\n\f\r")
"""Characters that JSON escapes with six characters."""


class FunctionUrlReader:
    """Reads the request in an event of this shape. A part that the event lacks is empty.

    `context` is the event's `context_of`.
    """

    __slots__ = ("_context", "_fields", "_http")

    def __init__(self, fields: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        self._fields = fields
        self._context = context
        self._http = mapping_in(context, "http")

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return text_in(self._http, "method")

    @property
    def raw_path(self) -> str:
        """The path as sent: percent-encoded, without the query."""
        path = text_in(self._fields, "rawPath")
        if path.isascii() and path.isprintable() and not _NEVER_IN_A_PATH.intersection(path):
            return path
        # An HTTP API decodes paths, and this event may be one of a custom domain.
        from tailrace.wire.events.percent import complete_path

        return complete_path(path)

    @property
    def root_path(self) -> str:
        """The path at which the front end serves the function; empty for a Function URL."""
        return ""

    @property
    def query(self) -> str:
        """The query as sent, without the question mark."""
        return text_in(self._fields, "rawQueryString")

    @property
    def header_pairs(self) -> list[tuple[str, str]]:
        """The header fields; names are in lower case, repeated fields are joined.

        An HTTP API moves the Cookie field to the event's `cookies`; here it is a field again.
        """
        fields = mapping_in(self._fields, "headers").items()
        pairs = [(name.lower(), value) for name, value in fields if isinstance(value, str)]
        cookies = self._fields.get("cookies")
        if isinstance(cookies, (list, tuple)) and all(name != "cookie" for name, _ in pairs):
            texts = [cookie for cookie in cookies if isinstance(cookie, str)]
            pairs += [("cookie", "; ".join(texts))] if texts else []
        return pairs

    @property
    def body(self) -> bytes:
        """The body.

        Raises:
            ValueError: it should be base64, and is not.
        """
        return body_in(self._fields)

    @property
    def source_ip(self) -> str:
        """The client's address."""
        return text_in(self._http, "sourceIp")

    @property
    def protocol(self) -> str:
        """The protocol, such as `HTTP/1.1`."""
        return text_in(self._http, "protocol")

    @property
    def request_id(self) -> str:
        """The id that the front end gave the request."""
        return text_in(self._context, "requestId")


def result(head: Head, body: bytes) -> dict[str, Any]:
    """Return a response as a buffered result."""
    from tailrace.wire.results import result_from_response  # here: most responses are streamed

    return result_from_response(head, body)


FUNCTION_URL: Final = EventCodec(FunctionUrlReader, result, encode_prelude)


def event_from_request(
    *,
    method: str,
    path: str,
    query: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    source_ip: str,
    request_id: str,
    time_epoch_ms: int,
    host: str,
    protocol: str = "HTTP/1.1",
    account_id: str = "anonymous",
) -> dict[str, Any]:
    """Return the Function URL event of a request: a new dict of JSON types.

    `path` and `query` are as sent: percent-encoded, the query without the question mark. `headers`
    are in the order in which they came, with names in lower case and values decoded as Latin-1.
    `host` is the Host field; the event has it without a port.

    As recorded on AWS: repeated headers and query parameters are joined with a comma and no space;
    the Cookie header stays in `headers`; `cookies`, `queryStringParameters` and `body` are absent
    if there are none.
    """
    joined = dict(headers)
    if len(joined) < len(headers):
        joined = _join(headers)
    domain_name = host
    if ":" in host:
        before_port, _, port = host.rpartition(":")
        domain_name = before_port if port.isdigit() else host
    prefix = domain_name.partition(".")[0]
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
    }
    if "cookie" in joined:
        cookies = [part.strip() for part in joined["cookie"].split(";")]
        if any(cookies):
            event["cookies"] = [cookie for cookie in cookies if cookie]
    event["headers"] = joined
    if query and (parameters := _query_parameters(query)):
        event["queryStringParameters"] = parameters
    event["requestContext"] = {
        "accountId": account_id,
        "apiId": prefix,
        "domainName": domain_name,
        "domainPrefix": prefix,
        "http": {
            "method": method,
            "path": _unquoted(path) if "%" in path else path,
            "protocol": protocol,
            "sourceIp": source_ip,
            "userAgent": joined.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": _access_log_time(time_epoch_ms // 1000),
        "timeEpoch": time_epoch_ms,
    }
    is_base64 = False
    if body:
        event["body"], is_base64 = _text_of(body, joined.get("content-type", ""))
    event["isBase64Encoded"] = is_base64
    return event


def _join(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        if name not in joined:
            joined[name] = value
        else:
            # A comma would become part of a cookie's value (RFC 9113, section 8.2.3).
            joined[name] += ("; " if name == "cookie" else ",") + value
    return joined


def _unquoted(path: str) -> str:
    from urllib.parse import unquote  # here: a function writes no event, but pays for imports

    return unquote(path)


def _query_parameters(query: str) -> dict[str, str]:
    decode: Callable[[str], str] = str
    if "%" in query or "+" in query:
        from urllib.parse import unquote_plus  # see `_unquoted`

        decode = unquote_plus

    # Joined at the end: thousands of values of one name would be copied again for each.
    values: dict[str, list[str]] = {}
    for piece in query.split("&"):
        if not piece:
            continue
        raw_name, _, raw_value = piece.partition("=")
        values.setdefault(decode(raw_name), []).append(decode(raw_value))
    return {name: ",".join(every) for name, every in values.items()}


@lru_cache(maxsize=1)  # a busy gateway writes many events in one second
def _access_log_time(epoch_s: int) -> str:
    """Return a time as in 10/Jul/2026:19:19:06 +0000."""
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(epoch_s, UTC)
    # Not strftime("%b"): that depends on the locale.
    return f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"


def _text_of(body: bytes, content_type: str) -> tuple[str, bool]:
    """Return a body as an event carries it, and whether that is base64.

    No document lists the bodies that AWS sends as plain text. Here they are those that were
    recorded of API Gateway's HTTP APIs, which have the same format: `text/*` and `_TEXT_TYPES`, in
    UTF-8, with at most `EVENT_CONTROLS_MAX` control characters. All others are base64.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        control_count = len(body) - len(body.translate(None, _CONTROLS))
        try:
            if control_count <= EVENT_CONTROLS_MAX:
                return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return binascii.b2a_base64(body, newline=False).decode("ascii"), True
