"""Checks whether addresses are available, finds free ports, and suggests remedies in errors."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Container
from typing import Final

_NEIGHBOURS: Final = 20
"""How many ports from the wanted one on are tried before any free one is used."""
_OF_THIS_MACHINE: Final = (
    "allowed: 127.0.0.1 (for this machine alone), 0.0.0.0 (for all that reach it),"
    " or another address of its own"
)


def is_taken(host: str, port: int) -> bool:
    """Whether another process listens at this address now; that may change at any moment.

    Other obstacles (an unknown host, a port that needs more rights) are not reported here.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False
    return any(_is_taken(family, address) for family, *_, address in found)


def free_port(host: str, wanted: int, *, avoid: Container[int] = ()) -> int:
    """Return a port that is free now, near the wanted one; 0 (any free port) if all are taken.

    Args:
        avoid: ports that other listeners of this process are about to use.
    """
    for port in range(wanted, min(wanted + _NEIGHBOURS, 65_536)):
        if port not in avoid and not is_taken(host, port):
            return port
    return 0


def taken_error(option: str, address: object) -> OSError:
    """The error to raise if an address that an option names is taken."""
    return OSError(f"{address} is in use; choose another with {option} HOST:PORT (port 0: any)")


def refuse_unusable(option: str, host: str, port: int) -> None:
    """Check that the address of an option can be listened on now.

    Raises:
        OSError: it cannot; the message names address, option and remedy.
    """
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise OSError(f"{option}: there is no host {host!r}; {_OF_THIS_MACHINE}") from None
    for family, *_, address in found:
        match _obstacle(family, address):
            case errno.EADDRINUSE:
                raise taken_error(option, where)
            case errno.EADDRNOTAVAIL:
                text = f"{host} is not an address of this machine; {_OF_THIS_MACHINE}"
                raise OSError(f"{option}: {text}")
            case errno.EACCES | errno.EPERM:
                text = f"you may not listen on port {port}; take one above 1023, such as 8080"
                raise OSError(f"{option}: {text}")


def _is_taken(family: int, address: object) -> bool:
    return _obstacle(family, address) == errno.EADDRINUSE


def _obstacle(family: int, address: object) -> int | None:
    """The number of the error with which listening fails; None if it succeeds."""
    try:
        probe = socket.socket(family, socket.SOCK_STREAM)
    except OSError:  # a machine without IPv6, which the listener skips as well
        return None
    with probe:
        if sys.platform != "win32":  # on Windows the option would share the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind(address)  # type: ignore[arg-type]  # as returned by getaddrinfo
            probe.listen(1)
        except OSError as error:
            return error.errno
    return None
