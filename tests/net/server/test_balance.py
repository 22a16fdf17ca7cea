"""Who has more than a share: a process's load beside the mean of those that accept."""

from __future__ import annotations

import pytest

from tailrace.net.process import limits
from tailrace.net.process.board import ACCEPTING, DRAINING, STARTING, Board
from tailrace.net.server.balance import Balance

NOW_NS = 10**12
STALE_NS = NOW_NS - round(limits.BEAT_FRESH_S * 1e9)
SPREAD = limits.BALANCE_SPREAD


@pytest.mark.parametrize(
    ("own", "others", "is_above"),
    [
        (1_000, [], False),
        (100, [(100, ACCEPTING, NOW_NS)], False),
        (100 + SPREAD, [(100, ACCEPTING, NOW_NS)], False),
        (100 + 2 * SPREAD, [(100, ACCEPTING, NOW_NS)], False),
        (101 + 2 * SPREAD, [(100, ACCEPTING, NOW_NS)], True),
        (100, [(101 + 2 * SPREAD, ACCEPTING, NOW_NS)], False),
        (1_000, [(0, ACCEPTING, STALE_NS)], False),
        (1_000, [(0, STARTING, NOW_NS)], False),
        (1_000, [(0, DRAINING, NOW_NS)], False),
        (1_000, [(0, DRAINING, NOW_NS), (1_000, ACCEPTING, NOW_NS)], False),
        (1_000, [(0, ACCEPTING, NOW_NS), (1_000, ACCEPTING, NOW_NS)], True),
    ],
)
def test_a_process_is_above_the_mean(
    own: int, others: list[tuple[int, int, int]], is_above: bool
) -> None:
    """Of two processes one is above by the spread if they differ by twice as much."""
    board = Board.create()
    for load, state, beat_ns in [*others[:1], (own, ACCEPTING, 0), *others[1:]]:
        row = board.take_row(1)
        assert row is not None
        row["state"], row["beat_ns"] = state, beat_ns
        row["clients"], row["held"] = load - load // 3, load // 3
    mine = board.row(min(1, len(others)))

    assert Balance(mine, lambda: NOW_NS).is_above() is is_above
    board.close()
