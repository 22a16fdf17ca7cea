"""Host names in Host headers and URLs, and lists of them in settings.

Functions import this module at their cold start: hence no `ipaddress`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tailrace.records import NamedTuple

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"({_OCTET})(?:\.{_OCTET}){{3}}").fullmatch
_IPV6: Final = re.compile(r"\[[0-9a-f:.]+(?:%[0-9a-z._~-]+)?\]").fullmatch
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]@/]*)(?::([0-9]{0,5}))?").fullmatch
_THIS_MACHINE: Final = ("localhost", "[::1]", "0.0.0.0", "[::]")


class HostPort(NamedTuple):
    """HOST or HOST:PORT."""

    host: str
    """In lower case, without a final dot; an IPv6 address is in brackets."""
    port: int | None


def parse_host(authority: str) -> HostPort | None:
    """Read HOST[:PORT], with IPv6 in brackets; None for any other text."""
    match = _AUTHORITY(authority)
    if match is None:
        return None
    return HostPort(match[1].lower().removesuffix("."), int(match[2]) if match[2] else None)


def is_address(host: str) -> bool:
    """Whether a host is an IP address, which needs no name server."""
    return _IPV4(host) is not None or _IPV6(host) is not None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: `localhost`, `*.localhost` (RFC 6761), 127/8 or ::1.

    Also 0.0.0.0 and ::, because a connection to them is one to loopback.
    """
    if host in _THIS_MACHINE or host.endswith(".localhost"):
        return True
    match = _IPV4(host)
    return match is not None and match[1] == "127"


def is_listed(host: HostPort, entries: Iterable[str]) -> bool:
    """Whether a list allows a host.

    An entry is HOST or HOST:PORT; without a port it allows every port. `.example.com` is
    example.com and all names below it, `localhost` is every name and address of loopback.
    """
    return any(_is_match(host, entry) for entry in entries)


def _is_match(host: HostPort, entry: str) -> bool:
    allowed = parse_host(entry)
    if allowed is None or not allowed.host or allowed.port not in (None, host.port):
        return False
    if allowed.host == "localhost":
        return is_loopback(host.host)
    if allowed.host.startswith("."):
        return f".{host.host}".endswith(allowed.host)
    return host.host == allowed.host
