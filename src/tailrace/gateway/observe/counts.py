"""Counts for operators: those of the health document, and those in warnings."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

from tailrace import limits
from tailrace.net.clock import TimerClock
from tailrace.net.server.refusals import Tally

K = TypeVar("K", bound=Hashable)

_OPEN: Final = ("held", "uploads", "clients", "callbacks")


def health_counts(
    statistics: Mapping[str, int],
    *,
    requests_refused: int,
    clients_refused: Mapping[str, int],
    callbacks_refused: Mapping[str, int],
) -> dict[str, object]:
    """Return the members of the health document that are counts.

    `statistics` are those of the gateway. `requests_refused` counts requests for which a route or
    the gateway had no room; the two mappings are what each listener has refused, by its bounds.
    Descriptors belong to the process, so both listeners count into one member.
    """
    refused = {
        "requests": requests_refused,
        "uploads": clients_refused["uploads"],
        "clients": clients_refused["connections"],
        "callbacks": callbacks_refused["connections"],
        "descriptors": clients_refused["descriptors"] + callbacks_refused["descriptors"],
    }
    return {**{name: statistics[name] for name in _OPEN}, "refused": refused}


class Tallies(Generic[K]):
    """Counts events by key, and limits how often a warning of each key is due.

    There is one tally for each key; `total` counts all events since the start.

    Keys change with the configuration. Above REFUSAL_ROUTES_MAX keys all tallies are reset, and
    the next event of each key is due immediately.
    """

    def __init__(self, clock: TimerClock) -> None:
        self.total = 0
        self._clock = clock
        self._by_key: dict[K, Tally] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def add(self, key: K) -> int:
        """Count an event; return how many of this key to warn of now, 0 if no warning is due."""
        self.total += 1
        tally = self._by_key.get(key)
        if tally is None:
            if len(self._by_key) >= limits.REFUSAL_ROUTES_MAX:
                self._by_key.clear()
            tally = self._by_key[key] = Tally(self._clock.now_s)
        return tally.add()
