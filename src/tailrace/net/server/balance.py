"""Whether a process has more than its share of a node's connections and responses.

The processes of a node accept from the same sockets, and a stream lasts for minutes. The kernel
favours the process that asks most often, and that may be a busy one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from tailrace.net.process import limits
from tailrace.net.process.board import ACCEPTING, Row

_FRESH_NS: Final = round(limits.BEAT_FRESH_S * 1e9)


class Balance:
    """Compares the load of a process, its connections and held responses, with the others' mean.

    Others count while they accept and their event loops run: to one that does not run nothing can
    be left.
    """

    __slots__ = ("_now_ns", "_row")

    def __init__(self, row: Row, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._row = row
        self._now_ns = now_ns

    def is_above(self) -> bool:
        """Whether this process's load is above the mean by more than BALANCE_SPREAD."""
        board, slot = self._row.board, self._row.slot
        states = board.column("state")
        if sum(states) <= ACCEPTING:  # this process alone
            return False
        clients, held = board.column("clients"), board.column("held")
        own = clients[slot] + held[slot]
        oldest_ns = self._now_ns() - _FRESH_NS
        total = count = 0
        for other, beat_ns in enumerate(board.column("beat_ns")):
            if other == slot or (states[other] == ACCEPTING and beat_ns > oldest_ns):
                total += clients[other] + held[other]
                count += 1
        return own * count > total + limits.BALANCE_SPREAD * count
