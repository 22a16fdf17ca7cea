"""The endpoint of an AWS service: from an option, or from the user's AWS configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError

from tailrace.errors import ConfigError
from tailrace.gateway.aws.credentials import open_session


@dataclass(frozen=True, slots=True)
class AwsEndpoint:
    """An endpoint of a service. A loopback endpoint needs no real keys.

    With `has_dummy_keys` requests are signed with dummy keys, even if the environment has keys:
    for an emulator in the same process.
    """

    url: str
    region: str
    is_loopback: bool
    has_dummy_keys: bool = False
    service: str = "lambda"
    """The name by which requests are signed."""


def find_endpoint(url: str | None) -> AwsEndpoint:
    """Return Lambda's endpoint of an option, or of the user's AWS configuration if `url` is None.

    A loopback endpoint is an emulator: requests to it are signed with the keys of the environment
    variables or with dummy keys; profiles and the instance metadata service are not used.

    Raises:
        ConfigError: `url` is not an HTTP URL, no region is configured and no endpoint is given, or
            the AWS configuration is invalid.
    """
    if url is None:
        return configured_endpoint("lambda")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"--endpoint-url: {url!r} is not an http(s) URL")
    is_loopback = _is_loopback(url)
    region = _environment_region() if is_loopback else _configured_region()
    return AwsEndpoint(url.rstrip("/"), region or "us-east-1", is_loopback)


def configured_endpoint(service: str, region: str | None = None) -> AwsEndpoint:
    """Return a service's endpoint as botocore resolves it: partitions, FIPS, AWS_ENDPOINT_URL etc.

    Without a region, the configured one counts. This takes 80 ms, once; botocore sends no requests.

    Raises:
        ConfigError: there is no region, or the AWS configuration is invalid.
    """
    region = region or _configured_region()
    if not region:
        raise ConfigError("no AWS region: set AWS_REGION, or give --endpoint-url")
    try:
        client = open_session().create_client(
            service,
            region_name=region,
            aws_access_key_id="unused",
            aws_secret_access_key="unused",
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"AWS configuration: {error}") from error
    url = client.meta.endpoint_url.rstrip("/")
    client.close()
    signing_name: str = client.meta.service_model.signing_name
    return AwsEndpoint(url, region, _is_loopback(url), service=signing_name)


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
