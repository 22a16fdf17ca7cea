"""The shape of API Gateway's REST APIs: its events, its results, and its streamed responses.

An event is the same whether the API buffers the response (`responseTransferMode: BUFFERED`) or
streams it (`STREAM`). Paths are as sent, query parameters are decoded and have lost their order.

Source: API Gateway Developer Guide "set-up-lambda-proxy-integrations" and
"response-transfer-mode-lambda" (read 2026-11), and events that others recorded on AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from tailrace.limits import PRELUDE_BYTES_MAX
from tailrace.wire.events import EventCodec
from tailrace.wire.events.fields import (
    body_in,
    mapping_in,
    pairs_in,
    text_in,
    with_one_cookie_field,
)
from tailrace.wire.events.percent import complete_path, encode_parameter
from tailrace.wire.integration import DELIMITER, Head, prelude_too_long

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

_GENERATED_DOMAIN: Final = ".execute-api."
_PARAMETER: Final = re.compile(r"\{([^{}+]+)\+?\}")


class RestReader:
    """Reads the request in an event of this shape. A part that the event lacks is empty."""

    __slots__ = ("_context", "_fields")

    def __init__(self, fields: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        self._fields = fields
        self._context = context

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return text_in(self._fields, "httpMethod")

    @property
    def raw_path(self) -> str:
        """The path of the URL: with the stage, or the base path of a custom domain, in front."""
        return complete_path(self._paths()[0])

    @property
    def root_path(self) -> str:
        """The part of the path in front of the API's own resources."""
        return complete_path(self._paths()[1])

    @property
    def query(self) -> str:
        """The query, encoded again; parameters of one name stand together."""
        return query_of(self._fields, encode_parameter)

    @property
    def header_pairs(self) -> list[tuple[str, str]]:
        """The header fields; names are in lower case, fields of one name stand together."""
        return with_one_cookie_field(pairs_in(self._fields, "headers", "multiValueHeaders"))

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
        return text_in(mapping_in(self._context, "identity"), "sourceIp")

    @property
    def protocol(self) -> str:
        """The protocol, such as `HTTP/1.1`."""
        return text_in(self._context, "protocol")

    @property
    def request_id(self) -> str:
        """The id that the front end gave the request."""
        return text_in(self._context, "requestId")

    def _paths(self) -> tuple[str, str]:
        """Return the path of the URL, and the part of it in front of the API's resources.

        `path` lacks the stage, unless the domain is custom. There `requestContext.path` is the
        whole path, and base path, stage or both may stand in front of the resource.
        """
        path = text_in(self._fields, "path")
        whole = text_in(self._context, "path") or path
        stage = text_in(self._context, "stage")
        if stage and whole == f"/{stage}{path}":
            return whole, f"/{stage}"
        domain = text_in(self._context, "domainName")
        resource = self._resource_path()
        if domain and _GENERATED_DOMAIN not in domain and resource is not None:
            trimmed = whole.rstrip("/")
            if trimmed.endswith(resource):
                return whole, trimmed[: len(trimmed) - len(resource)]
        return path, ""

    def _resource_path(self) -> str | None:
        """Return the path of the API's resource, with its parameters; None if that is unknown."""
        resource = text_in(self._fields, "resource")
        parameters = mapping_in(self._fields, "pathParameters")
        if not resource.startswith("/") or any(
            name not in parameters for name in _PARAMETER.findall(resource)
        ):
            return None
        return _PARAMETER.sub(lambda match: str(parameters[match[1]]), resource).rstrip("/")


def result(head: Head, body: bytes) -> dict[str, Any]:
    """Return a buffered result. API Gateway refuses one with any other key, as `cookies`."""
    from tailrace.wire.results import body_members

    singles, several = _headers(head)
    if head.cookies:
        several["set-cookie"] = list(head.cookies)
    envelope: dict[str, Any] = {"statusCode": head.status, "headers": singles}
    if several:
        envelope["multiValueHeaders"] = several
    return envelope | body_members(body)


def prelude(head: Head) -> bytes:
    """Return the start of a streamed response: metadata as JSON, then eight NUL bytes.

    Raises:
        PreludeError: it would be longer than `PRELUDE_BYTES_MAX`.
    """
    singles, several = _headers(head)
    metadata = {
        "statusCode": head.status,
        "headers": singles,
        "multiValueHeaders": several,
        "cookies": head.cookies,
    }
    given = {key: value for key, value in metadata.items() if value}
    encoded = json.dumps(given, separators=(",", ":")).encode("ascii") + DELIMITER
    if len(encoded) > PRELUDE_BYTES_MAX:
        raise prelude_too_long(len(encoded))
    return encoded


REST: Final = EventCodec(RestReader, result, prelude)


def query_of(fields: Mapping[str, Any], encode: Callable[[str], str]) -> str:
    """Return the query of an event's parameters, with each name and value encoded."""
    pairs = pairs_in(fields, "queryStringParameters", "multiValueQueryStringParameters")
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in pairs)


def grouped_headers(head: Head) -> dict[str, list[str]]:
    """Return the values of each name, without cookies; the first spelling of a name counts."""
    spellings: dict[str, str] = {}
    grouped: dict[str, list[str]] = {}
    for name, value in head.headers:
        grouped.setdefault(spellings.setdefault(name.lower(), name), []).append(value)
    return grouped


def _headers(head: Head) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the headers that have one value, and the others."""
    grouped = grouped_headers(head)
    singles = {name: values[0] for name, values in grouped.items() if len(values) == 1}
    return singles, {name: values for name, values in grouped.items() if len(values) > 1}
