"""The number of workers of a gateway; 0 is one process without a parent."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

from tailrace import limits
from tailrace.errors import ConfigError

_CGROUP_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""The CPU time of this container, and the period for which it is: "200000 100000" is two cores."""


def parse_workers(text: str, *, name: str = "--workers") -> int:
    """Parse a number of workers, or `auto`: the cores that this process may use.

    Raises:
        ConfigError: it is neither, or too many.
    """
    if text.strip() == "auto":
        return min(limits.WORKERS_MAX, usable_cores())
    digits = text.strip()
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= 9
    if not is_number or int(digits) > limits.WORKERS_MAX:
        allowed = f"a whole number from 0 to {limits.WORKERS_MAX}, or auto"
        raise ConfigError(f"{text[:80]!r} is not allowed", where=name, allowed=allowed)
    return int(digits)


def usable_cores() -> int:
    """Return how many cores this process may use: its affinity, and its container's CPU time."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
    try:
        quota, period = _CGROUP_QUOTA.read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max"
        return cores
