"""A part of a page: made beside others, and shown where its place is."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

from tailrace.html.content import pieces_in_thread, text_of
from tailrace.html.threads import ThreadSet, is_async

logger = logging.getLogger("tailrace.html")

current_part: Final[ContextVar[Part | None]] = ContextVar("tailrace_part", default=None)
"""The part whose source runs."""


class Part:
    """One part; `text` is its markup once it is done.

    `source` is a content, an awaitable of one, or a function, async or not, that returns one. A
    function that is not async runs in a thread.
    """

    __slots__ = (
        *("fallback", "is_sent", "name", "parent", "placeholder", "source", "text", "timeout_s"),
    )

    def __init__(
        self, name: str, source: Any, placeholder: Any, timeout_s: float | None, fallback: Any
    ) -> None:
        self.name: Final = name
        self.source: Final = source
        self.placeholder: Final = placeholder
        self.timeout_s: Final = timeout_s
        self.fallback: Final = fallback
        self.text: str | None = None
        self.parent: Final = current_part.get()
        """The part that has begun this one; its content has the place."""
        self.is_sent = False

    async def make(self, threads: ThreadSet) -> str:
        """Return its markup: of its source, or of its fallback if that fails or takes too long."""
        current_part.set(self)
        try:
            if self.timeout_s is None:
                return await self._made(threads)
            async with asyncio.timeout(self.timeout_s):
                return await self._made(threads)
        except Exception as error:
            self._log(error)
            return await self._made_instead(error)

    def drop(self) -> None:
        """Close a source that is not going to be run."""
        if asyncio.iscoroutine(self.source):
            self.source.close()

    async def _made(self, threads: ThreadSet) -> str:
        source = self.source
        if callable(source) and not hasattr(type(source), "__html__"):
            if is_async(source):
                source = source()
            else:
                source = threads.iterate(partial(pieces_in_thread, source))
        return await text_of(source)

    async def _made_instead(self, error: Exception) -> str:
        try:
            content = self.fallback
            if callable(content) and not hasattr(type(content), "__html__"):
                content = content(error)
            return await text_of(content)
        except Exception:
            logger.exception("the fallback of part %s failed: its place stays empty", self._shown())
            return ""

    def _log(self, error: Exception) -> None:
        if isinstance(error, TimeoutError) and self.timeout_s is not None:
            logger.warning("part %s took longer than %g s", self._shown(), self.timeout_s)
        else:
            logger.error("part %s failed", self._shown(), exc_info=error)

    def _shown(self) -> str:
        return f"{self.name} ({getattr(self.source, '__qualname__', type(self.source).__name__)})"
