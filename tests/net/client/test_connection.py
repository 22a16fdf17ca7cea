"""Streamed answers: what their receiver is told, at every cut, and which connections are kept."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.fakes import Broken, Peer, is_writable, raw_server, settle, soon, until

from tailrace import limits
from tailrace.errors import PeerError
from tailrace.net.client.connection import ClientConnection
from tailrace.net.client.pool import HttpPool, Origin, encode_post
from tailrace.net.process.startup import run

CERTIFICATE = Path(__file__).parent.parent / "tls" / "localhost.pem"  # self-signed, for loopback
POST = encode_post("/x", {"host": "example.test"}, b"hello")
OK = b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"

Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Record:
    """What a receiver was told."""

    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    on_data: Callable[[], None] = lambda: None

    def on_head(self, status: int, fields: dict[str, str]) -> None:
        assert not self.status and not self.bodies
        self.status, self.fields = status, fields

    def on_body(self, data: bytes) -> None:
        assert data and self.status and not self.ends
        self.bodies.append(data)
        self.on_data()

    def on_end(self) -> None:
        self.ends.append("end")

    def on_broken(self, error: PeerError) -> None:
        self.ends.append(str(error))

    @property
    def body(self) -> bytes:
        return b"".join(self.bodies)


@dataclass
class Stage:
    """A client, and a server that does what the test's script says with each connection."""

    streams: HttpPool
    clock: ManualClock = field(default_factory=ManualClock)

    async def ask(self, message: bytes = POST, **record: Any) -> tuple[ClientConnection, Record]:
        """Send a request."""
        receiver = Record(**record)
        return await soon(open_stream(self.streams, receiver, message), "a connection"), receiver

    async def answer(self, message: bytes = POST) -> Record:
        """Send a request and wait for the end of its answer."""
        _, record = await self.ask(message)
        await until(lambda: record.ends, "the end")
        return record


async def open_stream(
    streams: HttpPool, receiver: Record, message: bytes = POST
) -> ClientConnection:
    """Send a request on a kept connection or a new one."""
    connection = streams.take_kept() or await streams.connect()
    connection.send_request(message, receiver)
    return connection


async def read_request(peer: Peer) -> None:
    """Take one request in."""
    await peer.read_until(b"hello")


def play(story: Callable[[Stage], Awaitable[None]], script: Script, **options: Any) -> None:
    """Run a story; afterwards nothing is left open."""

    async def main() -> None:
        async with raw_server(script) as url:
            clock = ManualClock()
            streams = HttpPool(Origin.of(url), clock=clock, **options)
            streams.start()
            try:
                await story(Stage(streams, clock))
            finally:
                await soon(streams.close(), "the connections to end")
            assert len(streams) == 0

    run(main())


def sending(*pieces: bytes, then: Script | None = None) -> Script:
    """A server that answers one request with these pieces, one write each."""

    async def script(peer: Peer) -> None:
        await read_request(peer)
        for piece in pieces:
            await peer.send(piece)
        if then is not None:
            await then(peer)

    return script


async def idle(peer: Peer) -> None:
    """Stay open until the client ends."""
    await peer.read_to_end()


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nabcde\r\n0\r\nx-trailer: 1\r\n\r\n",
        OK + b"content-length: 5\r\n\r\nabcde",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 5\r\n\r\nabcde",
    ],
)
def test_an_answer_is_complete_at_its_last_byte_only(message: bytes) -> None:
    async def story(stage: Stage) -> None:
        for cut in range(len(message) + 1):
            record = await stage.answer()
            if cut == len(message):
                assert (record.ends, record.body) == (["end"], b"abcde")
                assert (record.status, record.fields["content-type"]) == (200, "a/b")
            else:
                assert record.ends == ["the connection broke before its answer was complete"]
                assert b"abcde".startswith(record.body)

    cuts = iter(range(len(message) + 1))

    async def script(peer: Peer) -> None:
        await read_request(peer)
        await peer.send(message[: next(cuts)])

    play(story, script)


def test_an_answer_may_come_byte_by_byte() -> None:
    message = CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"

    async def story(stage: Stage) -> None:
        record = await stage.answer()
        assert (record.ends, record.body) == (["end"], b"abc")

    play(story, sending(*(message[i : i + 1] for i in range(len(message))), then=idle))


def test_what_one_read_brings_is_one_piece() -> None:
    async def story(stage: Stage) -> None:
        record = await stage.answer()
        assert record.bodies == [b"abcde"]

    play(story, sending(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", then=idle))


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def story(stage: Stage) -> None:
        record = await stage.answer()
        assert (record.ends, record.body) == (["end"], b"abc")

    play(story, sending(OK + b"\r\nabc"))


def test_an_answer_without_a_length_that_is_reset_is_broken() -> None:
    async def reset(peer: Peer) -> None:
        await released.wait()
        peer.reset()

    async def story(stage: Stage) -> None:
        _, record = await stage.ask()
        await until(lambda: record.body == b"abc")
        released.set()
        await until(lambda: record.ends)
        assert record.ends == ["the connection broke before its answer was complete"]

    released = asyncio.Event()
    play(story, sending(OK + b"\r\nabc", then=reset))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"rubbish\r\n\r\n", "not HTTP"),
        (b"ICE/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", "the answer is not HTTP/1.1"),
        (b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n", "the answer is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "not HTTP"),
        (CHUNKED + b"xyz\r\n", "not HTTP"),
        (CHUNKED + b"3\r\nabcd", "not HTTP"),
        (OK + b"".join(b"h%d: x\r\n" % i for i in range(200)), "header fields"),
    ],
)
def test_what_is_no_answer_breaks_it_off(message: bytes, reason: str) -> None:
    async def story(stage: Stage) -> None:
        record = await stage.answer()
        assert len(record.ends) == 1
        assert reason in record.ends[0]

    play(story, sending(message, then=idle))


@pytest.mark.parametrize(
    ("begin", "endless"),
    [
        (OK, b"x: " + b"y" * 1_000),
        (CHUNKED, b"3;" + b"x" * 1_000),
        (CHUNKED + b"3\r\nabc\r\n0\r\n", b"x: " + b"y" * 1_000),
    ],
    ids=["head", "chunk extension", "trailers"],
)
def test_what_has_no_end_is_bounded(begin: bytes, endless: bytes) -> None:
    async def flood(peer: Peer) -> None:
        try:
            while True:
                await peer.send(endless)
        except OSError:
            pass

    async def story(stage: Stage) -> None:
        record = await stage.answer()
        assert record.ends == [f"more than {limits.HEAD_BYTES_MAX} bytes without one of the body"]

    play(story, sending(begin, then=flood))


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("loop", [run, asyncio.run])
def test_a_peer_that_ends_each_connection_at_once_has_one_for_each_request(
    loop: Callable[..., None], is_reset: bool
) -> None:
    """uvloop has seen the end when the connection is made; another would end like it."""

    async def main() -> None:
        connected = 0

        async def leave(peer: Peer) -> None:
            nonlocal connected
            connected += 1
            if is_reset:
                peer.reset()
            else:
                peer.close()

        async with raw_server(leave) as url:
            streams = HttpPool(Origin.of(url))
            streams.start()
            for _ in range(9):
                record = Record()
                with suppress(PeerError):
                    await soon(open_stream(streams, record), "a connection")
                    await until(lambda record=record: record.ends, "the end")  # type: ignore[misc]
            await soon(streams.close(), "the connections to end")
        assert connected == 9

    loop(main())


def test_a_peer_that_cannot_be_reached_is_an_error() -> None:
    async def story() -> None:
        streams = HttpPool(Origin(host="127.0.0.1", port=1, is_tls=False))
        streams.start()
        with pytest.raises(PeerError, match=r"no connection to .*:1: Connect"):
            await open_stream(streams, Record())
        await streams.close()

    run(story())


def test_connecting_has_a_deadline() -> None:
    """A server that says nothing to a TLS client."""

    async def story(stage: Stage) -> None:
        origin = stage.streams._origin
        tls = HttpPool(
            Origin(host=origin.host, port=origin.port, is_tls=True),
            connect_timeout_s=10.0,
            clock=stage.clock,
        )
        tls.start()
        opening = asyncio.ensure_future(open_stream(tls, Record()))
        await until(lambda: tls._entering)
        stage.clock.advance(9.0)
        await settle()
        assert not opening.done()
        stage.clock.advance(1.0)
        await asyncio.wait({opening})
        assert isinstance(opening.exception(), TimeoutError)
        await soon(tls.close())

    play(story, idle)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_answers_over_tls(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is for the first of these."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while await reader.readuntil(b"hello"):
                writer.write(CHUNKED + b"3\r\nabc\r\n")
                writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (1 << 20, bytes(1 << 20)))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def story() -> None:
        server = await asyncio.start_server(serve, host, 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        streams = HttpPool(Origin(host=host, port=port, is_tls=True))
        streams.start()
        async with server:
            if host == "127.0.0.2":
                with pytest.raises(PeerError, match=r"no connection to .*certificate"):
                    await soon(open_stream(streams, Record()))
            else:
                for _ in range(2):
                    stream, record = await Stage(streams).ask()
                    await until(lambda record=record: record.bodies)
                    stream.pause_reading()
                    stream.resume_reading()
                    await until(lambda record=record: record.ends)
                    assert (record.ends, len(record.body)) == (["end"], 3 + (1 << 20))
                assert connections == 1
            await soon(streams.close())

    run(story())


# --- back-pressure and ends ----------------------------------------------------------------------


def test_a_paused_answer_holds_its_sender_back() -> None:
    data = b"%x\r\n%b\r\n" % (1 << 20, bytes(1 << 20))
    sent = 0
    total = 64
    peers: list[Peer] = []

    async def pour(peer: Peer) -> None:
        nonlocal sent
        peers.append(peer)
        for _ in range(total):
            await peer.send(data)
            sent += 1
        await peer.send(b"0\r\n\r\n")

    async def story(stage: Stage) -> None:
        stream, record = await stage.ask()
        await until(lambda: record.bodies)
        stream.pause_reading()
        before = len(record.body)
        await until(lambda: not is_writable(peers[0].sock), "full buffers of the kernel")
        assert sent < total
        assert len(record.body) <= before + limits.READ_BYTES_MAX
        stream.resume_reading()
        await until(lambda: record.ends)
        assert (record.ends, len(record.body)) == (["end"], total << 20)

    play(story, sending(CHUNKED, then=pour))


def test_an_aborted_answer_is_the_last_that_its_receiver_hears() -> None:
    ended: list[tuple[bytes, str]] = []

    async def wait_end(peer: Peer) -> None:
        ended.append(await peer.read_to_end())

    async def story(stage: Stage) -> None:
        stream, record = await stage.ask()
        await until(lambda: record.body == b"abc")
        stream.abort()
        await until(lambda: ended)
        assert record.ends == []
        assert len(stage.streams) == 0

    play(story, sending(CHUNKED + b"3\r\nabc\r\n", then=wait_end))


def test_a_receiver_may_abort_while_it_is_told() -> None:
    async def story(stage: Stage) -> None:
        stream, record = await stage.ask()
        record.on_data = stream.abort
        await until(lambda: len(stage.streams) == 0)
        assert (record.body, record.ends) == (b"abc", [])

    play(story, sending(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", then=idle))


def test_closing_breaks_open_answers_off() -> None:
    async def story(stage: Stage) -> None:
        _, record = await stage.ask()
        await until(lambda: record.status)
        await stage.streams.close()
        assert record.ends == ["the connections are closed"]
        with pytest.raises(PeerError):
            await open_stream(stage.streams, Record())

    play(story, sending(CHUNKED, then=idle))


def test_cancelling_while_connecting_leaves_nothing() -> None:
    async def story(stage: Stage) -> None:
        for rounds in range(6):
            opening = asyncio.ensure_future(open_stream(stage.streams, Record()))
            for _ in range(rounds):
                await asyncio.sleep(0)
            if not opening.cancel():
                opening.result().abort()
            await asyncio.wait({opening})
        await until(lambda: len(stage.streams) == 0)

    play(story, idle)


# --- kept connections ----------------------------------------------------------------------------


class Counting:
    """A server that answers every request of a connection, and counts connections."""

    def __init__(self, *pieces: bytes) -> None:
        self.connections = 0
        self.ends: list[str] = []
        self._pieces = pieces

    async def __call__(self, peer: Peer) -> None:
        self.connections += 1
        try:
            while True:
                await read_request(peer)
                for piece in self._pieces:
                    await peer.send(piece)
        except (Broken, OSError) as end:
            self.ends.append(getattr(end, "how", "reset"))


WHOLE = CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"


def test_a_connection_is_kept_when_its_answer_was_complete() -> None:
    server = Counting(WHOLE)

    async def story(stage: Stage) -> None:
        for _ in range(3):
            record = await stage.answer()
            assert (record.ends, record.body) == (["end"], b"abc")
        assert server.connections == 1
        assert len(stage.streams) == 0

    play(story, server)


@pytest.mark.parametrize(
    "message",
    [
        OK + b"connection: close\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabc",
        WHOLE + b"HTTP/1.1 200 OK\r\n",
    ],
    ids=["connection: close", "HTTP/1.0", "more than the answer"],
)
def test_a_connection_is_not_kept_when_it_says_so_or_says_more(message: bytes) -> None:
    server = Counting(message)

    async def story(stage: Stage) -> None:
        for _ in range(2):
            record = await stage.answer()
            assert (record.ends, record.body) == (["end"], b"abc")
        assert server.connections == 2

    play(story, server)


def test_a_connection_whose_request_was_not_taken_is_not_kept() -> None:
    large = encode_post("/x", {"host": "x"}, bytes(32 << 20))

    async def script(peer: Peer) -> None:
        await peer.read_until(b"\r\n\r\n")
        await peer.send(OK + b"content-length: 3\r\n\r\nabc")
        ends.append(await peer.read_to_end())

    async def story(stage: Stage) -> None:
        record = await stage.answer(large)
        assert (record.ends, record.body) == (["end"], b"abc")
        await until(lambda: ends)
        assert not stage.streams._idle

    ends: list[Any] = []
    play(story, script)


def test_an_idle_connection_has_its_time() -> None:
    server = Counting(WHOLE)

    async def story(stage: Stage) -> None:
        await stage.answer()
        stage.clock.advance(9.0)
        await settle()
        assert not server.ends
        stage.clock.advance(2.0)
        await until(lambda: server.ends, "the kept connection to end")

    play(story, server, kept_timeout_s=10.0)


def test_no_more_connections_are_kept_than_wanted() -> None:
    server = Counting(WHOLE)

    async def story(stage: Stage) -> None:
        answers = await asyncio.gather(*(stage.ask() for _ in range(3)))
        await until(lambda: all(record.ends for _, record in answers))
        await until(lambda: len(server.ends) == 2, "two connections to end")

    play(story, server, kept_max=1)


def test_a_kept_connection_that_its_peer_closes_is_forgotten() -> None:
    async def story(stage: Stage) -> None:
        for _ in range(3):
            record = await stage.answer()
            assert record.ends == ["end"]
            await until(lambda: not stage.streams._open, "the end to be seen")

    play(story, sending(WHOLE))


def test_a_kept_connection_that_says_something_is_cut() -> None:
    async def more(peer: Peer) -> None:
        await released.wait()
        await peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await peer.read_to_end()

    async def story(stage: Stage) -> None:
        await stage.answer()
        released.set()
        await until(lambda: not stage.streams._open)

    released = asyncio.Event()
    play(story, sending(WHOLE, then=more))


def test_a_request_on_a_dead_connection_is_broken_and_not_sent_again() -> None:
    requests = 0

    async def script(peer: Peer) -> None:
        nonlocal requests
        await read_request(peer)
        requests += 1
        await peer.send(WHOLE)
        await read_request(peer)
        requests += 1
        peer.reset()

    async def story(stage: Stage) -> None:
        assert (await stage.answer()).ends == ["end"]
        record = await stage.answer()
        assert record.ends == ["the connection broke before its answer was complete"]
        assert (record.status, requests) == (0, 2)

    play(story, script)


def test_a_released_answer_may_end_and_its_connection_is_kept() -> None:
    async def script(peer: Peer) -> None:
        while True:
            await read_request(peer)
            await peer.send(CHUNKED + b"3\r\nabc\r\n")
            await released.wait()
            await peer.send(b"0\r\n\r\n")

    async def story(stage: Stage) -> None:
        stream, record = await stage.ask()
        record.on_data = stream.release
        await until(lambda: record.body == b"abc")
        released.set()
        await until(lambda: stage.streams._idle == [stream])
        assert record.ends == []

    released = asyncio.Event()
    play(story, script)


def test_a_released_answer_that_goes_on_is_cut() -> None:
    async def more(peer: Peer) -> None:
        await released.wait()
        await peer.send(b"3\r\ndef\r\n")
        ends.append(await peer.read_to_end())

    async def story(stage: Stage) -> None:
        stream, record = await stage.ask()
        record.on_data = stream.release
        await until(lambda: record.body == b"abc")
        released.set()
        await until(lambda: ends)
        assert (record.body, record.ends) == (b"abc", [])

    released = asyncio.Event()
    ends: list[Any] = []
    play(story, sending(CHUNKED + b"3\r\nabc\r\n", then=more))


def test_a_released_answer_that_never_ends_is_cut() -> None:
    async def story(stage: Stage) -> None:
        stream, record = await stage.ask()
        record.on_data = stream.release
        await until(lambda: record.body == b"abc")
        stage.clock.advance(limits.LINGER_TIMEOUT_S / 2)
        assert len(stage.streams) == 1
        stage.clock.advance(limits.LINGER_TIMEOUT_S)
        await until(lambda: len(stage.streams) == 0, "the connection to be cut")

    play(story, sending(CHUNKED + b"3\r\nabc\r\n", then=idle))
