"""What is said of a response says what is to be seen, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.probe.readings import SECONDS, timed, untimed

from tailrace.probe import caption
from tailrace.probe.caption import headline, name
from tailrace.probe.record import Reading

ON_TIME = [(s, s + 0.003) for s in SECONDS]
HELD = list(zip(SECONDS, (2.0, 2.0, 3.0, 4.0), strict=True))
HELD_AND_ENDED = list(zip(SECONDS, (2.0, 2.0, 3.0, 3.0), strict=True))
WHOLE = [(s, 3.1) for s in SECONDS]
BURSTS = [(n / 10, (n // 5 + 1) / 2) for n in range(20)]


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (timed(ON_TIME), "all 4 chunks arrive within 4 ms of being written"),
        (timed(ON_TIME[:1]), "the chunk arrives within 4 ms of being written"),
        (
            timed(HELD),
            "chunks 1 and 2 arrive together, up to 2.0 s late; the others up to 1.0 s late",
        ),
        (
            timed(HELD_AND_ENDED),
            "chunks 1 and 2 arrive together, up to 2.0 s late; 3 and 4 together, up to 1.0 s late",
        ),
        (timed(WHOLE), "all 4 chunks arrive together at the end, up to 3.1 s late"),
        (timed(WHOLE, ended_s=9.0), "all 4 chunks arrive together, up to 3.1 s late"),
        (timed(BURSTS), "20 chunks arrive in 4 groups, up to 500 ms late"),
        (timed([(s, s + 0.5) for s in SECONDS]), "all 4 chunks are late, by up to 500 ms"),
        (timed([*ON_TIME[:3], (3.0, 3.5)]), "1 of 4 chunks is late, by up to 500 ms"),
        (timed([(0.0, 2.5)]), "the chunk arrives 2.5 s late"),
        (timed([(0.0, 1.0), (1.0, 1.0), (2.0, 2.0)]),
         "chunks 1 and 2 arrive together, up to 1.0 s late; 3 within 1 ms"),
        (untimed([]), "no event arrived"),
        (untimed([0.5], unit="read"), "one read arrives, after 500 ms"),
        (
            untimed([0.2, 0.7, 2.0]),
            "3 events arrive one by one, the first after 200 ms; "
            "the longest silence between them is 1.3 s",
        ),
        (
            untimed([1.0, 1.0, 1.5, 1.5], unit="line"),
            "4 lines arrive in 2 groups, the first after 1.0 s; "
            "the longest silence between them is 500 ms",
        ),
        (untimed([1.0] * 6), "all 6 events arrive together at the end, after 1.0 s"),
    ],
)  # fmt: skip
def test_the_headline_says_what_is_to_be_seen(reading: Reading, words: str) -> None:
    assert headline(reading) == words


def test_a_broken_response_is_said_to_be_broken() -> None:
    reading = timed(ON_TIME, ended_s=3.5, broken="the connection was reset")

    assert headline(reading) == (
        "all 4 chunks arrive within 4 ms of being written; "
        "broken off after 3.5 s: the connection was reset"
    )
    assert headline(timed([], broken="no answer")).startswith("no chunk arrived; broken off")


def test_a_response_that_was_not_measured_to_its_end_says_so() -> None:
    reading = replace(untimed([1.0] * 6), stopped="it took longer than 10 minutes")

    assert headline(reading) == (
        "all 6 events arrive together, after 1.0 s; the rest was not measured"
    )


def test_large_chunks_are_named_by_their_size() -> None:
    reading = timed(ON_TIME)
    large = tuple(replace(chunk, size=10_000) for chunk in reading.chunks)

    assert name(replace(reading, chunks=large)) == "example.com/lines, chunks of 10 KB"


def test_what_the_clocks_leave_open_is_not_called_late() -> None:
    pairs = [(s, s + 0.3) for s in SECONDS]

    assert headline(timed(pairs)).startswith("all 4 chunks are late")
    unsure = timed(pairs, uncertainty_s=0.25)
    assert headline(unsure) == "all 4 chunks arrive within 550 ms of being written"
    assert not any(caption.is_late(chunk, unsure) for chunk in unsure.chunks)


def test_what_cannot_be_told_apart_in_a_picture_is_together() -> None:
    reading = timed([(0.0, 1.0), (1.0, 1.015), (2.0, 2.03), (3.0, 3.5)])

    assert [len(group) for group in caption.groups(reading)] == [2, 1, 1]


def test_chunks_that_were_written_together_are_no_group() -> None:
    reading = timed([(0.0, 0.01), (0.0, 0.01), (1.0, 1.01)])

    assert [len(group) for group in caption.groups(reading)] == [1, 1, 1]


def test_a_name_is_the_url_without_its_query_and_what_was_asked() -> None:
    assert name(timed(ON_TIME)) == "example.com/lines, no padding"
    assert name(timed(ON_TIME, padded_bytes=100_000)) == "example.com/lines, padded by 100 KB"
    assert name(timed(ON_TIME, padded_bytes=500)) == "example.com/lines, padded by 500 B"
    assert name(untimed([1.0], status=502)) == "example.com/lines, status 502"


def test_a_long_url_is_shortened_in_its_middle() -> None:
    long = name(untimed([1.0], url=f"https://{'a' * 40}.example/{'b' * 40}/end"))

    assert len(long) == 46
    assert long.startswith("aaaa") and long.endswith("bb/end") and "…" in long
