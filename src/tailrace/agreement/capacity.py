"""Rules about functions: concurrency, asynchronous invocations, and how they call back."""

from __future__ import annotations

import math
from typing import Final

from tailrace.agreement.aws import limit_of
from tailrace.agreement.rule import Complaints, Rule, error, warning
from tailrace.agreement.way import Way

_AGE_STEP_S: Final = 60
"""The shortest maximum age of an asynchronous event."""


def event_age_s(first_byte_timeout_s: float) -> int:
    """Return the maximum event age that agrees: whole minutes, and what Lambda allows."""
    limit = limit_of("async_age_s_max")
    assert limit is not None
    return int(min(_AGE_STEP_S * math.ceil(first_byte_timeout_s / _AGE_STEP_S), limit.high))


def _open_max(way: Way, function: str) -> int:
    """Return how many requests to a function all gateways may have open."""
    of_routes = sum(route.concurrency for route in way.routes_of(function))
    return (way.around.gateways or 1) * min(of_routes, way.gateway.held_max)


def _sum(way: Way, function: str) -> str:
    """Return where that number comes from."""
    of_routes = sum(route.concurrency for route in way.routes_of(function))
    count = way.around.gateways or 1
    one = f"concurrency of its routes ({of_routes})"
    if of_routes > way.gateway.held_max:
        one = f"held_max ({way.gateway.held_max})"
    return one if count == 1 else f"{one} × {count} gateways"


def _reserved(way: Way) -> Complaints:
    for function, settings in way.functions.items():
        reserved, wanted = settings.reserved_concurrency, _open_max(way, function)
        if reserved is not None and wanted > reserved:
            yield error(
                f"{_sum(way, function)} is more than "
                f"{way.named('reserved_concurrency', [function])}: Lambda throttles what is above, "
                "and those clients wait for a 504 in place of an immediate 503",
                f"reserve {wanted} for the function, or lower concurrency of its routes",
            )


def _account(way: Way) -> Complaints:
    """Functions with reserved concurrency use no more than that."""
    account = way.around.account_concurrency
    assert account is not None
    total, held_max = 0, (way.around.gateways or 1) * way.gateway.held_max
    for function in dict.fromkeys(r.function for r in way.routes if r.invoke_url is None):
        known = way.functions.get(function)
        reserved = None if known is None else known.reserved_concurrency
        wanted = _open_max(way, function)
        total += wanted if reserved is None else min(wanted, reserved)
    allow, source = "the routes allow", "concurrency"
    if total > held_max:
        total, allow, source = held_max, "the gateways hold", "held_max"
    if total <= account:
        return
    yield error(
        f"{allow} {total} open requests at a time, {source} × gateways, and "
        f"{way.named('account_concurrency')} is less: Lambda throttles what is above, also of the "
        "account's other functions, and those clients wait for a 504 in place of an immediate 503",
        f"lower concurrency of the routes or held_max, or ask AWS for a concurrency of {total}",
    )


def _async_functions(way: Way, functions: list[str]) -> list[str]:
    """Return those of the functions that are invoked asynchronously."""
    invoked = {route.function for route in way.routes if route.transport == "callback"}
    return [function for function in functions if function in invoked]


def _async_age(way: Way) -> Complaints:
    first_byte_s = way.gateway.first_byte_timeout_s
    wanted_s = event_age_s(first_byte_s)
    for age_s, known in way.functions_by("async_age_s_max").items():
        functions = _async_functions(way, known)
        if age_s == wanted_s or not functions:
            continue
        if age_s > wanted_s:
            sees = (
                f"Lambda runs a queued event up to {age_s:g} s later, and its client got 504 after "
                f"{first_byte_s:g} s"
            )
        else:
            sees = (
                f"Lambda drops a queued event after {age_s:g} s, and its client waits for a 504 "
                f"until {first_byte_s:g} s"
            )
        yield warning(
            f"{way.named('async_age_s_max', functions)} is not {way.named('first_byte_timeout_s')} "
            f"rounded up to minutes: {sees}",
            f"set the maximum event age to {wanted_s} s, on the version or alias that is invoked",
        )


def _async_retries(way: Way) -> Complaints:
    for retries, known in way.functions_by("async_retries").items():
        functions = _async_functions(way, known)
        if retries > 0 and functions:
            yield error(
                f"{way.named('async_retries', functions)} begin after "
                f"{way.named('first_byte_timeout_s')}, when the client has its 504: a function "
                f"that fails runs {retries + 1:g} times, and only the first run has a client",
                "set the retries to 0, on the version or alias that is invoked",
            )


def _callback_ports(way: Way) -> Complaints:
    ports, public, workers = way.callback_ports, way.public_port, way.workers
    assert ports is not None and public is not None and workers is not None
    first, last = ports
    if first <= public <= last:
        yield error(
            f"the public port ({public}) is one of the callback ports ({first}-{last}): the "
            "security group that lets functions call back lets them reach the public port as well",
            "take callback ports without the public port: --callback-ports FIRST-LAST",
        )
    elif last - first + 1 < 2 * workers:
        count = last - first + 1
        yield warning(
            f"{count} callback ports ({first}-{last}) are fewer than two for each of {workers} "
            "workers: a reload finds no port for the new workers while the old ones drain",
            f"take {2 * workers} ports or more: --callback-ports {first}-{first + 4 * workers - 1}",
        )


def _callbacks_reached(way: Way) -> Complaints:
    if way.around.functions_reach_callbacks is False:
        first, last = way.callback_ports or (8081, 8081)
        yield error(
            f"the functions may not reach the callback ports ({first}-{last}) of the gateways: "
            f"each request ends with 504 after {way.named('first_byte_timeout_s')}",
            "let the functions' security group reach these ports of the gateways' one",
        )


def _lambda_reached(way: Way) -> Complaints:
    if way.around.gateways_reach_lambda is False:
        yield error(
            "the gateways' subnets have no way to the Lambda endpoint: each request ends with 504",
            "add an interface endpoint for Lambda to the VPC, or a NAT gateway",
        )


def _egress(way: Way) -> Complaints:
    for function, settings in way.functions.items():
        if settings.has_egress is False:
            yield warning(
                f"function {function} runs in the VPC, whose subnets have no way to the internet: "
                "its calls of an API outside, as of a language model, wait for their time-outs",
                "add a NAT gateway, or interface endpoints for the services that it calls",
            )


CAPACITY_RULES: Final = (
    Rule(
        "reserved-concurrency",
        "`concurrency` of the function's routes × gateways ≤ its reserved concurrency",
        "clients above it wait for a 504 in place of an immediate 503",
        ("reserved_concurrency",),
        _reserved,
    ),
    Rule(
        "account-concurrency",
        "the sum of all functions, or `held_max` × gateways if that is less, ≤ the account's "
        "concurrency",
        "the same, and other functions of the account are throttled too",
        ("account_concurrency",),
        _account,
    ),
    Rule(
        "async-age",
        f"maximum event age = `first_byte_timeout_s`, rounded up to {_AGE_STEP_S} s (callback)",
        "functions run for clients that have left, or clients wait for events that are dropped "
        "(warning)",
        ("async_age_s_max",),
        _async_age,
    ),
    Rule(
        "async-retries",
        "retries of asynchronous invocations = 0 (callback)",
        "a function that fails runs again, without a client",
        ("async_retries",),
        _async_retries,
    ),
    Rule(
        "callback-ports",
        "the public port is no callback port; at least two of these for each worker",
        "functions reach the public port; a reload fails (warning)",
        ("callback_ports", "public_port", "workers"),
        _callback_ports,
    ),
    Rule(
        "callbacks-reached",
        "the functions' security group may reach the callback ports",
        "each request ends with 504",
        ("functions_reach_callbacks",),
        _callbacks_reached,
    ),
    Rule(
        "lambda-reached",
        "the gateways' subnets have a way to the Lambda endpoint",
        "each request ends with 504",
        ("gateways_reach_lambda",),
        _lambda_reached,
    ),
    Rule(
        "functions-egress",
        "functions in the VPC have a way to the internet",
        "their calls of other services hang (warning)",
        ("has_egress",),
        _egress,
    ),
)
