"""What a model's stream has yielded, on its way to where it is iterated over.

Concurrency law: used in one loop, by a task that puts and one that takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from tailrace.html.limits import MODEL_EVENTS_WAITING_MAX


class Feed:
    """Events in their order, then the end or an error."""

    def __init__(self) -> None:
        self._room: Final = asyncio.Semaphore(MODEL_EVENTS_WAITING_MAX)
        self._events: Final[deque[Any]] = deque()
        self._arrived: Final = asyncio.Event()
        self._is_closed = False
        self._error: BaseException | None = None

    async def put(self, event: Any) -> None:
        """Add an event as soon as there is room."""
        await self._room.acquire()
        self._events.append(event)
        self._arrived.set()

    def close(self, error: BaseException | None = None) -> None:
        """End it. The error is raised by `check`."""
        self._is_closed = True
        self._error = error
        self._arrived.set()

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and all events have been taken."""
        return self._is_closed and not self._events

    def check(self) -> None:
        """Raise the error with which it has ended, if there is one."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback refers to this frame

    async def take(self, timeout_s: float | None) -> Any:
        """Return the next event; None at the end, and if there is none for so long."""
        if not self._events and not self._is_closed:
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        if not self._events:
            return None
        self._room.release()
        return self._events.popleft()
