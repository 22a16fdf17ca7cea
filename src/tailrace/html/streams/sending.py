"""Sends the values that a function makes, in one of the formats.

Concurrency law: the function runs in one task from its start to its end; what it makes goes through
the outbox to `send`, the only one who yields. When `send` is closed or cancelled, the task is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from tailrace.errors import FlushError
from tailrace.function.generators import throw_into
from tailrace.function.stream import FLUSH
from tailrace.html.flush_pace import FlushPace
from tailrace.html.limits import STREAM_CANCEL_TIMEOUT_S
from tailrace.html.outbox import Outbox
from tailrace.html.streams.source import values_of
from tailrace.html.threads import ThreadSet
from tailrace.net.tasks import TaskSet

if TYPE_CHECKING:
    from tailrace.html.hosts import Items
    from tailrace.html.reply import Reply

logger = logging.getLogger("tailrace.html")


class Format(Protocol):
    """The format of one response."""

    heartbeat: str
    """What is sent in silences, and means nothing."""

    def begin(self) -> str:
        """Return what stands before everything else."""

    def piece(self, value: Any) -> str:
        """Return a value as it is sent; "" for nothing."""

    def end(self) -> str:
        """Return what stands at the end of a complete response."""

    def failure(self) -> tuple[str, bool]:
        """Return what is sent if the function fails, and whether a client learns of it by that; if
        not, the response is aborted."""


def send(
    function: Callable[..., Any], reply: Reply, form: Format, heartbeat_s: float | None
) -> Items:
    """Yield the head of a response, its body, and FLUSH when nothing more comes for now.

    Raises:
        Exception: what the function raised, or what a value raised that cannot be sent.
    """
    return Sending(reply, form, heartbeat_s).items(function)


def checked_heartbeat_s(heartbeat_s: float | None) -> float | None:
    """Return the longest silence of a stream, if it is legal.

    Raises:
        TypeError: it is neither a number nor None.
        ValueError: it is not above 0.
    """
    if heartbeat_s is None:
        return None
    if type(heartbeat_s) not in (int, float):
        raise TypeError(f"heartbeat_s is a number of seconds or None, not {heartbeat_s!r}")
    if not heartbeat_s > 0:
        raise ValueError(f"heartbeat_s is above 0, not {heartbeat_s}; None sends no heartbeats")
    return heartbeat_s


class Sending:
    """A response while it is made."""

    def __init__(self, reply: Reply, form: Format, heartbeat_s: float | None) -> None:
        self._reply: Final = reply
        self._form: Final = form
        self._heartbeat_s: Final = heartbeat_s if reply.way.streams else None
        self._outbox: Final = Outbox()
        self._failure: BaseException | None = None
        self._tasks: Final = TaskSet()
        self._threads: Final = ThreadSet()

    async def items(self, function: Callable[..., Any]) -> Items:
        """Run the function, and yield the response; errors of a flush are raised at its yield."""
        self._tasks.spawn(self._run(function), "stream")
        pace = FlushPace(self._reply.way)
        has_head = False
        try:
            while (text := await self._outbox.take(pace.wait_s(self._heartbeat_s))) is not None:
                is_pause = not text and pace.is_held
                if pace.is_due:
                    pace.flushed()
                    try:
                        yield FLUSH
                    except FlushError:
                        pace.stop()
                if is_pause:
                    continue
                text = text or self._form.heartbeat
                if not has_head:
                    has_head = True
                    yield self._reply.head()
                    text = self._form.begin() + text
                yield text
                pace.wrote()
            if not has_head:
                self._raise()
                yield self._reply.head()
            if rest := ("" if has_head else self._form.begin()) + self._last():
                yield rest
            self._raise()
        finally:
            await self._close()

    async def _run(self, function: Callable[..., Any]) -> None:
        """Run the function, and put what it makes into the outbox."""
        try:
            await self._put_all(values_of(function, self._reply, self._threads))
        except BaseException as error:
            self._failure = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._outbox.close()

    async def _put_all(self, values: Any) -> None:
        try:
            async for value in values:
                if piece := self._form.piece(value):
                    self._outbox.put(piece)
                    await self._outbox.wait_room()
        except BaseException as error:
            await throw_into(values, error)
            raise
        finally:
            await values.aclose()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(STREAM_CANCEL_TIMEOUT_S):
                await self._tasks.cancel_all()
                await self._threads.stop_all()
        except TimeoutError:
            logger.warning("the function of a stream that has ended goes on")

    def _last(self) -> str:
        """Return the end. A failure of which its text tells is logged; any other is left."""
        if self._failure is None:
            return self._form.end()
        text, is_told = self._form.failure()
        if is_told:
            logger.error("the function of a stream failed", exc_info=self._failure)
            self._failure = None
        return text

    def _raise(self) -> None:
        if isinstance(self._failure, asyncio.CancelledError):
            raise RuntimeError("the function of the stream was cancelled") from self._failure
        if self._failure is not None:
            raise self._failure
