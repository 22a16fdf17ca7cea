"""Bounds and time-outs of what the processes of one node share: see `tailrace.limits`."""

from __future__ import annotations

from typing import Final

from tailrace.limits import KIB

# --- the workers of a node -----------------------------------------------------------------------

WORKER_START_TIMEOUT_S: Final = 60.0
"""How long a worker may take from its start until it serves; a start takes about half a second."""
WORKER_STOP_TIMEOUT_S: Final = 10.0
"""How long a worker may take to end after it was told to stop now; then it is killed."""
WORKER_REAP_INTERVAL_S: Final = 0.25
"""The longest interval at which the parent asks for the exit code of a worker that is ending."""
CHANNEL_LINE_BYTES_MAX: Final = 64 * KIB
"""One message between parent and worker; the longest is an error's text."""
COUNT_LOCK_TIMEOUT_S: Final = 0.02
"""How long a worker waits for another one to compare a count with its limit, which takes some
microseconds; then it refuses the request."""
COUNT_LOCK_INTERVAL_S: Final = 0.000_05
"""The interval at which it tries."""
