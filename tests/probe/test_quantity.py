"""Times and sizes as people say them."""

from __future__ import annotations

import pytest

from tailrace.probe.quantity import duration, exact_duration, exact_size, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"), (0.0004, "0.4 ms"), (0.00004, "0 ms"), (0.0031, "3 ms"), (0.2504, "250 ms"),
        (0.994, "994 ms"), (0.996, "1.0 s"), (2.04, "2.0 s"), (99.9, "99.9 s"), (3600.0, "3,600 s"),
    ],
)  # fmt: skip
def test_durations_are_said_as_people_do(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 ms"),
        (0.00123, "1.2 ms"),
        (0.0994, "99.4 ms"),
        (0.0996, "100 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.000 s"),
        (12.3456, "12.346 s"),
        (7200.0, "7200.0 s"),
        (-0.25, "-250 ms"),
    ],
)
def test_durations_to_compare_have_three_digits(seconds: float, text: str) -> None:
    assert exact_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 KB"),
        (97_700, "97.7 KB"),
        (999_400, "999 KB"),
        (999_600, "1 MB"),
        (6 << 20, "6.29 MB"),
        (999_600_000, "1 GB"),
        (4 << 30, "4.29 GB"),
    ],
)
def test_sizes_have_three_digits(count: int, text: str) -> None:
    assert size(count) == text


def test_small_sizes_may_be_exact() -> None:
    assert [exact_size(count) for count in (64, 16_384, 131_072)] == [
        "64 bytes", "16,384 bytes", "131 KB",
    ]  # fmt: skip
