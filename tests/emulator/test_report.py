"""The platform's words."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from tailrace.emulator.report import Report, exit_reason, timestamp

REPORT = Report(
    request_id="id",
    duration_ms=1.234,
    init_ms=None,
    memory_mb=128,
    memory_peak_mb=40,
    is_timeout=False,
    error_type=None,
)
LINE = (
    "REPORT RequestId: id\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t"
    "Max Memory Used: 40 MB\t"
)


def test_the_report_line() -> None:
    failed = replace(REPORT, init_ms=100.0, error_type="E")

    assert REPORT.line() == LINE
    assert replace(REPORT, memory_peak_mb=None).line().endswith("Memory Size: 128 MB\t")
    assert failed.line() == LINE + "Init Duration: 100.00 ms\tStatus: error\tError Type: E\t"
    assert replace(failed, is_timeout=True).line().endswith("\tStatus: timeout\t")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "Runtime exited without providing a reason"),
        (127, "Runtime exited with error: exit status 127"),
        (-signal.SIGSEGV, "Runtime exited with error: signal: segmentation fault"),
        (-signal.SIGKILL, "Runtime exited with error: signal: killed"),
    ],
)
def test_the_end_of_a_process(status: int, text: str) -> None:
    assert exit_reason(status) == text


def test_moments_have_milliseconds() -> None:
    assert timestamp(0.0079) == "1970-01-01T00:00:00.007Z"
