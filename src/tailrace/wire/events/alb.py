"""The shapes of Application Load Balancers: their events, and their results. Nothing is streamed.

A target group has an attribute `lambda.multi_value_headers.enabled`. With it, events and results
have lists of values; without it single values, of which the last counts. A result in the other form
is answered with a 502. Paths and query parameters are as sent, percent-encoded.

Source: Elastic Load Balancing guide "lambda-functions" (read 2026-11), and events that others
recorded on AWS in 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from tailrace.errors import ResponseTooLargeError
from tailrace.limits import ALB_RESPONSE_BYTES_MAX
from tailrace.wire.events import EventCodec
from tailrace.wire.events.fields import text_in
from tailrace.wire.events.percent import complete_parameter, complete_path
from tailrace.wire.events.rest import RestReader, grouped_headers, query_of
from tailrace.wire.integration import Head

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Any, Final

_COOKIE: Final = "set-cookie"


class AlbReader(RestReader):
    """Reads the request in an event of these shapes. A part that the event lacks is empty."""

    __slots__ = ()

    @property
    def raw_path(self) -> str:
        """The path as sent: percent-encoded, without the query."""
        return complete_path(text_in(self._fields, "path"))

    @property
    def root_path(self) -> str:
        """Always empty."""
        return ""

    @property
    def query(self) -> str:
        """The query, encoded as sent; parameters of one name stand together."""
        return query_of(self._fields, complete_parameter)

    @property
    def source_ip(self) -> str:
        """The address of the load balancer's peer: it appends that to `x-forwarded-for`."""
        forwarded = [value for name, value in self.header_pairs if name == "x-forwarded-for"]
        return _without_port(forwarded[-1].rpartition(",")[2].strip()) if forwarded else ""


def result(head: Head, body: bytes) -> dict[str, Any]:
    """Return a response as a result with single values.

    Raises:
        ResponseTooLargeError: it is over `ALB_RESPONSE_BYTES_MAX`.
    """
    return _result(head, body, {"headers": _single_headers(head)})


def multi_value_result(head: Head, body: bytes) -> dict[str, Any]:
    """Return a response as a result with lists of values.

    Raises:
        ResponseTooLargeError: it is over `ALB_RESPONSE_BYTES_MAX`.
    """
    several = grouped_headers(head)
    if head.cookies:
        several[_COOKIE] = list(head.cookies)
    return _result(head, body, {"multiValueHeaders": several})


ALB: Final = EventCodec(AlbReader, result, body_bytes_max=ALB_RESPONSE_BYTES_MAX)
ALB_MULTI_VALUE: Final = EventCodec(
    AlbReader, multi_value_result, body_bytes_max=ALB_RESPONSE_BYTES_MAX
)


def _result(head: Head, body: bytes, headers: dict[str, Any]) -> dict[str, Any]:
    from tailrace.wire import result_json
    from tailrace.wire.results import body_members

    phrase = HTTPStatus(head.status).phrase if head.status in set(HTTPStatus) else ""
    envelope = {
        "statusCode": head.status,
        "statusDescription": f"{head.status} {phrase}".strip(),
        **headers,
        **body_members(body),
    }
    size = len(result_json.encode(envelope, is_ascii=False).encode("utf-8"))
    if size > ALB_RESPONSE_BYTES_MAX:
        raise ResponseTooLargeError(
            f"the response is {size} bytes as JSON: an Application Load Balancer takes at most"
            f" {ALB_RESPONSE_BYTES_MAX}. Put the gateway or a Function URL in front of the function"
        )
    return envelope


def _single_headers(head: Head) -> dict[str, str]:
    """Return one value for each name; every cookie has a spelling of its name for itself.

    To a load balancer these are different headers, to a client all are Set-Cookie.
    """
    headers = head.joined_headers()
    headers.update(zip(_spellings(_COOKIE), head.cookies, strict=False))
    return headers


def _spellings(name: str) -> Iterator[str]:
    """Yield a name in all mixtures of small and capital letters."""
    letters = [at for at, letter in enumerate(name) if letter.isalpha()]
    for number in range(1 << len(letters)):
        capitals = {at for place, at in enumerate(letters) if number >> place & 1}
        yield "".join(
            letter.upper() if at in capitals else letter for at, letter in enumerate(name)
        )


def _without_port(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    host, colon, port = address.partition(":")
    return host if colon and port.isdigit() else address
