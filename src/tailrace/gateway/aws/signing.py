"""Signed requests to the Lambda API (Signature Version 4)."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import urlsplit

from tailrace import limits
from tailrace.gateway.aws.credentials import (
    LambdaKeys,
    dummy_credentials,
    environment_credentials,
    find_credentials,
)
from tailrace.gateway.aws.endpoint import LambdaEndpoint
from tailrace.net.client.pool import Origin
from tailrace.net.clock import TimerClock
from tailrace.wire.sigv4 import DATE_FORMAT, PreparedRequest

logger = logging.getLogger(__name__)

_PREPARED_MAX: Final = 256
"""Prepared requests that are cached: one for each function, transport and set of keys."""


class SigningKeys(Protocol):
    """Keys to sign with, as botocore represents them; both keys are set."""

    @property
    def access_key(self) -> str | None: ...
    @property
    def secret_key(self) -> str | None: ...
    @property
    def token(self) -> str | None: ...
    def __hash__(self) -> int: ...


class LambdaSigner:
    """Signs requests to the Lambda API. Transports may share one: it starts once.

    `timeout_s` is how long it waits for new keys after the old ones have expired.
    """

    def __init__(
        self,
        endpoint: LambdaEndpoint,
        *,
        timeout_s: float = limits.INVOKE_TIMEOUT_S,
        clock: TimerClock | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._clock = clock
        self._keys: LambdaKeys | None = None

    @property
    def origin(self) -> Origin:
        """Where the requests are sent."""
        return Origin.of(self._endpoint.url)

    async def start(self) -> None:
        """Find the credentials. Raises ConfigError if there are none."""
        if self._keys is None:
            self._keys = await asyncio.to_thread(self._find_keys)

    async def post(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        """Return a whole request, signed, to a path below the endpoint's.

        Raises:
            EndpointError: the keys have expired, and the renewal failed or took too long.
        """
        keys = self._keys
        assert keys is not None, "not started"
        head, prepared = _prepare(
            self._endpoint.url + path,
            tuple(headers.items()),
            keys.static or await keys.current(),
            self._endpoint.region,
        )
        # gmtime() alone reads a coarse clock, some milliseconds behind at the turn of a second.
        date = time.strftime(DATE_FORMAT, time.gmtime(time.time()))
        rest = (
            f"X-Amz-Date: {date}\r\nAuthorization: {prepared.authorization(date, body)}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return (head + rest).encode("latin-1") + body

    async def close(self) -> None:
        """Cancel the renewal of keys."""
        if self._keys is not None:
            await self._keys.close()

    def _find_keys(self) -> LambdaKeys:
        """Find the keys; blocks. Those of an emulator may be dummies."""
        endpoint = self._endpoint
        if endpoint.has_dummy_keys:
            return LambdaKeys(dummy_credentials())
        if endpoint.is_loopback:
            found = environment_credentials()
            if found is None:
                logger.info(
                    "%s is on this machine and no credentials are set: signing with dummy keys",
                    endpoint.url,
                )
            return LambdaKeys(found or dummy_credentials())
        return LambdaKeys(find_credentials(), timeout_s=self._timeout_s, clock=self._clock)


@lru_cache(maxsize=_PREPARED_MAX)
def _prepare(
    url: str, headers: tuple[tuple[str, str], ...], credentials: SigningKeys, region: str
) -> tuple[str, PreparedRequest]:
    """Return the start of a POST and the prepared part of its signature: both are fixed.

    `url` must not have a query, and must be sent in the same spelling.
    """
    assert credentials.access_key is not None and credentials.secret_key is not None
    parts = urlsplit(url)
    fields = {"host": parts.netloc, **dict(headers)}
    if credentials.token:
        fields["X-Amz-Security-Token"] = credentials.token
    prepared = PreparedRequest(
        "POST",
        parts.path,
        "",
        [(name.lower(), value) for name, value in fields.items()],
        key_id=credentials.access_key,
        secret=credentials.secret_key,
        region=region,
        service="lambda",
    )
    lines = (f"POST {parts.path} HTTP/1.1", *(f"{name}: {fields[name]}" for name in fields), "")
    return "\r\n".join(lines), prepared
