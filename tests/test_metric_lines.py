"""When lines of metrics are written, and what becomes of those that cannot be."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest
from tests.clock import ManualClock
from tests.emf import Line, parse

from tailrace.cli.metrics import LineOutput, MetricLines
from tailrace.gateway.observe.emf import Gauges, MetricsSettings
from tailrace.net.process.counts_due import CountsDue

LINE = b"a line\n"
PIPE_BYTES = 4_096


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The smallest pipe, as its reading and its writing end: it takes one line at a time."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.set_blocking(reading, False)
    yield reading, writing
    os.close(reading)
    os.close(writing)


class Told:
    """What a node has, as a test says it; and lines that it has written."""

    def __init__(self, pipe: tuple[int, int], interval_s: int = 60) -> None:
        self.clock = ManualClock()
        self.late_us = 0
        self.counts = {"completed": 0}
        settings = MetricsSettings(name="n", host="h", interval_s=interval_s)
        due, output = CountsDue(lambda: self.counts), LineOutput(pipe[1])
        self.lines = MetricLines(settings, self._gauges, due, output, self.clock)
        self._reading = pipe[0]

    def _gauges(self) -> Gauges:
        return Gauges(held=1, held_max=10, clients=0, uploads=0, late_us=self.late_us)

    def read(self) -> list[Line]:
        """The lines since the last call."""
        try:
            text = os.read(self._reading, 1_000_000)
        except BlockingIOError:
            return []
        return [parse(line) for line in text.splitlines(True)]


def test_a_line_comes_at_the_start_each_minute_and_at_the_end(pipe: tuple[int, int]) -> None:
    told = Told(pipe)

    told.lines.start()
    assert len(told.read()) == 1
    told.clock.advance(59.9)
    assert told.read() == []
    for _ in range(3):
        told.clock.advance(60)
        assert len(told.read()) == 1
    told.counts["completed"] = 7
    told.lines.stop()
    (last,) = told.read()
    told.lines.stop()
    told.clock.advance(600)

    assert last.metrics["Completed"] == 7
    assert told.read() == []


def test_no_line_comes_without_settings(pipe: tuple[int, int]) -> None:
    lines = MetricLines(None, lambda: pytest.fail("asked"), CountsDue(dict), LineOutput(pipe[1]))

    lines.start()
    lines.stop()

    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 1)


def test_the_greatest_lateness_of_each_second_is_kept_for_one_line(pipe: tuple[int, int]) -> None:
    told = Told(pipe)
    told.lines.start()
    told.clock.advance(10)
    told.late_us = 70_000
    told.clock.advance(1)
    told.late_us = 1_000
    (first,) = told.read()
    told.clock.advance(49)
    (second,) = told.read()
    told.clock.advance(60)
    (third,) = told.read()

    assert [line.metrics["Late"] for line in (first, second, third)] == [0, 70, 1]


def test_counts_of_lines_that_nobody_reads_are_in_the_next_one(
    pipe: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    told = Told(pipe)
    os.write(pipe[1], bytes(PIPE_BYTES))

    told.lines.start()
    told.counts["completed"] = 4
    told.clock.advance(60)
    told.counts["completed"] = 5
    assert os.read(pipe[0], PIPE_BYTES) == bytes(PIPE_BYTES)
    told.clock.advance(60)
    (first,) = told.read()
    told.clock.advance(60)
    (second,) = told.read()

    assert (first.metrics["Completed"], first.metrics["LinesLost"]) == (5, 2)
    assert (second.metrics["Completed"], second.metrics["LinesLost"]) == (0, 0)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "metrics: standard output takes no lines: nobody reads them; counts are kept"
    ]


class Disk:
    """A full disk, as `os.write` sees it: it takes so many bytes, and then says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self.text = b""
        monkeypatch.setattr("tailrace.cli.metrics.os.write", self._write)

    def _write(self, descriptor: int, data: bytes) -> int:
        if not self.room_bytes:
            raise OSError(28, "No space left on device")
        taken = data[: self.room_bytes]
        self.room_bytes -= len(taken)
        self.text += taken
        return len(taken)


def test_a_line_that_a_disk_takes_in_part_becomes_whole(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, output = Disk(monkeypatch, 3), LineOutput(pipe[1])

    output.write(LINE)
    with pytest.raises(OSError, match="No space"):
        output.write(b"lost\n")
    disk.room_bytes = 100
    output.write(b"another\n")

    assert disk.text == LINE + b"another\n"


def test_a_line_that_is_not_written_at_all_is_not_written_later(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, output = Disk(monkeypatch, 0), LineOutput(pipe[1])

    with pytest.raises(OSError, match="No space"):
        output.write(LINE)
    disk.room_bytes = 100
    output.write(b"another\n")

    assert disk.text == b"another\n"
