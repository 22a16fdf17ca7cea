"""Where Lambda is: from an option, or from the user's AWS configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError

from tailrace.errors import ConfigError
from tailrace.gateway.aws.credentials import open_session


@dataclass(frozen=True, slots=True)
class LambdaEndpoint:
    """Where Lambda is; one on this machine needs no real keys.

    With `has_dummy_keys` it is signed for with dummy keys, whatever keys the environment has: an
    emulator that we run ourselves.
    """

    url: str
    region: str
    is_loopback: bool
    has_dummy_keys: bool = False


def find_endpoint(url: str | None) -> LambdaEndpoint:
    """The endpoint to use, from an option or from the user's AWS configuration.

    A loopback endpoint is an emulator: requests to it are signed with the keys of the environment
    variables or with dummy keys; profiles and the instance metadata service are not asked.

    Raises:
        ConfigError: no region is configured and no endpoint is given, or the AWS configuration is
            wrong.
    """
    if url is None:
        return _configured_endpoint()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"--endpoint-url: {url!r} is not an http(s) URL")
    is_loopback = _is_loopback(url)
    region = _environment_region() if is_loopback else _configured_region()
    return LambdaEndpoint(url.rstrip("/"), region or "us-east-1", is_loopback)


def _configured_endpoint() -> LambdaEndpoint:
    """What botocore makes of the configuration: partitions, FIPS, AWS_ENDPOINT_URL and so on.

    That takes 80 ms, once; requests are not botocore's.
    """
    region = _configured_region()
    if not region:
        raise ConfigError("no AWS region: set AWS_REGION, or give --endpoint-url")
    try:
        client = open_session().create_client(
            "lambda", aws_access_key_id="unused", aws_secret_access_key="unused"
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"AWS configuration: {error}") from error
    url = client.meta.endpoint_url.rstrip("/")
    client.close()
    return LambdaEndpoint(url, region, _is_loopback(url))


def _configured_region() -> str | None:
    try:
        region: str | None = open_session().get_config_variable("region")
    except BotoCoreError as error:
        raise ConfigError(f"AWS configuration: {error}") from error
    return region


def _environment_region() -> str | None:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
