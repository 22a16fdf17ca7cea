"""Routes: the function that a request invokes, found by the request's host and path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

_PORT: Final = re.compile(r":[0-9]*\Z")


class Route(Protocol):
    """A rule that sends requests to a function. Equal routes share one count of exchanges."""

    @property
    def function(self) -> str:
        """Name or ARN of the function, or the URL that invokes it."""

    @property
    def invoke_url(self) -> str | None:
        """The URL to which events are sent instead of to Lambda; None for Lambda."""

    @property
    def transport(self) -> str:
        """The configured name of the transport; see `transports.choice`."""

    @property
    def concurrency(self) -> int:
        """The highest number of exchanges at a time."""

    def __hash__(self) -> int: ...


def name_of(route: Route) -> str:
    """Return what a route invokes, for the log: a function's name, or a URL's host.

    A URL's path and query may be secret, and its name and password are.
    """
    url = route.invoke_url
    return route.function if url is None else urlsplit(url).netloc.rpartition("@")[2]


class RoutePattern(Protocol):
    """The requests of a route: `/exact`, `/prefix/*` or `/*`, on one host or on any."""

    @property
    def path(self) -> str: ...
    @property
    def host(self) -> str | None: ...


R = TypeVar("R", bound=RoutePattern)


class Router(Generic[R]):
    """Finds the route of a request.

    A route with the request's host precedes one without a host, then an exact path precedes a
    prefix, then a longer prefix a shorter one. `/prefix/*` includes `/prefix`. Paths are compared
    as sent, percent-encoded; hosts without port and without regard to case.
    """

    def __init__(self, routes: Iterable[R]) -> None:
        self._by_host: dict[str | None, list[R]] = {}
        for route in sorted(routes, key=_rank):
            host = None if route.host is None else route.host.lower()
            self._by_host.setdefault(host, []).append(route)

    def match(self, host: str | None, path: str) -> R | None:
        """Return the route of a request with this Host header and raw path; None if none match."""
        for key in (_PORT.sub("", host or "").lower(), None):
            for route in self._by_host.get(key, ()):
                if _is_match(route.path, path):
                    return route
        return None


def _rank(route: RoutePattern) -> tuple[bool, int]:
    return route.path.endswith("/*"), -len(route.path)


def _is_match(pattern: str, path: str) -> bool:
    if not pattern.endswith("/*"):
        return path == pattern
    return path == pattern[:-2] or path.startswith(pattern[:-1])
