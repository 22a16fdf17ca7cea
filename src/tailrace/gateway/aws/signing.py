"""Signed requests to AWS's APIs (Signature Version 4)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Protocol
from urllib.parse import quote, urlsplit

from tailrace import limits
from tailrace.gateway.aws.credentials import (
    AwsKeys,
    dummy_credentials,
    environment_credentials,
    find_credentials,
)
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.net.client.pool import Origin
from tailrace.net.client.request import EncodedRequest
from tailrace.net.clock import TimerClock
from tailrace.wire.sigv4 import DATE_FORMAT, PreparedRequest

logger = logging.getLogger(__name__)


class SigningKeys(Protocol):
    """Keys to sign with, as botocore represents them; both keys are set."""

    @property
    def access_key(self) -> str | None: ...
    @property
    def secret_key(self) -> str | None: ...
    @property
    def token(self) -> str | None: ...


class AwsSigner:
    """Signs requests to one endpoint. Transports may share one: it starts once.

    `timeout_s` is how long it waits for new keys after the old ones have expired.
    """

    def __init__(
        self,
        endpoint: AwsEndpoint,
        *,
        timeout_s: float = limits.INVOKE_TIMEOUT_S,
        clock: TimerClock | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._clock = clock
        self._keys: AwsKeys | None = None

    @property
    def origin(self) -> Origin:
        """Where the requests are sent."""
        return Origin.of(self._endpoint.url)

    async def start(self) -> None:
        """Find the credentials. Raises ConfigError if there are none."""
        if self._keys is None:
            self._keys = await asyncio.to_thread(self._find_keys)

    def prepare(self, path: str, headers: dict[str, str]) -> AwsPost:
        """Return what is the same in each POST to a path below the endpoint's; after `start`."""
        assert self._keys is not None, "not started"
        return AwsPost(self._endpoint, self._keys, path, headers)

    def posts_to(self, path: str, headers: dict[str, str]) -> Callable[[str], AwsPost]:
        """Return a `prepare` for functions by their names or ARNs, which stand for `{}` in `path`.

        What it has prepared for INVOKED_FUNCTIONS_KEPT_MAX functions is kept.
        """

        def prepare(function: str) -> AwsPost:
            return self.prepare(path.format(quote(function, safe="")), headers)

        return lru_cache(limits.INVOKED_FUNCTIONS_KEPT_MAX)(prepare)

    async def close(self) -> None:
        """Cancel the renewal of keys."""
        if self._keys is not None:
            await self._keys.close()

    def _find_keys(self) -> AwsKeys:
        """Find the keys; blocks. Those of an emulator may be dummies."""
        endpoint = self._endpoint
        if endpoint.has_dummy_keys:
            return AwsKeys(dummy_credentials())
        if endpoint.is_loopback:
            found = environment_credentials()
            if found is None:
                logger.info(
                    "%s is on this machine and no credentials are set: signing with dummy keys",
                    endpoint.url,
                )
            return AwsKeys(found or dummy_credentials())
        return AwsKeys(find_credentials(), timeout_s=self._timeout_s, clock=self._clock)


class AwsPost:
    """Signed POSTs to one path of an endpoint, which has no query.

    Their heads are prepared as far as the time, once for each second and for new keys.
    """

    __slots__ = (
        "_date",
        "_endpoint",
        "_headers",
        "_keys",
        "_path",
        "_prepared",
        "_second",
        "_signed_with",
        "_start",
    )

    _prepared: PreparedRequest

    def __init__(
        self, endpoint: AwsEndpoint, keys: AwsKeys, path: str, headers: dict[str, str]
    ) -> None:
        self._endpoint = endpoint
        self._keys = keys
        self._path = path
        self._headers = headers
        self._signed_with: SigningKeys | None = None
        self._second = 0
        self._date = ""
        self._start = b""

    def encode(self, body: bytes, keys: SigningKeys | None = None) -> EncodedRequest:
        """Return a whole request, signed with these keys or with the present ones.

        If those have expired, it is a function that waits for new ones. That raises EndpointError
        if the renewal failed or took too long.
        """
        keys = keys or self._keys.static or self._keys.current()
        if keys is None:
            return partial(self._encode_later, body)
        second = int(time.time())
        if second != self._second or keys is not self._signed_with:
            self._prepare(second, keys)
        authorization = self._prepared.authorization(self._date, body).encode("latin-1")
        length = b"\r\ncontent-length: %d\r\n\r\n" % len(body)
        return b"".join((self._start, authorization, length, body))

    async def _encode_later(self, body: bytes) -> bytes:
        encoded = self.encode(body, await self._keys.renewed())
        assert isinstance(encoded, bytes)  # there were keys
        return encoded

    def _prepare(self, second: int, keys: SigningKeys) -> None:
        parts = urlsplit(self._endpoint.url + self._path)
        fields = {"host": parts.netloc, **self._headers}
        if keys.token:
            fields["X-Amz-Security-Token"] = keys.token
        if keys is not self._signed_with:
            assert keys.access_key is not None and keys.secret_key is not None
            self._signed_with = keys
            self._prepared = PreparedRequest(
                "POST",
                parts.path,
                "",
                [(name.lower(), value) for name, value in fields.items()],
                key_id=keys.access_key,
                secret=keys.secret_key,
                region=self._endpoint.region,
                service=self._endpoint.service,
            )
        self._second = second
        self._date = fields["X-Amz-Date"] = time.strftime(DATE_FORMAT, time.gmtime(second))
        lines = [f"{name}: {value}\r\n" for name, value in fields.items()]
        start = f"POST {parts.path} HTTP/1.1\r\n{''.join(lines)}Authorization: "
        self._start = start.encode("latin-1")
