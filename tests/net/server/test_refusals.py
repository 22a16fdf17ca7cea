"""Refusals in floods: each is counted, and the log gets one warning now and then."""

from __future__ import annotations

import pytest
from tests.clock import ManualClock

from tailrace import limits
from tailrace.net.server.refusals import Tally, WebGuard
from tailrace.net.server.web_access import WebAccess
from tailrace.wire.http_head import RequestHead


def foreign() -> RequestHead:
    headers = [(b"host", b"127.0.0.1:1"), (b"origin", b"https://evil.example")]
    return RequestHead("GET", "/", "1.1", headers)


def test_many_refusals_make_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    guard = WebGuard("Lambda API", WebAccess(), clock)

    def refuse(count: int) -> list[str]:
        caplog.clear()
        for _ in range(count):
            assert guard.find_refusal(foreign()) is not None
        return [message.partition(":")[2].split(":")[0].strip() for message in caplog.messages]

    assert refuse(5) == ["refused=1"]
    clock.advance(limits.WARNING_INTERVAL_S - 0.001)
    assert refuse(5) == []
    clock.advance(0.001)
    assert refuse(1) == ["refused=10"]


def test_the_first_is_said_at_once_and_the_others_together() -> None:
    now_s = 100.0
    tally = Tally(lambda: now_s)

    assert [tally.add() for _ in range(4)] == [1, 0, 0, 0]
    now_s += limits.WARNING_INTERVAL_S
    assert [tally.add() for _ in range(2)] == [4, 0]
