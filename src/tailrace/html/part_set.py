"""The parts of one page while they are made.

Concurrency law: used in the loop of the page. Each part is made in a task, at most `at_once` of
them at the same time; whatever becomes of it, it is finished once, with a text.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from tailrace.html.content import pieces_in_thread, text_of
from tailrace.html.limits import (
    PART_CANCEL_TIMEOUT_S,
    PART_FALLBACK_TIMEOUT_S,
    PART_THREADS_MAX,
)
from tailrace.html.part import Part, current_part, is_function
from tailrace.html.syntax import fault_of
from tailrace.html.threads import ThreadSet, is_async
from tailrace.net.tasks import TaskSet

if TYPE_CHECKING:
    from tailrace.html.page_outbox import PageOutbox

logger = logging.getLogger("tailrace.html")


class PartSet:
    """Makes parts, and gives each to the outbox. `tasks` and `threads` run all of the page."""

    def __init__(self, at_once: int, outbox: PageOutbox) -> None:
        self.tasks: Final = TaskSet()
        self.threads: Final = ThreadSet()
        self.outbox: Final = outbox
        self._loop: Final = asyncio.get_running_loop()
        self._slots: Final = asyncio.Semaphore(at_once)
        self._thread_slots: Final = asyncio.Semaphore(PART_THREADS_MAX)
        self._parts: Final[list[Part]] = []
        self._names = 0
        self._is_closed = False

    def new_name(self) -> str:
        """Return the name of another part."""
        self._names += 1
        return f"p{self._names}"

    def start(self, part: Part) -> None:
        """Start to make a part, as a child of the part whose source runs.

        Raises:
            RuntimeError: the page has ended, or this is not its loop.
        """
        if asyncio._get_running_loop() is not self._loop:
            part.drop()
            raise RuntimeError(
                f"part {part} does not begin in this thread; call page.part in the page function"
            )
        if self._is_closed:
            part.drop()
            raise RuntimeError(f"the page has ended; part {part} is not made")
        parent = current_part.get()
        if parent is not None:
            if parent.text is not None:
                part.drop()
                raise RuntimeError(f"part {parent} has ended; its part {part} is not made")
            parent.children.append(part)
        self._parts.append(part)
        if part.timeout_s is not None:
            part.timer = self._loop.call_later(part.timeout_s, self._expire, part)
        part.task = self.tasks.spawn(self._make(part), f"part {part.name}")

    def warn_of_lost(self) -> None:
        """Log the parts that a page does not show, because their places are not in it."""
        for part in self._parts:
            if not part.is_placed and not part.is_cancelled:
                logger.warning(
                    "part %s is not shown: what page.part returned is not in the page", part
                )

    async def close(self) -> None:
        """Cancel what still runs, and wait for its end, `PART_CANCEL_TIMEOUT_S` at most."""
        self._is_closed = True
        for part in self._parts:
            if part.timer is not None:
                part.timer.cancel()
        try:
            async with asyncio.timeout(PART_CANCEL_TIMEOUT_S):
                await self.tasks.cancel_all()
                await self.threads.stop_all()
        except TimeoutError:
            logger.warning(
                "%d tasks and %d threads of a page go on after its end; they ignore that they"
                " are cancelled",
                len(self.tasks),
                len(self.threads),
            )
        finally:
            for part in self._parts:
                part.drop()

    async def _make(self, part: Part) -> None:
        current_part.set(part)
        try:
            async with self._slots:
                text = await self._text(part)
                _check(text)
                self._settle(part, text)
                await self.outbox.wait_part_room()
        except BaseException as error:
            if self._is_cancelled(part, error):
                raise
            await self._fail(part, error)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise

    async def _text(self, part: Part) -> str:
        source = partial(part.source, *part.args) if part.args else part.source
        if is_function(source) and not is_async(source):
            async with self._thread_slots:
                part.has_started = True
                return await text_of(self.threads.iterate(partial(pieces_in_thread, source)))
        part.has_started = True
        return await text_of(source() if is_function(source) else source)

    def _expire(self, part: Part) -> None:
        """Show the fallback now, whether or not the part ends when it is cancelled."""
        assert part.task is not None, "the timer starts with the task"
        part.task.cancel()
        part.task = self.tasks.spawn(self._replace(part), f"fallback of part {part.name}")

    async def _replace(self, part: Part) -> None:
        current_part.set(part)
        words = "took longer than" if part.has_started else "did not begin within"
        error = TimeoutError(f"part {part} {words} {part.timeout_s:g} s")
        logger.warning("%s; its fallback is shown", error)
        await self._fall_back(part, error)

    async def _fail(self, part: Part, error: BaseException) -> None:
        logger.error("part %s failed; its fallback is shown", part, exc_info=error)
        await self._fall_back(part, error)

    async def _fall_back(self, part: Part, error: BaseException) -> None:
        if part.timer is not None:
            part.timer.cancel()
        self._cancel_children(part)
        try:
            async with asyncio.timeout(PART_FALLBACK_TIMEOUT_S):
                fallback = part.fallback
                text = await text_of(fallback(error) if is_function(fallback) else fallback)
            _check(text)
        except (Exception, asyncio.CancelledError) as failure:
            if self._is_cancelled(part, failure):
                raise
            logger.exception("the fallback of part %s failed; its place is empty", part)
            text = ""
        self._settle(part, text)

    def _is_cancelled(self, part: Part, error: BaseException) -> bool:
        """Whether the page has cancelled this task of a part, and not the part's own code."""
        if not isinstance(error, asyncio.CancelledError):
            return False
        is_late = part.task is not asyncio.current_task()  # another task shows the fallback
        return is_late or part.is_cancelled or self._is_closed

    def _cancel_children(self, part: Part) -> None:
        for child in part.children:
            self._cancel_children(child)
            if child.text is None and child.task is not None:
                child.is_cancelled = True
                child.task.cancel()
                self._settle(child, "")
        part.children.clear()

    def _settle(self, part: Part, text: str) -> None:
        if part.text is None:
            part.text = text
            if part.timer is not None:
                part.timer.cancel()
            self.outbox.finish(part)


def _check(text: str) -> None:
    if fault := fault_of(text):
        raise ValueError(f"the markup would take in what follows it in the page; {fault}")
