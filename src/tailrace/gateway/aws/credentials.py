"""The keys that sign requests to AWS: where they are found, and how they are renewed.

Concurrency law: one renewal at a time, in a thread. Requests that are signed meanwhile use the old
keys; they wait only if these have expired.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from contextlib import suppress
from typing import Final

from botocore.credentials import (
    Credentials,
    EnvProvider,
    ReadOnlyCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from tailrace import limits
from tailrace.errors import ConfigError, EndpointError
from tailrace.net.clock import LoopClock, TimerClock, time_limit
from tailrace.net.tasks import TaskSet

logger = logging.getLogger(__name__)

_DUMMY_KEY: Final = "tailrace"


def open_session() -> Session:
    """Return a session with the user's AWS configuration; AWS_REGION overrides its region."""
    session = Session()
    if region := os.environ.get("AWS_REGION"):
        session.set_config_variable("region", region)
    return session


def find_credentials() -> Credentials:
    """Return the credentials of environment variables, profiles or the machine's role; blocks.

    Raises:
        ConfigError: there are none, or the AWS configuration is invalid.
    """
    try:
        found = open_session().get_credentials()
    except BotoCoreError as error:
        raise ConfigError(f"AWS credentials: {error}") from error
    if found is None:
        raise ConfigError(
            "no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or use a machine role"
        )
    return found


def environment_credentials() -> Credentials | None:
    """Return the credentials of the environment variables alone; None if none are set.

    Raises:
        ConfigError: a part of them is missing.
    """
    try:
        return EnvProvider().load()
    except BotoCoreError as error:
        raise ConfigError(f"AWS credentials: {error}") from error


def dummy_credentials() -> Credentials:
    """Return credentials for an emulator, which accepts any."""
    return Credentials(_DUMMY_KEY, _DUMMY_KEY)


class AwsKeys:
    """Keys to sign with, renewed before they expire: botocore renews 15 minutes before.

    The constructor blocks if the keys come over the network.

    Raises:
        ConfigError: there are no valid keys.
    """

    def __init__(
        self,
        source: Credentials,
        *,
        timeout_s: float = limits.INVOKE_TIMEOUT_S,
        clock: TimerClock | None = None,
    ) -> None:
        self._source = source
        self._timeout_s = timeout_s
        self._clock = clock if clock is not None else LoopClock()
        self._tasks = TaskSet()
        self._renewal: asyncio.Task[None] | None = None
        self._retry_at_s = -math.inf
        self._next_look_s = -math.inf  # until then the keys need no renewal
        self._are_expired = False
        try:
            self._present = source.get_frozen_credentials()
        except Exception as error:  # botocore's sources raise any exception
            raise ConfigError(f"AWS credentials: {error}") from error
        self.static = None if isinstance(source, RefreshableCredentials) else self._present
        """Keys that never expire; None if `current` must be called for each request."""

    def current(self) -> ReadOnlyCredentials | None:
        """Return the keys to sign with now; None if they have expired: then `renewed` waits."""
        source = self._source
        if not isinstance(source, RefreshableCredentials):
            return self._present
        now_s = self._clock.now_s()
        if now_s < self._next_look_s:
            return self._present
        if self._renewal is None:
            if not source.refresh_needed():
                self._next_look_s = now_s + limits.CREDENTIALS_LOOK_S
                return self._present
            if now_s >= self._retry_at_s:
                self._renewal = self._tasks.spawn(self._renew(source), "renew AWS credentials")
        # The source may have new keys already while the renewal's thread still ends.
        self._are_expired = self._are_expired or source.refresh_needed(0)
        return None if self._are_expired else self._present

    async def renewed(self) -> ReadOnlyCredentials:
        """Wait for the renewal of expired keys, and return the new ones; cancelling is safe.

        Raises:
            EndpointError: the renewal failed or took too long.
        """
        if self._renewal is not None:
            with suppress(TimeoutError):
                async with time_limit(self._clock, self._timeout_s):
                    await asyncio.wait({self._renewal})
        if self._are_expired:
            raise EndpointError("the AWS credentials have expired, and were not renewed")
        return self._present

    async def _renew(self, source: RefreshableCredentials) -> None:
        try:
            self._present = await asyncio.to_thread(source.get_frozen_credentials)
            self._are_expired = source.refresh_needed(0)
        except Exception as error:  # botocore's sources raise any exception
            logger.warning("renewing the AWS credentials failed: %s", error)
        finally:
            self._retry_at_s = self._clock.now_s() + limits.CREDENTIALS_RETRY_S
            self._renewal = None

    async def close(self) -> None:
        """Cancel the renewal."""
        await self._tasks.cancel_all()
