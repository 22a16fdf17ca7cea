"""Routes: the function that a request invokes, found by the request's host and path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit


class RoutePattern(Protocol):
    """The requests of a route: `/exact`, `/prefix/*` or `/*`, on one host or on any."""

    @property
    def path(self) -> str: ...
    @property
    def host(self) -> str | None: ...


class Route(RoutePattern, Protocol):
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


def identity_of(route: Route) -> bytes:
    """Return what makes it this route, also after a reload: all but its concurrency."""
    return repr((route.host, route.path, route.function, route.transport)).encode()


R = TypeVar("R", bound=RoutePattern)


class Router(Generic[R]):
    """Finds the route of a request.

    A route with the request's host precedes one without a host, then an exact path precedes a
    prefix, then a longer prefix a shorter one. `/prefix/*` includes `/prefix`. Paths are compared
    as sent, percent-encoded; hosts without port and without regard to case.
    """

    def __init__(self, routes: Iterable[R]) -> None:
        self._of_any: _Paths[R] = _Paths()
        self._by_host: dict[str, _Paths[R]] = {}
        for route in sorted(routes, key=_rank):
            paths = self._of_any
            if route.host is not None:
                paths = self._by_host.setdefault(route.host.lower(), _Paths())
            paths.add(route)

    def match(self, host: str | None, path: str) -> R | None:
        """Return the route of a request with this Host header and raw path; None if none match."""
        if host and self._by_host:
            name, colon, port = host.rpartition(":")
            if not colon or (port and not port.isdecimal()):
                name = host
            paths = self._by_host.get(name.lower())
            if paths is not None and (route := paths.find(path)) is not None:
                return route
        return self._of_any.find(path)


def _rank(route: RoutePattern) -> tuple[bool, int]:
    return route.path.endswith("/*"), -len(route.path)


class _Paths(Generic[R]):
    """The routes of one host, or of any; they are added in the order of `_rank`."""

    def __init__(self) -> None:
        self._exact: dict[str, R] = {}
        self._prefixes: list[tuple[str, R]] = []  # with the slash at their ends

    def add(self, route: R) -> None:
        path = route.path
        if path.endswith("/*"):
            self._prefixes.append((path[:-1], route))
            path = path[:-2]  # no longer prefix includes it
        self._exact.setdefault(path, route)

    def find(self, path: str) -> R | None:
        route = self._exact.get(path)
        if route is None:
            for prefix, each in self._prefixes:
                if path.startswith(prefix):
                    return each
        return route
