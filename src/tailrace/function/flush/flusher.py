"""What of a natively streamed response is held back, and when it is let out by padding.

Lambda holds a small write back until later ones push it out. Padding pushes, too: so much of it
that all held bytes go. Pure: the caller sends what is returned, and brings the time, in seconds of
any clock that does not go back.

Padding may stand where a scanner of the content type says so. A flush that is asked for elsewhere
is pending: it is done at the next such place, in the middle of a later write if need be.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final, NoReturn

from tailrace.errors import FlushError
from tailrace.function.flush.policy import FlushCounts, FlushPolicy
from tailrace.limits import FLUSH_UNSCANNED_BYTES_MAX

if TYPE_CHECKING:
    from tailrace.function.flush.scanners import Scanner

_PIECE_BYTES: Final = 64  # what a piece takes in memory beside its bytes


class Flushing:
    """The flushes of one response.

    `find_scanner` is called once, when it matters; a FlushError of it says that nothing may be
    added to this response, and why: `obstacle` then, which costs nothing any more.
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
        self.is_pending = False  # a flush was asked for, and waits for a place
        self.obstacle: str | None = None
        self._policy = policy
        self._find_scanner = find_scanner
        self._scanner: Scanner | None = None  # until it matters
        self._unscanned: list[bytes] = []
        self._unscanned_bytes = 0
        self._is_held = False  # something was written since the last padding
        self._has_body = False  # not the head alone
        self._written_s = -inf
        self._flushes = 0
        self._deferred = 0
        self._padded_bytes = 0

    @property
    def counts(self) -> FlushCounts:
        """What it came to by now."""
        return FlushCounts(self._flushes, self._deferred, self._padded_bytes)

    @property
    def due_s(self) -> float:
        """When `expire` lets out what is held; infinite when nothing is, or none but `flush`."""
        is_idle = self._policy.when != "adaptive" or not self._is_held or self.is_pending
        return inf if is_idle or self.obstacle else self._written_s + self._policy.quiet_s

    def begin(self, data: bytes, now_s: float) -> bytes:
        """The head has been sent, and body bytes with it; return the padding to send behind."""
        if self._policy.when != "explicit":
            self._look()
        return self.note(data, now_s)

    def note(self, data: bytes, now_s: float) -> bytes:
        """Data has been sent, and no flush was pending; return the padding to send behind it."""
        self._has_body = self._has_body or bool(data)
        if self.obstacle is not None:
            return b""
        self._is_held = True
        self._written_s = now_s
        self._unscanned.append(data)
        self._unscanned_bytes += len(data) + _PIECE_BYTES
        if self._policy.when == "every-write":
            return self._ask()
        if self._unscanned_bytes > FLUSH_UNSCANNED_BYTES_MAX and self._look():
            self._scan()
        return b""

    def split(self, data: bytes, now_s: float) -> tuple[bytes, ...]:
        """Data is to be sent while a flush is pending; return what to send instead, in order.

        Every second piece is padding.
        """
        scanner = self._scanner
        assert scanner is not None, "a pending flush has a scanner"
        self._written_s = now_s
        self._has_body = True
        asks = self._policy.when == "every-write"
        self._flushes += asks
        place = scanner.find(data)
        if place < 0:
            self._deferred += asks
            return (data,)
        rest = data[place:]
        if not rest:
            return data, self._pad(scanner)
        if not asks:
            padding = self._pad(scanner)
            self.note(rest, now_s)
            return data[:place], padding, rest
        padding = scanner.padding(self._policy.pad_bytes)  # while the scanner is at the place
        scanner.feed(rest)
        if scanner.allows:  # behind all of it: one padding does for both flushes
            return data, self._pad(scanner)
        self._padded_bytes += len(padding)
        self._deferred += 1
        return data[:place], padding, rest

    def flush(self) -> bytes:
        """All that was sent is to be let out; return the padding that does so.

        No bytes when nothing is held, or while the flush is pending.

        Raises:
            FlushError: nothing may be added to this response. A head that no body follows is no
                reason: it leaves with the first bytes at the latest.
        """
        if not self._is_held and not self._has_body:
            return b""
        if self._look():
            return self._ask()
        if self._has_body:
            raise FlushError(self.obstacle)
        return b""

    def expire(self, now_s: float, *, is_blocked: bool = False) -> bytes:
        """Return the padding that is due by the time.

        `is_blocked`: bytes wait to be sent. Then they go first, and the quiet time begins anew.
        """
        if now_s < self.due_s:
            return b""
        if is_blocked:
            self._written_s = now_s
            return b""
        return self._ask()

    def end(self) -> None:
        """The response is complete, which lets all out: from here on nothing is due."""
        self._is_held = False
        self._has_body = False
        self.is_pending = False
        self._unscanned.clear()
        self._find_scanner = _find_nothing  # whose it was may be thrown away

    def _look(self) -> bool:
        """Whether there is a scanner; look for it the first time."""
        if self._scanner is None and self.obstacle is None:
            try:
                self._scanner = self._find_scanner()
            except FlushError as error:
                self.obstacle = str(error)
                self._unscanned.clear()
        return self._scanner is not None

    def _scan(self) -> Scanner:
        scanner = self._scanner
        assert scanner is not None, "it was looked for"
        if self._unscanned_bytes:
            scanner.feed(b"".join(self._unscanned))
        self._unscanned.clear()
        self._unscanned_bytes = 0
        return scanner

    def _ask(self) -> bytes:
        if not self._look():
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
