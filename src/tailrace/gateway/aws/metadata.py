"""The metadata services of a machine: what this ECS task or EC2 instance can read about itself.

Facts: EC2 User Guide, "Use the Instance Metadata Service" and "Instance metadata categories"; ECS
Developer Guide, "Task metadata endpoint version 4"; botocore's `IMDSFetcher`; read 2026-11.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from tailrace.errors import PeerError
from tailrace.gateway.limits import METADATA_TIMEOUT_S, METADATA_TOKEN_S
from tailrace.net.client.pool import HttpPool, Origin
from tailrace.net.client.request import PoolAnswer

_IMDS: Final = {4: "http://169.254.169.254", 6: "http://[fd00:ec2::254]"}
_TOKEN_PATH: Final = "/latest/api/token"
_TOKEN_TTL: Final = "x-aws-ec2-metadata-token-ttl-seconds"
_TOKEN: Final = "x-aws-ec2-metadata-token"
_CONNECTIONS_MAX: Final = 2
_TOKEN_TEXT: Final = re.compile(rb"[!-~]{1,1024}").fullmatch

STATE: Final = "autoscaling/target-lifecycle-state"
"""The item with the lifecycle state that the instance goes to."""

_WHY_UNREAD: Final = {
    401: "its token request has no answer, as from a container: raise the hop limit (aws ec2"
    " modify-instance-metadata-options --http-put-response-hop-limit 2)",
    403: "it is switched off for this instance (aws ec2 modify-instance-metadata-options"
    " --http-endpoint enabled)",
    404: "it has no target lifecycle state: this instance is in no Auto Scaling group",
}


def is_disabled(environ: Mapping[str, str]) -> bool:
    """Whether the environment forbids to ask for an instance's metadata, as AWS's SDKs read it."""
    return environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"


def why_unread(answer: PoolAnswer | None) -> str:
    """Return why the item STATE was not read, and what to do."""
    if answer is None:
        return f"no answer within {METADATA_TIMEOUT_S:g} s"
    return _WHY_UNREAD.get(answer.status, f"it answers {answer.status}")


class MetadataService:
    """A metadata service. Close it."""

    def __init__(self, base: str) -> None:
        """`base` is a URL; its path precedes all that is asked for."""
        self.base = base
        self._pool: HttpPool | None = None

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] = {}
    ) -> PoolAnswer | None:
        """Return the answer; None if there is none within METADATA_TIMEOUT_S, or it is no HTTP."""
        try:
            parts, origin = urlsplit(self.base + path), Origin.of(self.base)
        except ValueError:
            return None
        if self._pool is None:
            self._pool = HttpPool(
                origin,
                connections_max=_CONNECTIONS_MAX,
                timeout_s=METADATA_TIMEOUT_S,
                connect_timeout_s=METADATA_TIMEOUT_S,
            )
            self._pool.start()
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        target = parts.path or "/"
        length = "content-length: 0\r\n" if method == "PUT" else ""
        message = f"{method} {target} HTTP/1.1\r\nhost: {parts.netloc}\r\n{fields}{length}\r\n"
        try:
            return await self._pool.ask(message.encode("latin-1", "replace"))
        except (PeerError, TimeoutError):
            return None

    async def close(self) -> None:
        """Close its connections."""
        if self._pool is not None:
            await self._pool.close()


class InstanceMetadata:
    """The metadata service of this EC2 instance, asked with a token (IMDSv2). Close it.

    A token is renewed after three quarters of its time, and when it is refused.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """The variables name the service as for AWS's SDKs."""
        is_ipv6 = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "").lower() == "ipv6"
        base = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _IMDS[6 if is_ipv6 else 4]
        self._service = MetadataService(base.rstrip("/"))
        self._token: str | None = None
        self._renew_at_s = 0.0

    @property
    def base(self) -> str:
        """The URL of the service."""
        return self._service.base

    @property
    def has_token(self) -> bool:
        """Whether the last request had a token. Without one, metadata may be readable as well."""
        return self._token is not None

    async def get(self, path: str) -> PoolAnswer | None:
        """Return the answer for an item, such as "local-ipv4"; None if there is none in time.

        401 without a token: its answer does not reach this process (the hop limit is too low).
        """
        had_token = self.has_token
        answer = await self._get(path)
        if answer is not None and answer.status == 401 and had_token:
            self._token = None
            answer = await self._get(path)
        return answer

    async def close(self) -> None:
        """Close its connections."""
        await self._service.close()

    async def _get(self, path: str) -> PoolAnswer | None:
        if self._token is None or time.monotonic() >= self._renew_at_s:
            await self._renew()
        headers = {} if self._token is None else {_TOKEN: self._token}
        return await self._service.ask("GET", f"/latest/meta-data/{path}", headers)

    async def _renew(self) -> None:
        now_s = time.monotonic()
        answer = await self._service.ask("PUT", _TOKEN_PATH, {_TOKEN_TTL: f"{METADATA_TOKEN_S}"})
        if answer is not None and answer.status == 200:  # otherwise the old one counts for longer
            self._token = _token_in(answer.body)
            self._renew_at_s = now_s + METADATA_TOKEN_S * 3 / 4


def _token_in(body: bytes) -> str | None:
    """Return a token that can be sent in a header; None if this is none."""
    return body.strip().decode() if _TOKEN_TEXT(body.strip()) else None
