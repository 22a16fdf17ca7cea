"""Makes a page: runs its function and its parts, and yields the response.

Concurrency law: the page function and each part run in a task, and what is not async in a thread;
what they make goes through the outbox to `render`, the only one who yields. When `render` is closed
or cancelled, all of them are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tailrace.errors import FlushError
from tailrace.function.stream import FLUSH
from tailrace.html.content import pieces_in_thread, pour
from tailrace.html.filled import FilledOutbox
from tailrace.html.flush_pace import FlushPace
from tailrace.html.limits import HEARTBEAT_INTERVAL_S
from tailrace.html.ordered import OrderedOutbox
from tailrace.html.page_outbox import PageOutbox
from tailrace.html.part import current_part
from tailrace.html.part_set import PartSet
from tailrace.html.progress.board import Board
from tailrace.html.safe import escape
from tailrace.html.threads import is_async

if TYPE_CHECKING:
    from tailrace.function.stream import Flush
    from tailrace.html.pages import Page
    from tailrace.html.part import Part
    from tailrace.wire.integration import Head

logger = logging.getLogger("tailrace.html")

_HEARTBEAT: Final = "<!---->"


async def render(function: Callable[..., Any], page: Page) -> AsyncIterator[Head | str | Flush]:
    """Yield the head of a page, its markup, and FLUSH when there is nothing more for now.

    Raises:
        Exception: what the page function raised.
    """
    rendering = Rendering(page)
    outbox = rendering.outbox
    pace = FlushPace(page.way)
    has_head = False
    try:
        rendering.start(function)
        while (text := await outbox.take(pace.wait_s(HEARTBEAT_INTERVAL_S))) is not None:
            is_pause = not text and pace.is_held
            if pace.is_due:
                pace.flushed()
                try:
                    yield FLUSH
                except FlushError:
                    pace.stop()
            if is_pause or not (text or has_head):
                continue  # before the first content, the page function may change the head
            if not has_head:
                rendering.raise_failure()  # while a whole answer is possible
                yield rendering.head or page.head()
                has_head = True
            if not rendering.is_cut:
                text = (text or _HEARTBEAT) + rendering.board.news()
            if text:
                yield text
                pace.wrote()
        if has_head and (notice := rendering.failure_notice()):
            yield notice
        rendering.raise_failure()
        if not has_head:
            yield page.head()
        rendering.parts.warn_of_lost()
    finally:
        await rendering.close()


class Rendering:
    """A page while it is made: the sink of the page function, and the sheet of its progress."""

    def __init__(self, page: Page) -> None:
        self.page: Final = page
        self.head: Head | None = None
        """The head, once there is content."""
        self.outbox: Final[PageOutbox] = (
            OrderedOutbox() if page.is_in_order else FilledOutbox(page.nonce, page.headers)
        )
        self.parts: Final = PartSet(page.parts_at_once, self.outbox)
        self.board: Final = Board(
            self,
            page.way,
            is_in_order=page.is_in_order,
            nonce=page.nonce,
            words=page.words,
            clock=page.clock,
        )
        self.outbox.progress = self.board
        self._head_fields: object = None  # of the head, to see whether they change behind it
        self._failure: BaseException | None = None

    @property
    def is_full(self) -> bool:
        """Whether the page function has to wait."""
        return self.outbox.is_full

    @property
    def is_shell_done(self) -> bool:
        """Whether the page function has ended."""
        return self.outbox.is_shell_done

    @property
    def is_cut(self) -> bool:
        """Whether nothing can be put now: a tag, a comment, a script … is not complete."""
        return self.outbox.is_cut

    @property
    def waits_for(self) -> Part | None:
        """The part that all the rest waits for, in order."""
        return self.outbox.waits_for

    def send_fill(self, name: str, text: str) -> None:
        """Fill a place, now."""
        assert isinstance(self.outbox, FilledOutbox), "in order, there are no places"
        self.outbox.send_fill(name, text)

    def put(self, piece: str) -> None:
        """Add markup of the page function. The head is as it is by the first."""
        if not piece:
            return
        if self.head is None:
            self.head = self.page.head()
            self._head_fields = self.page.head_fields()
        self.board.before_write()
        self.outbox.put_page(piece)
        if self.outbox.waits_for is not None:
            self.board.expect()

    async def wait_room(self) -> None:
        """Wait until the client has taken enough."""
        await self.outbox.wait_room()

    def start(self, function: Callable[..., Any]) -> None:
        """Start the page function."""
        self.page.begin(self.parts, self.board)
        self.parts.tasks.spawn(self._run(function), "page")

    def failure_notice(self) -> str:
        """Return what tells the visitor that the page has failed, if there is a place for it.

        Not all ways show that a response is not complete: browsers show what there is, Function
        URLs and some middleware end it as if it were.
        """
        is_html = self.page.headers.get("content-type", "").startswith("text/html")
        if self._failure is None or self.is_cut or not is_html:
            return ""
        return (
            f'<p role="alert" class="tailrace-failed">{escape(self.page.words["incomplete"])}</p>'
        )

    def raise_failure(self) -> None:
        """Raise what the page function raised, if it did."""
        failure = self._failure
        if isinstance(failure, asyncio.CancelledError):
            raise RuntimeError("the page function was cancelled by its own code") from failure
        if failure is not None:
            raise failure

    async def close(self) -> None:
        """Cancel what still runs, and wait for its end."""
        self.board.stop()
        await self.parts.close()

    async def _run(self, function: Callable[..., Any]) -> None:
        current_part.set(None)  # the page may be requested by a part of another one
        try:
            await pour(self._content(function), self)
            self._warn_of_late_head()
            self.outbox.end_shell()
            self.board.shell_done(has_parts=not self.outbox.has_all)
            await self.outbox.wait_parts()
            self.board.close()
            self.outbox.put_end()
        except BaseException as error:
            self._failure = error
            self.board.fail()
            if not isinstance(error, Exception):
                raise
        finally:
            self.outbox.close()

    def _warn_of_late_head(self) -> None:
        if self.head is not None and self._head_fields != self.page.head_fields():
            logger.warning(
                "status, headers or cookies of a page were changed after its first content, and"
                " were not sent; change them before"
            )

    def _content(self, function: Callable[..., Any]) -> Any:
        if is_async(function):
            return function(self.page)
        in_thread = partial(pieces_in_thread, partial(function, self.page))
        return self.parts.threads.iterate(in_thread)
