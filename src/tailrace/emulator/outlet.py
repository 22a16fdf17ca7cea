"""Where a stream's bytes leave the emulator: held back and slowed down as at Lambda's front end.

Concurrency law: callbacks and timers of one event loop; one timer at a time. Whoever owns an outlet
calls `close` when its caller has gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final

from tailrace import limits
from tailrace.config import HoldBackConfig
from tailrace.emulator.function_urls.hold_back import HoldBack, Shaper, ShapingRule
from tailrace.net.clock import Timer, TimerClock

_FULL_BYTES: Final = limits.WRITE_BUFFER_HIGH_BYTES


class Outlet:
    """Takes a response's head and writes; `send` gets what leaves, when it leaves.

    `on_open()` is told once the head may leave, after the bytes that leave with it, if any: most
    heads wait for the body's first bytes. `on_full(is_full)` is told when so much waits for the
    rate that the function should wait, and when it may go on.
    """

    __slots__ = (
        "_clock",
        "_held",
        "_is_full",
        "_is_open",
        "_on_end",
        "_on_full",
        "_on_open",
        "_ready",
        "_ready_bytes",
        "_send",
        "_shaper",
        "_timer",
    )

    def __init__(
        self,
        hold_back: HoldBackConfig,
        shaping: ShapingRule | None,
        *,
        send: Callable[[bytes], None],
        on_full: Callable[[bool], None],
        on_open: Callable[[], None] | None = None,
        clock: TimerClock,
    ) -> None:
        self._clock = clock
        self._held = HoldBack(hold_back)
        self._shaper = None if shaping is None else Shaper(shaping, clock.now_s())
        self._send = send
        self._on_full = on_full
        self._on_open = on_open
        self._is_open = on_open is None  # nobody waits to be told
        self._ready: deque[bytes] = deque()  # released, and waiting for the rate
        self._ready_bytes = 0
        self._is_full = False
        self._on_end: Callable[[], None] | None = None
        self._timer: Timer | None = None

    @property
    def held_bytes(self) -> int:
        """How much is held back."""
        return self._held.held_bytes

    @property
    def write_count(self) -> int:
        """How many writes it has taken."""
        return self._held.write_count

    def begin(self, head: bytes = b"", *, is_joined: bool = False) -> None:
        """Take the head, before the first write; see `HoldBack.begin`."""
        self._release(self._held.begin(self._clock.now_s(), head, is_joined=is_joined))

    def write(self, data: bytes, *, is_rest: bool = False) -> None:
        """Take a write, or more of the last one."""
        self._release(self._held.write(data, self._clock.now_s(), is_rest=is_rest))

    def end(self, on_end: Callable[[], None]) -> None:
        """Release everything; `on_end` is called when all of it has left."""
        self._on_end = on_end
        self._release(self._held.end())

    def close(self) -> None:
        """Nobody takes the bytes any more: what is here is dropped, and nothing is called."""
        self._stop()
        self._is_open = True
        self._on_end = None
        self._held.end()
        self._ready.clear()
        self._ready_bytes = 0
        self._is_full = False

    def _release(self, data: bytes) -> None:
        if data:
            self._ready.append(data)
            self._ready_bytes += len(data)
        self._push()

    def _push(self) -> None:
        """Send what may leave now, and come back when more may."""
        self._stop()
        while self._ready and (granted := self._granted(len(self._ready[0]))):
            data = self._ready.popleft()
            if granted < len(data):
                self._ready.appendleft(data[granted:])
            self._ready_bytes -= granted
            self._send(data[:granted])
        if self._is_full != (self._ready_bytes > _FULL_BYTES):
            self._is_full = not self._is_full
            self._on_full(self._is_full)
        self._set_timer()
        if self._timer is None and self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end()
        if not self._is_open and not self._held.is_head_held:
            self._is_open = True
            if self._on_open is not None:
                self._on_open()

    def _set_timer(self) -> None:
        """Come back when held bytes are due, or when the rate lets more of the released ones go."""
        self._stop()  # whoever was told of room may have written already
        at_s = self._held.due_s
        if self._ready:
            assert self._shaper is not None, "without a rate nothing waits for it"
            at_s = min(at_s, self._shaper.refill_s)
        if at_s < inf:
            self._timer = self._clock.call_at(at_s, self._on_time)

    def _granted(self, wanted: int) -> int:
        return wanted if self._shaper is None else self._shaper.take(wanted, self._clock.now_s())

    def _on_time(self) -> None:
        self._timer = None
        self._release(self._held.expire(self._clock.now_s()))

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def open_outlet(
    config: HoldBackConfig,
    *,
    send: Callable[[bytes], None],
    on_full: Callable[[bool], None],
    on_open: Callable[[], None] | None = None,
    clock: TimerClock,
) -> Outlet:
    """The outlet that a configuration asks for."""
    shaping = ShapingRule() if config.shaping else None
    return Outlet(config, shaping, send=send, on_full=on_full, on_open=on_open, clock=clock)
