"""Ports that a test names before anything listens on them.

They lie below those that the kernel gives to whoever asks for any, and no two tests of the machine
get the same: all processes count on in one file, so that a port comes up again only when all others
have been given out.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from tailrace.net import ports

_FIRST = 20_000
_COUNT = 12_000
_NEXT = Path(f"/tmp/tailrace-tests-{os.getuid()}-next-port")  # whatever TMPDIR a test sets


def free_port() -> int:
    """A port that nobody else is given."""
    return free_range(1)


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A port for each name."""
    return {name: free_range(1) for name in names}


def free_range(width: int) -> int:
    """The first of so many ports in a row. Raises AssertionError if the machine has no such row."""
    with _NEXT.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        offset = int(file.read() or 0)
        for _ in range(_COUNT):
            if offset + width > _COUNT:
                offset = 0
            first = _FIRST + offset
            taken = [port for port in range(first, first + width) if _is_taken(port)]
            if not taken:
                file.truncate(0)
                file.write(str(offset + width))
                return first
            offset = taken[-1] + 1 - _FIRST
    raise AssertionError(f"no {width} ports in a row are free")


def _is_taken(port: int) -> bool:
    return any(ports.is_taken(host, port) for host in ("0.0.0.0", "::1"))
