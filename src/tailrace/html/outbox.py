"""What waits to be sent to the client of a page.

Concurrency law: used in the loop of the page, by the tasks of the page.
"""

from __future__ import annotations

import asyncio
from collections import deque

from tailrace.html.limits import PAGE_WAITING_CHARS_MAX


class Outbox:
    """Pieces of markup, in the order in which they were put; a piece is sent whole."""

    __slots__ = ("_arrived", "_has_room", "_pieces", "_size", "is_closed")

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

    def put(self, piece: str) -> None:
        """Add a piece; it wakes who waits in `take`."""
        if not piece:
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= PAGE_WAITING_CHARS_MAX:
            self._has_room.clear()
        self._arrived.set()

    async def wait_room(self) -> None:
        """Wait until less than `PAGE_WAITING_CHARS_MAX` characters wait."""
        await self._has_room.wait()

    def close(self) -> None:
        """Nothing is put any more."""
        self.is_closed = True
        self._arrived.set()

    async def take(self, timeout_s: float | None) -> str | None:
        """Return all that waits, in one; "" if there is nothing for so long, None at the end."""
        if not self._pieces and not self.is_closed:
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return ""
        if not self._pieces:
            return None
        text = "".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._has_room.set()
        return text
