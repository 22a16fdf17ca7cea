"""How a server process ends: the first stop starts a drain, the second one cuts what is left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from tailrace.net.tasks import TaskSet
from tailrace.words import counted


class Stops(Protocol):
    """What stops a server: the signals of its process, or a parent's orders."""

    first: asyncio.Event
    second: asyncio.Event
    number: int
    """The last signal."""


async def end(
    signals: Stops,
    drain: Callable[[], Coroutine[Any, Any, bool]],
    count_open: Callable[[], int],
    report: Callable[[str], None],
) -> int:
    """Wait for the first signal; then for the end of the drain, or for the second signal."""
    await signals.first.wait()
    flush_log()  # whatever follows the signal
    count = count_open()
    if count:
        what = counted(count, "open response")
        report(f"waiting for {what} to end; a second signal cuts off what is left")
    tasks = TaskSet()
    draining = tasks.spawn(drain(), "drain")
    insisted = tasks.spawn(signals.second.wait(), "second signal")
    await asyncio.wait((draining, insisted), return_when=asyncio.FIRST_COMPLETED)
    is_drained = draining.done() and draining.result()
    await tasks.cancel_all()
    if is_drained:
        return 0
    return 128 + signals.number if signals.second.is_set() else 1


def flush_log() -> None:
    """Write the lines that wait for others: see `Terminal.write_soon`."""
    for handler in logging.getLogger().handlers:
        handler.flush()
