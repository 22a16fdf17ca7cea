"""The sockets that a parent binds: for clients, once; for callbacks, one for each worker."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from tailrace import limits
from tailrace.config import Address
from tailrace.net.ports import refuse_unusable


def bind_public(address: Address, option: str) -> list[socket.socket]:
    """Listen on every address that the host name stands for.

    Raises:
        OSError: an address cannot be used; the message names the remedy.
    """
    refuse_unusable(option, *address)
    sockets: list[socket.socket] = []
    port = address.port
    for family, where in _resolved(address):
        where = (where[0], port, *where[2:])
        sock = _bound(family, where)
        if sock is None:  # no such family on this machine
            continue
        port = sock.getsockname()[1]  # port 0: the same one for all
        sockets.append(sock)
    if not sockets:
        raise _no_ipv6(f"{option}: {address}")
    return sockets


@dataclass(frozen=True, slots=True)
class CallbackPorts:
    """The ports of callback listeners: from `first` to `last`, but for those in `avoid`.

    Port 0 alone: any free port for each.
    """

    host: str
    first: int
    last: int
    avoid: Container[int] = ()

    def bind(self) -> socket.socket | None:
        """Return a listening socket at a free port; None if none is free.

        Raises:
            OSError: the host is no address of this machine.
        """
        has_address = False
        for port in range(self.first, self.last + 1):
            if port in self.avoid and port:
                continue
            for family, where in _resolved(Address(self.host, port)):
                try:
                    sock = _bound(family, where)
                except OSError as error:
                    has_address = True
                    if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                        raise
                    break
                if sock is not None:
                    return sock
            if not has_address:
                raise _no_ipv6(f"--callback-listen: {Address(self.host, port)}")
        return None

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def _no_ipv6(what: str) -> OSError:
    return OSError(errno.EAFNOSUPPORT, f"{what}: this machine has no IPv6; name an IPv4 address")


def _resolved(address: Address) -> Iterator[tuple[int, tuple[Any, ...]]]:
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    yield from dict.fromkeys((family, where) for family, *_, where in found)


def _bound(family: int, where: tuple[Any, ...]) -> socket.socket | None:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(where)
        sock.listen(limits.BACKLOG_MAX)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL and family == socket.AF_INET6:
            return None
        raise OSError(error.errno, os.strerror(error.errno or 0)) from None
    return sock
