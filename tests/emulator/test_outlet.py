"""An outlet's promises to the front that owns it: what it calls, how often, in which order."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest
from tests.clock import ManualClock

from tailrace import limits
from tailrace.config import HoldBackConfig
from tailrace.emulator.function_urls.hold_back import ShapingRule
from tailrace.emulator.outlet import Outlet

ON_TIME = HoldBackConfig(threshold_bytes=1)
SLOW = ShapingRule(burst_bytes=4, rate_bytes_per_s=4, refill_s=1.0)  # 4 bytes at a time


class Front:
    """Writes down what it is told; its clock stands still until it is advanced."""

    def __init__(self, rule: HoldBackConfig, shaping: ShapingRule | None = None) -> None:
        self.clock = ManualClock()
        self.told: list[str] = []
        self.bytes = b""
        self.on_room: Callable[[], None] = lambda: None
        self.outlet = Outlet(
            rule,
            shaping,
            send=self._send,
            on_full=self._on_full,
            on_open=self._on_open,
            clock=self.clock,
        )

    def _send(self, data: bytes) -> None:
        self.told.append("send")
        self.bytes += data

    def _on_full(self, is_full: bool) -> None:
        self.told.append("full" if is_full else "room")
        if not is_full:
            self.on_room()

    def _on_open(self) -> None:
        self.told.append("open")

    def end(self) -> None:
        self.outlet.end(lambda: self.told.append("end"))


def test_a_head_leaves_behind_the_bytes_that_open_it() -> None:
    """So that a corked head and they are one write."""
    front = Front(HoldBackConfig(first_writes=2))
    front.outlet.begin()
    for data in (b"1", b"2", b"3"):
        front.outlet.write(data)
    assert (front.told, front.bytes) == (["send", "open", "send"], b"12")
    front.end()
    assert (front.told[3:], front.bytes) == (["send", "end"], b"123")


def test_a_head_alone_leaves_with_the_end() -> None:
    front = Front(HoldBackConfig())
    front.outlet.begin()
    assert front.told == []
    front.end()
    assert front.told == ["end", "open"]


def test_a_head_alone_leaves_when_it_was_held_long_enough() -> None:
    front = Front(HoldBackConfig(hold_s=5.0))
    front.outlet.begin()
    front.clock.advance(4.9)
    assert front.told == []
    front.clock.advance(0.1)
    assert front.told == ["open"]


def test_a_head_that_is_not_held_leaves_at_once() -> None:
    front = Front(ON_TIME)
    front.outlet.begin(b"head")
    assert (front.told, front.bytes) == (["send", "open"], b"head")


def test_an_empty_write_is_none() -> None:
    front = Front(ON_TIME)
    front.outlet.begin()
    for _ in range(3):
        front.outlet.write(b"")
    assert (front.told, front.outlet.write_count) == (["open"], 0)


def test_the_end_comes_behind_what_the_rate_holds() -> None:
    front = Front(HoldBackConfig(), SLOW)
    front.outlet.write(b"0123456789")
    front.end()
    assert front.bytes == b"0123"
    front.clock.advance(1.0)
    assert (front.bytes, front.told[-1]) == (b"01234567", "send")
    front.clock.advance(1.0)
    assert front.bytes == b"0123456789"
    assert front.told[-1] == "end"
    assert front.told.count("end") == 1


@pytest.mark.parametrize("hold_s", [inf, 2.0])
def test_nothing_is_called_behind_a_close(hold_s: float) -> None:
    closed = Front(HoldBackConfig(hold_s=hold_s), SLOW)
    closed.outlet.begin()
    for _ in range(3):
        closed.outlet.write(b"0123456789")
    closed.end()
    closed.outlet.close()
    assert closed.clock.waiting_count == 0
    assert (closed.told, closed.outlet.held_bytes) == (["send", "open"], 0)


def test_whoever_is_told_of_room_may_write_at_once() -> None:
    size = limits.WRITE_BUFFER_HIGH_BYTES
    step = ShapingRule(burst_bytes=size, rate_bytes_per_s=size, refill_s=1.0)
    front = Front(ON_TIME, step)
    front.on_room = lambda: front.outlet.write(b"more")
    front.outlet.write(bytes(size * 2 + 1))
    assert front.told == ["send", "full", "open"]
    front.clock.advance(3.0)
    assert front.bytes.endswith(b"more")
    front.end()
    assert front.told.count("room") == front.told.count("full") == 1
    assert len(front.bytes) == size * 2 + 1 + 4
    assert front.told[-1] == "end"
