"""Lambda's endpoint, and asynchronous invocations there: sent, signed, refused.

botocore finds the credentials and signs, `net.client.pool` keeps the connections. Facts: Invoke API
2015-03-31 (Lambda API reference, "Invoke"), errors as in botocore's service model, read 2026-11.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError

from tailrace import limits
from tailrace.errors import (
    ConfigError,
    EndpointError,
    FunctionUnavailableError,
    InvokeError,
    InvokeTimeoutError,
    PayloadTooLargeError,
    PeerError,
    ThrottledError,
)
from tailrace.gateway.aws.credentials import (
    Keys,
    environment_credentials,
    find_credentials,
    open_session,
)
from tailrace.gateway.aws.signing import sign_post
from tailrace.net.client.pool import HttpPool, Origin, PoolAnswer, encode_post
from tailrace.net.clock import TimerClock
from tailrace.wire.capability import redact

logger = logging.getLogger(__name__)

_UNAVAILABLE: Final = frozenset((400, 402, 403, 404, 409))
"""The function is missing, not ready, or not ours to invoke: nothing that this request changes."""

_DUMMY_KEY: Final = "tailrace"

REQUEST_ID: Final = "x-amzn-requestid"
"""The header of an answer that names the invocation."""

_SECONDS: Final = re.compile("[0-9]{1,5}").fullmatch


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


class LambdaSigner:
    """Makes signed requests to the Lambda API. Invokers may share one: starting it again is cheap.

    `timeout_s` is how long it waits for new keys when the old ones have expired.
    """

    def __init__(
        self,
        endpoint: LambdaEndpoint,
        *,
        timeout_s: float = limits.INVOKE_TIMEOUT_S,
        clock: TimerClock | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._base_path = urlsplit(endpoint.url).path
        self._timeout_s = timeout_s
        self._clock = clock
        self._keys: Keys | None = None

    @property
    def origin(self) -> Origin:
        """Where the requests go."""
        return Origin.of(self._endpoint.url)

    async def start(self) -> None:
        """Find the credentials. Raises ConfigError when there are none."""
        if self._keys is None:
            self._keys = await asyncio.to_thread(self._find_keys)

    def _find_keys(self) -> Keys:
        if self._endpoint.has_dummy_keys:
            return Keys(Credentials(_DUMMY_KEY, _DUMMY_KEY))
        if self._endpoint.is_loopback:
            return Keys(environment_credentials() or self._dummy_credentials())
        return Keys(find_credentials(), timeout_s=self._timeout_s, clock=self._clock)

    def _dummy_credentials(self) -> Credentials:
        logger.info(
            "%s is on this machine and no credentials are set: signing with dummy keys",
            self._endpoint.url,
        )
        return Credentials(_DUMMY_KEY, _DUMMY_KEY)

    async def post(self, path: str, headers: dict[str, str], payload: bytes) -> bytes:
        """A whole request, signed (SigV4), to a path below the endpoint.

        Raises:
            EndpointError: the keys have expired, and there are no others in time.
        """
        assert self._keys is not None, "not started"
        signed = sign_post(
            self._endpoint.url + path,
            headers,
            payload,
            credentials=self._keys.static or await self._keys.current(),
            region=self._endpoint.region,
        )
        return encode_post(self._base_path + path, signed, payload)

    async def close(self) -> None:
        """Wait for no new keys any more."""
        if self._keys is not None:
            await self._keys.close()


class LambdaInvoker:
    """Invokes functions asynchronously through the Lambda API (`Invoke`, type Event)."""

    def __init__(
        self,
        endpoint: LambdaEndpoint,
        *,
        signer: LambdaSigner | None = None,
        timeout_s: float = limits.INVOKE_TIMEOUT_S,
        connections_max: int = limits.INVOKE_CONNECTIONS_MAX,
        clock: TimerClock | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._signer = signer or LambdaSigner(endpoint, timeout_s=timeout_s, clock=clock)
        self._pool = HttpPool(
            self._signer.origin,
            connections_max=connections_max,
            timeout_s=timeout_s,
            clock=clock,
        )

    async def start(self) -> None:
        """Find the credentials and open the connection pool."""
        await self._signer.start()
        self._pool.start()

    async def invoke(self, function: str, payload: bytes) -> str | None:
        """Hand an event over; see `Invoker.invoke`."""
        if len(payload) > limits.EVENT_INVOKE_BYTES_MAX:
            raise too_large(payload, limits.EVENT_INVOKE_BYTES_MAX)
        path = f"/2015-03-31/functions/{quote(function, safe='')}/invocations"
        try:
            message = await self._signer.post(path, {"X-Amz-Invocation-Type": "Event"}, payload)
            # Should a kept connection break and both attempts have arrived: the second callback
            # is refused.
            answer = await self._pool.request(message)
        except TimeoutError as error:
            raise InvokeTimeoutError(
                f"the Lambda endpoint did not answer within {self._timeout_s:g} s"
            ) from error
        except PeerError as error:
            raise unreachable("the Lambda endpoint", error) from error
        if answer.status != 202:
            raise refusal(answer)
        return answer.headers.get(REQUEST_ID)

    async def close(self) -> None:
        """Let the connections go."""
        await self._signer.close()
        await self._pool.close()


def too_large(payload: bytes, bytes_max: int) -> PayloadTooLargeError:
    """Return the error of an event that Lambda does not carry."""
    return PayloadTooLargeError(
        f"the request makes an event of {len(payload)} bytes; Lambda takes {bytes_max}"
    )


def refusal(answer: PoolAnswer) -> InvokeError:
    """Lambda's refusal as an error; texts for clients do not repeat what Lambda says."""
    name = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    error = _refusal(answer, name)
    # It may repeat the event, with the callback URL, and anything that the client sent.
    said = redact(_message(answer.body))
    error.note = f"Lambda answered {answer.status} {name!a}: {said!a}"
    error.request_id = answer.headers.get(REQUEST_ID)
    return error


def unreachable(whom: str, cause: PeerError) -> EndpointError:
    """The error of an invocation that found no connection, or lost it."""
    error = EndpointError(f"{whom} cannot be reached")
    error.note = f"invoking failed: {cause}"
    return error


def _refusal(answer: PoolAnswer, name: str) -> InvokeError:
    status = answer.status
    if status == 429:
        return ThrottledError("Lambda is at its limit", retry_after_s(answer))
    if status == 413:
        return PayloadTooLargeError("the request is larger than Lambda carries")
    if status in _UNAVAILABLE and name:
        return FunctionUnavailableError("the function cannot be invoked")
    if status >= 500:
        return EndpointError("Lambda failed to take the invocation")
    return EndpointError("the Lambda endpoint gave an answer that is not Lambda's")


def retry_after_s(answer: PoolAnswer) -> int:
    """What a refusal says of when to try again; 1 when it says nothing."""
    said = _SECONDS(answer.headers.get("retry-after", ""))
    return int(said[0]) if said else 1


def _message(body: bytes) -> str:
    """The message of an error body, shortened; empty when there is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    return str(document.get("message") or document.get("Message") or "")[:200]
