"""File descriptors: how many this process may open, and what that is enough for."""

from __future__ import annotations

import sys

from tailrace import limits

WANTED = 2 * limits.HELD_MAX + limits.DESCRIPTORS_RESERVED
"""What a full gateway takes: a held response has a client's connection and a callback's."""


def raise_descriptor_limit() -> int:
    """Raise this process's soft limit as far as it may; return how many it may open.

    Whatever is started later inherits the limit. Windows has none: WANTED is returned.
    """
    if sys.platform == "win32":
        return WANTED
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return WANTED
    target = max(soft, WANTED) if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (OSError, ValueError):  # macOS has a lower limit than it says
        return soft
    return target


def held_max_within(descriptors: int) -> int:
    """How many responses can be held with so many descriptors."""
    return max(1, min(limits.HELD_MAX, (descriptors - limits.DESCRIPTORS_RESERVED) // 2))
