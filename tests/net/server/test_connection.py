"""One connection on a real socket: responses, early answers, breaks, water marks, leaving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.fakes import Broken, Peer, is_writable, settle, until
from tests.net.server.stage import BOTH, CHUNKED_POST, GET, Request, Stage, played, post

from tailrace import limits
from tailrace.errors import HttpError, ResponseFormatError
from tailrace.net.server.listener import Phase

BIG = limits.MIB  # more than the kernel buffers on both sides together
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECT = b"Expect: 100-continue"
UNREAD = 4_096  # receive buffer of a peer that does not read


def ask(method: str = "GET", *fields: str, version: str = "1.1") -> bytes:
    """A request without a body."""
    lines = [f"{method} / HTTP/{version}", "Host: h", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


# --- responses -----------------------------------------------------------------------------------


@played(loops=BOTH)
async def test_a_whole_response(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)

    request.connection.respond(200, [(b"content-type", b"text/plain")], b"hello")

    response = await peer.read_response()
    assert (response.status, response.version, response.body) == (200, "1.1", b"hello")
    assert [name for name, _ in response.headers] == ["content-type", "content-length", "date"]
    assert request.events == ["end"]
    assert request.trailers == []


@played(loops=BOTH)
async def test_a_streamed_response_arrives_piece_by_piece(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)

    request.connection.start(200)
    assert (await peer.read_head()).get("transfer-encoding") == "chunked"
    for piece in (b"x", b"y" * 100_000, b"z"):
        request.connection.write(piece)
        assert await peer.read_chunk() == piece
    assert await peer.is_silent()
    request.connection.end()

    assert await peer.read_chunk() == b""
    assert request.events == ["end"]


@played()
async def test_a_head_is_on_its_way_before_any_body(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)

    request.connection.start(200, [], 5)

    assert (await peer.read_head()).get("content-length") == "5"
    request.connection.write(b"hello")
    request.connection.end()
    assert await peer.read_exactly(5) == b"hello"


@played()
async def test_an_empty_piece_does_not_end_a_body(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)

    request.connection.start(200)
    request.connection.write(b"")
    request.connection.write(b"x")
    request.connection.end()

    assert (await peer.read_response()).body == b"x"


LENGTHS = [
    # method, status, length, the content-length that is sent
    ("GET", 200, 0, "0"),
    ("HEAD", 200, None, None),
    ("HEAD", 200, 5, "5"),
    ("GET", 204, None, None),
    ("GET", 204, 0, None),  # RFC 9110 §8.6
    ("GET", 304, None, None),
    ("GET", 304, 5, "5"),
]


@pytest.mark.parametrize(("method", "status", "length", "sent"), LENGTHS)
@played()
async def test_a_response_without_a_body_ends_at_its_head(
    stage: Stage, method: str, status: int, length: int | None, sent: str | None
) -> None:
    peer, request = await stage.exchange(ask(method))

    request.connection.start(status, [], length)
    if length != 0:
        request.connection.write(b"this is dropped")
    request.connection.end()

    head = await peer.read_head()
    assert (head.status, head.get("content-length")) == (status, sent)
    assert head.get("transfer-encoding") is None
    await peer.send(GET)  # and the connection goes on
    (await stage.request()).connection.respond(200, [], b"next")
    assert (await peer.read_response()).body == b"next"


@pytest.mark.parametrize(
    ("method", "status", "sent"), [("HEAD", 200, "4"), ("GET", 204, None), ("GET", 304, None)]
)
@played()
async def test_a_whole_response_without_a_body(
    stage: Stage, method: str, status: int, sent: str | None
) -> None:
    """A 304 does not say that what it stands for is empty (RFC 9110 §8.6)."""
    peer, request = await stage.exchange(ask(method))

    request.connection.respond(status, [], b"body" if method == "HEAD" else b"")

    head = await peer.read_head()
    assert head.get("content-length") == sent
    assert await peer.is_silent()


@played(loops=BOTH)
async def test_a_body_of_known_length_is_held_to_it(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)
    connection = request.connection

    connection.start(200, [], 5)
    connection.write(b"hel")
    assert connection.missing_bytes == 2
    with pytest.raises(ResponseFormatError, match="longer"):
        connection.write(b"lo!")
    with pytest.raises(AssertionError, match="shorter"):
        connection.end()
    connection.write(b"lo")
    assert connection.missing_bytes == 0
    connection.end()

    assert (await peer.read_response()).body == b"hello"


@played()
async def test_a_date_of_the_applications_own_is_the_only_one(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)

    request.connection.respond(200, [(b"date", b"Sun, 06 Nov 1994 08:49:37 GMT")])

    assert (await peer.read_response()).all("date") == ["Sun, 06 Nov 1994 08:49:37 GMT"]


@played(loops=BOTH)
async def test_http_1_0_gets_a_body_that_ends_with_the_connection(stage: Stage) -> None:
    peer, request = await stage.exchange(b"GET / HTTP/1.0\r\n\r\n")

    request.connection.start(200)
    request.connection.write(b"hel")
    head = await peer.read_head()
    assert head.get("transfer-encoding") is None
    assert head.get("connection") == "close"
    assert await peer.read_exactly(3) == b"hel"
    request.connection.write(b"lo")
    request.connection.end()

    assert await peer.read_to_end() == (b"lo", "end")


@pytest.mark.parametrize(
    ("raw", "is_kept"),
    [
        (ask(), True),
        (ask("GET", "Connection: keep-alive"), True),
        (ask("GET", "Connection: close"), False),
        (ask("GET", "Connection: x, Close"), False),
        (ask(version="1.0"), False),
        (ask("GET", "Connection: keep-alive", version="1.0"), False),
        (ask("GET", "Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AA"), False),
        (ask("HEAD"), True),
        (post(3) + b"abc", True),
        (CHUNKED_POST + b"3\r\nabc\r\n0\r\n\r\n", True),
    ],
)
@played(loops=BOTH)
async def test_a_connection_is_kept_or_closed(stage: Stage, raw: bytes, is_kept: bool) -> None:
    peer, request = await stage.exchange(raw)

    await until(lambda: request.events[-1:] == ["end"])
    request.connection.respond(200)

    response = await peer.read_response()
    assert response.get("connection") == (None if is_kept else "close")
    if not is_kept:
        assert await peer.read_to_end() == (b"", "end")
        return
    for _ in range(3):
        await peer.send(GET)
        (await stage.request()).connection.respond(200)
        await peer.read_response()
    assert stage.open_count == 1


@played(loops=BOTH)
async def test_what_is_corked_leaves_together(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)
    connection = request.connection

    connection.cork()
    connection.start(200)
    connection.cork()  # once more changes nothing
    connection.write(b"a")
    connection.write(b"b" * 100_000)
    assert await peer.is_silent()
    connection.uncork()
    connection.uncork()

    assert (await peer.read_head()).status == 200
    assert await peer.read_chunk() == b"a"
    assert await peer.read_chunk() == b"b" * 100_000
    connection.cork()
    connection.write(b"c")
    connection.end()  # which uncorks
    assert await peer.read_chunk() == b"c"
    assert await peer.read_chunk() == b""


@pytest.mark.parametrize("length", [None, 3])
@played(loops=BOTH)
async def test_what_is_corked_is_sent_before_a_break(stage: Stage, length: int | None) -> None:
    peer, request = await stage.exchange(GET)

    request.connection.cork()
    request.connection.start(200, [], length)
    request.connection.write(b"ab")
    request.connection.abort()

    with pytest.raises(Broken) as caught:
        await peer.read_response()
    assert (caught.value.received, caught.value.how) == (b"ab", "end")


@played(loops=BOTH)
async def test_what_is_corked_is_lost_with_its_peer(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)
    request.connection.cork()
    request.connection.start(200)

    peer.close()
    await until(lambda: "gone" in request.events)

    request.connection.write(b"x")
    request.connection.uncork()


# --- requests with bodies ------------------------------------------------------------------------


@played(loops=BOTH)
async def test_a_body_arrives_as_it_is_sent(stage: Stage) -> None:
    peer, request = await stage.exchange(CHUNKED_POST)

    for piece in (b"a", b"b" * 300_000, b"c"):
        before = len(request.body)
        await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await until(lambda before=before, piece=piece: len(request.body) == before + len(piece))
    assert request.events == ["body"]
    await peer.send(b"0\r\nX: y\r\n\r\n")

    await until(lambda: request.events == ["body", "end"])
    assert request.trailers == [(b"x", b"y")]
    request.connection.respond(200)
    await peer.read_response()


@played()
async def test_the_last_piece_of_a_body_is_known_as_such(stage: Stage) -> None:
    seen = []
    stage.scripts["body"] = lambda r: seen.append(r.connection.has_more_in_read)
    peer, request = await stage.exchange(post(3) + b"a")
    await until(lambda: seen == [False])

    await peer.send(b"bc")

    await until(lambda: seen == [False, True])
    request.connection.respond(200)
    await peer.read_response()


@played()
async def test_many_chunks_of_one_read_are_one_piece(stage: Stage) -> None:
    peer, request = await stage.exchange(CHUNKED_POST)

    await peer.send(b"1\r\nx\r\n" * 100 + b"0\r\n\r\n")

    await until(lambda: "end" in request.events)
    assert request.reads == [b"x" * 100]
    request.connection.respond(200)
    await peer.read_response()


# --- Expect: 100-continue ------------------------------------------------------------------------


@played(loops=BOTH)
async def test_a_client_that_waits_is_told_to_go_on(stage: Stage) -> None:
    peer, request = await stage.exchange(post(5, EXPECT))

    assert await peer.read_exactly(len(CONTINUE)) == CONTINUE
    await peer.send(b"hello")
    await until(lambda: request.events == ["body", "end"])
    request.connection.respond(200)

    assert (await peer.read_response()).get("connection") is None


@played(loops=BOTH)
async def test_a_client_that_waits_is_refused_without_100(stage: Stage) -> None:
    stage.scripts["head"] = lambda r: r.connection.respond(410, [], b"gone")
    peer = await stage.peer(post(5, EXPECT))

    response = await peer.read_response()

    assert (response.status, response.body) == (410, b"gone")
    assert response.get("connection") == "close"
    assert await peer.read_to_end() == (b"", "end")
    assert stage.requests[0].events == []


@pytest.mark.parametrize(
    "raw",
    [
        post(5, EXPECT) + b"h",  # it has not waited
        post(5, EXPECT) + b"hello",
        post(0, EXPECT),
        ask("GET", "Expect: 100-continue"),
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ],
)
@played()
async def test_whoever_does_not_wait_is_not_told(stage: Stage, raw: bytes) -> None:
    peer, request = await stage.exchange(raw)

    request.connection.respond(200)

    assert (await peer.read_head()).status == 200


@played()
async def test_an_expectation_that_is_met_once_is_met_again(stage: Stage) -> None:
    peer = await stage.peer()
    for _ in range(3):
        await peer.send(post(1, EXPECT))
        request = await stage.request()
        assert await peer.read_exactly(len(CONTINUE)) == CONTINUE
        await peer.send(b"x")
        await until(lambda request=request: "end" in request.events)
        request.connection.respond(200)
        await peer.read_response()


# --- answers before the request is complete ------------------------------------------------------


@pytest.mark.parametrize("head", [post(10_000_000), CHUNKED_POST + b"989680\r\n"])
@played(loops=BOTH)
async def test_an_early_answer_is_read_though_the_body_goes_on(stage: Stage, head: bytes) -> None:
    """Closing at once, with bytes unread, would reset the connection under the answer."""
    peer, request = await stage.exchange(head)
    await peer.send(b"x" * 1_000_000)
    await until(lambda: "body" in request.events)

    request.connection.respond(413, [], b"too large")
    await peer.send(b"x" * 1_000_000)  # it has not seen the answer yet

    response = await peer.read_response()
    assert (response.status, response.body) == (413, b"too large")
    assert response.get("connection") == "close"
    assert await peer.read_to_end() == (b"", "end")
    assert stage.open_count == 1  # until the peer closes, too
    assert request.events == ["body"]


@played()
async def test_what_follows_an_early_answer_is_bounded(stage: Stage) -> None:
    peer, request = await stage.exchange(post(1_000_000_000))
    request.connection.respond(413)
    await peer.read_response()

    sent = 0
    with pytest.raises(OSError):
        while sent < 1_000_000_000:
            await peer.send(b"x" * 1_000_000)
            sent += 1_000_000

    assert sent < 4 * limits.LINGER_BYTES_MAX


@played(linger_timeout_s=10.0)
async def test_a_peer_that_stays_after_an_early_answer_is_cut(stage: Stage) -> None:
    peer, request = await stage.exchange(post(100))
    request.connection.respond(413)
    await peer.read_response()
    await stage.reach(Phase.LINGER)

    stage.clock.advance(11.0)

    await until(lambda: stage.open_count == 0)


@played(loops=BOTH)
async def test_an_early_streamed_answer(stage: Stage) -> None:
    peer, request = await stage.exchange(CHUNKED_POST)

    request.connection.start(200)
    request.connection.write(b"before")
    assert (await peer.read_head()).get("connection") == "close"
    assert await peer.read_chunk() == b"before"
    await peer.send(b"3\r\nabc\r\n")
    await until(lambda: request.body == b"abc")
    request.connection.write(b"after")
    assert await peer.read_chunk() == b"after"
    await peer.send(b"0\r\n\r\n")
    await until(lambda: "end" in request.events)
    request.connection.end()

    assert await peer.read_to_end() == (b"0\r\n\r\n", "end")


@pytest.mark.parametrize("name", ["body", "end"])
@played(loops=BOTH)
async def test_an_answer_from_within_a_call(stage: Stage, name: str) -> None:
    stage.scripts[name] = lambda r: r.connection.respond(200, [], name.encode())
    peer = await stage.peer()

    for _ in range(3):
        await peer.send(post(3) + b"abc")
        assert (await peer.read_response()).body == name.encode()

    expected = {"body": ["body"], "end": ["body", "end"]}[name]
    assert [r.events for r in stage.requests] == [expected] * 3


@played(loops=BOTH)
async def test_an_answer_from_within_the_application(stage: Stage) -> None:
    stage.scripts["head"] = lambda r: r.connection.respond(200, [], b"at once")
    peer = await stage.peer()

    for raw in (GET, post(3) + b"abc", GET):
        await peer.send(raw)
        assert (await peer.read_response()).body == b"at once"

    assert [r.events for r in stage.requests] == [[], [], []]


@pytest.mark.parametrize("name", ["head", "body", "end"])
@played(loops=BOTH)
async def test_a_refusal_from_within_a_call(stage: Stage, name: str) -> None:
    def refuse(request: Request) -> None:
        raise HttpError(422, "no")

    stage.scripts[name] = refuse
    peer = await stage.peer(post(3) + b"abc")

    response = await peer.read_response()

    assert (response.status, response.json()["detail"]) == (422, "no")
    assert response.get("connection") == "close"
    assert await peer.read_to_end() == (b"", "end")
    expected = {"head": [], "body": ["body", "gone"], "end": ["body", "end", "gone"]}[name]
    assert stage.requests[0].events == expected


def fail(request: Request) -> None:
    """What an application with a bug does."""
    raise ValueError("a bug")


@pytest.mark.parametrize("name", ["head", "body", "end"])
@pytest.mark.parametrize("is_behind", [False, True])
@played(loops=BOTH, is_quiet=False)
async def test_an_error_in_the_application_breaks_the_connection_only(
    stage: Stage, name: str, is_behind: bool
) -> None:
    """Also for a request that waited behind another one, which no transport hands over."""
    peer = await stage.peer()
    if is_behind:
        await peer.send(GET)
        first = await stage.request()
    stage.scripts[name] = fail
    await peer.send(post(3) + b"abc")
    if is_behind:
        await until(lambda: first.connection._early)
        first.connection.respond(200)
        await peer.read_response()

    assert (await peer.read_to_end())[0] == b""
    failed = await stage.request()
    expected = {"head": [], "body": ["body", "gone"], "end": ["body", "end", "gone"]}[name]
    await until(lambda: failed.events == expected)
    await until(lambda: stage.open_count == 0)
    assert "a bug" in "".join(stage.failures)
    del stage.scripts[name]
    other, request = await stage.exchange(GET)
    request.connection.respond(200)
    await other.read_response()


@played(loops=BOTH, is_quiet=False)
async def test_an_error_in_the_application_does_not_complete_a_response(stage: Stage) -> None:
    """An HTTP/1.0 body would be complete when the connection is closed."""
    peer, request = await stage.exchange(b"POST / HTTP/1.0\r\nContent-Length: 9\r\n\r\n")
    request.connection.start(200)
    request.connection.write(b"half")
    await peer.read_until(b"half")
    stage.scripts["body"] = fail

    await peer.send(b"x")

    assert await peer.read_to_end() == (b"", "reset")
    assert request.events == ["body", "gone"]


# --- breaks --------------------------------------------------------------------------------------


async def break_off(peer: Peer, request: Request, sent: bytes, length: int | None) -> Broken:
    """Send a part of a body, abort, and return how the peer sees it."""
    connection = request.connection
    connection.start(200, [], length)
    if sent:
        connection.write(sent)
    connection.abort()
    with pytest.raises(Broken) as caught:
        await peer.read_response()
    return caught.value


@pytest.mark.parametrize("length", [None, 5, 1_000_000])
@pytest.mark.parametrize("sent", [b"", b"h", b"hello"])
@played(loops=BOTH)
async def test_a_break_is_seen_and_what_was_written_arrives(
    stage: Stage, sent: bytes, length: int | None
) -> None:
    """Also when nothing but the end was missing: the last byte waits for it."""
    peer, request = await stage.exchange(GET)

    broken = await break_off(peer, request, sent, length)

    assert broken.how == "end"
    assert broken.received == (sent[:4] if length == 5 else sent)
    assert request.events == ["end"], "who breaks off is not told that the peer has gone"


@pytest.mark.parametrize("sent", [b"", b"hello"])
@played(loops=BOTH)
async def test_a_break_without_framing_is_a_reset(stage: Stage, sent: bytes) -> None:
    """An HTTP/1.0 body ends with the connection: a FIN would complete it."""
    peer, request = await stage.exchange(ask(version="1.0"))

    assert (await break_off(peer, request, sent, None)).how == "reset"


@played(loops=BOTH)
async def test_a_break_before_any_answer_is_a_reset(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)

    request.connection.abort()

    assert await peer.read_to_end() == (b"", "reset")
    assert request.events == ["end"]


@played(loops=BOTH)
async def test_a_break_in_the_middle_of_the_request(stage: Stage) -> None:
    peer, request = await stage.exchange(post(100) + b"x")
    request.connection.start(200)

    request.connection.abort()

    with pytest.raises(Broken):
        await peer.read_response()
    assert request.events == ["body"]


@played(loops=BOTH)
async def test_after_a_break_nothing_more_is_sent(stage: Stage) -> None:
    """Above all not the end of the body, which would make it complete."""
    peer, request = await stage.exchange(GET, receive_bytes=UNREAD)
    connection = request.connection
    connection.start(200)
    connection.write(b"x" * BIG)  # so that something is still on its way

    connection.abort()
    connection.write(b"y")
    connection.end()
    connection.abort()

    with pytest.raises(Broken) as caught:
        await peer.read_response()
    assert caught.value.received == b"x" * BIG


@played(loops=BOTH)
async def test_a_cut_throws_away_what_is_on_its_way(stage: Stage) -> None:
    peer, request = await stage.exchange(GET, receive_bytes=UNREAD)
    request.connection.start(200)
    request.connection.write(b"x" * BIG)

    request.connection.reset()
    request.connection.reset()
    request.connection.write(b"y")
    request.connection.end()

    received, how = await peer.read_to_end()
    assert how == "reset"
    assert len(received) < BIG
    assert "gone" not in request.events


# --- water marks ---------------------------------------------------------------------------------


async def fill(request: Request, piece: bytes = b"x" * 10_000) -> int:
    """Write until the application is paused; return how many bytes that took."""
    written = 0
    while request.events[-1:] != ["pause"]:
        request.connection.write(piece)
        written += len(piece)
        await asyncio.sleep(0)
    return written


@played(loops=BOTH)
async def test_a_slow_reader_pauses_and_resumes_the_application(stage: Stage) -> None:
    peer, request = await stage.exchange(GET, receive_bytes=UNREAD)
    connection = request.connection
    connection.start(200)

    written = await fill(request)
    assert connection.unsent_bytes > limits.WRITE_BUFFER_HIGH_BYTES
    assert connection.unsent_bytes < limits.WRITE_BUFFER_HIGH_BYTES + 11_000
    await peer.read_head()
    received = 0
    while request.events[-1] != "resume":
        received += len(await peer.read_chunk())
    assert connection.unsent_bytes <= limits.WRITE_BUFFER_LOW_BYTES
    connection.end()
    while piece := await peer.read_chunk():
        received += len(piece)

    assert received == written
    assert request.events == ["end", "pause", "resume"]


@played(loops=BOTH)
async def test_who_writes_much_at_once_is_told_to_pause(stage: Stage) -> None:
    """Also when it does so before it has said who is to be told."""

    def write(request: Request) -> None:
        request.connection.start(200)
        request.connection.write(b"x" * BIG)

    stage.scripts["head"] = write
    peer, request = await stage.exchange(GET, receive_bytes=UNREAD)

    assert request.events[0] == "pause"
    request.connection.end()
    assert (await peer.read_response()).body == b"x" * BIG
    assert "resume" not in request.events  # it had ended


@played(loops=BOTH)
async def test_the_next_request_waits_until_the_last_response_is_taken(stage: Stage) -> None:
    """Otherwise a client that reads nothing has the server buffer one response after the other."""
    peer, request = await stage.exchange(GET, receive_bytes=UNREAD)
    request.connection.respond(200, [], b"x" * BIG)

    await peer.send(GET)
    await until(lambda: request.connection._early)
    assert await stage_is_quiet(stage, 1)
    assert (await peer.read_response()).body == b"x" * BIG

    second = await stage.request()
    second.connection.respond(200, [], b"second")
    assert (await peer.read_response()).body == b"second"
    assert second.events == ["end"]


async def stage_is_quiet(stage: Stage, count: int) -> bool:
    """Whether no further request came once all that was ready has run."""
    await settle()
    return len(stage.requests) == count


@played(loops=BOTH)
async def test_reading_can_be_paused(stage: Stage) -> None:
    size = 16 * BIG  # what is received is buffered more generously
    peer, request = await stage.exchange(post(size))
    request.connection.pause_reading()
    request.connection.pause_reading()

    sending = asyncio.create_task(peer.send(b"x" * size))
    await until(lambda: not is_writable(peer.sock), "full buffers of the kernel")
    assert len(request.body) <= limits.READ_BYTES_MAX, "at most the read that was under way"
    assert not sending.done()
    request.connection.resume_reading()
    request.connection.resume_reading()

    await sending
    await until(lambda: "end" in request.events)
    assert len(request.body) == size
    request.connection.respond(200)
    await peer.read_response()


@played(loops=BOTH)
async def test_a_request_that_is_complete_is_read_on_though_it_was_paused(stage: Stage) -> None:
    """Paused, neither the peer's leaving nor its next request would be seen."""
    stage.scripts["body"] = lambda r: r.connection.pause_reading()
    peer, request = await stage.exchange(post(3) + b"abc")
    request.connection.respond(200)
    await peer.read_response()

    await peer.send(post(3) + b"abc")
    second = await stage.request()
    peer.fin()

    await until(lambda: second.events == ["body", "end", "gone"])


@played()
async def test_reading_is_paused_in_a_body_only(stage: Stage) -> None:
    """A held client is always read from: its leaving would not be seen otherwise."""
    peer, request = await stage.exchange(GET)

    request.connection.pause_reading()
    peer.fin()

    await until(lambda: request.events == ["end", "gone"])


# --- leaving -------------------------------------------------------------------------------------

LEAVE: dict[str, Callable[[Peer], None]] = {
    "fin": lambda peer: peer.fin(),
    "close": lambda peer: peer.close(),
    "reset": lambda peer: peer.reset(),
}


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("state", ["held", "in its body", "streaming", "reading slowly"])
@played(loops=BOTH)
async def test_a_peer_that_leaves_is_noticed_once(stage: Stage, state: str, how: str) -> None:
    raw = post(100) + b"x" if state == "in its body" else GET
    peer, request = await stage.exchange(
        raw, receive_bytes=UNREAD if state == "reading slowly" else None
    )
    if state in ("streaming", "reading slowly"):
        request.connection.start(200)
    if state == "reading slowly":
        await fill(request)

    LEAVE[how](peer)

    await until(lambda: request.events[-1:] == ["gone"])
    assert request.events.count("gone") == 1
    if how != "fin" or state != "reading slowly":
        await until(lambda: stage.open_count == stage.watched_count == 0)


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("raw", [b"", b"GET / HT", GET[:-2]])
@played(loops=BOTH)
async def test_a_peer_that_leaves_without_a_request_leaves_nothing(
    stage: Stage, raw: bytes, how: str
) -> None:
    peer = await stage.peer(raw)
    await until(lambda: stage.open_count == 1)

    LEAVE[how](peer)

    await until(lambda: stage.open_count == stage.watched_count == 0)
    assert stage.requests == []


@pytest.mark.parametrize("how", LEAVE)
@played(loops=BOTH)
async def test_whoever_answers_a_peer_that_has_left_does_no_harm(stage: Stage, how: str) -> None:
    """An application that works on, or a producer that is told a little later."""
    held, first = await stage.exchange(GET)
    streaming, second = await stage.exchange(GET)
    second.connection.start(200)
    for peer in (held, streaming):
        LEAVE[how](peer)
    await until(lambda: stage.open_count == 0)

    first.connection.respond(200, [], b"too late")
    second.connection.write(b"too late")
    second.connection.end()
    for request in (first, second):
        assert request.connection.peer in ("", "127.0.0.1")
        request.connection.pause_reading()
        request.connection.resume_reading()
        request.connection.abort()
        request.connection.reset()

    assert first.connection.is_answered
    assert first.connection.unsent_bytes == 0
    assert stage.watched_count == 0


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("answer", ["respond", "abort", "reset", "start"])
@played(loops=BOTH)
async def test_whoever_answers_while_it_is_told_does_no_harm(
    stage: Stage, answer: str, how: str
) -> None:
    stage.scripts["gone"] = lambda r: getattr(r.connection, answer)(
        *([499] if answer in ("respond", "start") else [])
    )
    peer, request = await stage.exchange(GET)

    LEAVE[how](peer)

    await until(lambda: stage.open_count == stage.watched_count == 0)
    assert request.events == ["end", "gone"]


@played(loops=BOTH)
async def test_writes_that_meet_a_reset_do_no_harm(stage: Stage) -> None:
    """The reset is known to the kernel before it is known to us."""
    peer, request = await stage.exchange(GET)
    request.connection.start(200)
    peer.reset()

    for _ in range(3):
        request.connection.write(b"x" * 1_000)
    request.connection.end()

    await until(lambda: stage.open_count == 0)
    assert request.events == ["end"]  # the response had ended


@played(loops=BOTH)
async def test_half_closing_does_not_complete_an_http_1_0_response(stage: Stage) -> None:
    """A peer that closes its side has left; one that still reads must not see a clean end."""
    peer, request = await stage.exchange(ask(version="1.0"))
    request.connection.start(200)
    request.connection.write(b"half")
    await peer.read_until(b"half")

    peer.fin()

    assert await peer.read_to_end() == (b"", "reset")
    assert request.events == ["end", "gone"]


@pytest.mark.parametrize("length", [None, 100])
@played(loops=BOTH)
async def test_half_closing_does_not_complete_a_framed_response(
    stage: Stage, length: int | None
) -> None:
    peer, request = await stage.exchange(GET)
    request.connection.start(200, [], length)
    request.connection.write(b"half")

    peer.fin()

    with pytest.raises(Broken):
        await peer.read_response()
    assert request.events == ["end", "gone"]


@pytest.mark.parametrize("garbage", [b"zz\r\n", b"5\r\nhello!!", b"\0"])
@pytest.mark.parametrize("is_streaming", [False, True])
@played(loops=BOTH)
async def test_a_body_that_breaks_its_framing_is_gone(
    stage: Stage, garbage: bytes, is_streaming: bool
) -> None:
    peer, request = await stage.exchange(CHUNKED_POST + b"3\r\nabc\r\n")
    if is_streaming:
        request.connection.start(200)
        await peer.read_head()

    await peer.send(garbage)

    received, how = await peer.read_to_end()
    assert request.events == ["body", "gone"]
    if is_streaming:
        assert (received, how) == (b"", "reset")
    else:
        assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")


# --- requests behind requests --------------------------------------------------------------------


@played(loops=BOTH)
async def test_a_request_in_a_later_read_is_served_in_its_turn(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)

    await peer.send(post(3) + b"a")
    await until(lambda: request.connection._early)
    await peer.send(b"bc")
    assert await stage_is_quiet(stage, 1)
    request.connection.respond(200, [], b"first")

    assert (await peer.read_response()).body == b"first"
    second = await stage.request()
    await until(lambda: "end" in second.events)
    assert second.body == b"abc"
    second.connection.respond(200, [], b"second")
    assert (await peer.read_response()).body == b"second"


@played(loops=BOTH)
async def test_bytes_that_come_while_a_kept_request_is_taken_up_stay_in_order(
    stage: Stage,
) -> None:
    """The first response ends in a turn of the loop that has read more for the same connection."""
    peer, first = await stage.exchange(GET)
    other, trigger = await stage.exchange(post(1))
    stage.scripts["body"] = lambda r: (
        first.connection.respond(200) if r is trigger else None  # called in the middle of a turn
    )
    await peer.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Le")
    await until(lambda: first.connection._early)

    # Both at once, so that one poll reports both, the trigger first.
    other.sock.send(b"x")
    peer.sock.send(b"ngth: 3\r\n\r\nabc")

    second = await stage.request()
    await until(lambda: "end" in second.events)
    assert second.body == b"abc"
    second.connection.respond(200)
    trigger.connection.respond(200)


@played(loops=BOTH)
async def test_a_request_in_the_same_read_is_not_served(stage: Stage) -> None:
    """The answer says so, and is read though more has come: no reset under it."""
    peer, request = await stage.exchange(GET + post(1_000_000) + b"x" * 100_000)
    request.connection.respond(200, [], b"only")
    for _ in range(3):
        await peer.send(b"x" * 300_000)

    response = await peer.read_response()

    assert (response.body, response.get("connection")) == (b"only", "close")
    assert await peer.read_to_end() == (b"", "end")
    assert len(stage.requests) == 1


@played(loops=BOTH)
async def test_bytes_behind_the_last_request_do_not_reset_its_answer(stage: Stage) -> None:
    peer, request = await stage.exchange(ask("GET", "Connection: close"))
    await peer.send(b"x" * 10_000)
    await until(lambda: request.connection._early)
    request.connection.respond(200, [], b"answer")
    for _ in range(3):
        await peer.send(b"x" * 300_000)

    assert (await peer.read_response()).body == b"answer"
    assert await peer.read_to_end() == (b"", "end")


@played(loops=BOTH)
async def test_what_waits_behind_a_held_request_is_bounded(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)

    await peer.send(b"x" * limits.PIPELINED_BYTES_MAX)
    await until(lambda: len(request.connection._early) == limits.PIPELINED_BYTES_MAX)
    assert request.events == ["end"]
    await peer.send(b"x")

    assert await peer.read_to_end() == (b"", "reset")
    assert request.events == ["end", "gone"]


@played()
async def test_garbage_behind_a_request_is_refused_in_its_turn(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)
    await peer.send(b"\0\1\2")
    await until(lambda: request.connection._early)
    assert request.events == ["end"]

    request.connection.respond(200, [], b"first")

    assert (await peer.read_response()).body == b"first"
    assert (await peer.read_response()).status == 400


@played()
async def test_many_requests_one_after_the_other(stage: Stage) -> None:
    stage.scripts["end"] = lambda r: r.connection.respond(200, [], r.body)
    peer = await stage.peer()

    for i in range(200):
        body = b"%d" % i
        await peer.send(post(len(body)) + body)
        assert (await peer.read_response()).body == body

    assert stage.open_count == 1
    assert stage.server.statistics()["answering"] == 0


@played()
async def test_phases(stage: Stage) -> None:
    peer = await stage.peer()
    await until(lambda: stage.open_count == 1)
    connection = next(iter(stage.server._connections))

    assert connection.phase is Phase.IDLE
    assert connection.peer == "127.0.0.1"
    await peer.send(post(1)[:-2])
    await until(lambda: connection.phase is Phase.HEAD)
    await peer.send(b"\r\n")
    await until(lambda: connection.phase is Phase.BODY)
    await peer.send(b"x")
    await until(lambda: connection.phase is Phase.ANSWER)
    assert stage.watched_count == 0
    assert stage.server.statistics() == {"connections": 1, "answering": 1, "uploads": 0}
    connection.respond(200)
    assert connection.phase is Phase.IDLE
    assert stage.watched_count == 1
    peer.close()
    await until(lambda: connection.phase is Phase.CLOSED)
