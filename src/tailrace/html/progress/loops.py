"""Loops that a bar counts.

What they cost is measured by `make bench`. A row is counted when the next one is asked for. The
loop may be left by break, return or an exception: the iterator is then deleted, and the bar ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Final, Self

from tailrace.html.progress.entry import Entry, outcome_of
from tailrace.html.threads import current_job, raise_if_stopped

if TYPE_CHECKING:
    from tailrace.html.progress.entry import EntryBoard


class Counted(Entry):
    """An entry with a count."""

    __slots__ = ("count",)

    count: float
    """How much is done. To go on with a job, set it before the loop."""


class Rows:
    """An async loop; when an update is due, it gives other tasks a turn."""

    __slots__ = ("_bar", "_board", "_is_async", "_is_open", "_next", "_now_s")

    def __init__(self, bar: Counted, board: EntryBoard, rows: Any) -> None:
        self._is_open = False  # first: __del__ reads it also if what follows raises
        self._bar: Final = bar
        self._board: Final = board
        self._is_async: Final = isinstance(rows, AsyncIterable)
        self._next: Final = aiter(rows).__anext__ if self._is_async else iter(rows).__next__
        self._now_s: Final = board.now_s

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        bar = self._bar
        if self._is_open:
            bar.count += 1
        else:
            await self._start()
        if self._now_s() >= self._board.due_s:
            await self._board.turn()
        try:
            return await self._next() if self._is_async else self._next()
        except (StopIteration, StopAsyncIteration):
            bar.end("done")
        except BaseException as error:
            bar.end(outcome_of(type(error)))
            raise
        raise StopAsyncIteration

    async def _start(self) -> None:
        self._is_open = True
        self._bar.start()
        await self._board.wait_room()
        await self._board.turn()

    def __del__(self) -> None:
        if self._is_open:
            self._bar.end("stopped")


def refuse_in_loop(method: str) -> None:
    """Refuse a plain loop in a thread that runs an event loop.

    Raises:
        RuntimeError: this is such a thread.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError(f"this loop would block all others; write: async for … in page.{method}")


def iterate(bar: Counted, rows: Iterable[Any]) -> Generator[Any, None, None]:
    """Yield the rows, in a thread; raises CancelledError where the code is to stop."""
    outcome = "stopped"
    job = current_job()
    bar.start()
    try:
        for row in rows:
            yield row
            bar.count += 1
            if job is not None and job.is_stopped:
                raise_if_stopped()
        outcome = "done"
    except Exception:
        outcome = "failed"
        raise
    finally:
        bar.end(outcome)
