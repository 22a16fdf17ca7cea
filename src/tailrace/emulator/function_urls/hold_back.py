"""How Lambda's front end holds back and slows down a response stream: a model.

The two parts are independent. Callers bring the time, in seconds of a monotonic clock.

    write ──► HoldBack ──(released)──► Shaper ──(granted)──► the client

Sources, read 2026-11. The hold-back: betterdev.blog, "Lambda response streaming", September 2023,
whose two runs the defaults yield; padding to 100 KB helped there, to 10 KB it did not. Others
reported about 15,000 bytes (serverless-adapter issue 166, January 2024), 16 KB and 100 KB (issues
94 and 102 of aws-lambda-nodejs-runtime-interface-client, 2024), and whole responses withheld whose
prelude came together with the first bytes of the body (issue 94, 12 March 2024). AWS does not
document it, and some saw none. The rate: Lambda Developer Guide "configuration-response-streaming";
its steps: the source of aws-lambda-runtime-interface-emulator, `bandwidthlimiter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from tailrace.config import HoldBackConfig
from tailrace.limits import (
    PRELUDE_BYTES_MAX,
    STREAM_BURST_BYTES,
    STREAM_RATE_BYTES_PER_S,
    STREAM_REFILL_S,
    WITHHELD_BYTES_MAX,
)
from tailrace.wire.integration import DELIMITER


class HoldBack:
    """What a response has written and what is still held, by the rule of a configuration.

    The end releases all of it. While a joined body is withheld, only the end or
    `WITHHELD_BYTES_MAX` bytes release anything; neither writes nor the threshold do.

    The head leaves with the first bytes of the body. It is not a write, and its bytes do not count
    as held.
    """

    __slots__ = (
        "_ahead",
        "_body",
        "_head",
        "_hold_s",
        "_is_flowing",
        "_is_through",
        "_is_withheld",
        "_rule",
        "_since_s",
        "is_head_held",
        "write_count",
    )

    def __init__(self, rule: HoldBackConfig) -> None:
        self._rule = rule
        self._hold_s = inf if rule.hold_s is None else rule.hold_s
        self._head = b""
        self._body = bytearray()
        self.is_head_held = False
        self.write_count = 0
        self._is_flowing = False  # each write releases those before it
        self._is_withheld = False  # only the end releases anything
        self._ahead = 0  # bytes that the last write has released
        self._is_through = False  # the last write has left; so will the rest of it
        self._since_s = inf  # when the oldest of what is held was written

    @property
    def due_s(self) -> float:
        """When `expire` releases what is held; infinite if nothing is held or no time is set."""
        return self._since_s + self._hold_s

    @property
    def held_bytes(self) -> int:
        """How much of the body is held."""
        return len(self._body)

    def begin(self, now_s: float, head: bytes = b"", *, is_joined: bool = False) -> bytes:
        """Take the head; return what leaves with it. A response without a head does not call it.

        `head` is empty if the caller keeps the head itself and reads `is_head_held`. `is_joined`:
        the first bytes of the body came together with the end of a prelude.
        """
        self._head = head
        self.is_head_held = True
        self._since_s = now_s
        self._is_withheld = is_joined and self._rule.withhold_joined
        if self._is_withheld or self._rule.threshold_bytes > 1:
            return b""
        return self.end()

    def write(self, data: bytes, now_s: float, *, is_rest: bool = False) -> bytes:
        """Take a write; return what leaves with it.

        `is_rest`: it continues the last write.
        """
        if not data:
            return b""
        if is_rest and self._is_through:
            return data
        is_rest = is_rest and self.write_count > 0  # not of the prelude
        self.write_count += not is_rest
        rule = self._rule
        before = 0 if is_rest else len(self._body)
        if not before and not self.is_head_held:
            self._since_s = now_s
        self._body += data
        most = WITHHELD_BYTES_MAX if self._is_withheld else rule.threshold_bytes
        if not is_rest:
            self._ahead = 0
        if self._ahead + len(self._body) >= most:
            self._is_withheld = False
            self._is_flowing = rule.first_writes > 0
            self._is_through = True
            return self.end()
        self._is_through = False
        if self._is_withheld:
            return b""
        self._is_flowing = self._is_flowing or 0 < rule.first_writes <= self.write_count
        if not self._is_flowing or not before:
            return b""
        released = self._release(before)
        self._ahead = before
        self._since_s = now_s
        return released

    def expire(self, now_s: float) -> bytes:
        """Return what has been held long enough: all, once the oldest of it has."""
        return self.end() if now_s >= self.due_s else b""

    def end(self) -> bytes:
        """Return all that is held: the response is complete."""
        self._since_s = inf
        return self._release(len(self._body))

    def _release(self, size: int) -> bytes:
        released = self._head + self._body[:size]
        del self._body[:size]
        self._head = b""
        self.is_head_held = False
        return released


class PreludeEnd:
    """Finds the end of a prelude in a stream that is passed on unread."""

    __slots__ = ("_buffer", "_scanned", "body")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self.body = b""

    def feed(self, data: bytes) -> bytes | None:
        """Take the next bytes; return the prelude with its NUL bytes once it is complete.

        `body` is what follows it. A stream without a prelude in its first `PRELUDE_BYTES_MAX` bytes
        is all body, and its prelude is empty.
        """
        buffer = self._buffer
        buffer += data
        nul_at = buffer.find(DELIMITER, self._scanned)
        end = 0 if nul_at < 0 else nul_at + len(DELIMITER)
        if nul_at < 0 and len(buffer) < PRELUDE_BYTES_MAX:
            self._scanned = max(0, len(buffer) - len(DELIMITER) + 1)
            return None
        self.body = bytes(buffer[end:])
        return bytes(buffer[:end])

    def finish(self) -> bytes:
        """Return the part of a prelude that was received before the response ended."""
        return bytes(self._buffer)


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
