"""Events: the shapes in which front ends send an HTTP request, read and answered.

    shapes         the table of all shapes, and how each is recognized
    function_url   Function URLs, and the gateway
    http_api       API Gateway's HTTP APIs, both payload formats
    rest           API Gateway's REST APIs
    alb            Application Load Balancers, with and without multi-value headers
    fields         parts of an event, read without trust in their types
    percent        percent-encoding of what some front ends have decoded

A new shape is a row in `shapes` and a module with its `EventCodec`: a reader, its results, its
prelude. Functions import these modules, each when its first event arrives, and `function_url` at
their cold start: hence no named tuples, which cost more than all the rest.
"""

from __future__ import annotations

from tailrace.limits import BUFFERED_RESPONSE_BYTES_MAX
from tailrace.records import Protocol

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from tailrace.wire.integration import Head


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


class EventCodec:
    """How the requests of a shape are read, and how they are answered.

    `reader` makes a reader of an event's fields and its `context_of`. `result` returns a response
    as a buffered result; it may raise ResponseTooLargeError. `prelude` returns the start of a
    streamed response, or raises PreludeError; it is None if the front end reads no stream.
    `body_bytes_max` bounds the body of a result.
    """

    __slots__ = ("body_bytes_max", "prelude", "reader", "result")

    def __init__(
        self,
        reader: Callable[[Mapping[str, Any], Mapping[str, Any]], EventReader],
        result: Callable[[Head, bytes], dict[str, Any]],
        prelude: Callable[[Head], bytes] | None = None,
        body_bytes_max: int = BUFFERED_RESPONSE_BYTES_MAX,
    ) -> None:
        self.reader = reader
        self.result = result
        self.prelude = prelude
        self.body_bytes_max = body_bytes_max
