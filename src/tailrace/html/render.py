"""Makes a page: runs its function and its parts, and yields the response.

Concurrency law: the page function and each part run in a task of the page's `TaskSet`, and what is
not async in a thread of its `ThreadSet`; what they make goes through the outbox to `render`, the
only one who yields. When `render` is closed or cancelled, all of them are.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tailrace.errors import FlushError
from tailrace.function.stream import FLUSH
from tailrace.html import fill
from tailrace.html.content import pieces_in_thread, pieces_of
from tailrace.html.limits import (
    HEARTBEAT_INTERVAL_S,
    PART_CANCEL_TIMEOUT_S,
    PARTS_AT_ONCE_MAX,
)
from tailrace.html.outbox import Outbox
from tailrace.html.progress.board import Board
from tailrace.html.threads import ThreadSet, is_async
from tailrace.net.tasks import TaskSet

if TYPE_CHECKING:
    from tailrace.function.stream import Flush
    from tailrace.html.pages import Page
    from tailrace.html.part import Part
    from tailrace.wire.integration import Head

logger = logging.getLogger("tailrace.html")

_HEARTBEAT: Final = "<!---->"
_RECENT_CHARS: Final = 4096
_TAIL: Final = re.compile(r"</body\s*>\s*(</html\s*>)?\s*\Z", re.IGNORECASE)


async def render(function: Callable[..., Any], page: Page) -> AsyncIterator[Head | str | Flush]:
    """Yield the head of a page, its markup, and FLUSH whenever there is nothing more for now.

    Raises:
        Exception: what the page function raised.
    """
    rendering = Rendering(page)
    page._start = rendering.start
    page._board = rendering.board
    try:
        rendering.run(function)
        async for item in rendering.items():
            yield item
    finally:
        await rendering.close()


class Rendering:
    """A page while it is made."""

    def __init__(self, page: Page) -> None:
        self.page: Final = page
        self.outbox: Final = Outbox()
        self.threads: Final = ThreadSet()
        self._tasks: Final = TaskSet()
        self._places: Final = asyncio.Semaphore(PARTS_AT_ONCE_MAX)
        self._making: Final[dict[str, asyncio.Task[str]]] = {}
        self._filled: Final[list[tuple[Part, str]]] = []  # while the page function still writes
        self.is_shell_done = False
        self.waits_for: Part | None = None  # in order
        self._has_script = False
        self._failure: Exception | None = None
        self._tail = ""
        self.is_in_tag = False  # what the page function has written ends within a tag
        self._recent = ""
        self.board: Final = Board(
            self,
            page.way,
            is_in_order=page.is_in_order,
            nonce=page.nonce,
            words=page.words,
            clock=page.clock,
        )

    def run(self, function: Callable[..., Any]) -> None:
        """Start the page function."""
        self._tasks.spawn(self._run(function), "page")

    def start(self, part: Part) -> None:
        """Start to make a part."""
        self._making[part.name] = self._tasks.spawn(self._make(part), f"part {part.name}")

    async def items(self) -> AsyncIterator[Head | str | Flush]:
        """Yield the response."""
        page = self.page
        has_head = False
        can_flush = True
        while (text := await self.outbox.take(HEARTBEAT_INTERVAL_S)) is not None:
            if not has_head:
                if not text:
                    continue  # the page function may still change the head
                yield page.head()
                has_head = True
            if not self.is_in_tag:
                text = (text or _HEARTBEAT) + self.board.news()
            if text:
                yield text
            if can_flush and self.outbox.is_empty and not self.outbox.is_closed:
                try:
                    yield FLUSH
                except FlushError:
                    can_flush = False
        if self._failure is not None:
            raise self._failure
        if not has_head:
            yield page.head()

    async def close(self) -> None:
        """Cancel what still runs, and wait for its end, `PART_CANCEL_TIMEOUT_S` at most."""
        self.board.stop()
        try:
            async with asyncio.timeout(PART_CANCEL_TIMEOUT_S):
                await self._tasks.cancel_all()
                await self.threads.stop_all()
        except TimeoutError:
            count = max(len(self._tasks), len(self.threads))
            logger.warning("%d parts of a page that has ended go on", count)

    async def _run(self, function: Callable[..., Any]) -> None:
        try:
            async for piece in pieces_of(self._content(function)):
                await self._write(piece)
            self.outbox.put(fill.closing(self._recent))
            self.is_shell_done = True
            for part, text in self._filled:
                self._send_part(part, text)
            self.board.shell_done(has_parts=any(not task.done() for task in self._making.values()))
            await self._wait_parts()
            self.board.close()
            if self._tail:
                self.outbox.put(self._tail)
        except Exception as error:
            self._failure = error
            self.board.fail()
        finally:
            self.outbox.close()

    def _content(self, function: Callable[..., Any]) -> Any:
        if is_async(function):
            return function(self.page)
        return self.threads.iterate(partial(pieces_in_thread, partial(function, self.page)))

    async def _write(self, piece: str) -> None:
        at = piece.rfind("<")
        if at >= 0:
            self.is_in_tag = piece.find(">", at) < 0
        elif self.is_in_tag:
            self.is_in_tag = ">" not in piece
        if self.page.is_in_order:
            await self._write_in_order(piece)
            return
        piece = self._tail + piece
        found = _TAIL.search(piece)
        self._tail = "" if found is None else found[0]
        piece = piece if found is None else piece[: found.start()]
        if piece:
            self._recent = (self._recent + piece)[-_RECENT_CHARS:]
            self.board.before_write()
            self.outbox.put(piece)
            await self.outbox.wait_room()

    async def _write_in_order(self, piece: str) -> None:
        """Write a piece, with the parts where their places are."""
        if not piece:
            return
        self.board.before_write()
        before = 0
        for found in self.page.place_pattern.finditer(piece):
            self.outbox.put(piece[before : found.start()])
            before = found.end()
            await self._write_in_order(await self._wait_part(found[1]))
        self.outbox.put(piece[before:])
        await self.outbox.wait_room()

    async def _wait_part(self, name: str) -> str:
        task = self._making[name]
        if not task.done():
            self.board.expect()
        self.waits_for = self.page.parts[name]
        try:
            return await task
        finally:
            self.board.before_write()
            self.waits_for = None

    async def _make(self, part: Part) -> str:
        try:
            async with self._places:
                text = await part.make(self.threads)
        except BaseException:
            part.drop()
            raise
        self.board.leave_part(part)
        if not self.page.is_in_order:
            self._send_part(part, text)
        return text

    def _send_part(self, part: Part, text: str) -> None:
        if not self.is_shell_done:
            self._filled.append((part, text))
            return
        self.send_fill(part.name, text)
        part.is_sent = True
        self.board.settle(part)

    def send_fill(self, name: str, text: str) -> None:
        """Fill a place, now."""
        text = fill.fill(name, text)
        if not self._has_script:
            self._has_script = True
            text = fill.script(self.page.nonce) + text
        self.outbox.put(text)

    async def _wait_parts(self) -> None:
        while running := [task for task in self._making.values() if not task.done()]:
            await asyncio.wait(running)
