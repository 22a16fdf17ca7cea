"""Which deadline a connection has passed, as a table of what it waits for and since when."""

from __future__ import annotations

import math

import pytest

from tailrace.net.server.deadlines import Passed, passed_deadline
from tailrace.net.server.parser import HttpLimits
from tailrace.net.server.phases import Phase

BOUNDS = HttpLimits(
    head_timeout_s=10.0,
    body_timeout_s=20.0,
    body_total_timeout_s=100.0,
    keep_alive_timeout_s=30.0,
    linger_timeout_s=2.0,
    stall_timeout_s=40.0,
)
WITHOUT = HttpLimits(body_timeout_s=None, body_total_timeout_s=None)


@pytest.mark.parametrize(
    ("phase", "waited_s", "phase_s", "has_unsent", "expected"),
    [
        (Phase.IDLE, 29.9, 29.9, False, None),
        (Phase.IDLE, 30.0, 30.0, False, Passed.CLOSE),
        (Phase.HEAD, 9.9, 9.9, False, None),
        (Phase.HEAD, 10.0, 10.0, False, Passed.HEAD),
        (Phase.BODY, 19.9, 99.9, True, None),
        (Phase.BODY, 20.0, 20.0, True, Passed.BODY),
        (Phase.BODY, 0.0, 100.0, True, Passed.BODY_TOTAL),
        (Phase.BODY, 20.0, 100.0, True, Passed.BODY_TOTAL),
        (Phase.ANSWER, math.inf, math.inf, False, None),
        (Phase.ANSWER, math.inf, 50.0, False, None),
        (Phase.ANSWER, 39.9, 50.0, True, None),
        (Phase.ANSWER, 40.0, 50.0, True, Passed.STALL),
        (Phase.LINGER, 1.9, 50.0, False, None),
        (Phase.LINGER, 2.0, 50.0, False, Passed.CLOSE),
        (Phase.LINGER, 2.0, 50.0, True, None),
        (Phase.LINGER, 40.0, 50.0, True, Passed.RESET),
        (Phase.CLOSING, 39.9, 50.0, True, None),
        (Phase.CLOSING, 40.0, 50.0, True, Passed.RESET),
        (Phase.CLOSED, math.inf, math.inf, True, None),
    ],
)
def test_the_deadline_that_passed(
    phase: Phase, waited_s: float, phase_s: float, has_unsent: bool, expected: Passed | None
) -> None:
    passed = passed_deadline(
        BOUNDS, phase, waited_s=waited_s, phase_s=phase_s, has_unsent=has_unsent
    )

    assert passed is expected


def test_a_body_may_be_without_deadlines() -> None:
    passed = passed_deadline(WITHOUT, Phase.BODY, waited_s=1e9, phase_s=1e9, has_unsent=False)

    assert passed is None
