"""When a natively streamed response is flushed, and the padding that a flush takes.

Lambda holds small writes back until enough bytes follow them; padding is such bytes. Pure: the
caller sends the bytes that are returned, and passes the time, in seconds of a monotonic clock.

Padding may stand at the places that the scanner of the content type finds. Elsewhere a flush is
pending until the next place, which may be in the middle of a later write.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from tailrace.errors import FlushError
from tailrace.function.flush.policy import FlushCounts, FlushPolicy
from tailrace.limits import FLUSH_UNSCANNED_BYTES_MAX

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final, NoReturn

    from tailrace.function.flush.scanners import Scanner

_PIECE_BYTES: Final = 64  # of memory that a piece needs in addition to its bytes


class Flusher:
    """The flushes of one response.

    `find_scanner` is called once, when the first scan is due. If it raises FlushError, this
    response takes no padding: `obstacle` is the reason, and nothing is scanned or kept.
    """

    __slots__ = (
        "_deferred",
        "_find_scanner",
        "_flushes",
        "_has_body",
        "_is_held",
        "_padded_bytes",
        "_policy",
        "_scanner",
        "_unscanned",
        "_unscanned_bytes",
        "_written_s",
        "is_pending",
        "obstacle",
    )

    def __init__(self, policy: FlushPolicy, find_scanner: Callable[[], Scanner]) -> None:
        self.is_pending = False  # a flush was requested and waits for a place
        self.obstacle: str | None = None
        self._policy = policy
        self._find_scanner = find_scanner
        self._scanner: Scanner | None = None  # None until the first scan
        self._unscanned: list[bytes] = []
        self._unscanned_bytes = 0
        self._is_held = False  # bytes were sent since the last padding
        self._has_body = False  # body bytes are among them
        self._written_s = -inf
        self._flushes = 0
        self._deferred = 0
        self._padded_bytes = 0

    @property
    def counts(self) -> FlushCounts:
        """The flushes up to now."""
        return FlushCounts(self._flushes, self._deferred, self._padded_bytes)

    @property
    def due_s(self) -> float:
        """When `expire` returns padding; infinite if nothing is held, or only `flush` pads."""
        is_idle = self._policy.when != "adaptive" or not self._is_held or self.is_pending
        return inf if is_idle or self.obstacle else self._written_s + self._policy.quiet_s

    def start(self, data: bytes, now_s: float) -> bytes:
        """Note that the head and `data` have been sent; return the padding to send after them."""
        if self._policy.when != "explicit":
            self._has_scanner()
        return self.note(data, now_s)

    def note(self, data: bytes, now_s: float) -> bytes:
        """Note that `data` has been sent; return the padding to send after it.

        For writes while no flush is pending; else see `split`.
        """
        self._has_body = self._has_body or bool(data)
        if self.obstacle is not None:
            return b""
        self._is_held = True
        self._written_s = now_s
        self._unscanned.append(data)
        self._unscanned_bytes += len(data) + _PIECE_BYTES
        if self._policy.when == "every-write":
            return self._request()
        if self._unscanned_bytes > FLUSH_UNSCANNED_BYTES_MAX and self._has_scanner():
            self._scan()
        return b""

    def split(self, data: bytes, now_s: float) -> tuple[bytes, ...]:
        """Return the pieces to send for a write while a flush is pending, in order.

        Every second piece is padding.
        """
        scanner = self._scanner
        assert scanner is not None, "a pending flush has a scanner"
        self._written_s = now_s
        self._has_body = True
        is_requested = self._policy.when == "every-write"
        self._flushes += is_requested
        place = scanner.find(data)
        if place < 0:
            self._deferred += is_requested
            return (data,)
        rest = data[place:]
        if not rest:
            return data, self._pad(scanner)
        if not is_requested:
            padding = self._pad(scanner)
            self.note(rest, now_s)
            return data[:place], padding, rest
        padding = scanner.padding(self._policy.pad_bytes)  # before the scanner leaves the place
        scanner.feed(rest)
        if scanner.allows:  # one padding after all of it serves both flushes
            return data, self._pad(scanner)
        self._padded_bytes += len(padding)
        self._deferred += 1
        return data[:place], padding, rest

    def flush(self) -> bytes:
        """Return the padding that makes Lambda send everything.

        It is empty if nothing is held, or if the flush has to wait for a place.

        Raises:
            FlushError: this response takes no padding. Not raised for a head without body bytes,
                which leaves with the first of them.
        """
        if not self._is_held and not self._has_body:
            return b""
        if self._has_scanner():
            return self._request()
        if self._has_body:
            raise FlushError(self.obstacle)
        return b""

    def expire(self, now_s: float, *, is_blocked: bool = False) -> bytes:
        """Return the padding that is due at this time.

        `is_blocked`: the caller could not send earlier bytes yet. The quiet time starts again.
        """
        if now_s < self.due_s:
            return b""
        if is_blocked:
            self._written_s = now_s
            return b""
        return self._request()

    def end(self) -> None:
        """The response is complete: Lambda sends everything, and nothing is due any more."""
        self._is_held = False
        self._has_body = False
        self.is_pending = False
        self._unscanned.clear()
        self._find_scanner = _find_nothing  # releases what the function refers to

    def _has_scanner(self) -> bool:
        """Whether padding is possible; the first call creates the scanner."""
        if self._scanner is None and self.obstacle is None:
            try:
                self._scanner = self._find_scanner()
            except FlushError as error:
                self.obstacle = str(error)
                self._unscanned.clear()
        return self._scanner is not None

    def _scan(self) -> Scanner:
        scanner = self._scanner
        assert scanner is not None, "_has_scanner was called"
        if self._unscanned_bytes:
            scanner.feed(b"".join(self._unscanned))
        self._unscanned.clear()
        self._unscanned_bytes = 0
        return scanner

    def _request(self) -> bytes:
        if not self._has_scanner():
            return b""
        self._flushes += 1
        scanner = self._scan()
        if scanner.allows:
            return self._pad(scanner)
        self._deferred += 1
        self.is_pending = True
        return b""

    def _pad(self, scanner: Scanner) -> bytes:
        padding = scanner.padding(self._policy.pad_bytes)
        self._padded_bytes += len(padding)
        self._is_held = False
        self._has_body = False
        self.is_pending = False
        return padding


def _find_nothing() -> NoReturn:
    raise FlushError("the response has ended")
