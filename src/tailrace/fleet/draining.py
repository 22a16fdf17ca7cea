"""The drain of a node: begun once, by a signal or by a request, and awaited by all who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tailrace.net.tasks import TaskSet


def end_of_drain(is_whole: bool) -> str:
    """Return in words how a drain has ended."""
    return "everything has ended" if is_whole else "some responses were cut off"


class NodeDrain:
    """Runs a coroutine once. Its result is whether everything has ended in order."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        self._run = run
        self._tasks = TaskSet()
        self._task: asyncio.Task[bool] | None = None
        self._began_s = self._ended_s = 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to drain."""
        return self._task is not None and self._task.done()

    @property
    def seconds(self) -> float | None:
        """How long it has taken so far, or took; None if it has not begun."""
        if self._task is None:
            return None
        return (self._ended_s or asyncio.get_running_loop().time()) - self._began_s

    def begin(self) -> asyncio.Task[bool]:
        """Begin, unless it has begun."""
        if self._task is None:
            self._began_s = asyncio.get_running_loop().time()
            self._task = self._tasks.spawn(self._run(), "drain")
            self._task.add_done_callback(self._on_over)
        return self._task

    async def wait(self) -> bool:
        """Begin, and wait for the end. Cancelling is safe: the drain goes on."""
        return await asyncio.shield(self.begin())

    async def cancel(self) -> None:
        """End it: nobody waits for it any more."""
        await self._tasks.cancel_all()

    def _on_over(self, task: asyncio.Task[bool]) -> None:
        self._ended_s = task.get_loop().time()
