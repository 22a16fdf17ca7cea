"""File descriptors: how many this process may open, and what that is enough for."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tailrace import limits

WANTED = 2 * limits.HELD_MAX + limits.DESCRIPTORS_RESERVED
"""What a full gateway takes: a held response has a client's connection and a callback's."""

_INVOKING = limits.INVOKE_CONNECTIONS_MAX + limits.STREAM_CONNECTIONS_KEPT_MAX
_CLIENTS_UPLOADING = 4
"""One in so many connections of clients may be an upload; it may take long, and is not closed."""


def descriptor_limit() -> int | None:
    """How many descriptors this process may open now; None where there is no limit."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_descriptor_limit() -> int:
    """Raise this process's soft limit as far as it may; return how many it may open.

    Whatever is started later inherits the limit. Windows has none: WANTED is returned.
    """
    soft = descriptor_limit()
    if sys.platform == "win32" or soft is None:
        return WANTED
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = max(soft, WANTED) if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (OSError, ValueError):  # macOS has a lower limit than it says
        return soft
    return target


@dataclass(frozen=True, slots=True)
class DescriptorShares:
    """What a gateway may take at a time so that none of it is short of descriptors.

    `clients` and `callbacks` are connections of its two listeners. `held` responses take one of
    each, or the stream of an invocation in the place of the callback.
    """

    held: int
    clients: int
    callbacks: int
    uploads: int


def shares_of(descriptors: int) -> DescriptorShares:
    """Share descriptors out; connections of clients get what the others never need."""
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
