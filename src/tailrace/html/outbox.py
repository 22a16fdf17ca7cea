"""What waits to be sent to a client.

Concurrency law: used in the loop of the response, by its tasks.
"""

from __future__ import annotations

import asyncio
from collections import deque

from tailrace.html.limits import PAGE_WAITING_CHARS_MAX


class Outbox:
    """Pieces of a response, in the order in which they were put; a piece is sent whole."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._size = 0
        self._arrived = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self.is_closed = False

    @property
    def is_empty(self) -> bool:
        """Whether all that was put has been taken."""
        return not self._pieces

    @property
    def is_full(self) -> bool:
        """Whether `PAGE_WAITING_CHARS_MAX` characters or more wait."""
        return self._size >= PAGE_WAITING_CHARS_MAX

    def put(self, piece: str) -> None:
        """Add a piece; it wakes the task that waits in `take`."""
        if piece:
            self._pieces.append(piece)
            self._add(len(piece))
            self._arrived.set()

    async def wait_room(self) -> None:
        """Wait until less than `PAGE_WAITING_CHARS_MAX` characters wait."""
        await self._has_room.wait()

    def close(self) -> None:
        """Nothing is put any more."""
        self.is_closed = True
        self._arrived.set()
        self._has_room.set()

    async def take(self, timeout_s: float | None) -> str | None:
        """Return all that waits, in one; "" if there is nothing for so long, None at the end."""
        while not (text := self._pop()):
            if self.is_closed:
                return None
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return ""
        return text

    def _pop(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        self._add(-len(text))
        return text

    def _add(self, chars: int) -> None:
        self._size += chars
        if self.is_full and not self.is_closed:
            self._has_room.clear()
        else:
            self._has_room.set()
