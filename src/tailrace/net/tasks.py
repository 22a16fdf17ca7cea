"""The only place where tasks are started: each has a name, an owner, and is awaited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)


class TaskSet:
    """Tasks that belong to one owner and end with it.

    An exception that a task raises is logged once, with the task's name.
    """

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start a task; the set keeps it until it ends."""
        task = asyncio.create_task(coroutine, name=name)  # noqa: TID251 - this is the one place
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    async def wait_all(self) -> None:
        """Wait until all have ended. Cancelling this wait does not cancel them."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel_all(self) -> None:
        """Cancel all tasks, also those they start meanwhile, and wait until all have ended.

        If a task of this set calls it, that task is not cancelled. Cancelling this wait cancels
        them once more, and leaves those that ignore that.
        """
        while tasks := self._tasks - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            try:
                await asyncio.wait(
                    tasks
                )  # `gather` would not end before they do, even if cancelled
            except asyncio.CancelledError:
                for task in tasks:
                    task.cancel()
                raise

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("task %s failed", task.get_name(), exc_info=task.exception())
