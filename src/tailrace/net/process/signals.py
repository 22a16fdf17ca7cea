"""The signals that stop a program: the first one starts a drain, the second one stops it now.

A program that can read its configuration again does so at SIGHUP. To the others it is only a first
signal, since a terminal that closes sends it, too: open responses may not be aborted.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final

logger = logging.getLogger(__name__)

_NUMBERS: Final = (signal.SIGINT, signal.SIGTERM)
_HANGUP: Final = getattr(signal, "SIGHUP", None)  # Windows has none


class StopSignals:
    """Turns SIGINT, SIGTERM and SIGHUP into two events of the running loop: a context manager.

    SIGHUP sets the first event only. If it is ignored already, as under nohup, it stays ignored.
    `others` are called at further signals, or at SIGHUP in place of that (not on Windows).
    """

    def __init__(self, others: Mapping[signal.Signals, Callable[[], object]] | None = None) -> None:
        self._others = others or {}
        self.first = asyncio.Event()
        """Drain: let open responses end."""
        self.second = asyncio.Event()
        """Stop now."""
        self.number = 0
        """The last signal."""

    def __enter__(self) -> StopSignals:
        self._loop = asyncio.get_running_loop()
        self._numbers: tuple[signal.Signals, ...] = _NUMBERS
        self._numbers += tuple(number for number in self._others if number != _HANGUP)
        if _HANGUP is not None and signal.getsignal(_HANGUP) is not signal.SIG_IGN:
            self._numbers += (_HANGUP,)
        for number in self._numbers:
            if sys.platform == "win32":  # the event loop has no signal handlers there
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
        for number in self._numbers:
            if sys.platform == "win32":
                signal.signal(number, signal.SIG_DFL)
            else:
                self._loop.remove_signal_handler(number)

    def _on_signal(self, number: int) -> None:
        if (call := self._others.get(signal.Signals(number))) is not None:
            call()
            return
        if number == _HANGUP:
            if self.first.is_set():
                return
            logger.warning("SIGHUP: this command has no reload; stopping as for SIGTERM")
        self.number = number
        (self.second if self.first.is_set() else self.first).set()

    def _on_foreign_thread(self, number: int, frame: object) -> None:
        self._loop.call_soon_threadsafe(self._on_signal, number)
