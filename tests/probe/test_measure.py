"""A URL, measured: what is asked, what is taken for what, and whose times count."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.chain import Chain, serving
from tests.probe.servers import CHUNKED, OK, WAIT_S, Connection, Server, answer, chunk, sending

from tailrace.errors import ProbeError
from tailrace.net.process.startup import run
from tailrace.probe.client import AnswerHead, Stop
from tailrace.probe.limits import PROBE_ANSWER_BYTES_MAX, PROBE_BODY_BYTES_MAX, PROBE_RECORDED_MAX
from tailrace.probe.measure import measure
from tailrace.probe.merging import merged
from tailrace.probe.options import MeasureOptions
from tailrace.probe.protocol import FIELD, mark, parse_parameters
from tailrace.probe.record import Chunk, Reading
from tailrace.probe.recorder import Recorder
from tailrace.probe.report import to_json


def measured(url: str, *, on_progress: Any = None, stop: Any = None, **options: Any) -> Reading:
    """Measure once, with nothing left behind."""

    async def main() -> Reading:
        async with asyncio.timeout(WAIT_S):
            reading = await measure(
                url, MeasureOptions(**options), on_progress=on_progress, stop=stop
            )
        async with asyncio.timeout(WAIT_S):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.001)
        return reading

    return run(main())


def fields_of(head: bytes) -> dict[str, str]:
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


# --- any URL ---------------------------------------------------------------------------------


def test_a_url_without_companion_is_asked_once() -> None:
    """What it answers may be long, dear, or only there once."""
    with Server(sending(answer(b"hello"))) as server:
        reading = measured(server.url)

    assert len(server.heads) == 1
    assert fields_of(server.heads[0])[FIELD] == "ping"
    assert fields_of(server.heads[0])["accept-encoding"] == "identity"
    assert (reading.status, reading.http_version, reading.unit) == (200, "1.1", "read")
    assert (reading.size, len(reading.arrivals), len(reading.chunks)) == (5, 1, 1)
    assert reading.headers == (("content-type", "text/plain"), ("content-length", "5"))
    assert (reading.environment, reading.clock, reading.started_s) == (None, None, None)
    assert (reading.broken, reading.stopped, reading.redirects) == (None, None, ())
    assert 0 < reading.head_s <= reading.arrivals[0].at_s <= reading.ended_s


def stepping(head: bytes, *pieces: bytes) -> tuple[Callable[[Connection], None], Any]:
    """A script that sends each piece when the one before has been noticed, and whom to tell."""
    gate = threading.Semaphore(1)

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(CHUNKED + head + b"\r\n")
        for piece in pieces:
            assert gate.acquire(timeout=WAIT_S)
            connection.send(chunk(piece))
        assert gate.acquire(timeout=WAIT_S)
        connection.send(b"0\r\n\r\n")

    return script, lambda chunk: gate.release()


EVENT_STREAM = b"content-type: text/event-stream\r\n"


def test_events_are_told_of_as_they_arrive() -> None:
    """The next one is sent only when the one before was told of."""
    events = [b"data: %d\n\n" % number for number in range(4)]
    script, on_progress = stepping(EVENT_STREAM, *events)
    with Server(script) as server:
        reading = measured(server.url, on_progress=on_progress)

    assert reading.unit == "event"
    assert [event.size for event in reading.chunks] == [9, 9, 9, 9]
    assert [event.index for event in reading.chunks] == [0, 1, 2, 3]
    assert [event.written_s for event in reading.chunks] == [None] * 4
    assert merged(reading) == ()
    times = [event.arrived_s for event in reading.chunks]
    assert times == sorted(set(times))
    assert times == [arrival.at_s for arrival in reading.arrivals]


def test_events_of_one_read_are_merged() -> None:
    seen: list[Chunk] = []
    body = b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    with Server(sending(answer(body, EVENT_STREAM))) as server:
        reading = measured(server.url, on_progress=seen.append)

    assert len(reading.arrivals) == 1
    assert merged(reading) == (1, 2)
    assert seen == list(reading.chunks)


def test_the_last_line_needs_no_end() -> None:
    with Server(sending(answer(b"1\n2", b"content-type: application/x-ndjson\r\n"))) as server:
        reading = measured(server.url)

    assert [line.size for line in reading.chunks] == [2, 1]


def test_of_what_breaks_off_the_last_line_does_not_count() -> None:
    fields = b"content-type: application/x-ndjson\r\ncontent-length: 9\r\n\r\n"

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(OK + fields + b"1\n2")

    with Server(script) as server:
        reading = measured(server.url)

    assert reading.broken == "the connection broke before its answer was complete"
    assert (len(reading.chunks), reading.size) == (1, 3)


def test_compressed_events_are_read_and_their_sizes_are_those_on_the_wire() -> None:
    packer = zlib.compressobj(wbits=31)
    pieces = [
        packer.compress(b"data: %b\n\n" % (b"word " * 100)) + packer.flush(zlib.Z_SYNC_FLUSH)
        for _ in range(3)
    ]
    script, on_progress = stepping(EVENT_STREAM + b"content-encoding: gzip\r\n", *pieces)
    with Server(script) as server:
        reading = measured(server.url, on_progress=on_progress, compressed=True)

    assert fields_of(server.heads[0])["accept-encoding"] == "gzip"
    assert reading.unit == "event"
    assert [event.size for event in reading.chunks] == [508, 508, 508]
    assert [arrival.size for arrival in reading.arrivals] == [len(piece) for piece in pieces]
    assert reading.size == sum(map(len, pieces)) < 500


def test_what_was_compressed_otherwise_is_measured_by_reads() -> None:
    fields = EVENT_STREAM + b"content-encoding: br\r\n"
    with Server(sending(answer(b"data: 1\n\n", fields))) as server:
        assert measured(server.url).unit == "read"


def test_what_only_says_that_it_is_compressed_is_measured_all_the_same() -> None:
    fields = EVENT_STREAM + b"content-encoding: gzip\r\n"
    with Server(sending(answer(b"data: 1\n\n", fields))) as server:
        reading = measured(server.url)

    assert (reading.size, reading.chunks, reading.broken) == (9, (), None)


def test_given_headers_go_before_the_probes_own() -> None:
    with Server(sending(answer(b""))) as server:
        measured(server.url, headers=(("Accept-Encoding", "br"), ("x-key", "k")))

    (head,) = server.heads
    assert head.lower().count(b"accept-encoding") == 1
    assert fields_of(head)["accept-encoding"] == "br"
    assert fields_of(head)["x-key"] == "k"


def test_a_url_is_checked_before_anybody_is_asked() -> None:
    with pytest.raises(ProbeError, match="'x' is not an http\\(s\\) URL; try http://x"):
        measured("x")


# --- the companion ---------------------------------------------------------------------------


class Companion:
    """A script that is the companion, as its protocol says; what it does can be changed."""

    def __init__(self, *, skew_s: float = 0.0, environments: tuple[str, ...] = ("one",)) -> None:
        self.skew_ns = round(skew_s * 1e9)
        self.environments = environments  # of request after request, the last one again
        self.asked: list[dict[str, str]] = []
        self.paths: list[bytes] = []
        self.chunk_count: int | None = None
        self.on_chunk: Callable[[int], None] = lambda index: None
        self.stream: Callable[[Connection], None] | None = None

    def __call__(self, connection: Connection) -> None:
        while head := connection.head():
            started_ns = self.now_ns()
            asked = parse_parameters(fields_of(head)[FIELD])
            environment = self.environments[min(len(self.asked), len(self.environments) - 1)]
            self.asked.append(asked)
            self.paths.append(head.split()[1])
            said = f"{FIELD}: v=1; environment={environment}; started_ns={started_ns}\r\n".encode()
            if asked[""] == "ping":
                times = {"received_ns": started_ns, "sent_ns": self.now_ns()}
                body = json.dumps({"environment": environment, **times}).encode()
                connection.send(answer(body, said))
            elif self.stream is not None:
                self.stream(connection)
            else:
                self._stream(connection, asked, said)

    def now_ns(self) -> int:
        return time.time_ns() + self.skew_ns

    def _stream(self, connection: Connection, asked: dict[str, str], said: bytes) -> None:
        fields = b"content-type: text/plain\r\n" + said
        connection.send(CHUNKED + fields + b"\r\n")
        pad = b" " * int(asked["pad"])
        count = int(asked["count"]) if self.chunk_count is None else self.chunk_count
        for index in range(count):
            self.on_chunk(index)
            text = mark(index, self.now_ns()).encode() + b"\n"
            connection.send(chunk(text.rjust(int(asked["size"]), b"x")))
            if pad:
                connection.send(chunk(pad))
        connection.send(b"0\r\n\r\n")


def test_the_companion_is_told_what_to_write() -> None:
    companion = Companion()
    with Server(companion) as server:
        reading = measured(
            server.url, count=3, size=77, interval_s=0.25, content_type="text/plain", pings=2
        )

    assert [asked[""] for asked in companion.asked] == ["ping", "ping", "stream", "ping", "ping"]
    assert companion.asked[2] == {
        "": "stream",
        "count": "3",
        "size": "77",
        "interval_ms": "250",
        "type": "text/plain",
        "pad": "0",
    }
    assert (reading.unit, reading.environment, reading.interval_s) == ("chunk", "one", 0.25)
    assert [(c.index, c.size) for c in reading.chunks] == [(0, 77), (1, 77), (2, 77)]
    assert reading.size == 231


@pytest.mark.parametrize("skew_s", [0.0, 7200.0, -7200.0])
def test_the_clocks_offset_is_taken_out(skew_s: float) -> None:
    """One machine: so the truth about the other clock is known."""
    with Server(Companion(skew_s=skew_s)) as server:
        reading = measured(server.url, count=3, pings=3)

    assert reading.clock is not None
    assert reading.clock.sample_count == 6
    assert abs(reading.clock.offset_s - skew_s) <= reading.clock.uncertainty_s + 1e-4
    assert reading.started_s is not None
    assert 0 <= reading.started_s <= reading.head_s
    for each in reading.chunks:
        assert each.late_s is not None
        assert 0 <= each.late_s <= 2 * reading.clock.uncertainty_s + each.arrived_s


def test_only_round_trips_to_the_environment_that_streamed_count() -> None:
    """Another environment has another clock."""
    names = ("two", "two", "one", "two", "one", "two", "two", "one")
    companion = Companion(environments=names)
    with Server(companion) as server:
        reading = measured(server.url, count=1, pings=2)

    # Two before, the stream, then on until two have reached the environment that streamed.
    assert len(companion.asked) == 7
    assert reading.environment == "one"
    assert reading.clock is not None
    assert reading.clock.sample_count == 1


def test_without_a_round_trip_the_streams_own_causality_counts() -> None:
    with Server(Companion(environments=("two", "two", "one", "two"))) as server:
        reading = measured(server.url, count=2, pings=2)

    assert reading.clock is not None
    assert (reading.clock.sample_count, reading.clock.round_trip_s) == (0, None)
    assert "causality" in (reading.clock_words or "")
    assert all(each.written_s is not None for each in reading.chunks)


def test_no_pings_is_one_request() -> None:
    companion = Companion()
    with Server(companion) as server:
        reading = measured(server.url, count=2, pings=0)

    assert [asked[""] for asked in companion.asked] == ["stream"]
    assert reading.clock is not None
    assert len(reading.chunks) == 2


def test_no_pings_measures_any_url_too() -> None:
    with Server(sending(answer(b"data: 1\n\n", EVENT_STREAM))) as server:
        reading = measured(server.url, pings=0)

    assert (len(server.heads), reading.unit, reading.interval_s) == (1, "event", None)


def test_a_clock_that_went_back_makes_no_times() -> None:
    companion = Companion()

    def set_back(index: int) -> None:
        if index == 1:
            companion.skew_ns -= 10**12

    companion.on_chunk = set_back
    with Server(companion) as server:
        reading = measured(server.url, count=3, pings=2)

    assert reading.clock is None
    assert [each.written_s for each in reading.chunks] == [None] * 3
    assert "was set" in (reading.clock_words or "")


def test_chunks_that_are_missing_are_missed() -> None:
    """A Function URL ends a response that failed as cleanly as any other."""
    companion = Companion()
    companion.chunk_count = 2
    with Server(companion) as server:
        reading = measured(server.url, count=3, pings=1)

    assert reading.broken == "2 of 3 chunks came, and then a clean end"
    assert reading.clock is not None


def test_a_stream_that_is_refused_is_what_was_measured() -> None:
    companion = Companion()
    companion.stream = lambda connection: connection.send(
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\noops"
    )
    with Server(companion) as server:
        reading = measured(server.url, pings=1)

    assert (reading.status, reading.unit, reading.size) == (502, "read", 4)
    assert (reading.broken, reading.clock) == (None, None)


BUSY = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\n\r\nbusy"


def test_a_stream_that_meets_a_busy_function_is_asked_for_again() -> None:
    """Of a function with one environment, right behind a ping."""
    companion = Companion()
    refused = []

    def stream(connection: Connection) -> None:
        refused.append(True)
        companion.stream = None
        connection.send(BUSY)

    companion.stream = stream
    told: list[Chunk] = []
    with Server(companion) as server:
        reading = measured(server.url, count=2, pings=1, on_progress=told.append)

    assert [asked[""] for asked in companion.asked] == ["ping", "stream", "stream", "ping"]
    assert (refused, reading.status, len(reading.chunks), len(told)) == ([True], 200, 2, 2)


def test_a_function_that_stays_busy_is_what_was_measured() -> None:
    companion = Companion()
    companion.stream = lambda connection: connection.send(BUSY)
    with Server(companion) as server:
        reading = measured(server.url, pings=1)

    assert len(companion.asked) == 4
    assert (reading.status, reading.unit, reading.size) == (429, "read", 4)


def test_a_ping_that_meets_a_busy_function_is_sent_again() -> None:
    """Its first try is no round trip."""
    companion = Companion()
    seen = iter([False, True, False, True])

    def script(connection: Connection) -> None:
        while True:
            if next(seen, False):
                if not connection.head():
                    return
                connection.send(BUSY)
            else:
                before = len(companion.asked)
                companion_once(connection)
                if len(companion.asked) == before:
                    return

    def companion_once(connection: Connection) -> None:
        head = [connection.head()]

        class Once:
            send = staticmethod(connection.send)

            def head(self) -> bytes:
                return head.pop() if head else b""

        companion(Once())  # type: ignore[arg-type]

    with Server(script) as server:
        reading = measured(server.url, count=1, pings=2)

    # ping, (busy), ping, (busy), stream, ping, ping
    assert [asked[""] for asked in companion.asked] == ["ping", "ping", "stream", "ping", "ping"]
    assert reading.clock is not None
    assert reading.clock.sample_count == 4


@pytest.mark.parametrize("pings", [0, 3])
def test_a_companion_that_does_not_see_what_it_is_asked_is_told(pings: int) -> None:
    """A proxy may take the header away; it then writes what it writes unasked."""

    def script(connection: Connection) -> None:
        while connection.head():
            said = f"{FIELD}: v=1; environment=one; started_ns={time.time_ns()}\r\n".encode()
            connection.send(CHUNKED + b"content-type: text/plain\r\n" + said + b"\r\n")
            for index in range(10):
                connection.send(chunk(mark(index, time.time_ns()).encode() + b"\n"))
            connection.send(b"0\r\n\r\n")

    with Server(script) as server:
        with pytest.raises(ProbeError, match="takes the header `tailrace-probe` out of requests"):
            measured(server.url, count=5, pings=pings)

        assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"content-type: text/plain\r\ncontent-encoding: br\r\n", b"\x8b\x02\x80"),
        (b"", b"[0:1]\n"),
        (b"content-type: application/jsonl\r\n", b"[0:1]\n"),
    ],
    ids=["another coding", "no type", "another type"],
)
def test_what_the_companion_wrote_may_not_be_readable(fields: bytes, body: bytes) -> None:
    """Something on the way has changed it: that is no lack of chunks, and no clock that was set."""
    companion = Companion()

    def stream(connection: Connection) -> None:
        said = f"{FIELD}: v=1; environment=one; started_ns={companion.now_ns()}\r\n".encode()
        connection.send(CHUNKED + fields + said + b"\r\n" + chunk(body) + b"0\r\n\r\n")

    companion.stream = stream
    with Server(companion) as server:
        reading = measured(server.url, count=5, pings=1)

    assert (reading.broken, reading.clock, reading.environment) == (None, None, "one")
    assert reading.clock_words is not None
    assert "something on the way has changed the body" in reading.clock_words
    assert to_json(reading)["has_companion"] is True


def test_a_refusal_of_the_companion_is_told() -> None:
    """An older one may know less."""
    companion = Companion()
    said = b"tailrace-probe: v=1; environment=one; started_ns=1\r\ncontent-length: 9\r\n\r\n"
    companion.stream = lambda connection: connection.send(
        b"HTTP/1.1 400 Bad Request\r\n" + said + b"type: no\n"
    )
    with Server(companion) as server, pytest.raises(ProbeError) as caught:
        measured(server.url, pings=1)

    assert str(caught.value) == f"{server.url}: the companion refuses that: type: no"


def test_a_stream_that_breaks_off_is_measured_as_far_as_it_came() -> None:
    gate = threading.Semaphore(0)
    companion = Companion()

    def leave(index: int) -> None:
        if index == 2:
            assert gate.acquire(timeout=WAIT_S)
            assert gate.acquire(timeout=WAIT_S)
            raise OSError("gone")

    companion.on_chunk = leave
    with Server(companion) as server:
        reading = measured(server.url, pings=2, on_progress=lambda chunk: gate.release())

    assert reading.broken == "the connection broke before its answer was complete"
    assert [each.index for each in reading.chunks] == [0, 1]
    assert reading.clock is not None
    assert len(companion.asked) == 3, "nobody is pinged after that"


def test_padding_is_no_part_of_a_chunk() -> None:
    with Server(Companion()) as server:
        reading = measured(server.url, count=3, size=80, pad_bytes=5_000, pings=1)

    assert reading.padded_bytes == 5_000
    assert reading.size == 3 * 5_080
    assert [each.size for each in reading.chunks] == [80, 80, 80]


def test_a_redirect_is_followed_once() -> None:
    companion = Companion()

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(OK.replace(b"200 OK", b"307 Temporary Redirect") + b"location: /there\r\n")
        connection.send(b"content-length: 0\r\nconnection: close\r\n\r\n")
        companion(connection)

    with Server(lambda c: (script if len(server.heads) == 0 else companion)(c)) as server:
        reading = measured(f"{server.url}/here", count=1, pings=2)

    assert (reading.url, reading.redirects) == (f"{server.url}/here", (f"{server.url}/there",))
    assert set(companion.paths) == {b"/there"}
    assert len(companion.asked) == 5


def test_a_stop_keeps_what_came() -> None:
    stop = Stop()
    companion = Companion()
    with Server(companion) as server:
        reading = measured(
            server.url, count=5, pings=1, stop=stop, on_progress=lambda chunk: stop.set()
        )

    assert reading.stopped == "it was interrupted"
    assert reading.broken is None
    assert [each.index for each in reading.chunks][:1] == [0]
    assert reading.clock is not None
    assert len(companion.asked) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"environment": "x"}',
        b'{"environment":"one","received_ns":"1","sent_ns":"2"}',
        b'{"environment":"one","received_ns":Infinity,"sent_ns":1e999}',
        b'{"environment":"one","received_ns":-1,"sent_ns":2}',
        b'{"environment":"one","received_ns":1,"sent_ns":1%s}' % (b"0" * 400),
        b"[" * 60_000,
    ],
    ids=range(9),
)
def test_an_answer_that_is_no_round_trip_counts_as_none(body: bytes) -> None:
    companion = Companion()

    def script(connection: Connection) -> None:
        said = f"{FIELD}: v=1; environment=one; started_ns=1\r\n".encode()
        connection.head()
        connection.send(answer(body, said))
        companion(connection)

    with Server(lambda c: (companion if server.heads else script)(c)) as server:
        reading = measured(server.url, count=1, pings=1)

    assert reading.clock is not None
    assert reading.clock.sample_count == 1, "only the one behind the stream"


@pytest.mark.parametrize("started", ["", "x", "-1", "\xb2", "1" + "0" * 30, "9" * 9_999])
def test_a_start_that_is_no_moment_makes_no_times(started: str) -> None:
    said = f"{FIELD}: v=1; environment=one; started_ns={started}\r\n".encode("latin-1")
    with Server(sending(answer(b"[0:1]\n", b"content-type: text/plain\r\n" + said))) as server:
        reading = measured(server.url, count=1, pings=0)

    assert (reading.clock, reading.unit, len(reading.chunks)) == (None, "chunk", 1)


def test_a_round_trip_that_fails_is_done_without() -> None:
    """Whatever is in front of the function may refuse one request of many."""
    companion = Companion()
    refused = iter([False, True, False, True])

    def script(connection: Connection) -> None:
        if next(refused, False):
            connection.head()  # and goes, without an answer
        else:
            connection.send(b"")
            once(connection)

    def once(connection: Connection) -> None:
        """One request for each connection, so that each may be refused."""
        head = connection.head()

        class One:
            def head(self) -> bytes:
                nonlocal head
                taken, head = head, b""
                return taken

            send = staticmethod(connection.send)

        companion(One())  # type: ignore[arg-type]

    with Server(script) as server:
        reading = measured(server.url, count=1, pings=3)

    assert [asked[""] for asked in companion.asked] == ["ping", "stream"]
    assert reading.clock is not None
    assert reading.clock.sample_count == 1


def test_another_version_of_the_companion_is_any_url() -> None:
    with Server(sending(answer(b"x", b"tailrace-probe: v=2; environment=x\r\n"))) as server:
        reading = measured(server.url)

    assert (len(server.heads), reading.unit) == (1, "read")


# --- limits ----------------------------------------------------------------------------------


def recorder_of(head: dict[str, str], **options: Any) -> Recorder:
    recorder = Recorder(**options)
    recorder.on_sent(0.0)
    recorder.on_head(AnswerHead(0.0, 200, "1.1", head))
    return recorder


def test_what_is_recorded_is_bounded_and_the_rest_is_counted() -> None:
    told: list[int] = []
    recorder = recorder_of(
        {"content-type": "application/x-ndjson"},
        on_progress=lambda chunk: told.append(chunk.size),
    )

    for number in range(PROBE_RECORDED_MAX + 10):
        assert recorder.on_read(float(number), b"1\n") is None

    assert len(recorder.reads) == len(recorder.cuts) == PROBE_RECORDED_MAX
    assert recorder.size == 2 * PROBE_RECORDED_MAX + 20
    assert told == [2] * (PROBE_RECORDED_MAX + 10)


def test_an_endless_body_comes_to_an_end() -> None:
    recorder = recorder_of({})
    piece = bytes(64 << 20)

    reasons = {recorder.on_read(0.0, piece) for _ in range(PROBE_BODY_BYTES_MAX // len(piece))}

    assert reasons == {None, f"{PROBE_BODY_BYTES_MAX} bytes were measured"}


def test_an_endless_answer_to_a_ping_comes_to_an_end() -> None:
    recorder = recorder_of({FIELD: "v=1", "content-encoding": "gzip"})
    bomb = gzip.compress(bytes(10 << 20))

    assert recorder.on_read(0.0, bomb) == "it is no answer to a ping"
    assert len(recorder.text) < 3 * PROBE_ANSWER_BYTES_MAX


def test_a_few_bytes_that_are_many_events_come_to_an_end() -> None:
    recorder = recorder_of({"content-type": "text/event-stream", "content-encoding": "gzip"})
    bomb = gzip.compress(b"data\n\n" * (8 << 20))

    assert recorder.on_read(0.0, bomb) == "its compressed body takes more time to read than to come"
    assert len(recorder.cuts) <= PROBE_RECORDED_MAX


# --- the real one ----------------------------------------------------------------------------

CONFIG = """
[functions.probe]
handler = "tailrace.probe.handler"
[functions.probe.url]
invoke_mode = "RESPONSE_STREAM"

[[routes]]
path = "/callback"
function = "probe"

[[routes]]
path = "/stream"
function = "probe"
transport = "response-stream"
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    path: Path = tmp_path_factory.mktemp("measure") / "tailrace.toml"
    path.write_text(CONFIG)
    with serving(path) as chain:
        yield chain


@pytest.mark.parametrize("where", ["/callback", "/stream", "URL"])
def test_the_real_companion_is_measured_on_every_path(chain: Chain, where: str) -> None:
    """One machine, one clock: so the truth about the offset is known."""
    url = chain.function_url("probe") if where == "URL" else chain.url + where
    reading = measured(url, count=5, interval_s=0.02, pings=4)

    assert (reading.status, reading.unit, reading.size) == (200, "chunk", 5 * 64)
    assert [each.index for each in reading.chunks] == [0, 1, 2, 3, 4]
    clock = reading.clock
    assert clock is not None
    assert abs(clock.offset_s) <= clock.uncertainty_s
    written = [each.written_s or 0.0 for each in reading.chunks]
    assert written == sorted(written)
    for each in reading.chunks:
        assert each.written_s is not None
        assert 0 < each.written_s <= each.arrived_s
