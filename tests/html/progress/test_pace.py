"""How long a job will take, and how that is written."""

from __future__ import annotations

from itertools import count

import pytest

from tailrace.html.progress.pace import Pace
from tailrace.html.progress.words import WORDS, duration, number, time_left


def test_nothing_is_said_until_it_means_something() -> None:
    pace = Pace(0, 100.0)
    assert pace.left_s(100) is None
    for step in range(1, 5):
        pace.note(step, 100 + step * 0.4)
        assert pace.left_s(100) is None
    pace.note(5, 102.0)
    assert pace.left_s(100) == pytest.approx(95 * 0.4)


def test_a_job_that_has_done_nothing_has_no_end() -> None:
    pace = Pace(0, 0.0)
    for step in range(1, 10):
        pace.note(0, float(step))
    assert pace.left_s(100) is None


def test_what_is_recent_counts_more() -> None:
    pace = Pace(0, 0.0)
    for step in range(1, 61):
        pace.note(step * 10, float(step))
    for step in range(1, 61):
        pace.note(600 + step, 60.0 + step)

    left_s = pace.left_s(1000)

    assert left_s is not None
    assert 34 < 340 / 2 < left_s <= 340, "between the first pace and the last, nearer to the last"


def test_what_was_done_before_counts_for_nothing() -> None:
    """A job that goes on where another one was stopped."""
    pace = Pace(900, 0.0)
    for step, now_s in zip(count(901), range(1, 11), strict=False):
        pace.note(step, float(now_s))
    assert pace.left_s(1000) == pytest.approx(90)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1,234,567"), (100, "100"), (0.1 + 0.2, "0.3"), (1e10, "10,000,000,000")],
)
def test_numbers_are_plain(value: float, text: str) -> None:
    assert number(value, WORDS) == text


@pytest.mark.parametrize(
    ("seconds", "took", "left"),
    [
        (0.04, "0.0 s", "5 s"),
        (9.96, "10.0 s", "10 s"),
        (12.4, "12 s", "15 s"),
        (55, "55 s", "55 s"),
        (59.7, "1 min", "1 min"),
        (61, "1 min 1 s", "2 min"),
        (3599.6, "1 h", "1 h"),
        (7380, "2 h 3 min", "2 h 3 min"),
    ],
)
def test_durations_are_plain(seconds: float, took: str, left: str) -> None:
    assert duration(seconds, WORDS) == took
    assert time_left(seconds, WORDS) == left
