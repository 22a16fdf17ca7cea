"""Deadlines, through the whole chain: each test has a gateway with one that is short."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.chain import running, until
from tests.e2e.fails import FILES, broken_off, change, effects, ended, handlers


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
    with running(tmp_path, FILES, handlers("waits"), first_byte_timeout_s=3) as chain:
        change(chain, "waits", concurrency=1)
        gate = chain.gate()
        busy = chain.ask(f"/waits/first?at=body&gate={gate.port}")
        assert gate.line() == "waiting"

        waiting = chain.ask("/waits/second")

        assert waiting.answer().status == 504
        gate.open()
        assert busy.answer().body == b"halfmore"
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
    names = handlers("floods", "waits_async")
    with running(tmp_path, FILES, names, total_timeout_s=3) as chain:
        gate, other_gate = chain.gate(), chain.gate()
        client = chain.ask(f"/floods?gate={gate.port}")
        before = chain.ask(f"/waits_async?gate={other_gate.port}")

        broken_off(client)

        assert gate.line() == "closed at its yield"
        assert before.answer().status == 504
        assert [other_gate.line(), other_gate.line()] == ["waiting", "cancelled"]
        ended(chain, "/floods", ["total-deadline"])
