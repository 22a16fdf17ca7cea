"""File descriptors: how many this process may open, and how a gateway shares them out."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from dataclasses import dataclass

from tailrace import limits
from tailrace.words import counted

logger = logging.getLogger("tailrace.gateway")

WANTED = 2 * limits.HELD_MAX + limits.DESCRIPTORS_RESERVED
"""What a full gateway needs: a held response has a client's connection and a callback's."""

_INVOKING = limits.INVOKE_CONNECTIONS_MAX + limits.STREAM_CONNECTIONS_KEPT_MAX
_CLIENTS_UPLOADING = 4
"""One of so many client connections may be an upload, which may take long and is not closed."""


def descriptor_limit() -> int | None:
    """How many descriptors this process may open now; None if there is no limit."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_descriptor_limit() -> int:
    """Raise this process's soft limit as far as allowed; return how many it may open.

    Processes that are started later inherit the limit. Windows has none: returns WANTED.
    """
    soft = descriptor_limit()
    if sys.platform == "win32" or soft is None:
        return WANTED
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = max(soft, WANTED) if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (OSError, ValueError):  # macOS enforces a lower limit than it reports
        return soft
    return target


def open_standard_streams() -> None:
    """Open /dev/null as each standard stream that is closed.

    Otherwise the next socket would get its number: log lines would go there, child processes would
    inherit it, and uvloop aborts the process when it closes such a number.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(opened, True)
            mode = "w" if number else "r"
            setattr(sys, name, open(opened, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def unnamed_file(name: str) -> int:
    """Return a descriptor of an empty file in memory, or in a folder where there is no memfd.

    A read-only container may have no folder that can be written to. `name` is for debuggers.

    Raises:
        OSError: there is neither.
    """
    if sys.platform == "linux":
        try:
            return os.memfd_create(name)
        except OSError:  # a sandbox without the system call
            pass
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@dataclass(frozen=True, slots=True)
class DescriptorShares:
    """How much a gateway may take at a time without running out of descriptors.

    `clients` and `callbacks` are connections of its two listeners. Each of the `held` responses
    takes one of both; with a response stream, the stream replaces the callback.
    """

    held: int
    clients: int
    callbacks: int
    uploads: int


def shares_of(descriptors: int) -> DescriptorShares:
    """Share descriptors out; client connections get what the others never need."""
    held = max(1, min(limits.HELD_MAX, (descriptors - limits.DESCRIPTORS_RESERVED) // 2))
    callbacks = held + limits.CALLBACKS_SPARE
    left = descriptors - _INVOKING - limits.DESCRIPTORS_LEFT - callbacks
    clients = max(held, min(limits.CONNECTIONS_MAX, left))
    return DescriptorShares(
        held=held,
        clients=clients,
        callbacks=callbacks,
        uploads=max(1, clients // _CLIENTS_UPLOADING),
    )


def warn_of_descriptors(descriptors: int, wanted: int, held_max: int) -> None:
    """Warn if the limit of descriptors reduces how many responses the gateway holds."""
    if held_max < wanted:
        logger.warning(
            "the limit of %d open files is enough for %s at a time; raise it to"
            " %d (LimitNOFILE in systemd, ulimit -n in a shell)",
            descriptors,
            counted(held_max, "open response"),
            WANTED,
        )
