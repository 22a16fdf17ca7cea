"""A bounded number of places: those who wait for one get it in their order."""

from __future__ import annotations

import asyncio
from collections import deque


class Places:
    """Places to take and to free. A freed place goes to the first who waits.

    So a place can be taken without a wait only if nothing waits for one.
    """

    __slots__ = ("_count", "_waiting")

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a place if one is free; return whether it was."""
        if not self._count:
            return False
        self._count -= 1
        return True

    async def wait(self) -> None:
        """Take a place, after a wait if none is free; cancelling is safe."""
        if self.take():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.free()  # it was given a place in the turn of the loop that cancelled it
            raise

    def free(self) -> None:
        """Free a place."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._count += 1
