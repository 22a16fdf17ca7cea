"""The first signal asks, the second one insists."""

from __future__ import annotations

import os
import signal

import pytest
from tests.fakes import soon

from tailrace.net.http_server import run
from tailrace.net.signals import StopSignals


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


def test_afterwards_signals_do_what_they_did() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    async def story() -> None:
        with StopSignals():
            pass

    run(story())

    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
