"""Listening sockets that a service manager holds and passes: sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import MutableMapping
from typing import Final

from tailrace.errors import ConfigError

FIRST_DESCRIPTOR: Final = 3
"""The first socket's number; further ones follow."""

_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


def passed_sockets(environ: MutableMapping[str, str], pid: int) -> list[socket.socket] | None:
    """Take over the listening sockets that this process was started with; None if there are none.

    The variables are removed, so that child processes do not take them for theirs.

    Raises:
        ConfigError: a descriptor is no listening TCP socket.
    """
    values = {name: environ.pop(name, "") for name in _VARIABLES}
    if values["LISTEN_PID"] != str(pid) or not values["LISTEN_FDS"].isdecimal():
        return None  # those of a process that has started this one
    names = values["LISTEN_FDNAMES"].split(":")
    sockets = []
    for place in range(int(values["LISTEN_FDS"])):
        number = FIRST_DESCRIPTOR + place
        name = names[place] if place < len(names) and names[place] else "without a name"
        sockets.append(_listening(number, f"descriptor {number} ({name})"))
    return sockets or None


def _listening(number: int, what: str) -> socket.socket:
    try:
        os.set_inheritable(number, False)
        is_socket = stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        raise _refused(f"{what} is not open") from None
    if not is_socket:
        raise _refused(f"{what} is no socket")
    sock = socket.socket(fileno=number)
    problem = None
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        problem = f"{what} is no TCP socket; the socket unit needs ListenStream= with a port"
    elif not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        problem = f"{what} does not listen; the socket unit needs Accept=no"
    if problem is not None:
        sock.detach()
        raise _refused(problem)
    sock.setblocking(False)
    return sock


def _refused(problem: str) -> ConfigError:
    return ConfigError(problem, where="LISTEN_FDS")
