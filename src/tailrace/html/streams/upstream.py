"""The stream of a language model's SDK: opened, read and closed, on the loop or in a thread.

Concurrency law: one task opens the stream, reads and closes it, since SDKs have cancel scopes that
must be left by the task that entered them. For an SDK that blocks, a thread does this, and the task
waits for the thread.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final

from tailrace.html.limits import MODEL_CLOSE_TIMEOUT_S
from tailrace.html.streams.blocking_stream import BlockingStream, is_function, stream_of
from tailrace.html.streams.feed import Feed
from tailrace.html.threads import ThreadSet, is_async
from tailrace.net.tasks import TaskSet

logger = logging.getLogger("tailrace.html")


class Upstream:
    """One stream, or what becomes one when it is opened.

    Raises:
        TypeError: it is nothing that can be iterated over.
    """

    def __init__(self, source: Any) -> None:
        if not (inspect.isawaitable(source) or is_function(source)):
            stream_of(source)
        self._source: Final = source
        self._tasks: Final = TaskSet()

    def open(self) -> Feed:
        """Start to read; to be called once."""
        feed = Feed()
        self._tasks.spawn(self._read(feed), "tokens")
        return feed

    async def close(self) -> None:
        """Stop to read, and close the stream; wait for it, `MODEL_CLOSE_TIMEOUT_S` at most."""
        try:
            async with asyncio.timeout(MODEL_CLOSE_TIMEOUT_S):
                await self._tasks.cancel_all()
        except TimeoutError:
            logger.warning(
                "a model's stream (%s) cannot be interrupted: it is closed after its next event",
                type(self._source).__qualname__,
            )

    async def _read(self, feed: Feed) -> None:
        error: BaseException | None = None
        try:
            source = self._source
            if is_function(source) and is_async(source):
                source = source()
            if inspect.isawaitable(source):
                source = await source
            source = source if is_function(source) else stream_of(source)
            opened = _events(source) if _is_async_stream(source) else _blocking(source)
            async with aclosing(opened) as events:
                async for event in events:
                    await feed.put(event)
        except BaseException as raised:
            error = raised
            if not isinstance(raised, Exception):
                raise
        finally:
            feed.close(error)


def _is_async_stream(source: Any) -> bool:
    """Proxies, as tracing makes them, have the methods of both kinds: what is wrapped decides."""
    while not is_function(source) and hasattr(source, "__wrapped__"):
        source = source.__wrapped__
    return any(hasattr(type(source), name) for name in ("__aiter__", "__aenter__"))


async def _events(source: Any) -> AsyncGenerator[Any, None]:
    """Open an async stream, yield its events, and close it."""
    async with AsyncExitStack() as stack:
        if hasattr(type(source), "__aenter__"):
            source = await stack.enter_async_context(source)
        else:
            stack.push_async_callback(_close, source)
        iterator = aiter(source)
        stack.push_async_callback(_close, iterator)
        async for event in iterator:
            yield event


async def _close(stream: Any) -> None:
    close = getattr(stream, "aclose", None) or getattr(stream, "close", None)
    closing = close() if close is not None else None
    if inspect.isawaitable(closing):
        await closing


async def _blocking(source: Any) -> AsyncGenerator[Any, None]:
    """Do the same in a thread, with a stream that blocks."""
    stream = BlockingStream(source)
    threads = ThreadSet()
    try:
        async for event in threads.iterate(stream.events):
            yield event
    finally:
        stream.interrupt()
        await threads.stop_all()
