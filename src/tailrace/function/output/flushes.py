"""The flushes of a natively streamed response: their policy, their clock, their places.

Lambda holds small writes back, so a flush sends padding. `flush.flusher` decides what is held and
what is due; this module connects it with a response's head and with the time.
"""

from __future__ import annotations

import logging
import time
from math import inf

from tailrace.errors import FlushError
from tailrace.function.flush.flusher import Flusher
from tailrace.function.flush.policy import FlushPolicy
from tailrace.records import Protocol

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from threading import Condition
    from typing import Final

    from tailrace.function.flush.scanners import Scanner
    from tailrace.wire.integration import Head

logger = logging.getLogger("tailrace.function")

_EXPLICIT: Final = FlushPolicy()
_PROMISES: Final = frozenset(
    (
        "content-digest",
        "content-encoding",
        "content-length",
        "content-md5",
        "content-range",
        "digest",
        "repr-digest",
    )
)
"""Header fields that padding would make wrong."""
_UNFLUSHABLE: Final = (
    "the response cannot be flushed on Lambda's native streaming, where that takes padding: {}"
)
_REMEDY: Final = (
    "through the gateway any type can be flushed, by callback or in frames"
    ' (transport = "response-stream")'
)
_TEXT_REMEDY: Final = "FlushPolicy(pads_text=True) pads it with spaces"


class FlushTimer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Cancel the call."""


class FlushClock:
    """The time of adaptive flushes: `now_s`, and how a loop or a thread waits for it."""

    __slots__ = ("now_s",)

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        # Not a loop's time: uvloop does not update it while callbacks run.
        self.now_s = now_s

    def call_later(
        self, loop: AbstractEventLoop, delay_s: float, callback: Callable[[], None]
    ) -> FlushTimer:
        """Call `callback()` in a running loop after a delay."""
        return loop.call_later(delay_s, callback)

    def wait(self, change: Condition, timeout_s: float | None) -> None:
        """Wait until `change`, which the caller holds, is notified, or the time-out passes."""
        change.wait(timeout_s)


class Flushes:
    """The flushes of one response.

    `policy` may be set until the head is sent; None is "explicit". `flusher` is set with the head.
    `on_held` is called at the end of each write after which a flush will be due, at `due_s`.
    """

    __slots__ = ("clock", "flusher", "now_s", "on_held", "policy")

    def __init__(self, policy: FlushPolicy | None = None, clock: FlushClock | None = None) -> None:
        self.policy = policy
        self.clock: Final = FlushClock() if clock is None else clock
        self.now_s: Final = self.clock.now_s
        self.flusher: Flusher | None = None
        self.on_held: Callable[[], None] | None = None

    @property
    def is_adaptive(self) -> bool:
        """Whether a timer or a thread must watch `due_s`."""
        return self.policy is not None and self.policy.when == "adaptive"

    @property
    def due_s(self) -> float:
        """The time by `clock` at which a flush is due; else infinite."""
        return inf if self.flusher is None else self.flusher.due_s

    def start(self, head: Head, data: bytes, *, is_framed: bool) -> bytes:
        """Create the flusher; return the padding to send behind the head and `data`."""
        policy = self.policy or _EXPLICIT
        find = _anywhere if is_framed else lambda: _scanner_of(head, policy)
        self.flusher = Flusher(policy, find)
        padding = self.flusher.start(data, self.now_s())
        if policy.when != "explicit" and self.flusher.obstacle is not None:
            logger.warning('no "%s" flush: %s', policy.when, self.flusher.obstacle)
        if policy.when != "adaptive" or self.flusher.obstacle is not None:
            self.on_held = None
        return padding


def _anywhere() -> Scanner:
    from tailrace.function.output.frames import AnywhereScanner

    return AnywhereScanner()


def _scanner_of(head: Head, policy: FlushPolicy) -> Scanner:
    """Return the scanner that finds places for padding in a response.

    Raises:
        FlushError: no padding may be added to it.
    """
    from tailrace.function.flush.scanners import scanner_for

    for name, value in head.headers:
        if name.lower() in _PROMISES and value.lower() != "identity":
            reason = f"its {name} promises what its bytes are; leave that out"
            raise FlushError(_UNFLUSHABLE.format(reason))
    content_type = head.get("content-type")
    if content_type is None:
        raise FlushError(_UNFLUSHABLE.format("it has no content type; set one"))
    scanner = scanner_for(content_type, pads_text=policy.pads_text)
    if scanner is None:
        is_text = content_type.partition(";")[0].strip().lower() == "text/plain"
        remedy = _TEXT_REMEDY if is_text else _REMEDY
        raise FlushError(_UNFLUSHABLE.format(f"{content_type} has no padding; {remedy}"))
    return scanner
