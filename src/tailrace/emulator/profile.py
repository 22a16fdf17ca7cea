"""Credentials and region of an AWS profile, for a function that asks for them.

Concurrency law: botocore blocks, also on the network where a role is assumed: it runs in a thread.
"""

from __future__ import annotations

import asyncio

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from tailrace import limits
from tailrace.config.environment import CREDENTIALS, REGIONS
from tailrace.errors import ConfigError


class ProfileKeys:
    """What a profile gives to a process, once."""

    def __init__(self, source: Credentials, region: str | None) -> None:
        self._source = source
        frozen = source.get_frozen_credentials()
        values = (frozen.access_key, frozen.secret_key, frozen.token)
        self.variables = {
            name: value for name, value in zip(CREDENTIALS, values, strict=True) if value
        }
        """The environment variables of AWS's SDKs."""
        if region:
            self.variables |= dict.fromkeys(REGIONS, region)

    @property
    def are_old(self) -> bool:
        """Whether a process with these should take no more invocations: they expire soon."""
        refresh_needed = getattr(self._source, "refresh_needed", None)
        return refresh_needed is not None and refresh_needed(limits.PROFILE_KEYS_LEFT_S_MIN)


async def find_profile_keys(profile: str) -> ProfileKeys:
    """The credentials of a profile now; a role is assumed, and a session renewed, if need be.

    Raises:
        ConfigError: there are none.
    """
    try:
        async with asyncio.timeout(limits.PROFILE_TIMEOUT_S):
            return await asyncio.to_thread(_find, profile)
    except TimeoutError:
        what = f"no answer within {limits.PROFILE_TIMEOUT_S:g} s"
    except (BotoCoreError, ClientError, RuntimeError) as error:
        what = str(error)  # a RuntimeError: they have expired, and so have the new ones
    raise ConfigError(
        f"aws_profile {profile!r}: {what}; try: aws sts get-caller-identity --profile {profile}"
    )


def _find(profile: str) -> ProfileKeys:
    session = Session(profile=profile)
    found = session.get_credentials()
    if found is None:
        raise ConfigError(f"aws_profile {profile!r}: it has no credentials")
    return ProfileKeys(found, session.get_config_variable("region"))
