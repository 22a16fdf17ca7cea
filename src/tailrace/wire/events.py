"""Events: the shapes in which front ends send an HTTP request, read and written.

`SHAPES` lists them. The shape of Function URLs (payload format 2.0) is written by the gateway and
the emulator and read by the SDK; the others are recognized. A new shape is a row with a reader, and
a writer beside `event_from_request` if a part of this package sends it.

Source: Lambda Developer Guide "urls-invocation" (read 2026-11), and events that others recorded on
AWS in 2025 and 2026. Each decision that no document covers is named where it is made. Functions
import this module at their cold start: hence no named tuples, which cost more than all the rest.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from tailrace.limits import EVENT_CONTROLS_MAX

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_TEXT_TYPES: Final = ("application/json", "application/xml", "application/javascript")
_CONTROLS: Final = bytes(byte for byte in range(0x20) if byte not in b"\b\t\n\f\r")
"""Characters that JSON escapes with six characters."""
_NO_FIELDS: Final[Mapping[str, Any]] = {}


class FunctionUrlReader:
    """Reads the request in an event of a Function URL or an HTTP API (payload format 2.0).

    `context` is the event's `context_of`. A part that the event lacks is empty.
    """

    __slots__ = ("_context", "_fields", "_http")

    def __init__(self, fields: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        self._fields = fields
        self._context = context
        self._http = _mapping_in(context, "http")

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return _text_in(self._http, "method")

    @property
    def request_id(self) -> str:
        """The id that the front end gave the request."""
        return _text_in(self._context, "requestId")

    @property
    def path(self) -> str:
        """The path as sent: percent-encoded, without the query."""
        return _text_in(self._fields, "rawPath")

    @property
    def query(self) -> str:
        """The query as sent, without the question mark."""
        return _text_in(self._fields, "rawQueryString")

    @property
    def headers(self) -> dict[str, str]:
        """The header fields; names are in lower case, repeated fields are joined.

        An HTTP API moves the Cookie field to the event's `cookies`; here it is a field again.
        """
        fields = _mapping_in(self._fields, "headers").items()
        headers = {name.lower(): value for name, value in fields if isinstance(value, str)}
        cookies = self._fields.get("cookies")
        if cookies and "cookie" not in headers:
            headers["cookie"] = "; ".join(cookies)
        return headers

    @property
    def body(self) -> bytes:
        """The body.

        Raises:
            ValueError: it should be base64, and is not.
        """
        text = _text_in(self._fields, "body")
        if not self._fields.get("isBase64Encoded"):
            return text.encode("utf-8")
        return binascii.a2b_base64(text, strict_mode=True)


class EventShape:
    """The form in which some front ends send an HTTP request.

    `front_end` is their name, for messages. `is_shape_of` returns whether an event is of this
    shape, from its fields and its `context_of`. `reader` reads the request; it is None for a shape
    that the SDK does not read, and whose form of a result it does not write.
    """

    __slots__ = ("front_end", "is_shape_of", "reader")

    def __init__(
        self,
        front_end: str,
        is_shape_of: Callable[[Mapping[str, Any], Mapping[str, Any]], bool],
        reader: type[FunctionUrlReader] | None = None,
    ) -> None:
        self.front_end = front_end
        self.is_shape_of = is_shape_of
        self.reader = reader


SHAPES: Final = (
    EventShape(
        "a Function URL, or HTTP API with payload format 2.0",
        lambda fields, context: isinstance(context.get("http"), (dict, Mapping)),
        FunctionUrlReader,
    ),
    EventShape("an Application Load Balancer", lambda fields, context: "elb" in context),
    EventShape("API Gateway's WebSocket API", lambda fields, context: "connectionId" in context),
    EventShape(
        "API Gateway's REST API, or HTTP API with payload format 1.0",
        lambda fields, context: "httpMethod" in fields,
    ),
    EventShape(
        "VPC Lattice",
        lambda fields, context: (
            "serviceNetworkArn" in context or ("raw_path" in fields and "method" in fields)
        ),
    ),
    EventShape("CloudFront (Lambda@Edge)", lambda fields, context: "cf" in _first_record(fields)),
)
"""All shapes, in the order in which they are tried."""


def context_of(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `requestContext` of an event, empty if it has none."""
    return _mapping_in(fields, "requestContext")


def find_shape(fields: Mapping[str, Any], context: Mapping[str, Any]) -> EventShape | None:
    """Return the shape of an event; None if it is no HTTP request, or has an unknown shape.

    `context` is the event's `context_of`.
    """
    for shape in SHAPES:
        if shape.is_shape_of(fields, context):
            return shape
    return None


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


def _first_record(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    records = fields.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], Mapping):
        return records[0]
    return _NO_FIELDS


def _mapping_in(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    # A dict first: the abstract class takes four times as long to find one.
    return value if isinstance(value, (dict, Mapping)) else _NO_FIELDS


def _text_in(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
