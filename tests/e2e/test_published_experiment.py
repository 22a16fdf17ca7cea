"""The experiment that made late chunks known, on this machine.

betterdev.blog, "Lambda response streaming", September 2023: a function writes a line a second. Two
lines arrive together after two seconds; padded to 100 KB each arrives at once, to 10 KB none does.

First by causality: the function waits before each write until the test lets it go on, so what has
arrived by then was let out by what was written before. Then by the probe.
"""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.e2e.chain import Chain, serving, until
from tests.e2e.gate import SOURCE

from tailrace.emulator.outlet import Outlet
from tailrace.probe.measure import measure
from tailrace.probe.options import MeasureOptions
from tailrace.probe.plot import draw
from tailrace.probe.record import Chunk, Reading

APP = '''
from gate import Gate, query
from tailrace.function import Head, streamify_response


@streamify_response
def handler(event, context):
    """Four lines, then the end; each when the test says so."""
    size = int(query(event).get("size", 0))
    with Gate(event) as gate:
        yield Head(200, {"content-type": "text/html; charset=utf-8"})
        for number in range(1, 5):
            gate.wait()
            yield f"line {number}".ljust(size - 1) + "\\n"
        gate.wait()
'''

CONFIGURATION = """
[functions.lines]
handler = "app.handler"
hold_back = "lambda"
timeout_s = 60

[functions.lines.url]
invoke_mode = "RESPONSE_STREAM"

[functions.companion]
handler = "tailrace.probe.handler"
hold_back = "lambda"
timeout_s = 60

[functions.companion.url]
invoke_mode = "RESPONSE_STREAM"

[[routes]]
path = "/lines"
function = "lines"

[[routes]]
path = "/companion"
function = "companion"
"""

LINES = MeasureOptions(count=4, interval_s=0.8, content_type="text/html")
PROBED = {
    "short": LINES,
    "10 KB": replace(LINES, size=10_000),
    "100 KB": replace(LINES, size=100_000),
    "flushed": replace(LINES, pad_bytes=100_000),
}
"""What the probe asks of a Function URL."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    directory = tmp_path_factory.mktemp("published")
    (directory / "gate.py").write_text(SOURCE)
    (directory / "app.py").write_text(APP)
    (directory / "tailrace.toml").write_text(CONFIGURATION)
    with serving(directory / "tailrace.toml") as chain:
        yield chain


class Run:
    """One response of the function, written and read step by step."""

    def __init__(self, chain: Chain, url: str, *, size: int = 0) -> None:
        self._chain = chain
        self._size = size
        self._gate = chain.gate()
        self._written = 0
        self.client = chain.client(url).ask(f"/lines?gate={self._gate.port}&size={size}")

    def write(self) -> None:
        """Let the next line be written."""
        self._gate.open()
        self._written += 1

    def write_unseen(self) -> None:
        """Let the next line be written; return when the emulator holds all lines so far."""
        self.write()
        held = len(self.lines(*range(self._written)))
        until(lambda: self._chain.look(held_bytes) == held, "the emulator to hold a line")

    def end(self) -> None:
        """Let the function end."""
        self._gate.open()

    def lines(self, *numbers: int) -> bytes:
        """What these lines are."""
        return b"".join(b"line %d".ljust(self._size) % n + b"\n" for n in numbers)

    def reads(self, *numbers: int) -> bool:
        """Read so much as these lines are: whether they are that, and nothing else has come."""
        lines = self.lines(*numbers)
        return self.client.body(len(lines)) == lines and not self.client.has_more


def held_bytes() -> int:
    # From inside: no socket tells what is held.
    return sum(each.held_bytes for each in gc.get_objects() if issubclass(type(each), Outlet))


def test_first_run_the_end_comes_an_interval_after_the_last_line(chain: Chain) -> None:
    run = Run(chain, chain.function_url("lines"))

    run.write_unseen()
    run.write_unseen()
    assert not run.client.has_more  # not even the head
    run.write()
    assert run.client.head().status == 200
    assert run.client.some() == run.lines(1, 2)  # one chunk: they left together
    assert not run.client.has_more
    run.write()
    assert run.reads(3)
    run.end()
    assert run.client.rest() == run.lines(4)


def test_second_run_the_end_comes_at_once(chain: Chain) -> None:
    run = Run(chain, chain.function_url("lines"))

    run.write_unseen()
    run.write_unseen()
    assert not run.client.has_more
    run.write()
    run.client.head()
    assert run.client.some() == run.lines(1, 2)
    assert not run.client.has_more
    run.write()
    run.end()
    assert run.client.rest() == run.lines(3, 4)


def test_padded_to_100_kb_the_lines_arrive_one_by_one(chain: Chain) -> None:
    run = Run(chain, chain.function_url("lines"), size=100_000)

    for number in range(1, 5):
        run.write()
        if number == 1:
            run.client.head()
        assert run.reads(number)
    run.end()
    assert run.client.rest() == b""


def test_padded_to_10_kb_they_do_not(chain: Chain) -> None:
    run = Run(chain, chain.function_url("lines"), size=10_000)

    run.write_unseen()
    run.write_unseen()
    assert not run.client.has_more
    run.write()
    run.client.head()
    assert run.reads(1, 2)
    run.write()
    assert run.reads(3)
    run.end()
    assert run.client.rest() == run.lines(4)


def test_through_the_gateway_they_are_on_time_without_padding(chain: Chain) -> None:
    run = Run(chain, chain.url)

    assert run.client.head().status == 200
    for number in range(1, 5):
        run.write()
        assert run.reads(number)
    run.end()
    assert run.client.rest() == b""


# --- by the probe ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def readings(served: Chain) -> dict[str, Reading]:
    """All of them at once: they wait most of the time."""

    async def take() -> list[Reading]:
        url, gateway = served.function_url("companion"), f"{served.url}/companion"
        measuring = [measure(url, options) for options in PROBED.values()]
        return await asyncio.gather(*measuring, measure(gateway, LINES))

    found = asyncio.run(take())
    assert all(each.broken is None and len(each.chunks) == 4 for each in found)
    return dict(zip([*PROBED, "gateway"], found, strict=True))


def waited_for(chunk: Chunk, other: Chunk, reading: Reading) -> bool:
    """Whether a chunk arrived after another was written, for certain."""
    assert other.written_s is not None and reading.clock is not None
    return chunk.arrived_s > other.written_s - reading.clock.uncertainty_s


@pytest.mark.parametrize("kind", ["short", "10 KB"])
def test_the_probe_sees_what_each_line_waited_for(readings: dict[str, Reading], kind: str) -> None:
    one, two, three, four = readings[kind].chunks

    assert waited_for(one, three, readings[kind])
    assert waited_for(two, three, readings[kind])
    assert not waited_for(two, four, readings[kind])
    assert waited_for(three, four, readings[kind])


@pytest.mark.parametrize("kind", ["100 KB", "flushed", "gateway"])
def test_the_probe_sees_lines_that_wait_for_none(readings: dict[str, Reading], kind: str) -> None:
    chunks = readings[kind].chunks

    for chunk, following in pairwise(chunks):
        assert not waited_for(chunk, following, readings[kind])


def test_the_picture_says_so(readings: dict[str, Reading], tmp_path: Path) -> None:
    draw(list(readings.values()), tmp_path / "picture.svg", names=list(readings))

    said = re.findall(r"<!-- (.*?) -->", (tmp_path / "picture.svg").read_text())
    assert [words for words in said if words in readings] == list(readings)
    short = said[said.index("short") + 1]
    assert short.startswith("chunks 1 and 2 arrive together, up to ")
