from typing import NamedTuple

import pytest

from tailrace.gateway.routes import Router


class Route(NamedTuple):
    path: str
    host: str | None = None


def match(routes: list[Route], path: str, host: str | None = "example.com") -> Route | None:
    found = Router(routes).match(host, path)
    assert found == Router(routes[::-1]).match(host, path), "the order of routes does not matter"
    return found


@pytest.mark.parametrize(
    ("pattern", "path", "is_match"),
    [
        ("/lines", "/lines", True),
        ("/lines", "/lines/", False),
        ("/lines", "/Lines", False),
        ("/lines", "/lin%65s", False),
        ("/a%20b", "/a%20b", True),
        ("/a%20b/*", "/a b/c", False),
        ("/lines/*", "/lines", True),
        ("/lines/*", "/lines/", True),
        ("/lines/*", "/lines/1/2", True),
        ("/lines/*", "/lines2", False),
        ("/lines/*", "/", False),
        ("/*", "/", True),
        ("/*", "/any/thing", True),
        ("/*", "*", False),
        ("/", "/", True),
        ("/", "/a", False),
    ],
)
def test_patterns(pattern: str, path: str, is_match: bool) -> None:
    assert (match([Route(pattern)], path) is not None) == is_match


def test_the_longest_prefix_wins() -> None:
    everything, short, long = Route("/*"), Route("/a/*"), Route("/a/b/*")
    routes = [everything, short, long]

    assert match(routes, "/a/b/c") == long
    assert match(routes, "/a/b") == long
    assert match(routes, "/a/bc") == short
    assert match(routes, "/b") == everything


def test_an_exact_path_goes_before_a_prefix() -> None:
    exact, prefix = Route("/a"), Route("/a/*")

    assert match([exact, prefix], "/a") == exact
    assert match([exact, prefix], "/a/") == prefix


def test_a_route_of_the_host_goes_before_one_of_any_host() -> None:
    of_host, exact, everything = Route("/*", "example.com"), Route("/a"), Route("/*")
    routes = [of_host, exact, everything]

    assert match(routes, "/a", "example.com") == of_host
    assert match(routes, "/a", "other.example.com") == exact
    assert match(routes, "/b", "other.example.com") == everything
    assert match(routes, "/b", None) == everything
    assert match([Route("/a/*", "example.com"), everything], "/b") == everything


@pytest.mark.parametrize("host", ["example.com", "EXAMPLE.com", "example.com:8080", "Example.Com:"])
def test_hosts_are_compared_in_any_case_without_their_port(host: str) -> None:
    route = Route("/*", "Example.COM")

    assert match([route], "/", host) == route


@pytest.mark.parametrize("host", [None, "", "com", "a.example.com", "example.com.evil", "[::1]"])
def test_other_hosts_have_no_route(host: str | None) -> None:
    assert match([Route("/*", "example.com")], "/", host) is None


def test_an_ipv6_host() -> None:
    route = Route("/*", "[::1]")

    assert match([route], "/", "[::1]:8080") == route
    assert match([route], "/", "[::1]") == route


def test_no_routes() -> None:
    assert match([], "/") is None
