"""Deadlines, through the whole chain: each test has a gateway with one that is short.

Most are one second of real time: however late they pass, the outcome is the same, and a test waits
for it for thirty times as long (`WAIT_S`). Where something has to happen before a deadline, the
deadline passes on a clock that the test advances after it has happened.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.clock import ManualClock
from tests.e2e.chain import running, until
from tests.e2e.fails import FILES, broken_off, change, effects, ended, handlers
from tests.fakes import Broken


def test_a_function_that_never_calls_back_is_504(tmp_path: Path) -> None:
    with running(tmp_path, FILES, handlers("never"), first_byte_timeout_s=1) as chain:
        answer = chain.ask("/never").answer()

        assert answer.status == 504
        ended(chain, "/never", ["first-byte-deadline"])


def test_a_function_that_cannot_start_is_504(tmp_path: Path) -> None:
    with running(tmp_path, FILES, handlers("broken"), first_byte_timeout_s=1) as chain:
        chain.failures_expected = True

        answer = chain.ask("/broken").answer()

        assert answer.status == 504
        until(lambda: "no start" in chain.output, "the error of its init phase")


def test_a_function_that_calls_back_late_is_not_run(tmp_path: Path) -> None:
    with running(tmp_path, FILES, handlers("late"), first_byte_timeout_s=1) as chain:
        gate = chain.gate()
        client = chain.ask(f"/late?gate={gate.port}")
        assert client.answer().status == 504

        gate.open()

        assert gate.line() == "returned None"
        assert effects(chain, "/late") == 0
        until(lambda: "the handler was not run" in chain.output, "the warning")


def test_a_busy_function_is_504_and_runs_for_nobody_later(tmp_path: Path) -> None:
    """Lambda takes the event and waits: nothing tells that the function is busy."""
    names, clock = handlers("waits"), ManualClock()
    with running(tmp_path, FILES, names, clock=clock, first_byte_timeout_s=3) as chain:
        change(chain, "waits", concurrency=1)
        gate = chain.gate()
        busy = chain.ask(f"/waits/first?at=body&gate={gate.port}")
        assert gate.line() == "waiting"
        assert busy.head().status == 200
        waiting = chain.ask("/waits/second")
        until(lambda: chain.queued("waits") == 1, "the second event to wait in the queue")

        chain.advance(2)
        assert not waiting.has_more
        chain.advance(2)

        assert waiting.answer().status == 504
        gate.open()
        assert busy.rest() == b"halfmore"
        chain.settle()
        assert effects(chain, "/waits/second") == 0


def test_a_function_that_falls_silent_meets_the_idle_deadline(tmp_path: Path) -> None:
    with running(tmp_path, FILES, handlers("waits_async"), function_idle_timeout_s=1) as chain:
        gate = chain.gate()
        client = chain.ask(f"/waits_async?at=body&gate={gate.port}")

        broken = broken_off(client)

        assert broken.received in (b"half", b"")
        assert [gate.line(), gate.line()] == ["waiting", "cancelled"]
        ended(chain, "/waits_async", ["idle-deadline"])


def test_a_client_that_never_reads_meets_the_stall_deadline(tmp_path: Path) -> None:
    with running(tmp_path, FILES, handlers("floods"), client_stall_timeout_s=1) as chain:
        gate = chain.gate()
        client = chain.ask(f"/floods?gate={gate.port}")

        assert gate.line() == "closed at its yield"

        ended(chain, "/floods", ["stall-deadline"])
        broken_off(client)


def test_a_stream_that_never_ends_meets_the_total_deadline(tmp_path: Path) -> None:
    names, clock = handlers("floods", "waits_async"), ManualClock()
    with running(tmp_path, FILES, names, clock=clock, total_timeout_s=3) as chain:
        gate, other_gate = chain.gate(), chain.gate()
        client = chain.ask(f"/floods?gate={gate.port}")
        assert client.head().status == 200
        before = chain.ask(f"/waits_async?gate={other_gate.port}")
        assert other_gate.line() == "waiting"

        chain.advance(2)
        assert client.body(10_000_000) == bytes(10_000_000)
        assert not before.has_more
        chain.advance(2)

        with pytest.raises(Broken):
            client.rest()
        assert gate.line() == "closed at its yield"
        assert before.answer().status == 504
        assert other_gate.line() == "cancelled"
        ended(chain, "/floods", ["total-deadline"])
