"""New capabilities, made many at a time: reading random bytes is a system call.

A forked process starts with none of its parent's, so no two processes use the same.
"""

from __future__ import annotations

import os
import secrets
import sys
from typing import Final

from tailrace.limits import CAPABILITIES_MADE
from tailrace.wire.capability import RANDOM_BYTES, Capability, mint

_unused: Final[list[Capability]] = []
if sys.platform != "win32":  # which cannot fork
    os.register_at_fork(after_in_child=_unused.clear)


def new_capability() -> Capability:
    """Return a capability that no other call returns."""
    if not _unused:
        _unused.extend(mint(secrets.token_bytes(RANDOM_BYTES * CAPABILITIES_MADE)))
    return _unused.pop()
