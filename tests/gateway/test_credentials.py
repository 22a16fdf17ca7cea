"""Keys that are renewed before they end: who waits for that, and how often it is tried."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from tests.clock import ManualClock
from tests.fakes import PATIENCE_S, settle, soon, until

from tailrace import limits
from tailrace.errors import ConfigError, EndpointError
from tailrace.gateway.aws.credentials import AwsKeys, open_session
from tailrace.net.process.startup import run


class Source:
    """Issues keys when told to; they end as told, on a clock of its own."""

    def __init__(self, minutes: float) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.clock = ManualClock()  # what the keys wait by
        self.calls = 0
        self.looks = 0
        self.released = threading.Event()
        self.is_down = False
        self.credentials = RefreshableCredentials(
            "AKIA0", "s", "t", self.now + timedelta(minutes=minutes), self._issue, "test",
            time_fetcher=self._look,
        )  # fmt: skip

    def _look(self) -> datetime:
        self.looks += 1
        return self.now

    def _issue(self) -> dict[str, str]:
        self.calls += 1
        assert self.released.wait(PATIENCE_S)
        if self.is_down:
            raise RuntimeError("the source is down")
        return {
            "access_key": f"AKIA{self.calls}",
            "secret_key": "s",
            "token": "t",
            "expiry_time": (self.now + timedelta(hours=1)).isoformat(),
        }


def played(
    story: Callable[[Source, AwsKeys], Awaitable[None]], timeout_s: float = PATIENCE_S
) -> Source:
    """Play with keys that are valid for an hour at first."""

    async def play() -> None:
        keys = AwsKeys(source.credentials, timeout_s=timeout_s, clock=source.clock)
        try:
            await soon(story(source, keys))
        finally:
            source.released.set()
            await keys.close()

    source = Source(minutes=60)
    run(play())
    return source


async def used(keys: AwsKeys) -> str:
    return (keys.current() or await keys.renewed()).access_key or ""


def test_nobody_waits_for_a_renewal_while_the_keys_are_valid() -> None:
    async def story(source: Source, keys: AwsKeys) -> None:
        source.now += timedelta(minutes=55)

        assert [await used(keys) for _ in range(6)] == ["AKIA0"] * 6

        source.released.set()
        await until(lambda: keys._renewal is None)
        assert await used(keys) == "AKIA1"

    assert played(story).calls == 1


def test_the_end_of_valid_keys_is_compared_with_the_time_at_intervals() -> None:
    async def story(source: Source, keys: AwsKeys) -> None:
        await used(keys)
        looks = source.looks
        source.now += timedelta(minutes=55)
        source.clock.advance(limits.CREDENTIALS_LOOK_S - 0.001)
        await used(keys)
        assert (source.looks, keys._renewal) == (looks, None)

        source.clock.advance(0.001)
        assert await used(keys) == "AKIA0"

        assert source.looks > looks
        source.released.set()
        await until(lambda: source.calls == 1 and keys._renewal is None)
        assert await used(keys) == "AKIA1"

    played(story)


def test_a_renewal_that_fails_is_not_tried_again_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(source: Source, keys: AwsKeys) -> None:
        source.is_down = True
        source.released.set()
        source.now += timedelta(minutes=55)
        assert await used(keys) == "AKIA0"
        await until(lambda: keys._renewal is None)

        assert [await used(keys) for _ in range(6)] == ["AKIA0"] * 6
        assert (source.calls, keys._renewal) == (1, None)
        assert "renewing the AWS credentials failed: the source is down" in caplog.text

        source.is_down = False
        source.clock.advance(limits.CREDENTIALS_RETRY_S - 0.001)
        assert await used(keys) == "AKIA0"
        assert (source.calls, keys._renewal) == (1, None)
        source.clock.advance(0.001)
        assert await used(keys) == "AKIA0"
        await until(lambda: keys._renewal is None)
        assert await used(keys) == "AKIA2"

    played(story)


def test_requests_wait_together_for_keys_when_theirs_have_expired() -> None:
    async def story(source: Source, keys: AwsKeys) -> None:
        source.now += timedelta(minutes=61)
        requests = asyncio.gather(*(used(keys) for _ in range(6)))
        await until(lambda: source.calls)
        assert not requests.done()

        source.released.set()

        assert await requests == ["AKIA1"] * 6

    assert played(story).calls == 1


def test_a_request_that_leaves_does_not_end_the_renewal_of_others() -> None:
    async def story(source: Source, keys: AwsKeys) -> None:
        source.now += timedelta(minutes=61)
        leaving, waiting = (asyncio.create_task(used(keys)) for _ in range(2))
        await until(lambda: source.calls)

        leaving.cancel()
        source.released.set()

        assert await waiting == "AKIA1"

    played(story)


def test_expired_keys_and_a_source_that_is_down_are_an_error_for_all_at_once() -> None:
    async def story(source: Source, keys: AwsKeys) -> None:
        source.is_down = True
        source.released.set()
        source.now += timedelta(minutes=61)

        results = await asyncio.gather(*(used(keys) for _ in range(6)), return_exceptions=True)

        assert [type(result) for result in results] == [EndpointError] * 6
        with pytest.raises(
            EndpointError, match="the AWS credentials have expired, and were not renewed"
        ):
            await used(keys)

    assert played(story).calls == 1


def test_a_source_that_hangs_is_waited_for_no_longer_than_an_invocation() -> None:
    async def story(source: Source, keys: AwsKeys) -> None:
        source.now += timedelta(minutes=61)
        request = asyncio.create_task(used(keys))
        await until(lambda: source.calls and source.clock.waiting_count)

        source.clock.advance(4.999)
        await settle()
        assert not request.done()
        source.clock.advance(0.001)
        with pytest.raises(EndpointError):
            await request

    played(story, timeout_s=5.0)


def test_expired_keys_that_cannot_be_renewed_are_a_configuration_error_at_the_start() -> None:
    source = Source(minutes=-1)
    source.is_down = True
    source.released.set()

    with pytest.raises(ConfigError, match="the source is down"):
        AwsKeys(source.credentials)


def test_keys_without_an_end_stay() -> None:
    async def play() -> str:
        return await used(AwsKeys(Credentials("AKIAMINE", "s")))

    assert run(play()) == "AKIAMINE"


def test_the_region_of_the_environment_goes_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert open_session().get_config_variable("region") == "eu-west-1"

    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert open_session().get_config_variable("region") == "eu-central-1"
