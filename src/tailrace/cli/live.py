"""Progress lines on a terminal. The measurement that writes them never waits for the terminal.

Concurrency law: the measuring task puts lines into a queue; one thread writes them.
"""

from __future__ import annotations

import threading
from queue import Full, Queue
from types import TracebackType
from typing import Final, Self

from tailrace.cli.terminal import DIM, Terminal

_WAITING_MAX: Final = 1_000
"""Lines in the queue; further lines are omitted and counted."""
_PER_S: Final = 25.0
"""Lines a second that a person can follow; a burst may have twice as many."""


class LiveLines:
    """Writes lines in a thread while the context is entered; `put` never waits."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._lines: Queue[str | None] = Queue(_WAITING_MAX)
        self._left_out = 0
        self._room = 2 * _PER_S  # for so many lines now
        self._room_at_s = 0.0
        self._writer = threading.Thread(target=self._write, name="live lines")

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._left_out:
            self._lines.put(f"… {self._left_out} more")
        self._lines.put(None)
        self._writer.join()

    def put(self, line: str, *, at_s: float | None = None) -> None:
        """Queue a line. With `at_s`, a time of any clock, the rate of lines is bounded.

        Omitted lines are counted.
        """
        if at_s is not None and not self._take_room(at_s):
            self._left_out += 1
            return
        text = f"… {self._left_out} more\n{line}" if self._left_out else line
        try:
            self._lines.put_nowait(text)
            self._left_out = 0
        except Full:
            self._left_out += 1

    def _take_room(self, at_s: float) -> bool:
        self._room = min(2 * _PER_S, self._room + (at_s - self._room_at_s) * _PER_S)
        self._room_at_s = at_s
        if self._room < 1:
            return False
        self._room -= 1
        return True

    def _write(self) -> None:
        while (text := self._lines.get()) is not None:
            self._terminal.write(
                "\n".join(self._terminal.paint(line, DIM) for line in text.split("\n"))
            )
