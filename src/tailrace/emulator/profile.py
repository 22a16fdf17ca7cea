"""Credentials and region of an AWS profile, for a function that asks for them.

Concurrency law: botocore blocks, on the network where a role is assumed, or on a program: it runs
in a daemon thread. The process would not end before a thread of asyncio's pool has.
"""

from __future__ import annotations

import asyncio
import threading

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
    loop = asyncio.get_running_loop()
    found: asyncio.Future[ProfileKeys] = loop.create_future()

    def conclude(keys: ProfileKeys | None, error: Exception | None) -> None:
        if found.done():
            return  # it took too long
        if keys is not None:
            found.set_result(keys)
        else:
            assert error is not None
            found.set_exception(error)

    def search() -> None:
        keys, error = None, None
        try:
            keys = _find(profile)
        except Exception as caught:
            error = caught
        try:
            loop.call_soon_threadsafe(conclude, keys, error)
        except RuntimeError:
            pass  # the loop has been closed: nothing waits for the credentials

    threading.Thread(target=search, name=f"profile {profile}", daemon=True).start()
    try:
        async with asyncio.timeout(limits.PROFILE_TIMEOUT_S):
            return await found
    except TimeoutError:
        what = f"no answer within {limits.PROFILE_TIMEOUT_S:g} s"
    except ConfigError:
        raise
    except (BotoCoreError, ClientError, RuntimeError) as error:
        what = str(error)  # a RuntimeError: they have expired, and so have the new ones
    except Exception as error:  # of a credential_process that is missing, or prints no JSON
        what = f"{type(error).__name__}: {error}"
    raise ConfigError(
        f"aws_profile {profile!r}: {what}; try: aws sts get-caller-identity --profile {profile}"
    )


def _find(profile: str) -> ProfileKeys:
    session = Session(profile=profile)
    found = session.get_credentials()
    if found is None:
        raise ConfigError(f"aws_profile {profile!r}: it has no credentials")
    return ProfileKeys(found, session.get_config_variable("region"))
