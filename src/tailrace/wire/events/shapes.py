"""The table of the shapes in which front ends send an HTTP request."""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.wire.events.fields import NO_FIELDS, text_in
from tailrace.wire.events.function_url import FUNCTION_URL
from tailrace.wire.mark import KEY

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from tailrace.wire.events import EventCodec

_UNNAMED: Final = ("$default", "")


class EventShape:
    """A shape in which some front ends send an HTTP request.

    `front_end` is their name, for messages. `is_shape_of` returns whether an event is of this
    shape, from its fields and its `context_of`. `load_codec` imports the codec; it is None for a
    shape that is not read.
    """

    __slots__ = ("front_end", "is_shape_of", "load_codec")

    def __init__(
        self,
        front_end: str,
        is_shape_of: Callable[[Mapping[str, Any], Mapping[str, Any]], bool],
        load_codec: Callable[[], EventCodec] | None = None,
    ) -> None:
        self.front_end = front_end
        self.is_shape_of = is_shape_of
        self.load_codec = load_codec

    @property
    def codec(self) -> EventCodec | None:
        """How its requests are read and answered; None if they are not."""
        return None if self.load_codec is None else self.load_codec()


def _http_api() -> EventCodec:
    from tailrace.wire.events.http_api import HTTP_API

    return HTTP_API


def _http_api_1() -> EventCodec:
    from tailrace.wire.events.http_api import HTTP_API_1

    return HTTP_API_1


def _rest() -> EventCodec:
    from tailrace.wire.events.rest import REST

    return REST


def _alb() -> EventCodec:
    from tailrace.wire.events.alb import ALB

    return ALB


def _alb_multi_value() -> EventCodec:
    from tailrace.wire.events.alb import ALB_MULTI_VALUE

    return ALB_MULTI_VALUE


def _is_http_api(fields: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Whether an event of payload format 2.0 is an HTTP API's.

    An HTTP API with a custom domain, one route and one stage, all named `$default`, cannot be told
    from a Function URL. The gateway's events are those of Function URLs, whatever their host.
    """
    if not isinstance(context.get("http"), (dict, Mapping)) or KEY in fields:
        return False
    return (
        text_in(fields, "routeKey") not in _UNNAMED
        or text_in(context, "stage") not in _UNNAMED
        or ".execute-api." in text_in(context, "domainName")
    )


SHAPES: Final = (
    EventShape("API Gateway's HTTP API with payload format 2.0", _is_http_api, _http_api),
    EventShape(
        "a Function URL",
        lambda fields, context: isinstance(context.get("http"), (dict, Mapping)),
        lambda: FUNCTION_URL,  # imported early: every event of a gateway has this shape
    ),
    EventShape(
        "an Application Load Balancer with multi-value headers",
        lambda fields, context: (
            "elb" in context and isinstance(fields.get("multiValueHeaders"), (dict, Mapping))
        ),
        _alb_multi_value,
    ),
    EventShape(
        "an Application Load Balancer",
        lambda fields, context: "elb" in context,
        _alb,
    ),
    EventShape("API Gateway's WebSocket API", lambda fields, context: "connectionId" in context),
    EventShape(
        "API Gateway's HTTP API with payload format 1.0",
        lambda fields, context: "httpMethod" in fields and fields.get("version") == "1.0",
        _http_api_1,
    ),
    EventShape(
        "API Gateway's REST API",
        lambda fields, context: "httpMethod" in fields,
        _rest,
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


def find_shape(fields: Mapping[str, Any], context: Mapping[str, Any]) -> EventShape | None:
    """Return the shape of an event; None if it is no HTTP request, or has an unknown shape.

    `context` is the event's `context_of`.
    """
    for shape in SHAPES:
        if shape.is_shape_of(fields, context):
            return shape
    return None


def _first_record(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    records = fields.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], Mapping):
        return records[0]
    return NO_FIELDS
