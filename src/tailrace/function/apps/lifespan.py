"""The lifespan of an ASGI app: started once in an execution environment, ended with its process.

Source: ASGI specification 2.0, "Lifespan Protocol" (asgiref, read 2026-11).

Concurrency law: the app's lifespan runs in one task of the environment's event loop, which also
runs the requests. The task waits in `receive` between invocations.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tailrace.function.apps.scope import ASGI_VERSIONS
from tailrace.function.event_loop import call_at_close
from tailrace.function.failure import Fault
from tailrace.limits import FAILED_START_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LifespanMode: TypeAlias = Literal["auto", "on", "off"]

logger = logging.getLogger("tailrace.function")


class Lifespan:
    """The start-up and the shutdown of an app.

    "auto": an app that raises for a lifespan scope has none; "on": that fails the start; "off":
    the app is never started. `state` is what the app has stored for its requests.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], mode: LifespanMode) -> None:
        self.state: dict[str, Any] = {}
        self.is_started = mode == "off"
        self._app = app
        self._is_required = mode == "on"
        self._task: asyncio.Task[None] | None = None
        self._startup: asyncio.Future[str | None]  # None: complete; otherwise why it has failed
        self._shutdown: asyncio.Future[None]
        self._end_is_wanted = asyncio.Event()
        self._received = 0

    async def start(self) -> None:
        """Start the app, once; a failed start can be repeated.

        Raises:
            Fault: the app says that its start has failed, and raises nothing.
            Exception: what the app raises when its start fails, or with "on" at any time.
        """
        if self.is_started:
            return
        self.state.clear()
        self._received = 0
        loop = asyncio.get_running_loop()
        self._startup = loop.create_future()
        self._shutdown = loop.create_future()
        task = loop.create_task(self._run(), name="ASGI lifespan")
        try:
            await asyncio.wait((task, self._startup), return_when=asyncio.FIRST_COMPLETED)
            if self._startup.done() and (reason := self._startup.result()) is not None:
                await _raise_failed(task, reason)
        except BaseException:
            task.cancel()
            raise
        if not self._startup.done():
            self._take_unsupported(task)
        else:
            self._task = task
            task.add_done_callback(_log_failure)
            call_at_close(self._shut_down)
        self.is_started = True

    def _take_unsupported(self, task: asyncio.Task[None]) -> None:
        """The app has ended before its start was complete: it has no lifespan, or "on" raises."""
        error = _error_of(task)
        if self._is_required:
            raise error or Fault(
                "Runtime.LifespanUnsupported",
                'the ASGI app returned without a lifespan.startup.complete; lifespan is "on"',
            )
        if error is not None and self._received:
            # It had taken the event of its start, so this may be a fault of the start.
            logger.warning("the ASGI app's lifespan is left out: it raised", exc_info=error)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": ASGI_VERSIONS.copy(), "state": self.state}
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, str]:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        await self._end_is_wanted.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind in ("lifespan.startup.complete", "lifespan.startup.failed"):
            if not self._startup.done():
                is_complete = kind == "lifespan.startup.complete"
                self._startup.set_result(None if is_complete else message.get("message") or "")
        elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            if kind == "lifespan.shutdown.failed":
                logger.error("the ASGI app's shutdown failed: %s", message.get("message", ""))
            if not self._shutdown.done():
                self._shutdown.set_result(None)
        else:
            raise RuntimeError(f"{kind!r} is no message of the lifespan protocol")

    async def _shut_down(self) -> None:
        """Let the app end; the caller limits the time."""
        task = self._task
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            return  # the function has closed its loop
        self._end_is_wanted.set()
        await asyncio.wait((task, self._shutdown), return_when=asyncio.FIRST_COMPLETED)


def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    """Return what has ended a task, if not its own return."""
    if task.cancelled():
        return RuntimeError(
            "the app's lifespan has awaited what was cancelled, and did not catch it"
        )
    return task.exception()


async def _raise_failed(task: asyncio.Task[None], reason: str) -> None:
    """Raise the app's own exception, which follows its message in most frameworks."""
    await asyncio.wait((task,), timeout=FAILED_START_S)
    error = task.exception() if task.done() and not task.cancelled() else None
    raise error or Fault("Runtime.StartupFailed", reason or "the ASGI app's start failed")


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the ASGI app's lifespan failed after its start", exc_info=error)
