"""The steps of a command that takes a while: one line, on a terminal only."""

from __future__ import annotations

import os
from typing import Final, Self, TextIO

_CLEAR: Final = "\r\x1b[K"


class Steps:
    """Shows the current step on a terminal, while it is entered. Notes are lines anywhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.end()

    def begin(self, step: str) -> None:
        """Show the step that begins, in place of the one before."""
        if self._is_terminal:
            self._stream.write(f"{_CLEAR}{step} …")
            self._stream.flush()

    def end(self) -> None:
        """Remove the step that is shown."""
        if self._is_terminal:
            self._stream.write(_CLEAR)
            self._stream.flush()

    def note(self, text: str) -> None:
        """Write a line."""
        self.end()
        self._stream.write(f"{text}\n")
        self._stream.flush()
