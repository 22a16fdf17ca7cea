"""The first signal asks, the second one insists."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from tests.fakes import soon

from tailrace.net.process.signals import StopSignals
from tailrace.net.process.startup import run


@pytest.mark.parametrize(
    ("one", "other"), [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)]
)
def test_two_signals_are_two_events(one: signal.Signals, other: signal.Signals) -> None:
    async def story() -> None:
        with StopSignals() as signals:
            os.kill(os.getpid(), one)
            await soon(signals.first.wait())
            assert (signals.number, signals.second.is_set()) == (one, False)

            os.kill(os.getpid(), other)
            await soon(signals.second.wait())
            assert signals.number == other

    run(story())


@pytest.mark.parametrize("first", [signal.SIGHUP, signal.SIGTERM])
def test_a_hangup_asks_and_never_insists(
    first: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        with StopSignals() as signals:
            os.kill(os.getpid(), first)
            await soon(signals.first.wait())
            behind = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, behind.set)
            for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGUSR1):
                os.kill(os.getpid(), number)
            await soon(behind.wait())
            assert (signals.number, signals.second.is_set()) == (first, False)

            os.kill(os.getpid(), signal.SIGINT)
            await soon(signals.second.wait())
            assert signals.number == signal.SIGINT

    run(story())

    said = ["SIGHUP: this command has no reload; stopping as for SIGTERM"]
    assert caplog.messages == (said if first == signal.SIGHUP else [])


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    """As nohup has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def story() -> None:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            await soon(signals.first.wait())
            assert (signals.number, signals.second.is_set()) == (signal.SIGTERM, False)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    try:
        run(story())
    finally:
        signal.signal(signal.SIGHUP, before)


def test_afterwards_signals_do_what_they_did() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]

    async def story() -> None:
        with StopSignals():
            pass

    run(story())

    assert [signal.getsignal(number) for number in numbers] == before
