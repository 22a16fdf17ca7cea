"""A load that counts: new connections, keep-alive clients and live streams, in one event loop.

Three populations ask a gateway until the load is left. Every request ends as one of

- complete: right to the last byte;
- refused: no connection; it was refused or reset while it was made;
- unanswered: closed before a head. Not counted as this is a connection that had been idle for
  longer than the server's drain keeps one (DRAIN_IDLE_TIMEOUT_S): the server may close it at the
  moment at which a request leaves. RFC 9112, 9.3.1, lets a client repeat a GET then, as ours does;
  such pairs are counted as `raced`. An idle connection that has been closed before anything was
  sent is no failure: the client makes another one, as real ones do;
- broken: ended visibly within its body;
- anything else, in capitals if it looked whole and was not.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import uvloop
from tests.torture.clients import COMPLETE, Line, Visit
from tests.torture.functions import FunctionSide

from tailrace import limits

Value = TypeVar("Value")

STREAMS_PER_S = 100
"""How many begin in a second at first."""
LATE_S = 60.0
"""When a wait of the test's own is in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How much of what."""

    streams: int = 300
    rate: float = 40.0
    """New connections a second."""
    quick: int = 16
    """Keep-alive clients that pause for less than a drain keeps an idle connection."""
    slow: int = 4
    """Those that pause for about as long, or longer."""
    chunk_pause_ms: int = 250
    stream_s: tuple[float, float] = (1.0, 8.0)
    """The length of a stream."""
    long_streams: int = 0
    """Streams that last until the load is left, and are then whole as well."""
    long_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Tally:
    """What the clients have counted."""

    requests: int
    outcomes: Counter[tuple[str, str]]
    """By population and how it ended."""
    raced: int
    idle_closes: int
    """Keep-alive connections that were closed while idle."""
    connections: int
    head_s: dict[str, tuple[float, float]]
    """By population: median and maximum of the time to a head, the connection included."""

    def count(self, prefix: str) -> int:
        """How many requests ended so, over all populations."""
        return sum(n for (_, end), n in self.outcomes.items() if end.startswith(prefix))

    @property
    def lost(self) -> dict[str, int]:
        """The three counts that a restart must leave at zero, and all other failures."""
        counts = {name: self.count(name) for name in ("refused", "unanswered", "broken")}
        other = self.requests - sum(counts.values()) - self.count(COMPLETE)
        return counts | {"other": other}


class Load:
    """The clients and the functions, in a thread with an event loop while it is entered."""

    def __init__(self, mix: Mix, *, seed: int = 1) -> None:
        self.mix = mix
        self.visits: list[Visit] = []
        """All that have ended otherwise than complete."""
        self.open: set[Visit] = set()
        self.on_end: Callable[[Visit], object] = lambda visit: None
        """Called in the loop for each request that has ended."""
        self.side = FunctionSide()
        self.connections = 0
        self.raced = 0
        self.idle_closes = 0
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._heads: dict[str, list[float]] = {}
        self._random = random.Random(seed)
        self._number = itertools.count()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lines: list[Line] = []
        self._is_ready = threading.Event()
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="load")
        self._thread.start()
        assert self._is_ready.wait(LATE_S)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(3 * LATE_S)
        left = list(asyncio.all_tasks(self._loop)) if self._thread.is_alive() else []
        assert not self._thread.is_alive(), f"the load does not end: {left}"
        if self._error is not None and exception[1] is None:
            raise self._error

    def aim(self, host: str, port: int) -> None:
        """Begin; the gateway is there."""
        self._address = host, port
        self.call(self._begin)

    def settle(self) -> Tally:
        """Ask nothing more, wait until everything that was asked has ended, and count."""
        self.call(self._stop.set)
        self.until(lambda: not self._tasks, "the clients to end", 120.0)
        if self._error is not None:
            raise self._error
        return self.tally()

    def tally(self) -> Tally:
        """Count what has ended by now."""
        return self.call(self._count)

    def call(self, function: Callable[[], Value]) -> Value:
        """Call a function in the loop, and return its result."""

        async def called() -> Value:
            return function()

        return self.run(called())

    def run(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Run a coroutine in the loop, and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(2 * LATE_S)

    def until(self, condition: Callable[[], object], what: str, late_s: float = LATE_S) -> None:
        """Wait for a condition that is looked at in the loop."""
        end_s = time.monotonic() + late_s
        while not self.call(condition):
            assert self._thread.is_alive() and time.monotonic() < end_s, f"in vain: {what}"
            time.sleep(0.02)

    def wait_more(self, requests: int) -> None:
        """Wait until so many requests have ended that began after this was called."""
        begun_s = time.monotonic()
        self._fresh = 0
        self._fresh_from_s = begun_s
        self.until(lambda: self._fresh >= requests, "requests to go on")

    def wait_live(self, streams: int) -> None:
        """Wait until so many streams are in the middle of their bodies."""

        def live() -> int:
            return sum(visit.kind == "stream" and visit.received > 0 for visit in self.open)

        self.until(lambda: live() >= streams, "streams to be live")

    def ports_invoked(self) -> set[int]:
        """The callback ports of all events since `side.ports` was cleared; call it in the loop."""
        return set(self.side.ports)

    def visit(self, visit: Visit) -> Visit:
        """Ask on a connection of its own, and return at once."""
        self.call(lambda: self._spawn(self._visit(visit)))
        return visit

    # --- in the loop ------------------------------------------------------------------------------

    _fresh = 0
    _fresh_from_s = float("inf")

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as error:
            self._error = error
            self._is_ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end, self._stop = asyncio.Event(), asyncio.Event()
        await self.side.start()
        self._is_ready.set()
        await self._end.wait()
        self._stop.set()  # wait_for loses a cancellation that meets a refused connection
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in self._lines:
            line.abort()
        while not all(line.broken for line in self._lines):
            await asyncio.sleep(0.001)
        await self.side.stop()

    def _begin(self) -> None:
        mix = self.mix
        self._spawn(self._newcomers())
        for number in range(mix.quick + mix.slow):
            self._spawn(self._keep_alive(is_slow=number >= mix.quick))
        for number in range(mix.streams + mix.long_streams):
            self._spawn(self._streamer(is_long=number >= mix.streams))

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = self._error or error

    async def _pause(self, seconds: float) -> bool:
        """Return False when it is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False

    async def _newcomers(self) -> None:
        """Each request comes on a connection of its own."""
        while await self._pause(self._random.expovariate(self.mix.rate)):
            self._spawn(self._visit(self._request("new")))

    async def _streamer(self, *, is_long: bool) -> None:
        mix = self.mix
        seconds = mix.long_s if is_long else self._random.uniform(*mix.stream_s)
        if not await self._pause(self._random.uniform(0, mix.streams / STREAMS_PER_S)):
            return
        while not self._stop.is_set():
            ms = 1_000 if is_long else mix.chunk_pause_ms
            pieces = max(2, round(1000 * seconds / ms))
            visit = self._request("stream", pieces=pieces, ms=ms)
            await self._visit(visit)
            seconds = self._random.uniform(*mix.stream_s)
            if is_long or (visit.end != COMPLETE and not await self._pause(0.5)):
                return

    async def _keep_alive(self, *, is_slow: bool) -> None:
        kind = "slow" if is_slow else "quick"
        line: Line | None = None
        idle_s = limits.DRAIN_IDLE_TIMEOUT_S
        pauses = (0.8 * idle_s, 1.4 * idle_s) if is_slow else (0.0, 0.3 * idle_s)
        while True:
            visit = self._request(kind)
            idle_from_s = time.monotonic()
            if line is not None:
                if not await self._pause(self._random.uniform(*pauses)):
                    break
                if line.broken:
                    self.idle_closes += 1
                    line = None
            is_used = line is not None
            if line is None:
                line = await self._connect(visit)
            if line is not None:
                await self._ask(line, visit)
                was_idle_s = visit.asked_s - idle_from_s if is_used else 0.0
                if visit.end.startswith("unanswered") and was_idle_s > 0.9 * idle_s:
                    self.raced += 1
                    visit = self._request(kind, method="GET")
                    line = await self._connect(visit)
                    if line is not None:
                        await self._ask(line, visit)
            self._note(visit)
            if line is not None and not line.is_reusable:
                line.close()
            if line is not None and (line.broken or not line.is_reusable):
                line = None
            if self._stop.is_set() or (visit.end != COMPLETE and not await self._pause(0.05)):
                break
        if line is not None:
            line.close()

    def _request(self, kind: str, *, pieces: int = 2, ms: int = 0, method: str = "") -> Visit:
        method = method or self._random.choice(("GET", "GET", "POST"))
        body = b"upload" * self._random.randint(1, 40) if method == "POST" else b""
        length = self._random.choice(("", "", "&len=1"))
        version = "1.0" if not length and self._random.random() < 0.1 else "1.1"
        if kind in ("quick", "slow"):
            version = "1.1"
        target = f"/{kind}/{next(self._number)}?n={pieces}&ms={ms}{length}"
        headers = (("content-type", "text/plain"),) if body else ()
        if kind == "new" and version == "1.1" and self._random.random() < 0.5:
            headers = (*headers, ("connection", "close"))
        return Visit(kind, target, method, body, version, headers, pieces)

    async def _visit(self, visit: Visit) -> None:
        line = await self._connect(visit)
        if line is not None:
            await self._ask(line, visit)
            line.close()
        self._note(visit)

    async def _connect(self, visit: Visit) -> Line | None:
        visit.asked_s = time.monotonic()
        try:
            line = await Line.connect(*self._address)
        except OSError as error:  # a time-out too
            visit.end, visit.end_s = f"refused: {type(error).__name__}", time.monotonic()
            return None
        self.connections += 1
        self._lines = [each for each in self._lines if not each.broken]
        self._lines.append(line)
        return line

    async def _ask(self, line: Line, visit: Visit) -> None:
        self.open.add(visit)
        try:
            await line.ask(visit)
        finally:
            self.open.discard(visit)

    def _note(self, visit: Visit) -> None:
        self._outcomes[visit.kind, visit.end] += 1
        self._fresh += visit.asked_s > self._fresh_from_s
        self.on_end(visit)
        if visit.end != COMPLETE:
            self.visits.append(visit)
        if visit.head_s:
            self._heads.setdefault(visit.kind, []).append(visit.head_s - visit.asked_s)

    def _count(self) -> Tally:
        heads = {kind: _median_and_worst(times_s) for kind, times_s in self._heads.items()}
        return Tally(
            self._outcomes.total(),
            self._outcomes.copy(),
            self.raced,
            self.idle_closes,
            self.connections,
            heads,
        )


def _median_and_worst(times_s: Iterable[float]) -> tuple[float, float]:
    ordered = sorted(times_s)
    return ordered[len(ordered) // 2], ordered[-1]
