"""The signals that end a program: the first one asks, the second one insists."""

from __future__ import annotations

import asyncio
import signal
import sys
from types import TracebackType
from typing import Final

_NUMBERS: Final = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Turns SIGINT and SIGTERM into two events of the running loop, while it is entered."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        """Somebody asked to stop: end in good order."""
        self.second = asyncio.Event()
        """Somebody insists: end now."""
        self.number = 0
        """The last signal."""

    def __enter__(self) -> StopSignals:
        self._loop = asyncio.get_running_loop()
        for number in _NUMBERS:
            if sys.platform == "win32":  # the loop has no handlers of its own there
                signal.signal(number, self._on_foreign_thread)
            else:
                self._loop.add_signal_handler(number, self._on_signal, number)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number in _NUMBERS:
            if sys.platform == "win32":
                signal.signal(number, signal.SIG_DFL)
            else:
                self._loop.remove_signal_handler(number)

    def _on_signal(self, number: int) -> None:
        self.number = number
        (self.second if self.first.is_set() else self.first).set()

    def _on_foreign_thread(self, number: int, frame: object) -> None:
        self._loop.call_soon_threadsafe(self._on_signal, number)
