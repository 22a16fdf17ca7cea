"""Random bytes, applications and transports: a connection answers, refuses or breaks off, visibly.

Everything is drawn from one seed, so that a failure repeats itself.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import cast

from tests.net.server.test_parser import SEEDS, mutate

from tailrace.errors import HttpError
from tailrace.net.process.startup import run
from tailrace.net.server.listener import Connection, Headers, HttpServer, Receiver, RequestHead

BODY = b"0123456789" * 3


class Transport(asyncio.Transport):
    """A transport that keeps what is written, and tells of its end in a later turn of the loop."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.written = b""
        self.unsent = 0
        self.limit = 1 << 62
        self.is_paused = self.is_full = False
        self.end = ""
        self.connection: Connection

    def write(self, data: object) -> None:
        assert not self.end or self.end == "eof", f"a write after {self.end}"
        assert self.end != "eof", "a write after write_eof"
        self.written += cast(bytes, data)
        self.unsent = self.chance.choice([0, self.unsent + len(cast(bytes, data))])
        if self.unsent > 40 and not self.is_full:
            self.is_full = True
            self.connection.pause_writing()

    def writelines(self, pieces: object) -> None:
        self.write(b"".join(cast(list[bytes], pieces)))

    def drain(self) -> None:
        self.unsent = 0
        if self.is_full:
            self.is_full = False
            self.connection.resume_writing()

    def write_eof(self) -> None:
        assert not self.end
        self.end = "eof"

    def close(self) -> None:
        if self.end in ("", "eof"):
            self.end = "close"
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    def abort(self) -> None:
        if self.end in ("", "eof"):
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)
        self.end = "abort"

    def is_closing(self) -> bool:
        return self.end in ("close", "abort")

    def is_reading(self) -> bool:
        return not self.is_paused

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Its own are lower."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self if name == "socket" else ("fuzz", 1)

    def setsockopt(self, *args: object) -> None:
        """As a socket has it."""


class Exchange:
    """An application that does anything it may, at any time."""

    def __init__(self, chance: random.Random, head: RequestHead, connection: Connection) -> None:
        self.chance = chance
        self.connection = connection
        self.calls: list[str] = []
        self.has_length = False
        self.is_over = False  # nothing more may be called
        self.is_complete = False  # it has ended its response
        self.act()

    def act(self) -> None:
        """Do nothing, or one of what is allowed now."""
        if self.is_over:
            return
        connection = self.connection
        match self.chance.randrange(9):
            case 0:
                raise HttpError(self.chance.choice([400, 413, 429, 500]), "refused")
            case 1 if not connection.is_answered:
                self.is_over = self.is_complete = True
                connection.respond(self.chance.choice([200, 204, 304, 404]), [], BODY)
            case 2 | 3 if not connection.is_answered:
                self.has_length = self.chance.random() < 0.5
                connection.start(200, [], len(BODY) if self.has_length else None)
            case 4 if connection.is_answered:
                size = self.chance.randrange(12)
                connection.write(BODY[: min(size, connection.missing_bytes or 12)])
            case 5 if connection.is_answered and not (self.has_length and self.is_short()):
                self.is_over = self.is_complete = True
                connection.end()
            case 6 if self.chance.random() < 0.3:
                self.is_over = True
                self.chance.choice([connection.abort, connection.reset])()
            case 7:
                self.chance.choice([connection.pause_reading, connection.resume_reading])()

    def is_short(self) -> bool:
        return self.connection.missing_bytes > 0

    def note(self, name: str) -> None:
        assert not self.is_over, f"{name} after the end, after {self.calls}"
        assert "gone" not in self.calls, f"{name} after {self.calls}"
        assert name not in ("body", "end") or "end" not in self.calls
        self.calls.append(name)

    def on_body(self, data: bytes) -> None:
        assert data
        self.note("body")
        self.act()

    def on_end(self, trailers: Headers) -> None:
        self.note("end")
        self.act()

    def on_gone(self) -> None:
        self.note("gone")
        self.is_over = True

    def on_pause(self) -> None:
        self.note("pause")

    def on_resume(self) -> None:
        self.note("resume")


def responses(written: bytes) -> list[tuple[int, bool]]:
    """Status and completeness of each response in what was written; only the last may lack."""
    found: list[tuple[int, bool]] = []
    while written:
        head, end, written = written.partition(b"\r\n\r\n")
        assert end, "a head is written whole"
        lines = head.split(b"\r\n")
        assert lines[0].startswith(b"HTTP/1.1 "), lines[0]
        status = int(lines[0].split(b" ")[1])
        fields = dict(line.split(b": ", 1) for line in lines[1:])
        if status == 100:
            continue
        assert not found or found[-1][1], "a response behind one that is not complete"
        size, written = body_size(fields, status, written)
        found.append((status, size))
        if fields.get(b"connection") == b"close":
            assert not written, "bytes behind the last response"
    return found


def body_size(fields: dict[bytes, bytes], status: int, rest: bytes) -> tuple[bool, bytes]:
    """Whether the body is complete, and what stands behind it."""
    if b"transfer-encoding" in fields:
        while True:
            size, end, rest = rest.partition(b"\r\n")
            if not end:
                assert not size
                return False, b""
            if len(rest) < int(size, 16) + 2:
                raise AssertionError("a chunk is written whole")
            data, rest = rest[: int(size, 16)], rest[int(size, 16) :]
            assert rest.startswith(b"\r\n")
            rest = rest[2:]
            if not data:
                return True, rest
    if status in (204, 304) or b"content-length" not in fields:
        return True, b"" if status not in (204, 304) else rest
    length = int(fields[b"content-length"])
    return len(rest) >= length, rest[length:]


async def one_connection(chance: random.Random, seen: Counter[str]) -> None:
    """A connection's life, from made to lost."""
    exchanges: list[Exchange] = []

    def application(head: RequestHead, connection: Connection) -> Receiver:
        exchange = Exchange(chance, head, connection)
        exchanges.append(exchange)
        return exchange

    server = HttpServer(application, name="fuzz")
    server.deadlines.start()
    connection = Connection(server)
    transport = Transport(chance)
    transport.connection = connection
    connection.connection_made(transport)
    raw = b"".join(
        mutate(chance, seed) if chance.random() < 0.4 else seed
        for seed in chance.choices(SEEDS, k=3)
    )
    while raw and not transport.is_closing():
        if not transport.is_paused:
            size = chance.choice([1, 3, 20, 60, len(raw)])
            connection.data_received(raw[:size])
            raw = raw[size:]
        for exchange in exchanges[-1:]:
            try:
                exchange.act()
            except HttpError:
                pass  # from outside of a call it would reach nobody
        if chance.random() < 0.3:
            transport.drain()
        if transport.is_paused:
            connection.resume_reading()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    transport.drain()
    if not transport.is_closing():
        match chance.randrange(3):
            case 0:
                connection.eof_received()
                transport.close()
            case 1:
                connection.fail()
            case _:
                transport.abort()
    for _ in range(3):
        await asyncio.sleep(0)
    if not transport.is_closing():
        connection.reset()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    server.deadlines.stop()

    assert not any(server.statistics().values())
    assert len(server.deadlines) == 0
    answers = responses(transport.written)
    assert len(answers) <= len(exchanges) + 1
    for status, is_complete in answers:
        seen[f"{status // 100}xx"] += 1
        seen["complete" if is_complete else "incomplete"] += 1
    if answers and exchanges and exchanges[-1].connection.is_answered:
        is_refused = answers[-1][0] >= 400
        is_visible = not answers[-1][1] or transport.end == "abort"
        assert exchanges[-1].is_complete or is_refused or is_visible, "a break looks complete"
    for exchange in exchanges:
        assert exchange.is_over or exchange.calls.count("gone") == 1
        seen.update(exchange.calls)


def test_a_connection_survives_whatever_comes() -> None:
    chance = random.Random(20_261_122)
    seen = Counter[str]()

    async def story() -> None:
        for _ in range(4_000):
            await one_connection(chance, seen)

    run(story())

    expected = ("2xx", "4xx", "complete", "incomplete", "body", "end", "gone", "pause", "resume")
    assert min(seen[name] for name in expected) > 20, seen
