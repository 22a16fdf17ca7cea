"""`tailrace gateway --check`: what a gateway needs here, found out without serving.

Exit codes: 0 if it can serve, with warnings or without; 1 if there is an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tailrace.cli.findings import show_findings
from tailrace.cli.logs import LogSettings
from tailrace.cli.steps import Steps
from tailrace.cli.terminal import Terminal
from tailrace.config import Address, GatewayConfig, GatewayOptions, RouteConfig, Wanted, is_auto
from tailrace.errors import ConfigError
from tailrace.gateway.advertised import find_advertised
from tailrace.gateway.aws.endpoint import AwsEndpoint, find_endpoint
from tailrace.gateway.check.callbacks import check_advertised, is_loopback
from tailrace.gateway.check.finding import Finding
from tailrace.gateway.check.functions import check_functions
from tailrace.gateway.check.lifecycle import check_lifecycle
from tailrace.gateway.check.machine import check_callback_ports, check_descriptors, check_listener
from tailrace.gateway.routes import name_of

_ADMIN_HEALTH_PATH: Final = "/health"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackPlan:
    """Where the callback listeners of a gateway will be."""

    host: str
    ports: Sequence[int]
    """From the first on; 0 alone is any port."""
    workers: int
    base_of: Callable[[int], str | None]
    """The base of callback URLs for a port; None: the listener's own address."""


async def check_gateway(
    options: GatewayOptions,
    config: GatewayConfig,
    routes: tuple[RouteConfig, ...],
    plan_of: Callable[[GatewayOptions], CallbackPlan],
    log_settings: LogSettings,
) -> int:
    """Check everything, print what was found, and return the exit code.

    Raises:
        ConfigError: `plan_of` finds the command line wrong.
    """
    Terminal(sys.stderr, os.environ).take_log(settings=log_settings)
    found: list[Finding] = []
    with Steps(sys.stderr) as steps:
        steps.begin("functions")
        endpoint: AwsEndpoint | None = None
        try:
            if any(route.invoke_url is None for route in routes):
                endpoint = find_endpoint(options.endpoint_url)
        except ConfigError as error:
            found.append(Finding("error", "Lambda", str(error)))
        found += await check_functions(routes, endpoint)
        steps.begin("addresses")
        public, is_running = await check_listener("--listen", options.listen, config.health_path)
        found += [public, *await _check_callbacks(options, routes, endpoint, plan_of, is_running)]
        if options.admin_listen is not None and options.workers > 0:
            found.append(await _check_admin(options.admin_listen))
        if options.lifecycle_hook is not None:
            steps.begin("lifecycle hook")
            found.append(await check_lifecycle(options.lifecycle_hook, os.environ))
        found.append(check_descriptors(config.held_max, max(1, options.workers)))
    return show_findings(found, is_json=options.is_json)


async def _check_admin(wanted: Wanted) -> Finding:
    finding, _ = await check_listener(wanted.option, wanted.address, _ADMIN_HEALTH_PATH)
    if finding.level == "ok" or wanted.is_firm:
        return finding
    text = f"{finding.text}: there would be no admin listener"
    return replace(finding, level="warning", text=text)


async def _check_callbacks(
    options: GatewayOptions,
    routes: tuple[RouteConfig, ...],
    endpoint: AwsEndpoint | None,
    plan_of: Callable[[GatewayOptions], CallbackPlan],
    is_running: bool,
) -> list[Finding]:
    source, failure = "", None
    if options.advertise is not None and is_auto(options.advertise):
        try:
            one = await find_advertised(options.advertise, options.callback_listen, os.environ)
            source, options = f" ({one.source})", replace(options, advertise=one.text)
        except ConfigError as error:
            # The ports can be checked all the same.
            failure = Finding("error", "--advertise auto", error.problem)
            options = replace(options, advertise="localhost")
    plan = plan_of(options)
    ports, free = check_callback_ports(plan.host, plan.ports, plan.workers, is_running=is_running)
    if failure is not None:
        return [ports, failure]
    if plan.ports[0] == 0:
        text = "cannot be checked while --callback-listen takes any port"
        return [ports, Finding("warning", "callbacks", text, "give --callback-listen a port")]
    if free is None and not is_running:
        return [ports]
    port = free or plan.ports[0]
    base = plan.base_of(port) or f"http://{Address(plan.host, port)}"
    if is_loopback(base) and (away := _away(routes, endpoint)):
        text = f"functions at {away} cannot call an address of this machine alone"
        remedy = f"give --callback-listen 0.0.0.0:{plan.ports[0]} --advertise auto"
        return [ports, Finding("error", f"--advertise {base}", text, remedy)]
    is_held = free is None
    advertised = await check_advertised(base, Address(plan.host, port), is_held=is_held)
    return [ports, replace(advertised, subject=f"{advertised.subject}{source}")]


def _away(routes: tuple[RouteConfig, ...], endpoint: AwsEndpoint | None) -> str | None:
    """Return where functions are that are not on this machine; None if all are here."""
    if endpoint is not None and not endpoint.is_loopback:
        return endpoint.url
    away = (route for route in routes if route.invoke_url and not is_loopback(route.invoke_url))
    return next(map(name_of, away), None)
