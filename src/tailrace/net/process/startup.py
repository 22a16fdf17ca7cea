"""Process-wide settings: the event loop, the limit of descriptors, the allocator.

A command calls `set_up` before it listens, `freeze_loaded` when it listens, and runs its coroutine
with `run`.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Final

from tailrace.limits import MIB
from tailrace.net.process.descriptors import raise_descriptor_limit

if sys.platform == "win32":  # uvloop has no Windows build; asyncio's own loop serves there
    from asyncio import run
else:
    from uvloop import run

__all__ = ["freeze_loaded", "keep_read_buffers", "run", "set_up"]

_M_TRIM_THRESHOLD: Final = -1  # <malloc.h>
_M_MMAP_THRESHOLD: Final = -3


def set_up() -> int:
    """Prepare this process for many connections; return how many descriptors it may open."""
    keep_read_buffers()
    return raise_descriptor_limit()


def keep_read_buffers() -> None:
    """Configure the allocator to reuse the memory of one read for the next.

    A read of a large body takes 256 KiB. By default glibc may return the memory to the system
    after each read and map it again: measured with `make bench`, bulk relaying then costs up to
    four times the CPU. With a C library other than glibc this does nothing.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return
    libc.mallopt(_M_MMAP_THRESHOLD, 1 * MIB)
    libc.mallopt(_M_TRIM_THRESHOLD, 4 * MIB)


def freeze_loaded() -> None:
    """Leave what the process has loaded so far out of all later garbage collections.

    A full collection searches every object in one call, while no stream moves. The modules of a
    gateway are some 150,000 objects: 20 ms each time; without them it takes less than 1 ms.
    """
    gc.collect()
    gc.freeze()
