"""The deadlines of an exchange: a decision on numbers, without a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass

from tailrace import limits


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The four deadlines of an exchange, in seconds.

    `first_byte`: from the invocation to the response head. `idle`: the longest silence of a
    function in mid-body. `stall`: how long a client may take nothing while bytes wait for it; the
    client's connection watches that one. `total`: the whole exchange.
    """

    first_byte_s: float = limits.FIRST_BYTE_TIMEOUT_S
    idle_s: float = limits.FUNCTION_IDLE_TIMEOUT_S
    stall_s: float = limits.CLIENT_STALL_TIMEOUT_S
    total_s: float = limits.TOTAL_TIMEOUT_S

    def describe(self, name: str) -> str:
        """Name a deadline, its length and the setting that changes it."""
        length_s, setting = {
            "first byte": (self.first_byte_s, "first_byte_timeout_s"),
            "idle": (self.idle_s, "function_idle_timeout_s"),
            "stall": (self.stall_s, "client_stall_timeout_s"),
            "total": (self.total_s, "total_timeout_s"),
        }[name]
        return f"the {name} deadline of {length_s:g} s has passed ({setting})"

    @property
    def sweep_interval_s(self) -> float:
        """How often to look: a deadline is met a quarter of its length late at the most."""
        shortest_s = min(self.first_byte_s, self.idle_s, self.total_s)
        return min(limits.SWEEP_INTERVAL_S, shortest_s / 4)


class Progress:
    """When an exchange began, and when its function last moved, as the sweeps saw it."""

    __slots__ = (
        "_relayed_bytes",
        "function_moved_s",
        "has_head",
        "started_s",
    )

    def __init__(self, started_s: float) -> None:
        self.started_s = self.function_moved_s = started_s
        self.has_head = False
        self._relayed_bytes = 0

    def note(
        self, now_s: float, *, has_head: bool, relayed_bytes: int = 0, unsent_bytes: int = 0
    ) -> None:
        """Take in the counts of one sweep.

        While the client holds the function up, the function cannot be blamed for its silence;
        before the head, another deadline counts.
        """
        if unsent_bytes or relayed_bytes != self._relayed_bytes or not self.has_head:
            self.function_moved_s = now_s
        self.has_head = has_head
        self._relayed_bytes = relayed_bytes


def passed_deadline(bounds: Deadlines, progress: Progress, now_s: float) -> str | None:
    """The name of the deadline that an exchange has passed, if it has passed one."""
    if now_s - progress.started_s >= bounds.total_s:
        return "total"
    if not progress.has_head:
        return "first byte" if now_s - progress.started_s >= bounds.first_byte_s else None
    if now_s - progress.function_moved_s >= bounds.idle_s:
        return "idle"
    return None
