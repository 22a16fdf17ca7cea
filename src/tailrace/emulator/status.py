"""Where an execution environment is in its life, and what its process does next."""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """Where an environment is in its life."""

    NEW = "new"
    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    GONE = "gone"


class Turn(Enum):
    """What ends a wait for the process."""

    READY = "ready"
    INIT_FAILED = "init failed"
    EXITED = "exited"
    EXTENSION_FAILED = "extension failed"
    TIMEOUT = "timeout"
