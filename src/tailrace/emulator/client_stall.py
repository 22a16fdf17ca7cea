"""Clients of a stream that take nothing: the function waits for them, but not for ever."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tailrace.net.clock import Timer
from tailrace.net.server.listener import Connection


class StallWatch:
    """Looks whether a paused client takes anything within its listener's stall time-out.

    The listener itself watches only what is complete; a response in the making is watched here.
    """

    __slots__ = ("_connection", "_timer", "_unsent_bytes")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timer: Timer | None = None
        self._unsent_bytes = 0

    def begin(self, on_stall: Callable[[], None]) -> None:
        """The client is behind. `on_stall()` is called once when it takes nothing for too long."""
        self.end()
        self._unsent_bytes = self._connection.unsent_bytes
        self._timer = self._connection.after_stall_time(partial(self._look, on_stall))

    def end(self) -> None:
        """It has caught up, has left, or has its whole answer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, on_stall: Callable[[], None]) -> None:
        if self._connection.unsent_bytes != self._unsent_bytes:
            self.begin(on_stall)
            return
        self._timer = None
        on_stall()
