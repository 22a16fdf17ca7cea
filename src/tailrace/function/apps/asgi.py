"""`asgi`: an ASGI app as a function that Lambda can call, and that streams.

Source: ASGI specification 3.0, "HTTP & WebSocket ASGI Message Format" (asgiref, read 2026-11). What
it leaves open is done as uvicorn 0.54 does it, because apps are written against that.

Concurrency law: the app runs in one task of the environment's loop and may start others; `receive`
and `send` run in any of them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tailrace.function.apps.exchange import AsgiExchange
from tailrace.function.apps.failed import fail
from tailrace.function.apps.late_failure import is_of_background_task
from tailrace.function.apps.lifespan import Lifespan
from tailrace.function.apps.options import check_app, mount_point
from tailrace.function.apps.scope import add_length, scope_of
from tailrace.function.drive import is_departure
from tailrace.function.event_loop import run_in_loop
from tailrace.function.handler import START, streamify_response
from tailrace.function.request import Request
from tailrace.function.way import EXTENSION, FLUSH_EXTENSION, way_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeAlias

    from tailrace.function.apps.lifespan import LifespanMode
    from tailrace.function.handler import FlushOption, OnError
    from tailrace.function.response import ResponseStream
    from tailrace.function.streamified import StreamifiedHandler

    App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

logger = logging.getLogger("tailrace.function")


def asgi(
    app: App,
    /,
    *,
    lifespan: LifespanMode = "auto",
    root_path: str | None = None,
    flush: FlushOption = None,
    on_error: OnError = "log",
) -> StreamifiedHandler[Any]:
    """Make a handler of an ASGI app: FastAPI, Starlette, Litestar, Quart, Django and others.

    It sends each part of a response when the app sends it: to the gateway's callback, natively if
    the runtime can stream, else as a result in the form of the event's front end.

    `lifespan`: "auto", the app is started once in an execution environment if it has a lifespan;
    "on", it must have one; "off", it is never started. `tailrace.runtime` starts it in the init
    phase, other runtimes with the first invocation.

    `root_path` is the mount point of the app, if the event does not show it: the base path of a
    custom domain. Where the URL has API Gateway's stage, that is the mount point; "" removes it.

    `flush` and `on_error` are as for `streamify_response`. With "log", an app that raises before
    its head is answered with a complete 500 on every path.

    If the client leaves, `receive` returns `http.disconnect`; `send` raises an OSError, once. After
    `DISCONNECT_GRACE_S` the app's task is cancelled.

    Raises:
        TypeError: `app` is no ASGI app, or an option has a value that it cannot have.
    """
    if lifespan not in ("auto", "on", "off"):
        raise TypeError(f'lifespan is "auto", "on" or "off", not {lifespan!r}')
    check_app(app, "asgi")
    served = AsgiApp(app, Lifespan(app, lifespan), root_path, raises=on_error == "raise")
    handler = streamify_response(served.handle, flush=flush, on_error=on_error)
    setattr(handler, START, served.start)
    return handler


class AsgiApp:
    """An app, with what is kept for it in an execution environment."""

    __slots__ = ("_app", "_lifespan", "_raises", "_root_path")

    def __init__(
        self, app: App, lifespan: Lifespan, root_path: str | None, *, raises: bool
    ) -> None:
        self._app = app
        self._lifespan = lifespan
        self._root_path = mount_point(root_path)
        self._raises = raises

    def start(self) -> None:
        """Start the app in the init phase; raises what its start raises."""
        run_in_loop(self._lifespan.start())

    async def handle(self, event: Any, response: ResponseStream, context: Any) -> None:
        """Serve one event."""
        request = Request(event)
        if not self._lifespan.is_started:
            await self._lifespan.start()
        try:
            body = request.body
        except ValueError as error:
            fail(error, response._stream, context, raises=self._raises)
            return
        scope = scope_of(request, context, self._root_path, self._lifespan.state.copy())
        add_length(scope["headers"], len(body))
        scope["extensions"] |= _extensions(response)
        exchange = AsgiExchange(response, body, is_head_request=request.method == "HEAD")
        earlier = self._tasks()
        try:
            await self._app(scope, exchange.receive, exchange.send)
            exchange.finish()
        except Exception as error:
            if exchange.is_held and is_of_background_task(error):
                exchange.end()
            if not exchange.has_left or not _is_about_departure(error):
                fail(error, exchange.stream, context, raises=self._raises)
        except asyncio.CancelledError as error:
            if exchange.has_left or _is_cancelled():
                raise
            failure = RuntimeError("the app has awaited what was cancelled, and did not catch it")
            failure.__cause__ = error
            fail(failure, exchange.stream, context, raises=self._raises)
        finally:
            exchange.close()
        await self._finish_tasks(earlier)

    def _tasks(self) -> set[asyncio.Task[Any]]:
        """The background tasks that the app has now, if it keeps them as Quart does."""
        tasks = getattr(self._app, "background_tasks", None)
        if not isinstance(tasks, set):
            return set()
        return {t for t in tasks if isinstance(t, asyncio.Task) and not t.done()}

    async def _finish_tasks(self, earlier: set[asyncio.Task[Any]]) -> None:
        """Wait for the tasks that the request has started: no loop runs between two invocations.

        They are limited by the function's time-out, as is all that runs within an invocation.
        """
        while tasks := self._tasks() - earlier:
            await asyncio.wait(tasks)


def _extensions(response: ResponseStream) -> dict[str, Any]:
    """What an app may know of the way of its response."""
    extensions: dict[str, Any] = {EXTENSION: way_of(response._stream)}
    if response._stream.output.flushes is not None:
        extensions[FLUSH_EXTENSION] = response.flush
    return extensions


def _is_cancelled() -> bool:
    """Whether this task was asked to end, as all are when the process ends."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_about_departure(error: Exception) -> bool:
    """Whether an exception says that the client has left, or was raised in place of such a one."""
    if is_departure(error):
        return True
    before = error.__cause__ or error.__context__
    if not isinstance(before, Exception) or not _is_about_departure(before):
        return False
    logger.info("the app raised %r after its client had left", error)
    return True
