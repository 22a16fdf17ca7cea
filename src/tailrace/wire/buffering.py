"""How a response stream is held back and slowed down on its way: a model of Lambda's front end.

Two independent parts, each pure: the caller brings the time, in seconds of any clock that does not
go back.

    write ──► HoldBack ──(released)──► Shaper ──(granted)──► the client

Sources, read 2026-11. The hold-back: betterdev.blog, "Lambda response streaming", September 2023,
whose two runs the defaults yield; padding to 100 KB helped there, to 10 KB it did not. Others
reported about 15,000 bytes (serverless-adapter issue 166, January 2024), 16 KB and 100 KB (issues
94 and 102 of aws-lambda-nodejs-runtime-interface-client, 2024). AWS says nothing about it, and some
saw none. The rate: Lambda Developer Guide "configuration-response-streaming"; its steps: the source
of aws-lambda-runtime-interface-emulator, `bandwidthlimiter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from tailrace.limits import (
    HOLD_BACK_BYTES,
    HOLD_BACK_WRITES,
    STREAM_BURST_BYTES,
    STREAM_RATE_BYTES_PER_S,
    STREAM_REFILL_S,
)


@dataclass(frozen=True, slots=True)
class HoldBackRule:
    """When held bytes leave; the end releases all of them in any case."""

    first_writes: int = HOLD_BACK_WRITES
    """Nothing leaves before this many writes; from then on each write releases those before it.

    0: writes release nothing, as with a buffer of a fixed size.
    """
    threshold_bytes: int = HOLD_BACK_BYTES
    """Once so many bytes are held, all of them leave."""
    hold_s: float = inf
    """Bytes are held no longer than this."""


class HoldBack:
    """What one response has written and not let out yet."""

    __slots__ = ("_held", "_is_flowing", "_rule", "_since_s", "write_count")

    def __init__(self, rule: HoldBackRule) -> None:
        self._rule = rule
        self._held = bytearray()
        self.write_count = 0
        self._is_flowing = False  # each write releases those before it
        self._since_s = inf  # when the oldest held byte was written

    @property
    def due_s(self) -> float:
        """When `expire` releases what is held; infinite when nothing is, or no time is set."""
        return self._since_s + self._rule.hold_s

    @property
    def held_bytes(self) -> int:
        """How much is held."""
        return len(self._held)

    def write(self, data: bytes, now_s: float) -> bytes:
        """Take a write; return what leaves with it."""
        if not data:
            return b""
        self.write_count += 1
        rule = self._rule
        if not self._held:
            self._since_s = now_s
        before = len(self._held)
        self._held += data
        if len(self._held) >= rule.threshold_bytes:
            self._is_flowing = rule.first_writes > 0
            return self.end()
        self._is_flowing = self._is_flowing or 0 < rule.first_writes <= self.write_count
        if not self._is_flowing:
            return b""
        released = bytes(self._held[:before])
        self._held = bytearray(data)
        self._since_s = now_s
        return released

    def expire(self, now_s: float) -> bytes:
        """Return what has been held long enough: all, once its oldest byte has."""
        return self.end() if now_s >= self.due_s else b""

    def end(self) -> bytes:
        """Return all that is held: the response is complete."""
        released = bytes(self._held)
        self._held.clear()
        self._since_s = inf
        return released


@dataclass(frozen=True, slots=True)
class ShapingRule:
    """How fast bytes leave: a bucket that starts full, and is refilled step by step."""

    burst_bytes: int = STREAM_BURST_BYTES
    rate_bytes_per_s: int = STREAM_RATE_BYTES_PER_S
    refill_s: float = STREAM_REFILL_S


class Shaper:
    """The bucket of one response."""

    __slots__ = ("_left", "_refilled_s", "_rule", "_step")

    def __init__(self, rule: ShapingRule, now_s: float) -> None:
        self._rule = rule
        self._step = max(1, int(rule.rate_bytes_per_s * rule.refill_s))  # bytes
        self._left = rule.burst_bytes
        self._refilled_s = now_s

    def take(self, wanted: int, now_s: float) -> int:
        """Return how many of so many bytes may leave now, and count them as gone."""
        self._refill(now_s)
        granted = min(wanted, self._left)
        self._left -= granted
        return granted

    @property
    def refill_s(self) -> float:
        """When the next bytes are granted."""
        return self._refilled_s + self._rule.refill_s

    def _refill(self, now_s: float) -> None:
        rule = self._rule
        steps = int((now_s - self._refilled_s) / rule.refill_s)
        if steps > 0:
            self._refilled_s += steps * rule.refill_s
            self._left = min(rule.burst_bytes, self._left + steps * self._step)
