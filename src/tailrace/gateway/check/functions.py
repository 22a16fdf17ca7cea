"""Checks whether the routes' functions can be invoked: Lambda is asked, URLs are connected to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tailrace import limits
from tailrace.errors import ConfigError, EndpointError, PeerError
from tailrace.gateway.aws.dry_run import DryRuns
from tailrace.gateway.aws.endpoint import AwsEndpoint
from tailrace.gateway.aws.refusals import error_of
from tailrace.gateway.check.finding import Finding
from tailrace.gateway.check.refused import is_general, refused
from tailrace.gateway.limits import CHECKS_MAX
from tailrace.gateway.routes import Route, name_of
from tailrace.net.client.pool import Origin
from tailrace.net.tasks import TaskSet

T = TypeVar("T")


async def check_functions(
    routes: Iterable[Route],
    endpoint: AwsEndpoint | None,
    *,
    timeout_s: float = limits.INVOKE_TIMEOUT_S,
) -> list[Finding]:
    """Return a finding for each function and each URL of the routes. Cancelling is safe.

    What concerns every function, such as missing credentials, is found once. Without an endpoint
    functions of Lambda are left out.
    """
    functions = {route.function: None for route in routes if route.invoke_url is None}
    urls = {url: name_of(route) for route in routes if (url := route.invoke_url) is not None}
    found = [] if endpoint is None else await _check_lambda(list(functions), endpoint, timeout_s)
    connected = await _all([_check_url(url, name, timeout_s) for url, name in urls.items()])
    return [*found, *connected]


async def _check_lambda(
    functions: list[str], endpoint: AwsEndpoint, timeout_s: float
) -> list[Finding]:
    if not functions:
        return []
    runs = DryRuns(endpoint, timeout_s=timeout_s)
    try:
        await runs.start()
    except ConfigError as error:
        remedy = "see what the AWS command finds: aws sts get-caller-identity"
        return [Finding("error", "credentials", str(error), remedy)]
    try:
        first, concerns_all = await _check_function(runs, functions[0], endpoint)
        if concerns_all:
            return [first]
        others = await _all([_check_function(runs, each, endpoint) for each in functions[1:]])
        return [first, *(finding for finding, _ in others)]
    finally:
        await runs.close()


async def _all(checks: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run checks, CHECKS_MAX at a time; return their results in order."""
    places, tasks = asyncio.Semaphore(CHECKS_MAX), TaskSet()

    async def run(check: Coroutine[Any, Any, T]) -> T:
        async with places:
            return await check

    try:
        started = [tasks.spawn(run(check), "check") for check in checks]
        return [await task for task in started]
    finally:
        await tasks.cancel_all()


async def _check_function(
    runs: DryRuns, function: str, endpoint: AwsEndpoint
) -> tuple[Finding, bool]:
    """Return the finding, and whether it is the same for every function."""
    subject = f"function {function}"
    try:
        answer = await runs.send(function)
    except (PeerError, TimeoutError, EndpointError) as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        text = f"the Lambda endpoint cannot be reached: {why}"
        remedy = "a private subnet needs a VPC endpoint for Lambda, or a NAT gateway"
        if endpoint.is_loopback:
            remedy = "start the emulator, or check --endpoint-url"
        return Finding("error", endpoint.url, text, remedy), True
    if answer.status == 204:
        return Finding("ok", subject, "can be invoked"), False
    name, message = error_of(answer)
    finding = refused(subject, answer.status, name, message, endpoint.region)
    return finding, is_general(answer.status, name)


async def _check_url(url: str, name: str, timeout_s: float) -> Finding:
    """Connect to the host of a URL; no request is sent: it would invoke the function."""
    origin, subject = Origin.of(url), f"function at {name}"
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(origin.host, origin.port, ssl=origin.tls())
            writer.close()
    except (OSError, TimeoutError, UnicodeError) as error:  # UnicodeError: no legal host name
        why = "no answer in time" if isinstance(error, TimeoutError) else _reason(error)
        scheme = urlsplit(url).scheme
        return Finding(
            "error",
            subject,
            f"no connection to {origin.host}:{origin.port} by {scheme}: {why}",
            "check the route's URL, and the network between",
        )
    text = "can be connected to; whether it takes events is not known before one is sent"
    return Finding("ok", subject, text)


def _reason(error: OSError | UnicodeError) -> str:
    words = error.strerror if isinstance(error, OSError) else "no such host"
    return words or str(error) or type(error).__name__
