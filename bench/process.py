"""What the kernel says of a process, by its id."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """User and system time so far, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3)


def resident_bytes(pid: int) -> int:
    """Memory in use now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def reset_peak(pid: int) -> None:
    """From now on `peak_bytes` counts anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_bytes(pid: int) -> int:
    """The most memory in use since the start, or since `reset_peak`."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def children(pid: int) -> list[int]:
    """The processes that it has started and that run."""
    found: list[int] = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found += map(int, each.read_text().split())
    return found


def stolen_s() -> float:
    """For how long the hypervisor has kept cores of this machine that had work to do, in all."""
    ticks = Path("/proc/stat").read_text().split(maxsplit=9)[8]
    return int(ticks) / os.sysconf("SC_CLK_TCK")


@contextmanager
def real_time(*, is_wanted: bool) -> Iterator[bool]:
    """Real-time priority for this process and those that it starts meanwhile, if that is allowed.

    No process of normal priority takes their cores then. Yields whether they have it.

    They take turns (round robin): threads of Node.js spin until another one has run.
    """
    has_it = is_wanted and _set_policy(os.SCHED_RR, 1)
    try:
        yield has_it
    finally:
        _set_policy(os.SCHED_OTHER, 0)


def _set_policy(policy: int, priority: int) -> bool:
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except PermissionError:
        return False
    return True
