"""The probe's client: what it sends, when it says things came, and how it fails."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.probe.servers import CHUNKED, OK, WAIT_S, Connection, Server, answer, chunk, sending

from tailrace.errors import PeerError, ProbeError
from tailrace.net.client.pool import Origin
from tailrace.net.process.startup import run
from tailrace.probe.client import Answer, AnswerHead, Client, Patience, Stop
from tailrace.probe.connecting import explain
from tailrace.probe.limits import PROBE_REDIRECTS_MAX
from tailrace.probe.request import check, encode_get, shown

CERTIFICATE = Path(__file__).parent.parent / "net" / "tls" / "localhost.pem"  # self-signed


class Kept:
    """Keeps what it is told of one answer."""

    def __init__(self, on_read: Callable[[bytes], str | None] = lambda data: None) -> None:
        self.sent_s = 0.0
        self.head: AnswerHead | None = None
        self.reads: list[tuple[float, bytes]] = []
        self._on_read = on_read

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self.reads)

    def on_sent(self, sent_s: float) -> None:
        self.sent_s = sent_s

    def on_head(self, head: AnswerHead) -> None:
        assert self.head is None
        self.head = head

    def on_read(self, at_s: float, data: bytes) -> str | None:
        self.reads.append((at_s, data))
        return self._on_read(data)


def get(url: str, taker: Kept | None = None, **options: Any) -> Answer:
    """Ask once, with nothing left behind."""

    async def main() -> Answer:
        async with asyncio.timeout(WAIT_S), Client(**options) as client:
            found = await client.get(url, taker or Kept(), headers=())
        await assert_alone()
        return found

    return run(main())


def playing(story: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(WAIT_S), Client(**options) as client:
            result = await story(client)
        await assert_alone()
        return result

    return run(main())


async def assert_alone() -> None:
    async with asyncio.timeout(WAIT_S):
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.001)


def failing(url: str, **options: Any) -> str:
    with pytest.raises(ProbeError) as caught:
        get(url, **options)
    return str(caught.value)


LONG = Patience(silence_s=600, duration_s=1200)
"""Longer than any test takes: it passes on a manual clock only."""


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens in another thread, or in the client; `playing` bounds it."""
    while not condition():
        await asyncio.sleep(0.001)


# --- what is sent ----------------------------------------------------------------------------


def test_a_request_is_a_plain_get() -> None:
    sent = encode_get("http://example.org:81/a%20b/ü?q=1&r=ä b#part", (("x-one", "1"),))

    lines = sent.decode().split("\r\n")
    assert lines[0] == "GET /a%20b/%C3%BC?q=1&r=%C3%A4%20b HTTP/1.1"
    assert lines[1] == "host: example.org:81"
    assert lines[2].startswith("user-agent: tailrace-probe/")
    assert lines[3:] == ["accept: */*", "x-one: 1", "", ""]


def test_given_headers_take_the_place_of_our_own() -> None:
    sent = encode_get("http://h/", (("Host", "other"), ("User-Agent", "me"), ("ACCEPT", "x/y")))

    assert sent == b"GET / HTTP/1.1\r\nHost: other\r\nUser-Agent: me\r\nACCEPT: x/y\r\n\r\n"


def test_a_name_and_a_password_are_sent_and_not_shown() -> None:
    url = "http://me:se%3Acret@h/x"

    assert b"authorization: Basic bWU6c2U6Y3JldA==\r\n" in encode_get(url, ())
    assert b"host: h\r\n" in encode_get(url, ())
    assert shown(url) == "http://h/x"


def test_foreign_letters_in_a_name_are_encoded() -> None:
    assert b"host: xn--mnchen-3ya.example\r\n" in encode_get("http://münchen.example/", ())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:8080/x", "'localhost:8080/x' is not an http(s) URL; try http://localhost:8080"),
        ("ftp://x/", "'ftp://x/' is not an http(s) URL"),
        ("http:///x", "is not an http(s) URL"),
        ("http://x:99999/", "is not an http(s) URL"),
        ("http://a..b/", "is not an http(s) URL"),
        ("http://x/a\r\nb", "is not an http(s) URL"),
    ],
)
def test_what_is_no_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(ProbeError) as caught:
        check(url)

    assert message in str(caught.value)


# --- what comes ------------------------------------------------------------------------------


def test_reads_have_their_times_in_order() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(CHUNKED + b"x-a: 1\r\nX-A: 2\r\n\r\n")
        for word in (b"one", b"two"):
            assert gate.acquire(timeout=WAIT_S)
            connection.send(chunk(word))
        assert gate.acquire(timeout=WAIT_S)
        connection.send(b"0\r\n\r\n")

    gate = threading.Semaphore(1)
    taker = Kept(lambda data: gate.release())
    with Server(script) as server:
        found = get(server.url, taker)

    assert taker.head is not None
    assert found.head is taker.head
    assert (found.head.status, found.head.http_version) == (200, "1.1")
    assert found.head.fields["x-a"] == "2"
    assert [data for _, data in taker.reads] == [b"one", b"two"]
    times = [taker.sent_s, found.head.at_s, *(at_s for at_s, _ in taker.reads), found.ended_s]
    assert times == sorted(times)
    assert found.sent_s == taker.sent_s
    assert abs(found.sent_wall_ns / 1e9 - time.time()) < WAIT_S
    assert (found.broken, found.stopped, found.redirects) == (None, None, ())


def test_an_http_1_0_answer_ends_with_its_connection() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.0 200 OK\r\n\r\nabc")

    taker = Kept()
    with Server(script) as server:
        found = get(server.url, taker)

    assert (found.head.http_version, taker.body, found.broken) == ("1.0", b"abc", None)


def test_what_breaks_off_is_an_answer_so_far() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(CHUNKED + b"\r\n" + chunk(b"abc"))
        assert gate.acquire(timeout=WAIT_S)
        connection.reset()

    gate = threading.Semaphore(0)
    taker = Kept(lambda data: gate.release())
    with Server(script) as server:
        found = get(server.url, taker)

    assert taker.body == b"abc"
    assert found.broken == "the connection broke before its answer was complete"


def test_a_silence_breaks_an_answer_off() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(CHUNKED + b"\r\n" + chunk(b"abc"))
        connection.wait_end()

    clock = ManualClock()
    taker = Kept(lambda data: clock.advance(600))  # type: ignore[func-returns-value]
    with Server(script) as server:
        found = get(server.url, taker, patience=LONG, clock=clock)

    assert (taker.body, found.broken) == (b"abc", "nothing came for 600 s; --timeout waits longer")


def test_what_comes_in_time_puts_the_silence_off() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(CHUNKED + b"\r\n")
        for _ in range(3):
            assert gate.acquire(timeout=WAIT_S)
            connection.send(chunk(b"abc"))
        assert gate.acquire(timeout=WAIT_S)
        connection.send(b"0\r\n\r\n")

    async def story(client: Client) -> Answer:
        task = asyncio.ensure_future(client.get(server.url, taker, headers=()))
        await until(lambda: taker.head is not None)
        for count in range(4):
            clock.advance(299)
            gate.release()
            await until(lambda count=count: len(taker.reads) > count or task.done())
        return await task

    clock, gate, taker = ManualClock(), threading.Semaphore(0), Kept()
    with Server(script) as server:
        found = playing(story, patience=LONG, clock=clock)

    assert (found.broken, found.stopped, taker.body) == (None, None, b"abcabcabc")


def test_what_goes_on_for_ever_is_measured_for_a_time() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(CHUNKED + b"\r\n")
        while True:
            connection.send(chunk(b"abc"))

    clock = ManualClock()
    taker = Kept(lambda data: clock.advance(10))  # type: ignore[func-returns-value]
    with Server(script) as server:
        found = get(server.url, taker, patience=LONG, clock=clock)

    assert (found.broken, found.stopped) == (None, "it was measured for 1200 s")


def test_the_taker_may_want_no_more() -> None:
    taker = Kept(lambda data: "enough")
    with Server(sending(CHUNKED + b"\r\n" + chunk(b"abc"))) as server:
        found = get(server.url, taker)

    assert (found.broken, found.stopped) == (None, "enough")


def test_a_stop_ends_the_answer_that_is_coming() -> None:
    stop = Stop()
    taker = Kept(lambda data: stop.set())  # type: ignore[func-returns-value]
    with Server(sending(CHUNKED + b"\r\n" + chunk(b"abc"))) as server:
        found = get(server.url, taker, stop=stop)
        later = failing(server.url, stop=stop)

    assert (taker.body, found.stopped) == (b"abc", "it was interrupted")
    assert later == f"{server.url}: not measured: it was interrupted"


def test_cancelling_leaves_nothing_behind() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(CHUNKED + b"\r\n" + chunk(b"abc"))
        connection.wait_end()
        ended.set()

    async def story(client: Client) -> None:
        taker = Kept()
        task = asyncio.ensure_future(client.get(server.url, taker, headers=()))
        while not taker.reads:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while not ended.is_set():
            await asyncio.sleep(0.001)

    ended = threading.Event()
    with Server(script) as server:
        playing(story)


# --- connections -----------------------------------------------------------------------------


def test_a_connection_carries_one_request_after_another() -> None:
    """So that a round trip is no longer than it must be."""
    connections = []

    def script(connection: Connection) -> None:
        connections.append(connection)
        sending(answer(b"abc"))(connection)

    async def story(client: Client) -> None:
        for _ in range(3):
            await client.get(server.url, Kept(), headers=())

    with Server(script) as server:
        playing(story)

    assert (len(connections), len(server.heads)) == (1, 3)


def test_a_kept_connection_that_was_closed_costs_nothing() -> None:
    """Its server may close it at any time, also while a request is on its way."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(answer(b"abc"))
        connection.head()  # and goes, without an answer

    async def story(client: Client) -> list[bytes]:
        takers = [Kept() for _ in range(3)]
        for taker in takers:
            await client.get(server.url, taker, headers=())
        return [taker.body for taker in takers]

    with Server(script) as server:
        assert playing(story) == [b"abc"] * 3


# --- redirects -------------------------------------------------------------------------------


def moved(location: str, status: int = 302) -> bytes:
    return b"HTTP/1.1 %d Moved\r\nlocation: %b\r\ncontent-length: 5\r\n\r\nmoved" % (
        status,
        location.encode(),
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_named(status: int) -> None:
    def script(connection: Connection) -> None:
        while head := connection.head():
            is_new = head.startswith(b"GET /new?q ")
            connection.send(answer(b"here") if is_new else moved("../new?q", status))

    taker = Kept()
    with Server(script) as server:
        found = get(f"{server.url}/old/path", taker)

    assert taker.body == b"here"
    assert (found.url, found.redirects) == (f"{server.url}/new?q", (f"{server.url}/new?q",))


def test_a_redirect_without_a_goal_is_an_answer() -> None:
    with Server(sending(b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n")) as server:
        assert get(server.url).head.status == 302


def test_a_loop_ends() -> None:
    with Server(sending(moved("/again"))) as server:
        message = failing(server.url)

    assert message == (
        f"{server.url}: more than {PROBE_REDIRECTS_MAX} redirects, the last one to"
        f" {server.url}/again; is it a loop?"
    )
    assert len(server.heads) == PROBE_REDIRECTS_MAX + 1


def test_a_redirect_to_something_else_is_refused() -> None:
    with Server(sending(moved("mailto:x@example.org"))) as server:
        message = failing(server.url)

    assert message == (
        f"{server.url}: redirected to 'mailto:x@example.org' is not an http(s) URL;"
        " try http://mailto:x@example.org"
    )


@pytest.mark.parametrize(
    ("location", "shown_as"),
    [("http://[bad", "'http://[bad'"), ("http://x/\xc2\x9b1m", "'http://x/\\x9b1m'")],
)
def test_a_redirect_to_nonsense_is_refused(location: str, shown_as: str) -> None:
    """Also when a terminal would obey it."""
    said = b"HTTP/1.1 302 Found\r\nlocation: %b\r\ncontent-length: 0\r\n\r\n"
    with Server(sending(said % location.encode("latin-1"))) as server:
        message = failing(server.url)

    assert message == f"{server.url}: redirected to {shown_as} is not an http(s) URL"


def test_a_redirect_may_be_in_other_letters() -> None:
    def script(connection: Connection) -> None:
        while head := connection.head():
            is_there = head.startswith(b"GET /%C3%A4 ")
            connection.send(answer(b"here") if is_there else moved("/ä"))

    taker = Kept()
    with Server(script) as server:
        found = get(server.url, taker)

    assert (taker.body, found.redirects) == (b"here", (f"{server.url}/ä",))


def test_what_is_secret_stays_with_the_first_origin() -> None:
    secret = (
        ("Authorization", "Bearer x"),
        ("cookie", "c"),
        ("Host", "own.example"),
        ("x-open", "o"),
    )
    with Server(sending(answer(b""))) as other, Server(sending(moved(f"{other.url}/"))) as first:

        async def story(client: Client) -> None:
            await client.get(first.url, Kept(), headers=())
            await client.get(other.url, Kept(), headers=())  # as measure() goes on there

        playing(story, headers=secret)

    assert b"Bearer x" in first.heads[0] and b"cookie: c" in first.heads[0]
    for head in other.heads:
        assert b"Bearer" not in head and b"cookie" not in head
        assert f"host: 127.0.0.1:{other.port}".encode() in head
        assert b"x-open: o" in head


# --- failures --------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert failing(f"http://127.0.0.1:{port}/x") == (
        f"http://127.0.0.1:{port}/x: 127.0.0.1:{port} refuses the connection;"
        " is the server running, and the port right?"
    )


def test_nobody_answers() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.wait_end()

    async def story(client: Client) -> str:
        task = asyncio.ensure_future(client.get(server.url, Kept(), headers=()))
        await until(lambda: server.heads)
        clock.advance(600)
        with pytest.raises(ProbeError) as caught:
            await task
        return str(caught.value)

    clock = ManualClock()
    with Server(script) as server:
        message = playing(story, patience=LONG, clock=clock)

    assert message == (
        f"{server.url}: no answer within 600 s: connected, sent the request, and waited for the"
        " response's head; --timeout waits longer"
    )


@contextmanager
def full_backlog() -> Iterator[tuple[str, int]]:
    """An address whose listener's backlog is full: the kernel answers no more."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            sock = waiting.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()


def connecting_in_vain(
    host: str, port: int, end: Callable[[], object], clock: ManualClock, **options: Any
) -> str:
    """Why a client does not connect, when it is on its way and something ends its waiting."""

    async def story(client: Client) -> str:
        task = asyncio.ensure_future(client.get(f"http://{host}:{port}/", Kept(), headers=()))
        await until(lambda: clock.waiting_count == 2)  # the pool's sweep, and this connection
        end()
        with pytest.raises(ProbeError) as caught:
            await task
        return str(caught.value)

    return str(playing(story, patience=LONG, clock=clock, **options))


def test_nobody_takes_the_connection() -> None:
    clock = ManualClock()
    with full_backlog() as (host, port):
        message = connecting_in_vain(host, port, lambda: clock.advance(600), clock)

    assert message == (
        f"http://{host}:{port}/: no connection to {host}:{port} within 600 s;"
        " is a firewall in between, or the address wrong?"
    )


def test_a_stop_ends_the_wait_for_a_connection() -> None:
    stop = Stop()
    with full_backlog() as (host, port):
        message = connecting_in_vain(host, port, stop.set, ManualClock(), stop=stop)

    assert message == f"http://{host}:{port}/: not measured: it was interrupted"


def test_a_server_that_goes_without_a_word() -> None:
    with Server(Connection.head) as server:
        message = failing(server.url)

    what = "the connection was closed before an answer came; does it want https?"
    assert message == f"{server.url}: {what}"


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"\x15\x03\x01\x00\x02\x02\x16", b"220 hi\r\n"])
def test_a_server_that_speaks_something_else(said: bytes) -> None:
    with Server(sending(said)) as server:
        message = failing(server.url)

    assert message == f"{server.url}: what came is not HTTP; does it want https?"


def tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def test_a_certificate_that_nobody_vouches_for() -> None:
    with Server(sending(answer(b"abc")), tls=tls_context()) as server:
        message = failing(server.url)
        taker = Kept()
        get(server.url, taker, is_verified=False)

    assert message == (
        f"{server.url}: 127.0.0.1:{server.port}: its certificate is self-signed;"
        " --insecure measures it all the same"
    )
    assert taker.body == b"abc"


def test_https_is_asked_of_http() -> None:
    def script(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.wait_end()

    with Server(script) as server:
        message = failing(server.url.replace("http:", "https:"))

    assert message.startswith(f"https://127.0.0.1:{server.port}: 127.0.0.1:{server.port} ")
    assert message.endswith("is it http?")


def refused(code: int) -> PeerError:
    cause = ssl.SSLCertVerificationError()
    cause.verify_code = code
    cause.verify_message = "says OpenSSL"
    error = PeerError("no connection")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (9, "its certificate is not valid yet"),
        (10, "its certificate has expired"),
        (18, "its certificate is self-signed"),
        (20, "its certificate was signed by an authority that this machine does not know"),
        (62, "its certificate is for another name"),
        (64, "its certificate is for another address"),
        (99, "its certificate: says OpenSSL"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said(code: int, words: str) -> None:
    origin = Origin(host="h", port=443, is_tls=True)

    assert explain(refused(code), origin) == f"h:443: {words}; --insecure measures it all the same"


def caused(cause: OSError) -> PeerError:
    error = PeerError("no connection to h:1: words")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (socket.gaierror(-2, "unknown"), "the name h is not known; is it spelled right,"),
        (ConnectionResetError(), "h:443 closed the connection in the TLS handshake; is it http?"),
        (OSError(101, "Network is unreachable"), "no connection to h:1: words"),
    ],
)
def test_why_there_is_no_connection_is_said(cause: OSError, words: str) -> None:
    origin = Origin(host="h", port=443, is_tls=True)

    assert explain(caused(cause), origin).startswith(words)
    assert replace(origin, is_tls=False).tls() is None


def test_a_status_line_alone_is_no_answer_yet() -> None:
    def script(connection: Connection) -> None:
        connection.head()
        connection.send(OK)

    with Server(script) as server:
        message = failing(server.url)

    what = "the connection was closed before an answer came; does it want https?"
    assert message == f"{server.url}: {what}"
