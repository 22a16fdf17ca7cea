"""One sweep for everything that has a deadline: a timer for each would cost more than the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from tailrace import limits
from tailrace.net.clock import Timer, TimerClock

_ENDED_MAX: Final = limits.SWEEP_ENDED_PER_TURN_MAX
_SEEN_MAX: Final = limits.SWEEP_SEEN_PER_TURN_MAX


class Sweeper:
    """Calls `look` at intervals, and iterates over what it returns.

    `look` checks one thing after the other, and yields for each whether it ended it. After
    `SWEEP_ENDED_PER_TURN_MAX` ended ones, or `SWEEP_SEEN_PER_TURN_MAX` in all, the round continues
    in another turn of the event loop. An error in `look` ends this round, not the next ones.
    """

    __slots__ = ("_clock", "_interval_s", "_is_stopped", "_look", "_round", "_timer")

    def __init__(
        self,
        clock: TimerClock,
        *,
        interval_s: Callable[[], float],
        look: Callable[[], Iterator[bool]],
    ) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._look = look
        self._round: Iterator[bool] = iter(())
        self._timer: Timer | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Start; the first round comes after one interval."""
        self._timer = self._clock.call_later(self._interval_s(), self._start_sweep)

    def stop(self) -> None:
        """Stop, also in the middle of a round."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _start_sweep(self) -> None:
        self._round = self._look()
        self._go_on()

    def _go_on(self) -> None:
        delay_s, then = self._interval_s(), self._start_sweep
        ended = 0
        try:
            for seen, has_ended in enumerate(self._round, 1):
                ended += has_ended
                if ended == _ENDED_MAX or seen == _SEEN_MAX:
                    delay_s, then = 0.0, self._go_on
                    break
        finally:
            if not self._is_stopped:
                self._timer = self._clock.call_later(delay_s, then)
