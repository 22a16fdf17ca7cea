"""Sync code of a response, in threads: each function or iterable in one thread of its own.

One thread runs all of an iterable, because files, cursors and locks may belong to a thread.

Concurrency law: a `Job` is shared by its thread and its loop, under `_change`; `ThreadSet` is used
in the loop only.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, Final, TypeVar

from tailrace.html.limits import THREAD_ITEMS_WAITING_MAX

logger = logging.getLogger("tailrace.html")

T = TypeVar("T")

_job: Final[ContextVar[Job | None]] = ContextVar("tailrace_thread_job", default=None)


def raise_if_stopped() -> None:
    """Stop sync code whose result is not needed any more; elsewhere do nothing.

    Raises:
        asyncio.CancelledError: the code that calls this is to stop. It is no Exception.
    """
    job = current_job()
    if job is not None and job.is_stopped:
        raise asyncio.CancelledError("the client has left, or the time of this part is up")


def current_job() -> Job | None:
    """Return what this thread does, if it is one of a `ThreadSet`; a loop keeps it."""
    # Tasks inherit the variable, and are not in the thread.
    job = _job.get()
    return job if job is not None and job.thread_id == threading.get_ident() else None


def call_in_loop(function: Callable[[], T]) -> T:
    """Call a function in the loop of the response, from there or from a thread of a `ThreadSet`.

    Raises:
        asyncio.CancelledError: the loop is closed.
        Exception: what the function raised.
    """
    job = current_job()
    if job is None:
        return function()
    done: Future[T] = Future()

    def call() -> None:
        try:
            done.set_result(function())
        except BaseException as error:
            done.set_exception(error)

    try:
        job.loop.call_soon_threadsafe(call)
    except RuntimeError:
        raise asyncio.CancelledError("the loop of the response is closed") from None
    return done.result()


def put_item(item: Any) -> bool:
    """Pass an item on as if the iterable that runs in this thread yielded it; False elsewhere.

    Raises:
        asyncio.CancelledError: the code that calls this is to stop.
    """
    job = current_job()
    if job is None:
        return False
    if not job.put(item):
        raise_if_stopped()
    return True


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a function is async, and so runs in the loop: a coroutine or generator function."""
    called = function if isinstance(function, partial) else type(function).__call__
    return any(iscoroutinefunction(each) or isasyncgenfunction(each) for each in (function, called))


class ThreadSet:
    """Threads that run sync code for one response, and end with it."""

    __slots__ = ("_jobs",)

    def __init__(self) -> None:
        self._jobs: Final[set[Job]] = set()

    def __len__(self) -> int:
        return len(self._jobs)

    async def iterate(self, function: Callable[[], Iterable[Any]]) -> AsyncIterator[Any]:
        """Call a function that returns an iterable, and iterate, in a thread; yield the items.

        The code runs in a copy of this context. The thread is at most `THREAD_ITEMS_WAITING_MAX`
        items ahead, twice. Closing or cancelling closes a generator at its next yield, and does not
        wait for that.
        """
        job = Job(function)
        job.start()
        self._jobs.add(job)
        job.ended.add_done_callback(lambda _: self._jobs.discard(job))
        try:
            while items := await job.take():
                for item in items:
                    yield item
        finally:
            job.stop()

    async def stop_all(self) -> None:
        """Stop all threads and wait for their end. Cancelling leaves those that still run."""
        for job in self._jobs:
            job.stop()
        while self._jobs:
            await asyncio.wait([job.ended for job in self._jobs])


class Job:
    """What one thread does. `ended` is done when the thread runs no more code of the user."""

    def __init__(self, function: Callable[[], Iterable[Any]]) -> None:
        self.loop: Final = asyncio.get_running_loop()
        self.ended: Final[asyncio.Future[None]] = self.loop.create_future()
        self.is_stopped = False
        self.thread_id = 0
        self._function: Callable[[], Iterable[Any]] | None = function
        self._change: Final = threading.Condition()
        self._items: list[Any] = []
        self._error: BaseException | None = None
        self._is_over = False
        self._waiter: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Start the thread. It does not keep the process alive."""
        name = getattr(self._function, "__qualname__", "sync code")
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), name=name, daemon=True).start()

    async def take(self) -> list[Any]:
        """Return the items that wait; none at the end. Raises what the code raised."""
        while True:
            with self._change:
                items, self._items = self._items, []
                if items or self._is_over:
                    self._change.notify()
                    break
                self._waiter = waiter = self.loop.create_future()
            await waiter
        if not items and self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del error  # its traceback refers to this frame
        return items

    def stop(self) -> None:
        """Ask the code to stop."""
        with self._change:
            self.is_stopped = True
            self._change.notify()

    def _run(self) -> None:
        self.thread_id = threading.get_ident()
        _job.set(self)
        error: BaseException | None = None
        try:
            self._put_all()
        except asyncio.CancelledError as raised:
            if not self.is_stopped:
                error = RuntimeError("sync code was cancelled by its own code")
                error.__cause__ = raised
        except BaseException as raised:
            error = raised
        with self._change:
            self._error = error
            self._is_over = True
            self._wake()
        if error is not None and self.is_stopped:
            logger.error("sync code failed while it was stopped", exc_info=error)
        with suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self.ended.set_result, None)

    def _put_all(self) -> None:
        function, self._function = self._function, None
        assert function is not None, "a job runs once"
        items = function()
        try:
            for item in items:
                if not self.put(item):
                    break
        finally:
            if hasattr(items, "close"):
                items.close()

    def put(self, item: Any) -> bool:
        """Pass an item to the loop when there is room; return False if the code is to stop."""
        with self._change:
            while len(self._items) >= THREAD_ITEMS_WAITING_MAX and not self.is_stopped:
                self._change.wait()
            if self.is_stopped:
                return False
            self._items.append(item)
            self._wake()
            return True

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(_set, waiter)


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
