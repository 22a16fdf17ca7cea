"""Bounds of `tailrace package`: see `tailrace.limits`."""

from __future__ import annotations

from typing import Final

# --- tailrace package --------------------------------------------------------------------------

STEP_TIMEOUT_S: Final = 600.0
"""One run of uv or pip: 250 MB of wheels at 3.3 Mbit/s. Both have time-outs of their own for a peer
that is silent."""
