"""What the function of an endpoint gets: the request, and the head of the response."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from tailrace.wire.integration import Head

if TYPE_CHECKING:
    from tailrace.function.request import Request
    from tailrace.function.way import ResponseWay

ON_TIME: Final = {
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
    "incremental": "?1",
}
"""Headers by which nothing on the way keeps, compresses or collects a response: RFC 9111, nginx,
and draft-ietf-httpbis-incremental."""


class Reply:
    """A response that is being made."""

    def __init__(self, request: Request, way: ResponseWay, content_type: str) -> None:
        self.request: Final = request
        """The HTTP request."""
        self.way: Final = way
        """What the response's way can do."""
        self.status = 200
        """The status of the response; it can be changed until the first content."""
        self.headers: Final[dict[str, str]] = {"content-type": content_type} | ON_TIME
        """The headers of the response, changed as `status` is; `head` makes names lower case."""
        self.cookies: Final[list[str]] = []
        """Values of `Set-Cookie`."""

    @cached_property
    def query(self) -> dict[str, str]:
        """The fields of the query; of several with one name the first."""
        from urllib.parse import parse_qsl  # here: its import takes milliseconds

        query: dict[str, str] = {}
        for name, value in parse_qsl(self.request.raw_query, keep_blank_values=True):
            query.setdefault(name, value)
        return query

    @property
    def stops_on_leave(self) -> bool:
        """Whether the function is stopped when its client leaves."""
        return self.way.stops_on_leave

    def head(self) -> Head:
        """Return the head of the response.

        Raises:
            HeadError: status, a header or a cookie is illegal.
        """
        for name in [name for name in self.headers if name != name.lower()]:
            self.headers[name.lower()] = self.headers.pop(name)  # not a second header
        return Head(self.status, self.headers, self.cookies)

    def head_fields(self) -> tuple[int, dict[str, str], list[str]]:
        """Return a copy of what the head is made of."""
        return self.status, dict(self.headers), list(self.cookies)
