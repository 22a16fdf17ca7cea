"""The deadlines of an exchange: pure functions of numbers; callers pass the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tailrace import limits
from tailrace.config import GatewayConfig

_SETTINGS: Final = {
    "first byte": "first_byte_timeout_s",
    "idle": "function_idle_timeout_s",
    "stall": "client_stall_timeout_s",
    "total": "total_timeout_s",
}
"""The four deadlines of an exchange, each with the setting of its length.

`first byte`: from the invocation to the response head. `idle`: the longest silence of a function
in mid-body. `stall`: how long a client may accept no bytes while some wait for it; the client's
connection measures that one. `total`: the whole exchange.
"""


def describe(bounds: GatewayConfig, name: str) -> str:
    """Return a text with a passed deadline's name, its length, and the setting that changes it."""
    setting = _SETTINGS[name]
    return f"the {name} deadline of {getattr(bounds, setting):g} s has passed ({setting})"


def sweep_interval_s(bounds: GatewayConfig) -> float:
    """Return the time between sweeps: a deadline is noticed at most a quarter of it late."""
    shortest_s = min(
        bounds.first_byte_timeout_s, bounds.function_idle_timeout_s, bounds.total_timeout_s
    )
    return min(limits.SWEEP_INTERVAL_S, shortest_s / 4)


@dataclass(slots=True, eq=False)
class ExchangeProgress:
    """When an exchange started, and when its function last sent, as seen by the sweeps."""

    started_s: float
    function_moved_s: float = 0.0
    """Set by each sweep until the first one after the head."""
    has_head: bool = False
    relayed_bytes: int = 0

    def note(
        self, now_s: float, *, has_head: bool, relayed_bytes: int = 0, unsent_bytes: int = 0
    ) -> None:
        """Note the counts of one sweep.

        The function's idle time does not run while bytes wait for the client, because
        back-pressure pauses the function then, nor before the head, which has its own deadline.
        """
        if unsent_bytes or relayed_bytes != self.relayed_bytes or not self.has_head:
            self.function_moved_s = now_s
        self.has_head = has_head
        self.relayed_bytes = relayed_bytes


def passed_deadline(bounds: GatewayConfig, progress: ExchangeProgress, now_s: float) -> str | None:
    """Return the name of the deadline that an exchange has passed, or None.

    If several have passed since the last sweep, the total deadline takes precedence.
    """
    if now_s - progress.started_s >= bounds.total_timeout_s:
        return "total"
    if not progress.has_head:
        return "first byte" if now_s - progress.started_s >= bounds.first_byte_timeout_s else None
    if now_s - progress.function_moved_s >= bounds.function_idle_timeout_s:
        return "idle"
    return None
