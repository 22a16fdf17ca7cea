"""What was measured, as text and as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.probe.readings import timed, untimed

from tailrace.probe.diagnosis import Diagnosis
from tailrace.probe.merging import merged
from tailrace.probe.record import Arrival, Chunk, Reading
from tailrace.probe.report import (
    comparison,
    gap_max_s,
    progress_line,
    text_of,
    throughput,
    to_json,
    troubles,
)

HELD = replace(
    timed([(0.0, 2.0), (1.0, 2.0), (2.0, 3.0), (3.0, 3.0)], ended_s=3.0),
    url="http://127.0.0.1:8080/probe",
    headers=(("content-type", "text/plain"), ("server", "nginx"), ("date", "now")),
    clock_words="16 round trips to the environment that streamed; the quickest took 2 ms",
)
SAID = Diagnosis("held-until-next-write", "It was held.", ("a sign",), ("try this",), {"held_s": 2})


# --- text ------------------------------------------------------------------------------------


def test_a_reading_is_a_table_and_sentences() -> None:
    assert text_of(HELD, SAID) == (
        "http://127.0.0.1:8080/probe\n"
        "  HTTP/1.1 200, text/plain, nginx, companion in environment e\n"
        "\n"
        "         chunk     written     arrived        late        size\n"
        "             1     0.000 s     2.000 s     2.000 s        64 B\n"
        "             2     1.000 s     2.000 s     1.000 s        64 B  with the one before\n"
        "             3     2.000 s     3.000 s     1.000 s        64 B\n"
        "             4     3.000 s     3.000 s      0.0 ms        64 B  with the one before\n"
        "\n"
        "  It was held.\n"
        "\n"
        "  - head after 2.000 s, first byte after 2.000 s, end after 3.000 s: 256 B in 4 reads\n"
        "  - 4 chunks, 2 merged: written apart, and arrived together with the one before\n"
        "  - late by 2.000 s at most, 1.000 s at the median, each ± 1.0 ms\n"
        "  - the function's clock is 0.0 ms ahead of this machine's, ± 1.0 ms: 16 round trips to "
        "the\n"
        "    environment that streamed; the quickest took 2 ms\n"
        "  - a sign\n"
        "  - try this"
    )


def test_without_a_companion_there_are_arrivals_and_gaps() -> None:
    reading = replace(untimed([0.5, 0.5, 0.75]), headers=(("content-type", "text/event-stream"),))

    assert text_of(reading).splitlines()[3:] == [
        "         event     arrived         gap        size",
        "             1     0.500 s      500 ms        10 B",
        "             2     0.500 s      0.0 ms        10 B  with the one before",
        "             3     0.750 s      250 ms        10 B",
        "",
        "  - head after 100 ms, first byte after 500 ms, end after 750 ms: 30 B in 3 reads",
        "  - 3 events, 1 in the same read as the one before (written together, or merged)",
    ]


def test_an_empty_body_has_no_table() -> None:
    text = text_of(replace(untimed([], unit="read"), redirects=("http://a/", "http://b/")))

    assert text.splitlines() == [
        "https://example.com/lines?secret=1",
        "  redirected to http://a/",
        "  redirected to http://b/",
        "  HTTP/1.1 200",
        "",
        "  - head after 100 ms, no byte of a body, end after 200 ms: 0 B in 0 reads",
        "  - a body of this type has no events or lines: only reads are known",
    ]


def test_a_clock_that_is_not_known_is_said() -> None:
    chunks = tuple(replace(chunk, written_s=None) for chunk in HELD.chunks)
    text = text_of(replace(HELD, chunks=chunks, clock=None, clock_words="a clock was set"))

    assert "  - a clock was set" in text.splitlines()
    assert "written     arrived" not in text


def test_a_long_table_is_shown_at_both_ends() -> None:
    lines = text_of(untimed([float(second) for second in range(200)])).splitlines()

    rows = [line for line in lines if re.match(r" +\d+ +[\d.]+ s ", line)]
    assert [int(row.split()[0]) for row in rows] == [*range(1, 31), *range(171, 201)]
    assert "             …  140 more" in lines


def test_paint_says_what_is_what() -> None:
    text = text_of(replace(HELD, status=500), SAID, lambda text, role: f"<{role}>{text}</>")

    assert text.startswith("<title>http://127.0.0.1:8080/probe</>\n")
    assert "<dim>         chunk " in text
    marked = [line.split()[1] for line in text.splitlines() if line.startswith("<late>")]
    assert marked == ["1", "2", "3"]  # late for certain; 4 came with another, but at once
    assert "<warning>  the answer is an error: 500; this is what was measured</>" in text


def test_a_narrow_terminal_gets_narrow_prose() -> None:
    text = text_of(HELD, SAID, width=60)

    assert max(len(line) for line in text.partition(" size")[2].splitlines()[6:]) <= 60


def test_a_terminal_obeys_nobody_else() -> None:
    """A server's header may have what a terminal takes for a command."""
    reading = replace(HELD, headers=(("server", "x\x9b2Jy"),), redirects=("http://x/\x1b[2J",))
    said = replace(SAID, evidence=("`via: \x9b2J`",))

    text = text_of(reading, said)

    assert "x\ufffd2Jy" in text
    assert all(each.isprintable() for line in text.splitlines() for each in line)
    assert "\x9b" not in json.dumps(to_json(reading, said))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"status": 404}, ["the answer is an error: 404; this is what was measured"]),
        ({"broken": "the connection broke"}, ["the response broke off: the connection broke"]),
        ({"stopped": "it was enough"}, ["the rest was not measured: it was enough"]),
        (
            {
                "broken": "1 of 2 chunks came, and then a clean end",
                "lacks_chunks": True,
                "padded_bytes": 9,
            },
            [
                "the response broke off: 1 of 2 chunks came, and then a clean end",
                "perhaps there is no padding for text/plain: the function's log says so",
            ],
        ),
        ({"size": 10_256}, ["of 10.3 KB the first 256 B were recorded read by read"]),
    ],
)
def test_what_spoils_the_figures_is_said(changes: dict[str, Any], expected: list[str]) -> None:
    assert list(troubles(replace(HELD, **changes))) == expected


def test_troubles_are_said_first_and_once() -> None:
    broken = replace(HELD, broken="it was cut", status=500)
    said = replace(SAID, trouble="The response broke off: it was cut.")

    lines = text_of(broken, said).splitlines()

    assert lines[9:12] == [
        "  the answer is an error: 500; this is what was measured",
        "  the response broke off: it was cut",
        "  It was held.",
    ]


def test_several_are_compared() -> None:
    readings = [HELD, replace(untimed([0.5, 0.5]), url="http://x/")]
    readings += [replace(untimed([0.1], unit="read"), url="http://y/")]

    assert comparison(readings).splitlines() == [
        "                               first byte         end       units      merged"
        "      latest           ±",
        "  http://127.0.0.1:8080/probe     2.000 s     3.000 s           4           2"
        "     2.000 s      1.0 ms",
        "  http://x/                        500 ms      500 ms           2           1"
        "     unknown     unknown",
        "  http://y/                        100 ms      100 ms     unknown     unknown"
        "     unknown     unknown",
    ]


def test_progress_is_a_line_for_each_chunk() -> None:
    assert (
        progress_line(Chunk(0, 64, 0.5), None) == "     1       0.500 s                      64 B"
    )
    assert progress_line(Chunk(1, 2048, 1.25), 0.5) == (
        "     2       1.250 s       +750 ms     2.05 KB"
    )


# --- figures ---------------------------------------------------------------------------------


def test_a_rate_is_that_between_the_first_and_the_last_byte() -> None:
    reading = replace(
        untimed([1.0]), arrivals=(Arrival(1.0, 5), Arrival(2.0, 100), Arrival(3.0, 300)), size=405
    )

    assert throughput(reading) == 200.0
    assert throughput(replace(reading, arrivals=(Arrival(1.0, 5),))) is None
    assert throughput(replace(reading, arrivals=(Arrival(1.0, 5), Arrival(1.0, 5)))) is None
    assert gap_max_s(reading) == 1.0
    assert gap_max_s(untimed([])) is None
    words = " ".join(text_of(replace(reading, size=405 << 10)).split())
    assert "415 KB in 3 reads, 200 B/s between the first and the last byte" in words


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(0.0, 0.1), (1.0, 1.1), (2.0, 2.1)], ()),
        ([(0.0, 2.0), (1.0, 2.0), (2.0, 2.1)], (1,)),
        ([(0.0, 2.0), (1.0, 2.0005)], (1,)),  # in two reads, one behind the other
        ([(0.0, 2.0), (1.0, 2.002)], ()),
        ([(0.0, 0.1), (0.005, 0.1)], ()),  # written together
        ([(0.0, 0.1), (0.010, 0.1)], (1,)),
    ],
)
def test_what_was_written_apart_and_came_together_is_merged(
    pairs: list[tuple[float, float]], expected: tuple[int, ...]
) -> None:
    assert merged(timed(pairs)) == expected


def test_without_write_times_the_interval_that_was_asked_for_counts() -> None:
    chunks = (Chunk(0, 64, 2.0), Chunk(1, 64, 2.0))

    assert merged(replace(HELD, chunks=chunks)) == (1,)
    assert merged(replace(HELD, chunks=chunks, interval_s=0.0)) == ()


def test_of_reads_nothing_is_merged() -> None:
    assert merged(untimed([1.0, 1.0], unit="read")) == ()


# --- JSON ------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs/reference/probe.md").read_text()


def test_json_says_all_that_was_measured() -> None:
    found = to_json(HELD, SAID)

    assert json.loads(json.dumps(found)) == found
    assert found["has_companion"] is True
    assert (found["late_max_s"], found["late_median_s"], found["merged_count"]) == (2.0, 1.0, 2)
    assert (found["first_byte_s"], found["gap_max_s"], found["bytes_per_s"]) == (2.0, 1.0, 192.0)
    assert found["clock"] == {
        "offset_s": 0.0,
        "uncertainty_s": 0.001,
        "sample_count": 8,
        "round_trip_s": 0.002,
    }
    assert found["arrivals"][2] == {"at_s": 3.0, "size_bytes": 64}
    assert found["chunks"][1] == {
        "index": 1,
        "size_bytes": 64,
        "written_s": 1.0,
        "arrived_s": 2.0,
        "late_s": 1.0,
        "is_merged": True,
    }
    assert found["diagnosis"] == {
        "kind": "held-until-next-write",
        "words": "It was held.",
        "evidence": ["a sign"],
        "advice": ["try this"],
        "figures": {"held_s": 2},
    }
    assert found["headers"][1] == ["server", "nginx"]


def test_json_has_the_same_keys_when_nothing_is_known() -> None:
    reading: Reading = untimed([], unit="read")

    found = to_json(reading)

    assert found.keys() == to_json(HELD, SAID).keys()
    unknown = {key for key, value in found.items() if value is None}
    assert unknown == {
        "first_byte_s", "bytes_per_s", "gap_max_s", "merged_count", "late_max_s", "late_median_s",
        "broken", "stopped", "environment", "started_s", "interval_s", "clock", "clock_words",
        "diagnosis",
    }  # fmt: skip


def test_every_key_is_documented() -> None:
    found = to_json(HELD, SAID)
    keys = {*found, *found["clock"], *found["chunks"][0], *found["arrivals"][0]}
    keys |= set(found["diagnosis"]) | {"version", "readings", "sweeps", "errors"}

    assert {key for key in keys if f"`{key}`" not in PAGE} == set()
