"""Looks at deadlines: how often, how much in one call, and what an error ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.clock import ManualClock

from tailrace.limits import SWEEP_ENDED_PER_TURN_MAX, SWEEP_SEEN_PER_TURN_MAX
from tailrace.net.sweeper import Sweeper


class World:
    """Things of which each look ends some, and others that want their turn."""

    def __init__(self, *ended: bool) -> None:
        self.ended = ended
        self.seen: list[str | int] = []
        self.clock = ManualClock()
        self.sweeper = Sweeper(self.clock, interval_s=lambda: 1.0, look=self.look)
        self.sweeper.start()

    def look(self) -> Iterator[bool]:
        self.seen.append("look")
        for number, has_ended in enumerate(self.ended):
            self.seen.append(number)
            if number == 0:
                self.clock.call_later(0, self.seen.append, "other")
            yield has_ended


def test_a_look_comes_after_each_interval() -> None:
    world = World()

    for _ in range(3):
        world.clock.advance(0.9)
        count = len(world.seen)
        world.clock.advance(0.1)
        assert len(world.seen) == count + 1
    world.sweeper.stop()
    world.clock.advance(10)

    assert world.seen == ["look"] * 3
    assert world.clock.waiting_count == 0


@pytest.mark.parametrize(
    ("has_ended", "per_turn"),
    [(True, SWEEP_ENDED_PER_TURN_MAX), (False, SWEEP_SEEN_PER_TURN_MAX)],
)
def test_others_get_their_turn_between(has_ended: bool, per_turn: int) -> None:
    """Sixteen thousand connections that were opened together are due together."""
    world = World(*[has_ended] * (2 * per_turn + 1))

    world.clock.advance(1.0)

    assert world.seen.index("other") == 1 + per_turn
    assert world.seen[-1] == 2 * per_turn
    assert world.seen.count("look") == 1
    world.clock.advance(1.0)
    assert world.seen.count("look") == 2


def test_one_that_is_stopped_between_turns_goes_on_with_nothing() -> None:
    world = World(*[True] * 200)
    world.clock.call_at(world.clock.now_s() + 1.0, world.sweeper.stop)

    world.clock.advance(1.0)

    assert world.seen[-1] in ("other", SWEEP_ENDED_PER_TURN_MAX - 1)
    assert world.clock.waiting_count == 0


def test_one_that_is_stopped_by_what_it_ends_looks_no_more() -> None:
    clock = ManualClock()
    rounds = []

    def look() -> Iterator[bool]:
        rounds.append(1)
        sweeper.stop()
        yield True

    sweeper = Sweeper(clock, interval_s=lambda: 1.0, look=look)
    sweeper.start()
    clock.advance(5.0)

    assert (rounds, clock.waiting_count) == ([1], 0)


def test_an_error_ends_one_round() -> None:
    clock = ManualClock()
    rounds = []

    def look() -> Iterator[bool]:
        rounds.append(1)
        yield False
        raise RuntimeError("the application")

    Sweeper(clock, interval_s=lambda: 1.0, look=look).start()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            clock.advance(1.0)

    assert len(rounds) == 2
