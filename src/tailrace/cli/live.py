"""Lines on a terminal while something is measured, which must not wait for the terminal.

Concurrency law: whoever measures puts lines into a queue; one thread writes them.
"""

from __future__ import annotations

import threading
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Final, Self

from tailrace.cli.terminal import DIM, Terminal

_WAITING_MAX: Final = 1_000
"""Lines that wait for the terminal; beyond it they are left out, and counted."""


class LiveLines:
    """Writes lines while it is entered; whoever has lines never waits."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._lines: Queue[str | None] = Queue(_WAITING_MAX)
        self._left_out = 0
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
        self._lines.put(None)
        self._writer.join()

    def put(self, line: str) -> None:
        """Have a line written, soon."""
        try:
            self._lines.put_nowait(line)
        except Full:
            self._left_out += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            left_out, self._left_out = self._left_out, 0
            more = [f"… {left_out} more"] if left_out else []
            lines = [line, *self._waiting(), *more]
            self._terminal.write("\n".join(self._terminal.paint(each, DIM) for each in lines))

    def _waiting(self) -> list[str]:
        """What else waits, to be written at once; the end stays for the next turn."""
        lines: list[str] = []
        while len(lines) < _WAITING_MAX:
            try:
                line = self._lines.get_nowait()
            except Empty:
                break
            if line is None:
                self._lines.put(None)
                break
            lines.append(line)
        return lines
