"""How the C library grows and returns memory while large bodies pass through."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

from tailrace.limits import MIB

_M_TRIM_THRESHOLD: Final = -1  # <malloc.h>
_M_MMAP_THRESHOLD: Final = -3


def keep_read_buffers() -> None:
    """Let the allocator keep the memory of one read for the next.

    A read of a large body takes 256 KiB. By default glibc may give them back to the system after
    each and fetch them anew: measured with `make bench`, bulk relaying then costs up to four times
    the CPU. This is for a whole process; elsewhere than with glibc it does nothing.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return
    libc.mallopt(_M_MMAP_THRESHOLD, 1 * MIB)
    libc.mallopt(_M_TRIM_THRESHOLD, 4 * MIB)
