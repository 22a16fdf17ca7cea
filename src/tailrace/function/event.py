"""What an event says about where its response goes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from tailrace.wire.mark import MARK_VERSION, read_mark

logger = logging.getLogger("tailrace.function")

_WITHOUT_FIELDS: Final = (str, int, float, list, tuple, bytes, type(None))


def fields_of(event: object) -> Mapping[str, Any]:
    """Return the fields of an event, in whatever form it reaches the handler.

    Another decorator may have converted it. A Mapping is read as it is (a dict, powertools' data
    classes, UserDict, MappingProxyType), and so is a Pydantic model that keeps unknown keys. Other
    JSON types have no fields.

    Raises:
        TypeError: the fields cannot be read, so it is unknown where the response must go.
    """
    if isinstance(event, Mapping):
        return event
    if isinstance(event, _WITHOUT_FIELDS):
        return {}
    if getattr(event, "model_extra", None) is not None:
        fields = event.model_dump(by_alias=True)  # type: ignore[attr-defined]  # pydantic.BaseModel
        if isinstance(fields, Mapping):
            return fields
    raise TypeError(
        f"the event is a {type(event).__qualname__}, which is not a mapping: the callback and the"
        " kind of the event cannot be read from it. Put streamify_response outermost and convert"
        " the event inside it, or let the model keep unknown keys (extra='allow')"
    )


def find_callback(fields: Mapping[str, Any]) -> str | None:
    """Return the callback URL of an event, None when it has none: then the result is returned.

    An unknown version of the mark is served, with a warning (see `wire.mark`).
    """
    mark = read_mark(fields)
    if mark is None:
        return None
    if mark.version != MARK_VERSION:
        logger.warning(
            "the event's tailrace version is %.20r, this SDK knows %d: %s",
            mark.version,
            MARK_VERSION,
            "the response is returned"
            if mark.callback is None
            else "its callback is taken for known",
        )
    return mark.callback


def find_exchange(fields: Mapping[str, Any]) -> str | None:
    """Return the id of the gateway's exchange, None for an event that no gateway has sent."""
    if read_mark(fields) is None:
        return None
    exchange_id = _mapping_in(fields, "requestContext").get("requestId")
    return exchange_id if isinstance(exchange_id, str) else None


def wants_stream(fields: Mapping[str, Any]) -> bool:
    """Whether the gateway reads the function's own streamed response."""
    mark = read_mark(fields)
    return mark is not None and mark.has_stream


def wants_frames(fields: Mapping[str, Any]) -> bool:
    """Whether the gateway reads frames in that stream, of the version that this SDK writes."""
    mark = read_mark(fields)
    return mark is not None and mark.has_frames and is_http_event(fields)


def is_http_event(fields: Mapping[str, Any]) -> bool:
    """Whether an event is an HTTP request, as Function URLs and the gateway send it."""
    return isinstance(_mapping_in(fields, "requestContext").get("http"), Mapping)


def is_head_request(fields: Mapping[str, Any]) -> bool:
    """Whether an event is a HEAD request, whose response has no body."""
    return _mapping_in(_mapping_in(fields, "requestContext"), "http").get("method") == "HEAD"


def warn_of_lost_head(fields: Mapping[str, Any]) -> None:
    """Warn, once in an environment, of a response whose head had no place in what was returned.

    Front ends other than Function URLs and HTTP APIs have events and results of their own. The SDK
    writes none of those results, and the body alone is none for any of them.
    """
    front_end = _other_front_end(fields)
    if front_end is not None:
        _warn_once(front_end)


@lru_cache(maxsize=8)
def _warn_once(front_end: str) -> None:
    logger.warning(
        "the event is one of %s, whose form of a result this SDK does not write: the response's"
        " status, headers and cookies are lost, and the body alone is returned, which is no result"
        " there. Return a dict in its form from this handler, or put a Function URL, an HTTP API"
        " with payload format 2.0, or the gateway in front of the function",
        front_end,
    )


def _other_front_end(fields: Mapping[str, Any]) -> str | None:
    """Return the name of the front end that sent an HTTP event in a form of its own."""
    if is_http_event(fields):
        return None
    context = _mapping_in(fields, "requestContext")
    if "elb" in context:
        return "an Application Load Balancer"
    if "connectionId" in context:
        return "API Gateway's WebSocket API"
    if "httpMethod" in fields:
        return "API Gateway's REST API, or HTTP API with payload format 1.0"
    if "serviceNetworkArn" in context or ("raw_path" in fields and "method" in fields):
        return "VPC Lattice"
    records = fields.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], Mapping):
        return "CloudFront (Lambda@Edge)" if "cf" in records[0] else None
    return None


def _mapping_in(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, Mapping) else {}
