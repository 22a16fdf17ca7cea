"""One open-loop run: paced streams and new requests on a schedule, and what became of them.

Nothing waits for a completion. A chunk's lateness is from directly before its write to its arrival
in the client's kernel; a request's first byte is from its write to the arrival of the first body
byte, without the function's own turns. The generator's delays are in neither; they are figures of
their own, by which a run is judged.
"""

from __future__ import annotations

import gc
import math
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from bench.load import REQUEST as REQUEST_TEXT
from bench.load import BenchError
from bench.measure import CHUNK
from bench.relays import Measured
from bench.responder import LAST, PACED, Responder, Stream
from bench.schedule import REQUEST, Plan, schedule
from bench.sockets import OverloadError, Poll, connect, receive, send

LAG_NS_MAX: Final = 2_000_000
"""A write that is made later than this after it is due is behind."""
CLIENTS_MAX: Final = 2_000
"""So many requests under way are an overload."""
OPEN_TIMEOUT_S: Final = 10.0
DRAIN_TIMEOUT_S: Final = 10.0
LOOK_NS: Final = 1_000_000


@dataclass(slots=True)
class Outcome:
    """What one run has shown; times in nanoseconds."""

    chunks_ns: array[int] = field(default_factory=lambda: array("q"))
    """The lateness of each chunk."""
    first_bytes_ns: array[int] = field(default_factory=lambda: array("q"))
    lags_ns: array[int] = field(default_factory=lambda: array("q"))
    """How long after its schedule each write was made."""
    reads: int = 0
    """In how many reads of the clients the chunks came."""
    cpu_s: float = 0.0
    wall_s: float = 0.0

    @property
    def behind_share(self) -> float:
        return sum(lag_ns > LAG_NS_MAX for lag_ns in self.lags_ns) / max(1, len(self.lags_ns))

    @property
    def merged_share(self) -> float:
        return max(0.0, 1 - self.reads / max(1, len(self.chunks_ns)))


def percentile(ordered: Sequence[int], share: float) -> int:
    """The least of the sorted values that so large a share of them does not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1]


class OpenLoop:
    """Measures one relay at a time, which calls, asks or names clients to the responder."""

    def __init__(self, poll: Poll, responder: Responder) -> None:
        self._poll = poll
        self._responder = responder

    def measure(self, relay: Measured, plan: Plan) -> Outcome:
        """Raises OverloadError if the relay does not keep up, BenchError if it fails.

        After an error the relay may have requests under way, and is of no more use.
        """
        run = _Run(self._poll, self._responder, relay)
        try:
            run.open_streams(plan.streams)
            with _no_collection():
                run.follow(plan)
            run.end_streams()
        except BenchError:
            self._responder.abandon()
            raise
        finally:
            run.close()
        return run.outcome


@contextmanager
def _no_collection() -> Iterator[None]:
    """The collector's turns take milliseconds."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Run:
    """The clients of one run."""

    def __init__(self, poll: Poll, responder: Responder, relay: Measured) -> None:
        self.outcome = Outcome()
        self.relay = relay
        self.poll = poll
        self.responder = responder
        self._streams: list[_StreamClient] = []
        self._idle: list[_RequestClient] = []
        self._all: set[_RequestClient] = set()
        self._asked = 0

    def open_streams(self, count: int) -> None:
        """Until each has its first chunk, one after the other."""
        for number in range(count):
            client = _StreamClient(self, f"{PACED}{number}")
            self._streams.append(client)
            self._wait(client.is_open, "paced stream", OPEN_TIMEOUT_S)

    def follow(self, plan: Plan) -> None:
        """Writes what is due, when it is due, and waits for what is under way in the end."""
        streams = [client.stream for client in self._streams]
        lags_ns, look_until = self.outcome.lags_ns, self.poll.look_until
        before_s = self.relay.cpu_s()
        start_ns = time.time_ns()
        for due_ns, number in schedule(plan):
            due_ns += start_ns
            look_until(due_ns)
            now_ns = self._ask(plan.path) if number == REQUEST else streams[number].write()
            lags_ns.append(now_ns - due_ns)
        self._wait(self._is_drained, "end of all that is under way", DRAIN_TIMEOUT_S)
        self.outcome.wall_s = (time.time_ns() - start_ns) / 1e9
        self.outcome.cpu_s = self.relay.cpu_s() - before_s

    def end_streams(self) -> None:
        for client in self._streams:
            self.responder.end(client.stream)
        for client in self._streams:
            self._wait(client.is_over, "end of a paced stream", DRAIN_TIMEOUT_S)

    def close(self) -> None:
        for stream in self._streams:
            self.poll.close(stream.sock)
        for client in self._all:
            self.poll.close(client.sock)

    def answered(self, client: _RequestClient, first_byte_ns: int) -> None:
        """A response is complete: its client can ask again."""
        self.outcome.first_bytes_ns.append(first_byte_ns)
        self._idle.append(client)

    def left(self, client: _RequestClient) -> None:
        """The relay has closed the connection of a client."""
        self._all.discard(client)
        if client in self._idle:
            self._idle.remove(client)

    def _ask(self, path: str) -> int:
        if self._idle:
            client = self._idle.pop()
        else:
            if len(self._all) >= CLIENTS_MAX:
                raise OverloadError(f"{CLIENTS_MAX} requests are under way")
            client = _RequestClient(self)
            self._all.add(client)
        self._asked += 1
        return client.ask(f"{path}{self._asked}")

    def _is_drained(self) -> bool:
        are_read = not any(client.stream.written_ns for client in self._streams)
        is_answered = len(self._idle) == len(self._all)
        return are_read and is_answered and not self.responder.short_callbacks

    def _wait(self, is_met: Callable[[], bool], what: str, timeout_s: float) -> None:
        until_ns = time.time_ns() + int(timeout_s * 1e9)
        while not is_met():
            now_ns = time.time_ns()
            if now_ns > until_ns:
                raise OverloadError(f"no {what} within {timeout_s:.0f} s")
            self.poll.look_until(now_ns + LOOK_NS)


class _StreamClient:
    """Reads one paced stream."""

    def __init__(self, run: _Run, path: str) -> None:
        self._run = run
        self._path = path
        self._stream: Stream | None = None
        self._read = b""
        self.sock = connect(run.relay.port)
        run.poll.add(self.sock, self)
        send(self.sock, _request(run.relay, path))

    @property
    def stream(self) -> Stream:
        assert self._stream is not None, "it is not open"
        return self._stream

    def is_open(self) -> bool:
        return self._stream is not None

    def is_over(self) -> bool:
        """The end has arrived; that of a raw stream is not visible."""
        return self._run.relay.is_raw or self._read.endswith(LAST)

    def on_readable(self) -> None:
        data, arrived_ns = receive(self.sock)
        if not data:
            raise BenchError(f"a paced stream broke off after {self._read[:200]!r}")
        if self._stream is None:
            self._read += data
            if CHUNK in self._read:
                self._stream = self._run.responder.streams.pop(self._path)
                self._run.responder.function_ns.pop(self._path, None)
            return
        self._read = data
        outcome, written_ns = self._run.outcome, self._stream.written_ns
        count = data.count(CHUNK)
        outcome.reads += count > 0
        for _ in range(count):
            outcome.chunks_ns.append(arrived_ns - written_ns.popleft())


class _RequestClient:
    """Sends requests on one connection, each after the response before."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._path = ""
        self._asked_ns = 0
        self._first_byte_ns: int | None = None
        self._read = b""
        self.sock = connect(run.relay.port)
        run.poll.add(self.sock, self)

    def ask(self, path: str) -> int:
        """Sends a request; returns when."""
        self._path = path
        self._read = b""
        self._first_byte_ns = None
        request = _request(self._run.relay, path)
        self._asked_ns = time.time_ns()
        send(self.sock, request)
        return self._asked_ns

    def on_readable(self) -> None:
        data, arrived_ns = receive(self.sock)
        if not data:
            if not self._is_whole():
                raise BenchError(f"a response broke off after {self._read[:200]!r}")
            self._run.left(self)
            return
        self._read += data
        if self._first_byte_ns is None and CHUNK in self._read:
            function_ns = self._run.responder.function_ns.pop(self._path)
            self._first_byte_ns = arrived_ns - self._asked_ns - function_ns
        if self._is_whole():
            if self._first_byte_ns is None:
                raise BenchError(f"a request was answered {self._read[:200]!r}")
            self._run.answered(self, self._first_byte_ns)

    def _is_whole(self) -> bool:
        if self._run.relay.is_raw:
            return len(self._read) >= len(CHUNK)
        return self._read.endswith(LAST)


def _request(relay: Measured, path: str) -> bytes:
    if relay.is_raw:
        return path.encode() + b"\n"
    return REQUEST_TEXT.format(path=path).encode()
