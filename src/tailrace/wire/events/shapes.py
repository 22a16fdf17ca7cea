"""The table of the shapes in which front ends send an HTTP request."""

from __future__ import annotations

from collections.abc import Mapping

from tailrace.records import Protocol
from tailrace.wire.events.fields import NO_FIELDS
from tailrace.wire.events.function_url import FunctionUrlReader

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, TypeAlias

    ReaderType: TypeAlias = "Callable[[Mapping[str, Any], Mapping[str, Any]], EventReader]"


class EventReader(Protocol):
    """Reads the request in an event. A part that the event lacks is empty."""

    @property
    def method(self) -> str:
        """The method, in capitals."""

    @property
    def raw_path(self) -> str:
        """The path, percent-encoded, without the query; it begins with `root_path`."""

    @property
    def root_path(self) -> str:
        """The path at which the front end serves the function, such as `/STAGE`."""

    @property
    def query(self) -> str:
        """The query, percent-encoded, without the question mark."""

    @property
    def header_pairs(self) -> list[tuple[str, str]]:
        """The header fields, with names in lower case. All cookies are one field."""

    @property
    def body(self) -> bytes:
        """The body.

        Raises:
            ValueError: it should be base64, and is not.
        """

    @property
    def source_ip(self) -> str:
        """The client's address, without a port."""

    @property
    def protocol(self) -> str:
        """The protocol, such as `HTTP/1.1`."""

    @property
    def request_id(self) -> str:
        """The id that the front end gave the request."""


class EventShape:
    """The form in which some front ends send an HTTP request.

    `front_end` is their name, for messages. `is_shape_of` returns whether an event is of this
    shape, from its fields and its `context_of`. `load_reader` imports the reader; it is None for a
    shape that the SDK does not read, and whose form of a result it does not write.
    """

    __slots__ = ("front_end", "is_shape_of", "load_reader")

    def __init__(
        self,
        front_end: str,
        is_shape_of: Callable[[Mapping[str, Any], Mapping[str, Any]], bool],
        load_reader: Callable[[], ReaderType] | None = None,
    ) -> None:
        self.front_end = front_end
        self.is_shape_of = is_shape_of
        self.load_reader = load_reader

    @property
    def is_read(self) -> bool:
        """Whether the request is read, and answered in the form of the shape."""
        return self.load_reader is not None

    def reader(self, fields: Mapping[str, Any], context: Mapping[str, Any]) -> EventReader:
        """Return a reader of an event; `context` is its `context_of`."""
        assert self.load_reader is not None, "see `is_read`"
        return self.load_reader()(fields, context)


SHAPES: Final = (
    EventShape(
        "a Function URL, or HTTP API with payload format 2.0",
        lambda fields, context: isinstance(context.get("http"), (dict, Mapping)),
        lambda: FunctionUrlReader,  # every event of a gateway has this shape
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
