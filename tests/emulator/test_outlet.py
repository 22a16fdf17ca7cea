"""An outlet's promises to the front that owns it: what it calls, how often, in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

import pytest
from tests.fakes import until

from tailrace import limits
from tailrace.emulator.outlet import Outlet
from tailrace.wire.buffering import HoldBackRule, ShapingRule

ON_TIME = HoldBackRule(threshold_bytes=1)
SLOW = ShapingRule(burst_bytes=4, rate_bytes_per_s=400, refill_s=0.01)  # 4 bytes at a time


class Front:
    """Writes down what it is told."""

    def __init__(self, rule: HoldBackRule, shaping: ShapingRule | None = None) -> None:
        self.told: list[str] = []
        self.bytes = b""
        self.on_room: Callable[[], None] = lambda: None
        self.outlet = Outlet(
            rule, shaping, send=self._send, on_full=self._on_full, on_open=self._on_open
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

    async def story() -> None:
        front = Front(HoldBackRule(first_writes=2))
        front.outlet.begin()
        for data in (b"1", b"2", b"3"):
            front.outlet.write(data)
        assert (front.told, front.bytes) == (["send", "open", "send"], b"12")
        front.end()
        assert (front.told[3:], front.bytes) == (["send", "end"], b"123")

    asyncio.run(story())


def test_a_head_alone_leaves_with_the_end() -> None:
    async def story() -> None:
        front = Front(HoldBackRule())
        front.outlet.begin()
        assert front.told == []
        front.end()
        assert front.told == ["end", "open"]

    asyncio.run(story())


def test_a_head_alone_leaves_when_it_was_held_long_enough() -> None:
    async def story() -> None:
        front = Front(HoldBackRule(hold_s=0.01))
        front.outlet.begin()
        await until(lambda: front.told)
        assert front.told == ["open"]

    asyncio.run(story())


def test_a_head_that_is_not_held_leaves_at_once() -> None:
    async def story() -> None:
        front = Front(ON_TIME)
        front.outlet.begin(b"head")
        assert (front.told, front.bytes) == (["send", "open"], b"head")

    asyncio.run(story())


def test_an_empty_write_is_none() -> None:
    async def story() -> None:
        front = Front(ON_TIME)
        front.outlet.begin()
        for _ in range(3):
            front.outlet.write(b"")
        assert (front.told, front.outlet.write_count) == (["open"], 0)

    asyncio.run(story())


def test_the_end_comes_behind_what_the_rate_holds() -> None:
    async def story() -> None:
        front = Front(HoldBackRule(), SLOW)
        front.outlet.write(b"0123456789")
        front.end()
        assert front.bytes == b"0123"
        await until(lambda: "end" in front.told)
        assert front.bytes == b"0123456789"
        assert front.told[-1] == "end"
        assert front.told.count("end") == 1

    asyncio.run(story())


@pytest.mark.parametrize("hold_s", [inf, 0.02])
def test_nothing_is_called_behind_a_close(hold_s: float) -> None:
    async def story() -> None:
        closed, other = Front(HoldBackRule(hold_s=hold_s), SLOW), Front(ON_TIME, SLOW)
        closed.outlet.begin()
        for _ in range(3):
            closed.outlet.write(b"0123456789")
        closed.end()
        closed.outlet.close()
        # Its timers would be due before this one's last.
        other.outlet.write(bytes(40))
        other.end()
        await until(lambda: "end" in other.told)
        assert (closed.told, closed.outlet.held_bytes) == (["send", "open"], 0)

    asyncio.run(story())


def test_whoever_is_told_of_room_may_write_at_once() -> None:
    async def story() -> None:
        size = limits.WRITE_BUFFER_HIGH_BYTES
        step = ShapingRule(burst_bytes=size, rate_bytes_per_s=size * 100, refill_s=0.01)
        front = Front(ON_TIME, step)
        front.on_room = lambda: front.outlet.write(b"more")
        front.outlet.write(bytes(size * 2 + 1))
        assert front.told == ["send", "full", "open"]
        await until(lambda: front.bytes.endswith(b"more"))
        front.end()
        assert front.told.count("room") == front.told.count("full") == 1
        assert len(front.bytes) == size * 2 + 1 + 4
        assert front.told[-1] == "end"

    asyncio.run(story())
