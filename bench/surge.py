"""More requests than a process can serve, beside live streams: what becomes of all of them.

First a relay's capacity in a closed loop, then a calm phase, the overload, and a calm phase again,
all on schedule; `bench.overload` is the command. Times are from directly before a write to the
arrival of the answer in the client's kernel: the generator's own delays are not in them. Its share
of late writes is a figure of its own.

Concurrency law: one thread, and readers that are called one after the other.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bench.load import REQUEST as REQUEST_TEXT
from bench.load import BenchError
from bench.measure import CHUNK
from bench.open_loop import LAG_NS_MAX, percentile
from bench.relays import Relay
from bench.responder import LAST, PACED, Responder, Stream
from bench.schedule import REQUEST, Plan, schedule
from bench.sockets import Poll, connect, receive, send

UNANSWERED_MAX: Final = 1_500
"""Requests that wait for an answer at a time; further ones are not sent, and are counted."""
CLOSED_LOOP: Final = 32
"""Clients whose next request follows the last answer, when capacity is measured."""
PHASES: Final = ("before", "overload", "after")
HEALTH_PATH: Final = "/_tailrace/health"
HEALTH_INTERVAL_S: Final = 0.05
BUSY_MIN: Final = 0.85
"""A relay that is less busy in the closed loop has more capacity than was measured."""
GRACE_S: Final = 20.0
"""For what is under way at the end."""
LOOK_NS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """What every relay gets."""

    streams: int = 50
    chunk_interval_s: float = 0.020
    capacity_s: float = 3.0
    calm_s: float = 5.0
    overload_s: float = 30.0
    calm_share: float = 0.5
    overload_share: float = 3.0
    is_kept: bool = True
    """Whether requests come on kept connections, as from a proxy; else each has its own."""


QUICK: Final = Load(streams=4, capacity_s=0.2, calm_s=0.2, overload_s=0.5)


@dataclass(slots=True)
class Part:
    """What was seen of the requests, chunks and checks of one phase; times in nanoseconds."""

    served_ns: array[int] = field(default_factory=lambda: array("q"))
    refused_ns: array[int] = field(default_factory=lambda: array("q"))
    chunks_ns: array[int] = field(default_factory=lambda: array("q"))
    health_ns: array[int] = field(default_factory=lambda: array("q"))
    lags_ns: array[int] = field(default_factory=lambda: array("q"))
    asked: int = 0
    unsent: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    resident_bytes: int = 0

    def figures(self) -> dict[str, float]:
        """Milliseconds, counts per second and shares."""
        found: dict[str, float] = {
            "asked/s": self.asked / self.wall_s,
            "served/s": len(self.served_ns) / self.wall_s,
            "refused/s": len(self.refused_ns) / self.wall_s,
            "unsent/s": self.unsent / self.wall_s,
            "busy %": self.cpu_s / self.wall_s * 100,
            "resident MB": self.resident_bytes / 1e6,
            "generator behind %": sum(lag > LAG_NS_MAX for lag in self.lags_ns)
            / max(1, len(self.lags_ns))
            * 100,
        }
        for name, values in (
            ("served", self.served_ns),
            ("refused", self.refused_ns),
            ("chunk", self.chunks_ns),
            ("health", self.health_ns),
        ):
            ordered = sorted(values)
            for share in (0.5, 0.9, 0.99, 1.0):
                label = "max" if share == 1 else f"p{share * 100:g}"
                if ordered:
                    found[f"{name} {label} ms"] = percentile(ordered, share) / 1e6
        return found


@dataclass(slots=True)
class Result:
    """One relay's figures."""

    capacity: float
    phases: dict[str, dict[str, float]]
    recovery_s: float
    """From the end of the overload to the last refusal or slow answer after it; 0 if none."""
    broken: int
    """Live streams that broke off."""


class Surge:
    """Measures one relay at a time; everything runs in this thread."""

    def __init__(self, poll: Poll, responder: Responder, relay: Relay, load: Load) -> None:
        self.poll = poll
        self.responder = responder
        self.relay = relay
        self.load = load
        self.part = Part()
        self.waiting: set[_Client] = set()
        self.idle: list[_Client] = []
        self.checks: set[_Client] = set()
        self.streams: list[_Paced] = []
        self.is_closed_loop = False
        self.last_trouble_ns = 0
        self.slow_ns = 0
        self.broken = 0
        self._asked = 0

    def measure(self, capacity: float | None) -> Result:
        """Run all phases; `capacity` in requests per second, measured if None."""
        self._wait_until_it_serves()
        for number in range(self.load.streams):
            paced = _Paced(self, f"{PACED}{number}")
            self.streams.append(paced)
            self._wait(paced.is_open)
        load = self.load
        found = capacity or self._capacity()
        parts: dict[str, Part] = {}
        usual_ns = 0
        for name, share, seconds in (
            ("before", load.calm_share, load.calm_s),
            ("overload", load.overload_share, load.overload_s),
            ("after", load.calm_share, load.calm_s),
        ):
            if name == "after":
                self.slow_ns = 5 * usual_ns
                ended_ns = self.last_trouble_ns = time.time_ns()
            part = self._follow(found * share, seconds)
            if name == "before":
                usual_ns = percentile(sorted(part.served_ns), 0.99)
            parts[name] = part
        recovery_s = (self.last_trouble_ns - ended_ns) / 1e9
        self._wait(lambda: not self.waiting and not self.checks)
        for paced in self.streams:
            if paced.stream is not None and not paced.is_broken:
                self.responder.end(paced.stream)
        self._wait(lambda: all(each.is_over for each in self.streams))
        phases = {name: part.figures() for name, part in parts.items()}
        return Result(found, phases, recovery_s, self.broken)

    def _wait_until_it_serves(self) -> None:
        """A listening socket may belong to a parent whose worker has not started yet."""
        self.checks.add(_Client(self, HEALTH_PATH, self.part))
        self._wait(lambda: not self.checks)

    def close(self) -> None:
        """Close the clients' connections."""
        for client in [*self.waiting, *self.idle, *self.checks]:
            self.poll.close(client.sock)
        for paced in self.streams:
            self.poll.close(paced.sock)

    def _capacity(self) -> float:
        """Answers per second if each client asks again at once."""
        self.part = Part()
        self.is_closed_loop = True
        for _ in range(CLOSED_LOOP):
            self.ask()
        start_ns, before_s = time.time_ns(), self.relay.cpu_s()
        for due_ns, number in schedule(self._plan(0, self.load.capacity_s)):
            self.poll.look_until(start_ns + due_ns)
            self.streams[number].write()
        wall_s = (time.time_ns() - start_ns) / 1e9
        busy = (self.relay.cpu_s() - before_s) / wall_s
        self.is_closed_loop = False
        count = len(self.part.served_ns)
        if busy < BUSY_MIN:
            print(f"only {busy:.0%} busy: the capacity may be the generator's", file=sys.stderr)
        self._wait(lambda: not self.waiting)
        return count / wall_s

    def _plan(self, rate: float, seconds: float) -> Plan:
        return Plan(self.load.streams, self.load.chunk_interval_s, rate, seconds)

    def _follow(self, rate: float, seconds: float) -> Part:
        """One phase: writes what is due, when it is due."""
        part = self.part = Part()
        start_ns, before_s = time.time_ns(), self.relay.cpu_s()
        check_ns = 0
        for due_ns, number in schedule(self._plan(rate, seconds)):
            self.poll.look_until(start_ns + due_ns)
            part.lags_ns.append(time.time_ns() - start_ns - due_ns)
            if number == REQUEST:
                self.ask()
            else:
                self.streams[number].write()
            if due_ns >= check_ns:
                check_ns += int(HEALTH_INTERVAL_S * 1e9)
                self.checks.add(_Client(self, HEALTH_PATH, part))
        part.wall_s = (time.time_ns() - start_ns) / 1e9
        part.cpu_s = self.relay.cpu_s() - before_s
        part.resident_bytes = self.relay.resident_bytes()
        return part

    def ask(self) -> None:
        """Send a request, on a kept connection if one is idle."""
        self._asked += 1
        self.part.asked += 1
        path = f"/one/{self._asked}"
        if self.idle:
            client = self.idle.pop()
            self.waiting.add(client)
            client.ask(path, self.part)
        elif len(self.waiting) >= UNANSWERED_MAX:
            self.part.unsent += 1
            self.trouble()
        else:
            self.waiting.add(_Client(self, path, self.part))

    def trouble(self) -> None:
        """Note a refusal or a slow answer, for the recovery."""
        self.last_trouble_ns = time.time_ns()

    def answered(self, client: _Client) -> None:
        """A whole answer has arrived."""
        if client in self.checks:
            self.checks.discard(client)
            self.poll.close(client.sock)
            return
        self.waiting.discard(client)
        if self.load.is_kept and not client.is_last:
            self.idle.append(client)
        else:
            self.poll.close(client.sock)
        if self.is_closed_loop:
            self.ask()

    def _wait(self, is_met: Callable[[], bool]) -> None:
        until_ns = time.time_ns() + int(GRACE_S * 1e9)
        while not is_met():
            now_ns = time.time_ns()
            if now_ns > until_ns:
                raise BenchError(f"not done after {GRACE_S:.0f} s: {self.relay.explain()}")
            self.poll.look_until(now_ns + LOOK_NS)


class _Client:
    """One connection for requests, one after the other."""

    def __init__(self, run: Surge, path: str, part: Part) -> None:
        self._run = run
        self.sock = connect(run.relay.port)
        self.is_last = False
        run.poll.add(self.sock, self)
        self.ask(path, part)

    def ask(self, path: str, part: Part) -> None:
        self._path = path
        self._part = part
        self._read = b""
        self._first_ns = 0
        request = REQUEST_TEXT.format(path=path).encode()
        self._asked_ns = time.time_ns()
        send(self.sock, request)

    def on_readable(self) -> None:
        data, arrived_ns = receive(self.sock)
        if not data:
            self._run.poll.close(self.sock)
            if self in self._run.idle:
                self._run.idle.remove(self)
                return
            raise BenchError(f"{self._path} got {self._read[:200]!r} and an end")
        self._first_ns = self._first_ns or arrived_ns
        self._read += data
        head, end, _ = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        took_ns = self._first_ns - self._asked_ns
        status = self._read[9:12]
        if self._path == HEALTH_PATH:
            if status != b"200":
                raise BenchError(f"health was {self._read[:300]!r}")
            self._part.health_ns.append(took_ns)
        elif status == b"503":
            self._part.refused_ns.append(took_ns)
            self._run.trouble()
            self.is_last = b"\r\nconnection: close" in head
        elif status != b"200":
            raise BenchError(f"{self._path} got {self._read[:300]!r}")
        elif not self._read.endswith(LAST):
            return
        else:
            self._part.served_ns.append(took_ns)
            self._run.responder.function_ns.pop(self._path, None)
            if self._run.slow_ns and took_ns > self._run.slow_ns:
                self._run.trouble()
        self._run.answered(self)


class _Paced:
    """The client of a live stream."""

    def __init__(self, run: Surge, path: str) -> None:
        self._run = run
        self._path = path
        self._read = b""
        self.stream: Stream | None = None
        self.is_broken = False
        self.is_over = False
        self.sock = connect(run.relay.port)
        run.poll.add(self.sock, self)
        send(self.sock, REQUEST_TEXT.format(path=path).encode())

    def is_open(self) -> bool:
        return self.stream is not None

    def write(self) -> None:
        """Write a chunk, unless the stream has broken off."""
        if self.stream is not None and not self.is_broken:
            self.stream.write()

    def on_readable(self) -> None:
        data, arrived_ns = receive(self.sock)
        if not data:
            self.is_broken = self.is_over = True
            self._run.broken += 1
            self._run.poll.close(self.sock)
            return
        if self.stream is None:
            self._read += data
            if CHUNK in self._read:
                self.stream = self._run.responder.streams.pop(self._path)
                self._run.responder.function_ns.pop(self._path, None)
            return
        for _ in range(data.count(CHUNK)):
            self._run.part.chunks_ns.append(arrived_ns - self.stream.written_ns.popleft())
        if data.endswith(LAST):
            self.is_over = True
