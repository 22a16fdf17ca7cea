"""Exact counts over all processes of a node: how many of a thing are taken.

The cells are in the board: for each thing a column, and in it a cell for each process, which alone
writes it. A process adds to its own cell first, and then reads the sum. The other processes may be
between these two steps at the same time, with one addition each: far from the limit the sum is
proof enough. Near to it a process compares while it holds a lock of the column. The last one to
compare sees what all the others have taken and given back. So there are never too many, and no
place stays free while a request for it is refused. The kernel releases the lock of a process that
is killed, and the parent clears its cells.

A column belongs to a digest of the thing, so it goes on counting when a reload changes the limit.
Once all columns have been claimed, one whose cells are all zero is given to another thing. A
process that has used it before notices that by the digest, which it reads after its addition; the
new owner removes the digest first, and reads the cells again afterwards.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Final

from tailrace import limits
from tailrace.net.process import limits as process_limits
from tailrace.net.process.board import (
    CELLS_FROM,
    COLUMNS_WORD,
    DIGESTS_FROM,
    NEXT_WORD,
    SLOTS_WORD,
    Row,
)

_SLOTS_MAX: Final = limits.WORKER_SLOTS_MAX
_COLUMNS_MAX: Final = limits.ROUTES_COUNTED_MAX
_TABLE: Final = _COLUMNS_MAX  # the lock of all columns is behind those of each


class SharedCount:
    """What all processes of a node hold of one thing. `take` one, and `leave` it afterwards."""

    __slots__ = ("_cells", "_digest", "_digest_at", "_mine", "_row", "_words")

    def __init__(self, row: Row, thing: bytes) -> None:
        self._row = row
        self._words = row.board.words
        digest = blake2b(thing, digest_size=8).digest()
        self._digest = int.from_bytes(digest, "big", signed=True) or 1  # 0: no digest
        self._cells = self._mine = self._digest_at = 0  # no column yet

    @property
    def has_column(self) -> bool:
        """Whether it is counted. If not, all columns are in use by other things."""
        return bool(self._cells)

    @property
    def total(self) -> int:
        """How many are taken now."""
        words = self._words
        if (not self._cells or words[self._digest_at] != self._digest) and not self._claim():
            return 0
        return sum(words[self._cells : self._cells + words[SLOTS_WORD]].tolist())

    def take(self, most: int) -> bool:
        """Take one; return False if `most` are taken, or if it has no column."""
        words = self._words
        if self._cells:
            words[self._mine] += 1
            if words[self._digest_at] != self._digest:  # the column has got another owner
                words[self._mine] -= 1
                self._cells = 0
        if not self._cells and not self._claim(add=1):
            return False
        cells, slots = self._cells, words[SLOTS_WORD]
        if sum(words[cells : cells + slots].tolist()) < most - slots + 2:
            return True
        return self._take_last(most)

    def leave(self) -> None:
        """Give one back."""
        self._words[self._mine] -= 1

    def _take_last(self, most: int) -> bool:
        """Compare exactly; the own cell has been added to."""
        words, cells = self._words, self._cells
        with self._lock((cells - CELLS_FROM) // _SLOTS_MAX) as is_locked:
            if is_locked and sum(words[cells : cells + words[SLOTS_WORD]].tolist()) <= most:
                return True
            words[self._mine] -= 1
            return False

    # --- columns ------------------------------------------------------------------------------

    def _claim(self, add: int = 0) -> bool:
        """Find the column of the digest, or claim one, and add to the own cell."""
        with self._lock(_TABLE) as is_locked:
            column = self._find() if is_locked else None
            if column is None:
                self._cells = 0
                return False
            self._digest_at = DIGESTS_FROM + column
            self._cells = CELLS_FROM + column * _SLOTS_MAX
            self._mine = self._cells + self._row.slot
            self._words[self._mine] += add
            return True

    def _find(self) -> int | None:
        words = self._words
        count = words[COLUMNS_WORD]
        digests = words[DIGESTS_FROM : DIGESTS_FROM + count].tolist()
        if self._digest in digests:
            return digests.index(self._digest)
        if count < _COLUMNS_MAX:
            words[DIGESTS_FROM + count] = self._digest
            words[COLUMNS_WORD] = count + 1
            return count
        first = words[NEXT_WORD]
        for place in range(first, first + _COLUMNS_MAX):
            column = place % _COLUMNS_MAX
            if self._is_unused(column) and self._has_replaced(column, digests[column]):
                words[NEXT_WORD] = (column + 1) % _COLUMNS_MAX
                return column
        return None

    def _has_replaced(self, column: int, digest: int) -> bool:
        """Replace the digest of an unused column, unless it is used meanwhile."""
        words = self._words
        words[DIGESTS_FROM + column] = 0
        if not self._is_unused(column):
            words[DIGESTS_FROM + column] = digest
            return False
        words[DIGESTS_FROM + column] = self._digest
        return True

    def _is_unused(self, column: int) -> bool:
        words, cells = self._words, CELLS_FROM + column * _SLOTS_MAX
        return not any(words[cells : cells + words[SLOTS_WORD]].tolist())

    @contextmanager
    def _lock(self, place: int) -> Iterator[bool]:
        """Hold a lock of the board's file for a moment. Yields False if it could not be had."""
        descriptor = self._row.board.descriptor
        until_s = time.monotonic() + process_limits.COUNT_LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                break
            except OSError:  # another process has it
                if time.monotonic() > until_s:
                    yield False
                    return
                time.sleep(process_limits.COUNT_LOCK_INTERVAL_S)
        try:
            yield True
        finally:
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, place)
