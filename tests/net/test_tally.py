"""What happens often is said at once, and then seldom."""

from __future__ import annotations

from tailrace import limits
from tailrace.net.tally import Tally


def test_the_first_is_said_at_once_and_the_others_together() -> None:
    now_s = 100.0
    tally = Tally(lambda: now_s)

    assert [tally.add() for _ in range(4)] == [1, 0, 0, 0]
    now_s += limits.WARNING_INTERVAL_S
    assert [tally.add() for _ in range(2)] == [4, 0]
