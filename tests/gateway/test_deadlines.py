"""Which deadline has passed, as a table: what happened in an exchange, and when."""

from __future__ import annotations

import pytest

from tailrace import limits
from tailrace.config import GatewayConfig
from tailrace.gateway.exchange.deadlines import (
    ExchangeProgress,
    describe,
    passed_deadline,
    sweep_interval_s,
)

BOUNDS = GatewayConfig(
    first_byte_timeout_s=30.0,
    function_idle_timeout_s=10.0,
    client_stall_timeout_s=20.0,
    total_timeout_s=100.0,
)

WAITING = (False, 0, 0)
BEFORE_A_BODY = (True, 0, 0)


def sent(relayed_bytes: int, unsent_bytes: int = 0) -> tuple[bool, int, int]:
    return True, relayed_bytes, unsent_bytes


CASES = {
    "nothing came in time": ([(30.0, WAITING)], "first byte"),
    "nothing has come yet": ([(29.9, WAITING)], None),
    "before the head nothing is idle": ([(1.0, WAITING), (29.0, WAITING)], None),
    "a head ends the first deadline": ([(29.0, sent(1)), (31.0, sent(2))], None),
    # The head arrived between two sweeps; its body has all the time from there.
    "a late head is not a silence": ([(28.0, WAITING), (29.0, BEFORE_A_BODY)], None),
    "a late head without a sweep before": ([(29.0, BEFORE_A_BODY)], None),
    "a head without a body": ([(1.0, BEFORE_A_BODY), (11.0, BEFORE_A_BODY)], "idle"),
    "a silence in mid-body": ([(1.0, sent(5)), (11.0, sent(5))], "idle"),
    "one byte in time": ([(1.0, sent(5)), (10.9, sent(6)), (20.8, sent(6))], None),
    "a function that writes all the time": ([(s, sent(int(s))) for s in range(1, 100, 9)], None),
    "a client that takes a byte": ([(1.0, sent(9, 4)), (21.0, sent(9, 3))], None),
    "a client that took all is not stalled": ([(1.0, sent(9)), (10.0, sent(9))], None),
    "a function held up is not idle": ([(1.0, sent(9, 4)), (15.0, sent(9, 4))], None),
    "held up, and then silent": (
        [(1.0, sent(9, 4)), (15.0, sent(9, 4)), (16.0, sent(9)), (26.0, sent(9))],
        "idle",
    ),
    "all of it before a head": ([(100.0, WAITING)], "total"),
    "all of it while bytes flow": ([(99.0, sent(99)), (100.0, sent(100))], "total"),
}


@pytest.mark.parametrize(("sweeps", "expected"), CASES.values(), ids=CASES)
def test_the_deadline_that_passed(
    sweeps: list[tuple[float, tuple[bool, int, int]]], expected: str | None
) -> None:
    progress, start_s = ExchangeProgress(1000.0), 1000.0
    passed = []

    for at_s, (has_head, relayed_bytes, unsent_bytes) in sweeps:
        now_s = start_s + at_s
        progress.note(
            now_s, has_head=has_head, relayed_bytes=relayed_bytes, unsent_bytes=unsent_bytes
        )
        passed.append(passed_deadline(BOUNDS, progress, now_s))

    assert passed == [None] * (len(sweeps) - 1) + [expected]


def test_deadlines_are_looked_at_four_times_in_the_shortest() -> None:
    assert sweep_interval_s(GatewayConfig()) == limits.SWEEP_INTERVAL_S
    assert sweep_interval_s(GatewayConfig(first_byte_timeout_s=0.4)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("name", "length_s"), [("first byte", 30.0), ("idle", 10.0), ("stall", 20.0), ("total", 100.0)]
)
def test_a_deadline_is_described_with_its_length_and_a_setting_that_there_is(
    name: str, length_s: float
) -> None:
    text, _, setting = describe(BOUNDS, name).partition(" (")

    assert text == f"the {name} deadline of {length_s:g} s has passed"
    assert setting.removesuffix(")") in GatewayConfig.__dataclass_fields__
