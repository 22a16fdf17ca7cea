"""The pool of kept connections, against peers that are played by hand.

`@played(...)` turns `async def test_…(stage)` into a plain test: it starts a pool and a listener,
plays the story on both event loops, and then checks that no connection, no task and no socket is
left, and that nothing was raised into the event loop.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.fakes import PATIENCE_S, Peer, settle, soon, until
from tests.net.server.stage import BOTH, LONG_S, LOOPS, Warnings, open_sockets

from tailrace import limits
from tailrace.errors import PeerError
from tailrace.net.client.connection import ClientConnection
from tailrace.net.client.pool import HttpPool, Origin, encode_post
from tailrace.net.client.request import EncodedRequest, PoolAnswer, WholeRequest

CERTIFICATE = Path(__file__).parent.parent / "tls" / "localhost.pem"  # self-signed, for loopback
BYTES_MAX = 10_000
TIMEOUT_S = 10.0


class Endpoint(Peer):
    """The other end of one connection."""

    async def asked(self) -> str:
        """The target of the next request."""
        head = await self.read_until(b"\r\n\r\n")
        return head.split(b" ")[1].decode()

    async def answer(self, body: bytes = b"", *fields: bytes, status: int = 200) -> None:
        """A whole answer."""
        lines = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body), *fields]
        await self.send(b"\r\n".join([*lines, b"", body]))

    async def serve(self, target: str) -> None:
        """Answer the next request, which has this target, with this target."""
        assert await self.asked() == target
        await self.answer(target.encode())

    async def ended(self) -> None:
        """Wait until the pool has closed the connection; nothing comes before."""
        assert (await self.read_to_end())[0] == b""


class Stage:
    """A pool, and a listener whose connections the test plays."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.clock = ManualClock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.failures: list[str] = []
        self.tasks: list[asyncio.Task[PoolAnswer]] = []
        self._ends: list[Endpoint] = []
        self._pools: list[HttpPool] = []

    def start(self) -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: self.failures.append(repr(context))
        )
        self.pool = self.new_pool(self.listener.getsockname()[1])

    def new_pool(self, port: int, *, host: str = "127.0.0.1", is_tls: bool = False) -> HttpPool:
        """Another pool, which is closed with the first one."""
        pool = HttpPool(
            Origin(host=host, port=port, is_tls=is_tls), clock=self.clock, **self.options
        )
        pool.start()
        self._pools.append(pool)
        return pool

    def ask(self, target: str) -> asyncio.Task[PoolAnswer]:
        """A request that is under way."""
        task = asyncio.create_task(whole(self.pool, post(target)))
        self.tasks.append(task)
        return task

    async def accept(self) -> Endpoint:
        """The other end of the next connection."""
        loop = asyncio.get_running_loop()
        sock, _ = await soon(loop.sock_accept(self.listener), "a connection")
        sock.setblocking(False)
        self._ends.append(Endpoint(sock))
        return self._ends[-1]

    async def asked(self, target: str) -> tuple[asyncio.Task[PoolAnswer], Endpoint]:
        """A request that has arrived on a new connection."""
        task = self.ask(target)
        end = await self.accept()
        assert await end.asked() == target
        return task, end

    async def kept(self, target: str = "/before") -> Endpoint:
        """A connection that has carried a request and is idle."""
        task, end = await self.asked(target)
        await end.answer()
        await soon(task)
        return end

    async def has_no_other(self) -> bool:
        """Whether nobody has connected once all that was ready has run."""
        await settle()
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return True
        return False

    async def wait_entering(self) -> None:
        """Wait until a request waits for its connection."""
        await until(lambda: self.pool._entering, "a request that waits for its connection")

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for pool in self._pools:
            await soon(pool.close(), "a pool to close")
        for end in self._ends:
            end.close()
        self.listener.close()


async def failure(task: asyncio.Task[PoolAnswer]) -> BaseException | None:
    """What a request fails with; `soon` would take a time-out for its own."""
    await asyncio.wait((task,), timeout=PATIENCE_S)
    assert task.done()
    return task.exception()


async def whole(pool: HttpPool, message: EncodedRequest) -> PoolAnswer:
    """Wait for an answer; to cancel this cancels the request."""
    done: asyncio.Future[WholeRequest] = asyncio.get_running_loop().create_future()
    request = pool.request(message, done.set_result)
    assert not done.done()
    try:
        assert await done is request
    except asyncio.CancelledError:
        request.cancel()
        raise
    return request.answer()


def post(target: str) -> bytes:
    return encode_post(target, {"host": "h"}, b"")


Story = Callable[..., Awaitable[None]]


def played(*, loops: tuple[str, ...] = BOTH, **options: Any) -> Callable[[Story], Any]:
    """Play a story with a pool of these options; time-outs are far away unless given."""
    far: dict[str, Any] = {
        "connections_max": 8,
        "timeout_s": LONG_S,
        "kept_timeout_s": LONG_S,
        "answer_bytes_max": BYTES_MAX,
    }

    async def play(story: Story, args: dict[str, Any]) -> None:
        sockets_before = open_sockets()
        log = Warnings()
        logging.getLogger().addHandler(log)
        stage = Stage(**(far | options))
        stage.start()
        try:
            await story(stage, **args)
        finally:
            await stage.stop()
            logging.getLogger().removeHandler(log)
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()}, "tasks to end")
        await until(lambda: open_sockets() <= sockets_before, "sockets to be closed")
        assert not stage.failures
        assert not log.lines

    def decorate(story: Story) -> Any:
        @functools.wraps(story)
        def test(loop: str, **args: Any) -> None:
            LOOPS[loop](play(story, args))
            gc.collect()
            assert not [o for o in gc.get_objects() if issubclass(type(o), ClientConnection)]

        parameters = [p for n, p in inspect.signature(story).parameters.items() if n != "stage"]
        own = inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        del test.__wrapped__  # type: ignore[attr-defined]
        test.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
        return pytest.mark.parametrize("loop", loops)(test)

    return decorate


def test_a_post_is_encoded_whole() -> None:
    message = encode_post("/x", {"host": "h", "x-a": "b"}, b"{}")

    assert message == b"POST /x HTTP/1.1\r\nhost: h\r\nx-a: b\r\ncontent-length: 2\r\n\r\n{}"


# --- connections are kept ------------------------------------------------------------------------


@played()
async def test_a_kept_connection_carries_the_next_request(stage: Stage) -> None:
    end = await stage.kept()

    task = stage.ask("/next")
    await end.serve("/next")

    assert (await soon(task)).body == b"/next"
    assert await stage.has_no_other()


class Ends:
    """A receiver that knows only whether its answer has ended."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.over = asyncio.Event()

    def on_head(self, status: int, fields: dict[str, str]) -> None: ...

    def on_body(self, data: bytes) -> None:
        self.bodies.append(data)

    def on_end(self) -> None:
        self.over.set()

    def on_broken(self, error: PeerError) -> None:
        raise error


@played()
async def test_whole_and_streamed_answers_share_their_connections(stage: Stage) -> None:
    end = await stage.kept()

    receiver = Ends()
    connection = stage.pool.take_kept()
    assert connection is not None
    connection.send_request(post("/streamed"), receiver)
    await end.serve("/streamed")
    await soon(receiver.over.wait())
    task = stage.ask("/whole")
    await end.serve("/whole")

    assert receiver.bodies == [b"/streamed"]
    assert (await soon(task)).body == b"/whole"
    assert await stage.has_no_other()


@played(connections_max=1)
async def test_a_streamed_answer_waits_for_a_place_as_others_do(stage: Stage) -> None:
    first, end = await stage.asked("/first")
    receiver = Ends()
    opening = asyncio.create_task(stage.pool.connect())
    assert await stage.has_no_other()

    await end.answer()
    await soon(first)
    (await soon(opening)).send_request(post("/streamed"), receiver)
    await end.serve("/streamed")

    await soon(receiver.over.wait())


@played()
async def test_the_connection_used_last_is_taken_first(stage: Stage) -> None:
    """So that those which are not needed become old, and are closed."""
    a, first = await stage.asked("/a")
    b, second = await stage.asked("/b")
    c, third = await stage.asked("/c")
    for end, task in ((third, c), (first, a), (second, b)):
        await end.answer()
        await soon(task)

    tasks = [stage.ask(target) for target in ("/1", "/2", "/3")]

    for end, target in ((second, "/1"), (first, "/2"), (third, "/3")):
        await end.serve(target)
    await soon(asyncio.gather(*tasks))


@played(kept_timeout_s=TIMEOUT_S)
async def test_an_idle_connection_is_closed_after_a_while(stage: Stage) -> None:
    end = await stage.kept()

    stage.clock.advance(TIMEOUT_S - 1)
    assert await end.is_silent()
    stage.clock.advance(2)

    await end.ended()

    task, other = await stage.asked("/next")
    await other.answer()
    assert (await soon(task)).status == 200


UNASKED = {"an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "garbage": b"?"}


@pytest.mark.parametrize("case", UNASKED)
@played()
async def test_bytes_on_an_idle_connection_end_it(stage: Stage, case: str) -> None:
    """They would be taken for the answer to the next request."""
    end = await stage.kept()

    await end.send(UNASKED[case])
    await end.ended()

    task, other = await stage.asked("/next")
    await other.answer(b"the answer")
    assert (await soon(task)).body == b"the answer"


BEHIND = {**UNASKED, "half an answer": b"HTTP/1.1 50", "headers": b"X: z\r\n\r\n"}


@pytest.mark.parametrize("case", BEHIND)
@played()
async def test_bytes_behind_an_answer_end_the_connection(stage: Stage, case: str) -> None:
    task, end = await stage.asked("/a")

    await end.send(b"HTTP/1.1 202 OK\r\nContent-Length: 1\r\nX: y\r\n\r\na" + BEHIND[case])

    assert await soon(task) == PoolAnswer(202, {"content-length": "1", "x": "y"}, b"a")
    await end.ended()


# --- a bounded number of them --------------------------------------------------------------------


@played(connections_max=2)
async def test_requests_wait_for_a_connection_in_their_order(stage: Stage) -> None:
    a, first = await stage.asked("/a")
    b, second = await stage.asked("/b")
    rest = [stage.ask(target) for target in ("/c", "/d", "/e")]
    assert await stage.has_no_other()

    await second.answer()
    assert await second.asked() == "/c"
    await first.answer()
    await first.serve("/d")
    assert await first.asked() == "/e"
    await first.answer()
    await second.answer()

    await soon(asyncio.gather(a, b, *rest))
    assert await stage.has_no_other()


@played(connections_max=1)
async def test_a_new_request_does_not_overtake_one_that_waits(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    last: asyncio.Future[WholeRequest] = loop.create_future()

    def ask_again() -> None:
        stage.pool.request(post("/c"), last.set_result)

    # In the turn of the loop in which the connection is free.
    stage.pool.request(post("/a"), lambda request: loop.call_soon(ask_again))
    end = await stage.accept()
    assert await end.asked() == "/a"
    waiting = stage.ask("/b")
    await settle()
    await end.answer()

    await end.serve("/b")
    await end.serve("/c")

    await soon(asyncio.gather(waiting, last))


@pytest.mark.parametrize("field", [b"X: y", b"Connection: close"])
@played(connections_max=1)
async def test_a_connection_that_ends_makes_room_for_another(stage: Stage, field: bytes) -> None:
    a, end = await stage.asked("/a")
    b = stage.ask("/b")
    await end.answer(b"", field)
    end.fin()
    if field != b"Connection: close":
        assert await end.asked() == "/b"  # it was kept, and breaks now
    await end.ended()
    end.close()

    other = await stage.accept()
    await other.serve("/b")

    await soon(asyncio.gather(a, b))


@played(connections_max=1)
async def test_a_failed_attempt_to_connect_makes_room_for_another(stage: Stage) -> None:
    port = stage.listener.getsockname()[1]
    stage.listener.close()

    for result in await soon(
        asyncio.gather(*(stage.ask("/a") for _ in range(3)), return_exceptions=True)
    ):
        assert isinstance(result, PeerError)
        assert f"no connection to 127.0.0.1:{port}: " in str(result)
        assert "refused" in str(result) or "Connect call failed" in str(result)


# --- a request is repeated when that is safe -----------------------------------------------------

WAYS: dict[str, Callable[[Endpoint], None]] = {"ends": Peer.close, "is reset": Peer.reset}


@pytest.mark.parametrize("way", WAYS)
@played()
async def test_a_request_is_repeated_when_a_kept_connection_breaks(stage: Stage, way: str) -> None:
    """The peer may close an idle connection at any time, also when a request is on its way."""
    a, first = await stage.asked("/a")
    b, second = await stage.asked("/b")
    for end, before in ((first, a), (second, b)):
        await end.answer()
        await soon(before)

    task = stage.ask("/next")
    for end in (second, first):  # all kept ones may be dead
        assert await end.asked() == "/next"
        WAYS[way](end)
    await (await stage.accept()).serve("/next")

    assert (await soon(task)).body == b"/next"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("came", [b"", b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
@played()
async def test_it_is_not_repeated_otherwise(stage: Stage, way: str, came: bytes) -> None:
    """On a new connection, or when an answer has begun, the peer has seen the request."""
    if came:
        end = await stage.kept()
        task = stage.ask("/next")
        assert await end.asked() == "/next"
        await end.send(came)
        await until(lambda: has_read(end), "the bytes to arrive")
    else:
        task, end = await stage.asked("/next")

    WAYS[way](end)

    with pytest.raises(PeerError, match="broke before the answer was complete"):
        await soon(task)
    assert await stage.has_no_other()


# --- time-outs -----------------------------------------------------------------------------------


@played(timeout_s=TIMEOUT_S)
async def test_connecting_has_a_time_out(stage: Stage) -> None:
    """Nobody accepts, and the backlog is full: further connections get no answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as fillers:
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        stage.pool = stage.new_pool(full.getsockname()[1])
        task = stage.ask("/a")
        await stage.wait_entering()

        stage.clock.advance(TIMEOUT_S - 1)
        await settle()
        assert not task.done()
        stage.clock.advance(1)

        assert isinstance(await failure(task), TimeoutError)


@played(timeout_s=TIMEOUT_S)
async def test_a_handshake_has_a_time_out(stage: Stage) -> None:
    stage.pool = stage.new_pool(stage.listener.getsockname()[1], is_tls=True)
    task = stage.ask("/a")
    await stage.accept()
    await stage.wait_entering()

    stage.clock.advance(TIMEOUT_S)

    assert isinstance(await failure(task), TimeoutError)


@played(timeout_s=TIMEOUT_S, connections_max=1)
async def test_waiting_for_a_connection_has_a_time_out(stage: Stage) -> None:
    first, end = await stage.asked("/a")
    second = stage.ask("/b")
    await stage.wait_entering()

    stage.clock.advance(TIMEOUT_S + 1)

    assert isinstance(await failure(second), TimeoutError)
    assert isinstance(await failure(first), TimeoutError)
    await end.ended()


@played(timeout_s=TIMEOUT_S)
async def test_a_silent_peer_has_a_time_out(stage: Stage) -> None:
    task, end = await stage.asked("/a")

    stage.clock.advance(TIMEOUT_S - 1)
    assert not task.done()
    stage.clock.advance(2)

    error = await failure(task)

    assert isinstance(error, TimeoutError)
    assert str(error) == "the answer took too long"
    await end.ended()


@played(timeout_s=TIMEOUT_S)
async def test_a_peer_that_dribbles_has_a_time_out(stage: Stage) -> None:
    task, end = await stage.asked("/a")

    await end.send(b"HTTP/1.1 200 OK\r\nX: ")
    (connection,) = stage.pool._open
    for _ in range(9):
        stage.clock.advance(1)
        count = connection.read_bytes
        await end.send(b"y")
        await until(lambda count=count: connection.read_bytes > count)
    assert not task.done()
    stage.clock.advance(2)

    assert isinstance(await failure(task), TimeoutError)


@played(timeout_s=TIMEOUT_S)
async def test_a_request_on_a_kept_connection_has_a_time_out(stage: Stage) -> None:
    end = await stage.kept()
    task = stage.ask("/next")
    assert await end.asked() == "/next"

    stage.clock.advance(TIMEOUT_S + 1)

    assert isinstance(await failure(task), TimeoutError)

    await end.ended()


# --- cancelling ----------------------------------------------------------------------------------


@played(connections_max=1)
async def test_cancelling_the_wait_for_a_connection_keeps_the_order(stage: Stage) -> None:
    a, end = await stage.asked("/a")
    b, c = stage.ask("/b"), stage.ask("/c")
    await asyncio.sleep(0)

    b.cancel()
    await end.answer()
    await end.serve("/c")

    await soon(asyncio.gather(a, c))
    assert b.cancelled()


@played(connections_max=1)
async def test_a_connection_is_not_lost_with_the_request_that_was_to_have_it(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    outcomes: list[WholeRequest] = []
    # Cancelled when the connection is b's, and the task of b has not run yet.
    stage.pool.request(post("/a"), lambda request: loop.call_soon(b.cancel))
    end = await stage.accept()
    assert await end.asked() == "/a"
    b = stage.pool.request(post("/b"), outcomes.append)
    c = stage.ask("/c")
    await settle()
    await end.answer()

    await end.serve("/c")

    await soon(c)
    assert not outcomes


@played(connections_max=1)
async def test_a_cancelled_request_costs_no_connection(stage: Stage) -> None:
    """Its answer comes all the same; until then the connection is not free."""
    a, end = await stage.asked("/a")

    a.cancel()
    b = stage.ask("/b")
    assert await end.is_silent()
    await end.answer(b"a")
    await end.serve("/b")

    assert (await soon(b)).body == b"/b"
    assert await stage.has_no_other()


@played(connections_max=1, timeout_s=TIMEOUT_S)
async def test_a_cancelled_request_that_is_not_answered_costs_its_connection(stage: Stage) -> None:
    a, end = await stage.asked("/a")

    a.cancel()
    await settle()
    stage.clock.advance(TIMEOUT_S + 1)
    await end.ended()

    b, other = await stage.asked("/b")
    await other.answer()
    assert (await soon(b)).status == 200


@pytest.mark.parametrize("steps", range(12))
@played(connections_max=1)
async def test_cancelling_at_any_step_leaves_one_place(stage: Stage, steps: int) -> None:
    async with echo_server() as server:
        stage.pool = stage.new_pool(server.port)
        outcomes: list[WholeRequest] = []
        cancelled = stage.pool.request(post("/a"), outcomes.append)
        for _ in range(steps):
            await asyncio.sleep(0)
        has_ended = len(outcomes)
        cancelled.cancel()

        await soon(stage.ask("/b"))
        count = server.connections
        answers = await soon(asyncio.gather(stage.ask("/c"), stage.ask("/d")))

        assert [answer.body for answer in answers] == [b"/c", b"/d"]
        assert server.connections == count
        assert len(outcomes) == has_ended


@pytest.mark.parametrize("steps", range(12))
@played(connections_max=1)
async def test_cancelling_at_any_step_of_a_handshake_leaves_one_place(
    stage: Stage, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with echo_server(is_tls=True) as server:
        stage.pool = stage.new_pool(server.port, is_tls=True)
        outcomes: list[WholeRequest] = []
        cancelled = stage.pool.request(post("/a"), outcomes.append)
        for _ in range(steps):
            await asyncio.sleep(0.001)
        has_ended = len(outcomes)
        cancelled.cancel()

        await soon(stage.ask("/b"))
        count = server.connections
        answers = await soon(asyncio.gather(stage.ask("/c"), stage.ask("/d")))

        assert [answer.body for answer in answers] == [b"/c", b"/d"]
        assert server.connections == count
        assert len(outcomes) == has_ended


# --- answers -------------------------------------------------------------------------------------

ANSWERS: dict[str, tuple[bytes, PoolAnswer]] = {
    "a length": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        PoolAnswer(200, {"content-length": "3"}, b"abc"),
    ),
    "no body": (
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        PoolAnswer(202, {"content-length": "0"}, b""),
    ),
    "a status without body": (
        b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
        PoolAnswer(204, {"x": "y"}, b""),
    ),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\n\r\n",
        PoolAnswer(200, {"transfer-encoding": "chunked"}, b"abc"),
    ),
    "chunks and trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n1\r\na\r\n0\r\nX: z\r\n\r\n",
        PoolAnswer(200, {"transfer-encoding": "chunked", "x": "y"}, b"a"),
    ),
    "informational answers before": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        PoolAnswer(200, {"content-length": "1"}, b"a"),
    ),
    "repeated fields": (
        b"HTTP/1.1 429 No\r\nX: a\r\nx: b\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n",
        PoolAnswer(429, {"x": "b", "x-empty": "", "content-length": "0"}, b""),
    ),
}


@pytest.mark.parametrize("piece_bytes", [1, 7, 1_000])
@pytest.mark.parametrize("case", ANSWERS)
@played()
async def test_an_answer_is_read_whole(stage: Stage, case: str, piece_bytes: int) -> None:
    sent, expected = ANSWERS[case]
    task, end = await stage.asked("/a")

    for at in range(0, len(sent), piece_bytes):
        await end.send(sent[at : at + piece_bytes])
        await asyncio.sleep(0)

    assert await soon(task) == expected
    task = stage.ask("/next")
    await end.serve("/next")
    assert (await soon(task)).body == b"/next"


LAST: dict[str, tuple[bytes, bytes]] = {
    "the end delimits it": (b"HTTP/1.1 200 OK\r\n\r\nabc", b"abc"),
    "and it is empty": (b"HTTP/1.1 500 No\r\n\r\n", b""),
    "the peer says so": (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        b"abc",
    ),
    "the peer is old": (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
}


@pytest.mark.parametrize("case", LAST)
@played(connections_max=1)
async def test_the_last_answer_of_a_connection_is_read_whole(stage: Stage, case: str) -> None:
    sent, body = LAST[case]
    task, end = await stage.asked("/a")

    await end.send(sent)
    if "length" not in sent.decode().lower():
        end.fin()

    assert (await soon(task)).body == body
    await end.ended()
    task, other = await stage.asked("/next")
    await other.answer()
    await soon(task)


REFUSED: dict[str, tuple[bytes, str]] = {
    "no HTTP": (b"SSH-2.0-x\r\n", "the answer is not HTTP"),
    "RTSP": (b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "the answer is not HTTP/1.1"),
    "HTTP/2": (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "the answer is not HTTP/1.1"),
    "an empty line before": (
        b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "the answer is not HTTP/1.1",
    ),
    "a bad chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "the answer is not HTTP",
    ),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "the answer is not HTTP",
    ),
    "another protocol": (
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "the answer is not HTTP",
    ),
    "no status": (b"HTTP/1.1 099 No\r\n\r\n", "the answer has no status"),
    "a long body": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n" + b"x" * BYTES_MAX,
        f"the answer is over {BYTES_MAX} bytes",
    ),
    "a long head": (
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * BYTES_MAX,
        f"the answer is over {BYTES_MAX} bytes",
    ),
    "a long trailer": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * BYTES_MAX,
        f"the answer is over {BYTES_MAX} bytes",
    ),
    "informational answers without end": (
        b"HTTP/1.1 100 Continue\r\n\r\n" * (BYTES_MAX // 25 + 1),
        f"the answer is over {BYTES_MAX} bytes",
    ),
    "many fields": (
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(200)) + b"\r\n",
        f"the answer has more than {limits.HEADER_COUNT_MAX} header fields",
    ),
}


@pytest.mark.parametrize("piece_bytes", [100, 65_536])
@pytest.mark.parametrize("case", REFUSED)
@played(connections_max=1)
async def test_what_is_no_answer_is_refused(stage: Stage, case: str, piece_bytes: int) -> None:
    sent, words = REFUSED[case]
    task, end = await stage.asked("/a")

    for at in range(0, len(sent), piece_bytes):
        if not task.done():
            await end.send(sent[at : at + piece_bytes])
            await asyncio.sleep(0)

    with pytest.raises(PeerError) as raised:
        await soon(task)
    assert str(raised.value) == words
    assert (await end.read_to_end())[0] == b""
    task, other = await stage.asked("/next")
    await other.answer()
    await soon(task)


CUT = {
    "a head": b"HTTP/1.1 200 OK\r\nX",
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
    "an unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\na",
}


@pytest.mark.parametrize("case", CUT)
@played()
async def test_an_answer_that_is_cut_off_is_none(stage: Stage, case: str) -> None:
    task, end = await stage.asked("/a")

    await end.send(CUT[case])
    end.fin()

    with pytest.raises(PeerError):
        await soon(task)


@played()
async def test_a_reset_does_not_delimit_an_answer(stage: Stage) -> None:
    task, end = await stage.asked("/a")

    await end.send(b"HTTP/1.1 200 OK\r\n\r\nab")
    await until(lambda: has_read(end), "the bytes to arrive")
    end.reset()

    with pytest.raises(PeerError):
        await soon(task)


@played()
async def test_a_large_request_arrives_whole(stage: Stage) -> None:
    body = bytes(range(256)) * 4_000
    task = asyncio.create_task(whole(stage.pool, encode_post("/a", {"host": "h"}, body)))
    end = await stage.accept()

    assert await end.asked() == "/a"
    assert await end.read_exactly(len(body)) == body

    await end.answer()
    await soon(task)


# --- the end -------------------------------------------------------------------------------------


@played(connections_max=2)
async def test_closing_ends_requests_that_are_under_way(stage: Stage) -> None:
    end = await stage.kept()
    kept = stage.ask("/kept")
    await end.asked()
    new, other = await stage.asked("/new")
    await other.send(b"HTTP/1.1 200 OK\r\n\r\nthe end would delimit this")
    await until(lambda: has_read(other), "the bytes to arrive")
    waiting = stage.ask("/waiting")
    await asyncio.sleep(0)

    await soon(stage.pool.close())

    for task in (kept, new):
        with pytest.raises(PeerError, match="the connections are closed"):
            await soon(task)
    assert isinstance(await failure(waiting), PeerError | TimeoutError)
    await end.ended()
    await other.ended()
    assert await stage.has_no_other()


@pytest.mark.parametrize("steps", range(6))
@played()
async def test_closing_ends_attempts_to_connect(stage: Stage, steps: int) -> None:
    task = stage.ask("/a")
    for _ in range(steps):
        await asyncio.sleep(0)

    await soon(stage.pool.close())

    assert isinstance(await failure(task), PeerError | TimeoutError)


@played()
async def test_closing_ends_handshakes(stage: Stage) -> None:
    stage.pool = stage.new_pool(stage.listener.getsockname()[1], is_tls=True)
    task = stage.ask("/a")
    await stage.accept()

    await soon(stage.pool.close())

    assert isinstance(await failure(task), PeerError | TimeoutError)


@played()
async def test_a_closed_pool_takes_no_requests(stage: Stage) -> None:
    end = await stage.kept()
    await soon(stage.pool.close())

    with pytest.raises(PeerError, match="the connections are closed"):
        await soon(whole(stage.pool, post("/a")))

    await end.ended()
    assert await stage.has_no_other()


# --- TLS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@played()
async def test_connections_over_tls_are_kept(
    stage: Stage, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    async with echo_server(is_tls=True) as server:
        pool = stage.new_pool(server.port, host=host, is_tls=True)

        answers = [await soon(whole(pool, post(target))) for target in ("/a", "/b")]

        assert [answer.body for answer in answers] == [b"/a", b"/b"]
        assert server.connections == 1


@pytest.mark.parametrize(
    ("host", "trusted"), [("127.0.0.1", "/dev/null"), ("127.0.0.2", str(CERTIFICATE))]
)
@played()
async def test_a_certificate_that_nobody_trusts_or_for_another_name_is_refused(
    stage: Stage, host: str, trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", trusted)
    async with echo_server(host, is_tls=True) as server:
        pool = stage.new_pool(server.port, host=host, is_tls=True)

        with pytest.raises(PeerError, match=f"no connection to {host}:.* certificate") as raised:
            await soon(whole(pool, post("/a")))

        assert isinstance(raised.value.__cause__, ssl.SSLCertVerificationError)
        assert server.connections == 0


# --- a server that the tests do not play ---------------------------------------------------------


class EchoServer:
    """Answers each request with its target; counts connections that sent one."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(target))
                writer.write(target)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def echo_server(
    host: str = "127.0.0.1", *, is_tls: bool = False
) -> AsyncIterator[EchoServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    echo = EchoServer()
    server = await asyncio.start_server(echo.serve, host, 0, ssl=context if is_tls else None)
    async with server:
        echo.port = server.sockets[0].getsockname()[1]
        yield echo


def has_read(end: Endpoint) -> bool:
    """Whether the pool's process has taken all that was sent: nothing is left in the kernel."""
    port = end.sock.getpeername()[1]
    with open("/proc/net/tcp") as table:
        for line in table.read().splitlines()[1:]:
            _, local, _, _, queues, *_ = line.split()
            if int(local.rpartition(":")[2], 16) == port:
                return int(queues.rpartition(":")[2], 16) == 0
    return True
