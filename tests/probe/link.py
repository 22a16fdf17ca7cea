"""A network between a client and a server, for tests: slow, jittery, and not the same both ways.

It passes on TCP connections, each read after a delay of its own, in order, unchanged. How long it
held what it passed on is counted.

Concurrency law: two tasks for each direction of a connection, one that reads and one that writes,
with a bounded queue in between; they end with the connection, or with the link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Self

READ_BYTES = 65_536
QUEUED_MAX = 64
"""Reads of one direction that are under way; more wait in the sockets."""


@dataclass(frozen=True)
class Delay:
    """How long one direction takes: at least so long, jitter, and now and then a hiccup."""

    least_s: float
    jitter_s: float = 0.0
    """On average; exponentially distributed."""
    hiccup_s: float = 0.0
    """In one of ten reads."""

    def draw(self, random: Random) -> float:
        jitter_s = random.expovariate(1 / self.jitter_s) if self.jitter_s else 0.0
        hiccup_s = self.hiccup_s if random.random() < 0.1 else 0.0
        return self.least_s + jitter_s + hiccup_s


class Link:
    """Listens on a port of its own while it is entered; `up` is the way to the server."""

    def __init__(self, port: int, up: Delay, down: Delay, random: Random) -> None:
        self._target = port
        self._up = up
        self._down = down
        self._random = random
        self._tasks: set[asyncio.Task[None]] = set()
        self.read_count = 0
        """Reads that were passed on, both ways."""

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there: asyncio.StreamWriter | None = None
        try:
            back, there = await asyncio.open_connection("127.0.0.1", self._target)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, there, self._up))
                group.create_task(self._pass(back, writer, self._down))
        except* OSError:
            pass  # one side has left: so must the other
        finally:
            for each in (writer, there):
                if each is not None:
                    each.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: Delay
    ) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED_MAX)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(reader, queue, lambda: delay.draw(self._random)))
            group.create_task(self._write(queue, writer))

    async def _read(
        self,
        reader: asyncio.StreamReader,
        queue: asyncio.Queue[tuple[float, bytes]],
        draw_s: Callable[[], float],
    ) -> None:
        time = asyncio.get_running_loop().time
        due_s = 0.0
        data = b"."
        while data:
            data = await reader.read(READ_BYTES)
            due_s = max(due_s, time() + draw_s())  # nothing overtakes
            await queue.put((due_s, data))

    async def _write(
        self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        time = asyncio.get_running_loop().time
        while True:
            due_s, data = await queue.get()
            while (left_s := due_s - time()) > 0:  # timers may be early, by the clock's tick
                await asyncio.sleep(left_s)
            if not data:
                break
            self.read_count += 1
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
