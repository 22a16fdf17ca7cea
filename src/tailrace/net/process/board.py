"""Counters that the processes of one node share: a table in memory, a row for each process.

Each row has one writer, its process, so counting takes no lock. Readers may see counts of slightly
different moments. The parent creates the table, and clears the row of a process that has ended.

Behind the rows there are cells: for each thing that is counted over all processes, one cell for
each row. `shared_count` describes how they are used.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from tailrace import limits
from tailrace.net.process.descriptors import unnamed_file

COUNTS: Final = (
    *("pid", "generation", "state", "beat_ns", "late_us"),
    *("held", "uploads", "clients", "callbacks", "invocations", "streams", "accepted"),
    *("requests_refused", "requests_late", "uploads_refused", "clients_refused"),
    *("callbacks_refused", "descriptors_missed"),
    *("completed", "client_left", "failed", "bytes_relayed"),
)
"""The columns. `state` is one of the four below; `beat_ns` is the monotonic time at which the event
loop has last run, `late_us` how late it runs; those from `accepted` on count since the process's
start."""
SUMMED: Final = COUNTS[COUNTS.index("held") :]
"""The columns whose sum over all processes means something."""
SINCE_START: Final = COUNTS[COUNTS.index("accepted") :]
"""Those that only grow, as long as the process runs."""
ENDS: Final = COUNTS[COUNTS.index("completed") :]
"""What is counted at the end of each exchange, and written at once."""
OPEN: Final = ("held", "uploads", "clients", "callbacks")
"""What a process has open now."""
FREE: Final = 0
STARTING: Final = 1
ACCEPTING: Final = 2
DRAINING: Final = 3
"""The states of a row: no process; one that is not ready; one that accepts; one that drains."""

_PLACE: Final = {name: place for place, name in enumerate(COUNTS)}
_ROW_WORDS: Final = 32
_HEAD_WORDS: Final = 32
DIGESTS_FROM: Final = _HEAD_WORDS + _ROW_WORDS * limits.WORKER_SLOTS_MAX
"""The first word of the digests, one for each column of cells."""
CELLS_FROM: Final = DIGESTS_FROM + limits.ROUTES_COUNTED_MAX
"""The first cell. Those of one column lie together, since they are read together."""
_BYTES: Final = 8 * (CELLS_FROM + limits.WORKER_SLOTS_MAX * limits.ROUTES_COUNTED_MAX)
_DRAINING_WORD: Final = 0
SLOTS_WORD: Final = 1
"""The number of rows that have ever been used, from the first one on."""
COLUMNS_WORD: Final = 2
"""The number of columns that have ever been claimed, from the first one on."""
NEXT_WORD: Final = 3
"""The column at which the next search for one without counts begins."""
_LAYOUT_WORD: Final = 4
_LAYOUT: Final = 1
"""Old and new code count in one table for a while after a reload: add columns at the end of COUNTS.
Any other change takes another number here, with which workers of new code refuse the table."""
assert len(COUNTS) <= _ROW_WORDS


class Row:
    """The counters of one process. Read and write them by name: `row["held"] += 1`."""

    __slots__ = ("_first", "board", "slot")

    def __init__(self, board: Board, slot: int) -> None:
        self.board = board
        self._first = _HEAD_WORDS + _ROW_WORDS * slot
        self.slot = slot

    def __getitem__(self, name: str) -> int:
        return self.board.words[self._first + _PLACE[name]]

    def __setitem__(self, name: str, value: int) -> None:
        self.board.words[self._first + _PLACE[name]] = value

    def place(self, name: str) -> int:
        """Return the index of a counter in the board's `words`."""
        return self._first + _PLACE[name]

    def gauge(self, name: str) -> Callable[[int], None]:
        """Return a function that sets one counter, faster than by its name."""
        return partial(self.board.words.__setitem__, self.place(name))

    def counts(self) -> dict[str, int]:
        """Return all counters by name."""
        values = self.board.words[self._first : self._first + len(COUNTS)].tolist()
        return dict(zip(COUNTS, values, strict=True))

    def clear(self) -> None:
        """Set all to zero, also what the process held of each route: its process has ended."""
        words, slots = self.board.words, limits.WORKER_SLOTS_MAX
        cells = range(CELLS_FROM + self.slot, len(words), slots)
        for cell in cells[: words[COLUMNS_WORD]]:
            if words[cell]:  # to write each would make memory of pages that nothing has touched
                words[cell] = 0
        empty = memoryview(bytes(8 * _ROW_WORDS)).cast("q")
        words[self._first : self._first + _ROW_WORDS] = empty


class Board:
    """The table of one node; see this module. `close` releases the memory of this process."""

    def __init__(self, descriptor: int) -> None:
        """Map the table of a file descriptor, which then belongs to it.

        Raises:
            OSError: other code has made the table in another form.
        """
        other = "the new code counts in another way than the running one: start the gateway anew"
        if os.fstat(descriptor).st_size != _BYTES:
            raise OSError(other)
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _BYTES)
        self.words = memoryview(self._memory).cast("q")
        if self.words[_LAYOUT_WORD] not in (0, _LAYOUT):  # 0: a new one
            raise OSError(other)
        self.words[_LAYOUT_WORD] = _LAYOUT

    @classmethod
    def create(cls) -> Board:
        """Return a new table, which has no file in any folder."""
        descriptor = unnamed_file("tailrace-board")
        os.truncate(descriptor, _BYTES)
        return cls(descriptor)

    @property
    def is_draining(self) -> bool:
        """Whether the node drains: all health paths answer 503. The parent sets it."""
        return bool(self.words[_DRAINING_WORD])

    @is_draining.setter
    def is_draining(self, value: bool) -> None:
        self.words[_DRAINING_WORD] = value

    def row(self, slot: int) -> Row:
        """Return the row of a slot, from 0 to WORKER_SLOTS_MAX - 1."""
        assert 0 <= slot < limits.WORKER_SLOTS_MAX
        return Row(self, slot)

    def take_row(self, generation: int) -> Row | None:
        """Return a free row, which is STARTING from now on; None if there is none."""
        for slot in range(limits.WORKER_SLOTS_MAX):
            row = self.row(slot)
            if row["state"] == FREE:
                row.clear()
                row["state"], row["generation"] = STARTING, generation
                self.words[SLOTS_WORD] = max(self.words[SLOTS_WORD], slot + 1)
                return row
        return None

    def rows(self) -> Iterator[Row]:
        """Iterate over the rows that are in use."""
        for slot in range(self.words[SLOTS_WORD]):
            row = self.row(slot)
            if row["state"] != FREE:
                yield row

    def column(self, name: str) -> list[int]:
        """Return one counter of all rows that have ever been used, by slot."""
        first = _HEAD_WORDS + _PLACE[name]
        last = _HEAD_WORDS + _ROW_WORDS * self.words[SLOTS_WORD]
        return self.words[first:last:_ROW_WORDS].tolist()

    def close(self) -> None:
        """Release the memory and the descriptor."""
        self.words.release()
        self._memory.close()
        os.close(self.descriptor)
