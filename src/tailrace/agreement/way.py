"""The settings along the way of a response: those of the gateway, and of what is around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tailrace.agreement.surroundings import InvokedFunction, Surroundings
from tailrace.config import GatewayConfig, PortRange, RouteConfig
from tailrace.setting import fields_of

_NAMED_MAX: Final = 3
"""Functions that a message names."""

_LABELS: Final = {
    "alb_idle_timeout_s": "the ALB's idle time-out",
    "alb_client_keep_alive_s": "the ALB's client keep-alive",
    "deregistration_delay_s": "the target group's deregistration delay",
    "slow_start_s": "the target group's slow start",
    "health_interval_s": "the health check's interval",
    "health_timeout_s": "the health check's time-out",
    "healthy_threshold": "the health check's healthy threshold",
    "unhealthy_threshold": "the health check's unhealthy threshold",
    "health_check_path": "the health check's path",
    "cloudfront_read_timeout_s": "CloudFront's read time-out",
    "cloudfront_keep_alive_s": "CloudFront's keep-alive",
    "cloudfront_completion_timeout_s": "CloudFront's response completion time-out",
    "cloudfront_connection_timeout_s": "CloudFront's connection time-out",
    "cloudfront_attempts": "CloudFront's connection attempts",
    "proxy_read_timeout_s": "the proxy's read time-out",
    "proxy_keep_alive_s": "the proxy's keep-alive",
    "hook_heartbeat_s": "the lifecycle hook's heartbeat time-out",
    "stop_timeout_s": "the stop time-out",
    "fargate_stop_timeout_s": "the container's stopTimeout",
    "cloudfront_methods": "CloudFront's methods",
    "account_concurrency": "the account's concurrency",
    "heartbeat_s": "the app's heartbeat",
    "lifecycle_heartbeat_s": "the gateway's lifecycle heartbeat",
    "timeout_s": "the time-out of {name}",
    "reserved_concurrency": "the reserved concurrency of {name}",
    "async_age_s_max": "the maximum event age of {name}",
    "async_retries": "the retries of {name}",
}
"""What a setting is called in messages; one of the gateway has the name of its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """All settings along the way of a response. A value of None is unknown, or not there."""

    gateway: GatewayConfig
    routes: tuple[RouteConfig, ...] = ()
    functions: Mapping[str, InvokedFunction] = field(default_factory=dict)
    """What is known of a function, by `function` of its routes."""
    around: Surroundings = field(default_factory=Surroundings)
    public_port: int | None = None
    callback_ports: PortRange | None = None
    workers: int | None = None
    lifecycle_heartbeat_s: float | None = None
    """The interval of the gateway's heartbeats for its lifecycle hook; None: it sends none."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Where a value is set, for messages, by the name of its field: "--alb-idle-timeout"."""

    def named(self, name: str, functions: Sequence[str] = ()) -> str:
        """Return a setting with its value and where it is set, as messages name it.

        For one of functions, those that have the same value are given.
        """
        value = getattr(self.functions[functions[0]], name) if functions else self.value(name)
        details = [shown(name, value)]
        if name in self.places:
            details.append(self.places[name])
        return f"{label(name, functions)} ({', '.join(details)})"

    def value(self, name: str) -> object:
        """Return the value of a setting, but for one of functions; None if it is unknown."""
        for record in (self.gateway, self.around):
            if name in fields_of(type(record)):
                return getattr(record, name)
        return getattr(self, name)

    def is_known(self, name: str) -> bool:
        """Whether a setting has a value; one of functions: whether any function has it."""
        if name in fields_of(InvokedFunction):
            return any(getattr(each, name) is not None for each in self.functions.values())
        return self.value(name) not in (None, ())

    def functions_by(self, name: str) -> dict[Any, list[str]]:
        """Return the functions for which a setting is known, by its value."""
        found: dict[Any, list[str]] = {}
        for function, settings in self.functions.items():
            value = getattr(settings, name)
            if value is not None:
                found.setdefault(value, []).append(function)
        return found

    def routes_of(self, function: str) -> list[RouteConfig]:
        """Return the routes of a function."""
        return [route for route in self.routes if route.function == function]


def label(name: str, functions: Sequence[str] = ()) -> str:
    """Return what a setting is called in messages; one of functions needs no name of theirs."""
    return _LABELS.get(name, name).format(name=_functions(functions))


def _functions(names: Sequence[str]) -> str:
    if not names:
        return "the function"
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return f"function {', '.join(names[:_NAMED_MAX])}{more}"


def shown(name: str, value: object) -> str:
    """Return a value with its unit."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        number = f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
        return f"{number} s" if name.endswith(("_s", "_s_max")) else number
    return str(value)
