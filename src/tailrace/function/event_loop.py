"""The event loop of an execution environment: one, kept between invocations.

Clients at module level (HTTP pools, database connections) are bound to the loop in which they were
first used, so every invocation runs in the same one. Tasks that a handler leaves running are not
cancelled, because such clients have tasks. Lambda suspends them between invocations with the whole
process, and they continue in the next one. When the process ends they are cancelled.
"""

from __future__ import annotations

import asyncio
import atexit
import warnings
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tailrace.limits import LOOP_CLOSE_TIMEOUT_S

T = TypeVar("T")

_CLOSING = "async_generator_athrow"
"""The type of what `aclose` of an async generator returns."""
_loops: list[asyncio.AbstractEventLoop] = []  # none or one
_at_close: list[Callable[[], Coroutine[Any, Any, None]]] = []


def run_in_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in the environment's loop, in the caller's context.

    Raises:
        RuntimeError: a loop is running in this thread already, the environment's loop in another
            one, or the coroutine was cancelled. A CancelledError is not an Exception, and would end
            the process.
    """
    if _is_in_loop():
        coroutine.close()
        raise RuntimeError(
            "an async handler was called inside a running event loop: call it from sync code, or"
            " await its __wrapped__ function"
        )
    loop = environment_loop()
    if loop.is_running():
        coroutine.close()
        raise RuntimeError(
            "another thread runs an async handler, and a process has one event loop for them: call"
            " async handlers one after the other"
        )
    results, error = loop.run_until_complete(_caught(coroutine))
    if error is not None:
        raise error
    return results[0]


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _caught(coroutine: Coroutine[Any, Any, T]) -> tuple[list[T], Exception | None]:
    """Return the result in a list, or the exception, so that its traceback has no loop frames."""
    try:
        return [await coroutine], None
    except Exception as error:
        return [], error
    except asyncio.CancelledError as error:
        failure = RuntimeError("the handler was cancelled by its own code")
        failure.__cause__ = error
        return [], failure.with_traceback(error.__traceback__)


def environment_loop() -> asyncio.AbstractEventLoop:
    """Return the environment's loop: at first this thread's current loop, or a new one."""
    if _loops and not _loops[0].is_closed():
        return _loops[0]
    loop = _current_loop() or asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    _loops[:] = [loop]
    return loop


def _current_loop() -> asyncio.AbstractEventLoop | None:
    """Return the current loop, which the function's modules may have created at their import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            return None
    return None if loop.is_closed() else loop


async def close_dropped_generators() -> None:
    """Close the async generators that are no longer referred to, and that are not exhausted.

    Many are kept by an exception that keeps itself, as those of task groups do, until the garbage
    is collected. The loop closes each in a task of its own, which would not run before the next
    invocation.
    """
    import gc  # here: few clients leave in the middle

    gc.collect()  # up to 50 ms in a process with many modules
    await asyncio.sleep(0)  # the loop creates these tasks
    tasks = [t for t in asyncio.all_tasks() if type(t.get_coro()).__name__ == _CLOSING]
    if tasks:
        await asyncio.wait(tasks)


def call_at_close(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine function in the loop when the process ends, before tasks are cancelled.

    All of them together have `LOOP_CLOSE_TIMEOUT_S`.
    """
    _at_close.append(function)


def shut_down() -> None:
    """Run now, and not at the exit, what was given to `call_at_close`.

    A runtime calls it when it ends: the interpreter's exit first waits for threads, which may block
    for long, as sync code of an app does.
    """
    if _at_close and _can_run():
        functions = _at_close.copy()
        _at_close.clear()
        _loops[0].run_until_complete(_run_all(functions))


def _can_run() -> bool:
    return bool(_loops) and not _loops[0].is_closed() and not _loops[0].is_running()


async def _run_all(functions: list[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    try:
        async with asyncio.timeout(LOOP_CLOSE_TIMEOUT_S):
            await asyncio.gather(*(function() for function in functions))
    except TimeoutError:
        pass  # they are cancelled with all other tasks


@atexit.register
def _close() -> None:
    """Let the tasks that are left clean up, by their own end or cancelled, and close the loop."""
    shut_down()
    if not _can_run():
        return
    loop = _loops[0]
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=LOOP_CLOSE_TIMEOUT_S))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
