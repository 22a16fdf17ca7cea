"""The examples, as `make demo` runs them: real processes, a real client, arrival times."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from tests.command import EXAMPLES, DevCommand, Stream, fetch

WRITTEN = re.compile(r"written at ([\d:.]+)$")


@pytest.fixture(scope="module")
def demo() -> Iterator[DevCommand]:
    with DevCommand(EXAMPLES) as dev:
        yield dev


def written_at(line: str, arrived_at: float) -> float:
    """The wall-clock time that a line carries; its day is the one of its arrival, or the one
    before it at midnight."""
    match = WRITTEN.search(line)
    assert match is not None, line
    day = datetime.fromtimestamp(arrived_at, UTC).date()
    moment = datetime.fromisoformat(f"{day}T{match[1]}+00:00")
    if moment.timestamp() > arrived_at + 3600:
        moment -= timedelta(days=1)
    return moment.timestamp()


def assert_on_time(arrivals: list[tuple[float, str]]) -> None:
    """Lines were here before the function wrote the next one: one machine, one clock.

    A line that is kept back for the next one never is. This process may sleep through the pause
    between two lines on a busy machine, but not through most of them: half are asked for. That
    each is on time is shown without a clock by tests/e2e/test_on_time.py.
    """
    times = [(arrived_at, written_at(line, arrived_at)) for arrived_at, line in arrivals]
    is_early = [arrived_at < next_at for (arrived_at, _), (_, next_at) in pairwise(times)]
    assert sum(is_early) >= len(is_early) / 2, times


def test_lines_arrive_one_by_one(demo: DevCommand) -> None:
    with Stream(f"{demo.url}/lines") as stream:
        arrivals = list(stream.arrivals())

    texts = [line.partition(",")[0] for _, line in arrivals]
    assert texts == [f"line {number:2} of 10" for number in range(1, 11)]
    assert_on_time(arrivals)
    assert stream.response.headers["content-type"] == "text/plain; charset=utf-8"


def test_lines_arrive_one_by_one_at_their_function_url(demo: DevCommand) -> None:
    url = demo.wait_line(r"URL +(http://\S+)/ +lines, RESPONSE_STREAM")[1]

    with Stream(f"{url}/") as stream:
        arrivals = list(stream.arrivals())

    assert len(arrivals) == 10
    assert_on_time(arrivals)
    assert stream.response.headers["content-type"] == "text/plain; charset=utf-8"


def test_the_example_is_six_lines_of_code() -> None:
    source = (EXAMPLES.parent / "lines" / "app.py").read_text()

    assert len(source.partition("@streamify_response")[2].strip().splitlines()) < 6


def test_a_function_in_node_needs_no_sdk(demo: DevCommand) -> None:
    with Stream(f"{demo.url}/node?any=query") as stream:
        arrivals = list(stream.arrivals())

    assert len(arrivals) == 10
    assert_on_time(arrivals)
    demo.wait_line(r"node +\| [0-9a-f-]{36} asks for /node\?any=query")


def test_node_stops_when_its_client_leaves(demo: DevCommand) -> None:
    seen = len(demo.lines)
    with Stream(f"{demo.url}/node") as stream:
        stream.line()
    demo.wait_line(r"path=/node .*outcome=client-left", after=seen)
    demo.wait_line(r"node +\| END", after=seen)

    assert fetch(f"{demo.url}/node")[1].count("\n") == 10


def test_a_web_app_streams_its_page(demo: DevCommand) -> None:
    with Stream(f"{demo.url}/app") as stream:
        lines = list(stream.arrivals())

    steps = [(arrived_at, line) for arrived_at, line in lines if WRITTEN.search(line)]
    assert [text.partition("step ")[2][:8] for _, text in steps] == [
        f"{number:2} of 10" for number in range(1, 11)
    ]
    assert_on_time(steps)
    assert stream.response.headers["content-type"] == "text/html; charset=utf-8"
    assert any("This process started at " in line for _, line in lines)


def test_a_web_app_stops_when_its_client_leaves(demo: DevCommand) -> None:
    seen = len(demo.lines)
    with Stream(f"{demo.url}/app") as stream:
        while "step  1 of 10" not in stream.line():
            pass
    demo.wait_line(r"path=/app .*outcome=client-left", after=seen)
    demo.wait_line(r"webapp +\| END", after=seen)

    assert not any("[ERROR]" in line for line in demo.lines[seen:])


def events(stream: Stream) -> Iterator[tuple[float, dict[str, str]]]:
    """Server-sent events, each with its time of arrival."""
    event: dict[str, str] = {}
    while line := stream.line():
        field, _, value = line.rstrip("\n").partition(": ")
        if field:
            event[field] = value
        else:
            yield time.time(), event
            event = {}


def test_tokens_arrive_one_by_one_and_say_when_they_are_done(demo: DevCommand) -> None:
    with Stream(f"{demo.url}/tokens") as stream:
        received = list(events(stream))

    *tokens, (_, done) = received
    data = [(arrived_at, json.loads(event["data"])) for arrived_at, event in tokens]
    # Tokens may be 20 ms apart, which a busy machine may sleep through; five of them are not, and
    # not again and again.
    pairs = zip(data, data[5:], strict=False)
    is_early = [arrived_at < later["written_at"] for (arrived_at, _), (_, later) in pairs]
    assert sum(is_early) >= len(is_early) / 2
    text = "".join(token["token"] for _, token in data)
    assert text.startswith("A tailrace is the channel")
    assert text.endswith("when you leave, the function stops as well.")
    assert [event["id"] for _, event in tokens] == [str(number) for number in range(len(tokens))]
    assert done["event"] == "done"
    assert stream.response.headers["content-type"] == "text/event-stream"


def test_a_model_that_thinks_is_heard_of_all_the_while(demo: DevCommand) -> None:
    with Stream(f"{demo.url}/tokens?silent=2.5") as stream:
        first = [stream.line() for _ in range(3)]

    assert first == [":\n", ":\n", "id: 0\n"]


def test_a_model_that_fails_says_so_in_an_event(demo: DevCommand) -> None:
    with Stream(f"{demo.url}/tokens?fail=3") as stream:
        received = [event for _, event in events(stream)]

    assert [event["id"] for event in received] == ["0", "1", "2", "~done"]
    assert received[-1]["event"] == "failed"


def test_a_browser_that_reconnects_gets_what_it_lacks_and_then_204(demo: DevCommand) -> None:
    with Stream(f"{demo.url}/tokens", headers={"last-event-id": "55"}) as stream:
        rest = [event for _, event in events(stream)]
    with Stream(f"{demo.url}/tokens", headers={"last-event-id": rest[-1]["id"]}) as stream:
        assert (stream.status, stream.read()) == (204, b"")
    with Stream(f"{demo.url}/tokens", headers={"last-event-id": "x"}) as stream:
        assert [stream.line() for _ in range(3)] == ["id: x\n", "\n", "id: 0\n"]

    assert [event["id"] for event in rest[:2]] == ["55", "56"]


def test_half_a_response_is_not_taken_for_a_whole_one(demo: DevCommand) -> None:
    seen = len(demo.lines)
    arrivals = []
    with Stream(f"{demo.url}/fails") as stream, pytest.raises(http.client.IncompleteRead):
        for arrival in stream.arrivals():
            arrivals.append(arrival)

    assert len(arrivals) == 5
    assert_on_time(arrivals)
    demo.wait_line(r"fails +\| \[ERROR\] RuntimeError: the database went away", after=seen)
    demo.wait_line(r"path=/fails .*status=200 outcome=callback-broken", after=seen)


def expected_blocks(size: int) -> Iterator[bytes]:
    """The bytes of /download, told from its promise: blocks of 64 KiB that name their offset."""
    pattern = bytes(range(256)) * 256
    for offset in range(0, size, 65_536):
        yield (offset.to_bytes(8, "big") + pattern[8:])[: size - offset]


@pytest.mark.parametrize("size", [0, 1, 65_536, 100_000, 50_000_000])
def test_a_download_is_whole_and_announced(size: int, demo: DevCommand) -> None:
    expected = hashlib.sha256()
    for block in expected_blocks(size):
        expected.update(block)

    received = hashlib.sha256()
    with Stream(f"{demo.url}/download?size={size}") as stream:
        while piece := stream.response.read(1 << 20):
            received.update(piece)
        headers = stream.response.headers

    assert received.digest() == expected.digest()
    assert headers["content-length"] == str(size)
    assert headers["content-disposition"] == f'attachment; filename="tailrace-{size}.bin"'


def test_a_download_is_held_by_nobody(demo: DevCommand) -> None:
    """Neither the gateway nor the function grows with what passes through them."""
    gateway = psutil.Process(demo.process.pid)
    fetch_all(f"{demo.url}/download?size=1000000")
    processes = [gateway, *gateway.children(recursive=True)]
    before = {process.pid: process.memory_info().rss for process in processes}

    fetch_all(f"{demo.url}/download?size=300000000")

    for process in processes:
        assert process.memory_info().rss - before[process.pid] < 16 * 1024 * 1024


def fetch_all(url: str) -> None:
    with Stream(url) as stream:
        while stream.response.read(1 << 20):
            pass


def test_head_of_a_download_says_its_length(demo: DevCommand) -> None:
    with Stream(f"{demo.url}/download?size=1000", method="HEAD") as stream:
        assert stream.response.headers["content-length"] == "1000"
        assert stream.read() == b""


@pytest.mark.parametrize("size", ["x", "-1", "10000000001", "9" * 5000, ""])
def test_a_size_that_is_none_is_refused(size: str, demo: DevCommand) -> None:
    status, text = fetch(f"{demo.url}/download?size={size}")

    assert status == 400
    assert text == "size is a number of bytes, at most 10000000000: /download?size=1000000\n"


def test_without_node_its_function_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(shutil.which("python3") or "/usr/bin/python3")
    with DevCommand(EXAMPLES, environ={"PATH": str(tmp_path)}) as dev:
        dev.wait_line("node is left out: node is not installed")

        assert fetch(f"{dev.url}/node")[0] == 404
        assert 'needs="missing"' in fetch(f"{dev.url}/")[1]


def test_the_page_is_a_stream_of_parts(demo: DevCommand) -> None:
    """Each part carries the time of its write, and was here before the next one was written."""
    mark = re.compile(r'<page-part written="(\d+\.\d+)">')
    written, arrived = [], []
    with Stream(f"{demo.url}/") as stream:
        for arrived_at, line in stream.arrivals():
            for match in mark.finditer(line):
                written.append(float(match[1]) / 1000)
                arrived.append(arrived_at)
        headers = stream.response.headers

    assert len(written) == 13
    assert all(a < w for a, w in zip(arrived, written[1:], strict=False))
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_the_page_shows_the_code_that_runs(demo: DevCommand) -> None:
    page = fetch(f"{demo.url}/")[1]

    assert f"<code>curl -N {demo.url}/lines</code>" in page
    assert "for number in range(1, 11):" in page
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_the_probe_sees_that_the_url_holds_back_and_the_gateway_does_not(demo: DevCommand) -> None:
    url = demo.wait_line(r"URL +(http://\S+)/ +probe, RESPONSE_STREAM")[1]
    options = ("--json", "--count", "3", "--interval", "300ms")
    done = subprocess.run(
        [sys.executable, "-m", "tailrace", "probe", *options, f"{demo.url}/probe", url],
        capture_output=True,
        check=True,
        timeout=60,
    )

    gateway, function_url = json.loads(done.stdout)["readings"]
    assert [chunk["is_merged"] for chunk in gateway["chunks"]] == [False, False, False]
    # The third comes with the end, which follows it at once, but not always in the same read.
    assert [chunk["is_merged"] for chunk in function_url["chunks"][:2]] == [False, True]
