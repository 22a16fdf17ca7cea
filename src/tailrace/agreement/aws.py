"""The limits of AWS, and its defaults: what a value may be, whatever the others are.

Read 2026-11 in the API models of botocore 1.43 and in the Developer Guides, unless a line names
another source.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final, NamedTuple

from tailrace.agreement.surroundings import Part
from tailrace.agreement.way import Way


class AwsLimit(NamedTuple):
    """What AWS allows for one setting."""

    field: str
    """The field of `Surroundings`, or of `InvokedFunction`."""
    low: float
    high: float
    default: float | None
    """None: there is no value without being set."""
    source: str
    high_on_request: float | None = None
    """A higher bound that AWS's own texts name as well, or grant on request."""
    may_be_zero: bool = False
    """Zero is allowed although it is below `low`: it switches the setting off."""


AWS_LIMITS: Final = (
    AwsLimit(
        "alb_idle_timeout_s", 1, 4_000, 60,
        "elbv2, LoadBalancerAttribute: `idle_timeout.timeout_seconds`",
    ),
    AwsLimit(
        "alb_client_keep_alive_s", 60, 604_800, 3_600,
        "elbv2, LoadBalancerAttribute: `client_keep_alive.seconds`",
    ),
    AwsLimit(
        "deregistration_delay_s", 0, 3_600, 300,
        "elbv2, TargetGroupAttribute: `deregistration_delay.timeout_seconds`",
    ),
    AwsLimit(
        "slow_start_s", 30, 900, 0,
        "elbv2, TargetGroupAttribute: `slow_start.duration_seconds`",
        may_be_zero=True,
    ),
    AwsLimit(
        "health_interval_s", 5, 300, 30, "elbv2, CreateTargetGroup: `HealthCheckIntervalSeconds`"
    ),
    AwsLimit(
        "health_timeout_s", 2, 120, 5,
        "elbv2, CreateTargetGroup: `HealthCheckTimeoutSeconds`; default of the ALB guide",
    ),
    AwsLimit("healthy_threshold", 2, 10, 5, "elbv2, CreateTargetGroup: `HealthyThresholdCount`"),
    AwsLimit(
        "unhealthy_threshold", 2, 10, 2, "elbv2, CreateTargetGroup: `UnhealthyThresholdCount`"
    ),
    AwsLimit(
        "cloudfront_read_timeout_s", 1, 120, 30,
        "cloudfront, VpcOriginConfig: `OriginReadTimeout`; an article of re:Post: 180",
        high_on_request=180,
    ),
    AwsLimit(
        "cloudfront_keep_alive_s", 1, 120, 5,
        "cloudfront, VpcOriginConfig: `OriginKeepaliveTimeout`; an article of re:Post: 180",
        high_on_request=180,
    ),
    AwsLimit(
        "cloudfront_connection_timeout_s", 1, 10, 10, "cloudfront, Origin: `ConnectionTimeout`"
    ),
    AwsLimit("cloudfront_attempts", 1, 3, 3, "cloudfront, Origin: `ConnectionAttempts`"),
    AwsLimit(
        "hook_heartbeat_s", 30, 7_200, 3_600,
        "autoscaling, LifecycleHookSpecification: `HeartbeatTimeout`",
    ),
    AwsLimit("fargate_stop_timeout_s", 0, 120, 30, "ecs, ContainerDefinition: `stopTimeout`"),
    AwsLimit("timeout_s", 1, 900, 3, "lambda, CreateFunction: `Timeout`"),
    AwsLimit(
        "async_age_s_max", 60, 21_600, 21_600,
        "lambda, PutFunctionEventInvokeConfig: `MaximumEventAgeInSeconds`",
    ),
    AwsLimit(
        "async_retries", 0, 2, 2, "lambda, PutFunctionEventInvokeConfig: `MaximumRetryAttempts`"
    ),
)  # fmt: skip

HOOK_HEARTBEATS_MAX: Final = 100
"""The longest wait of a lifecycle hook with heartbeats, in heartbeat time-outs (autoscaling,
LifecycleHook: `GlobalTimeout`). The other bound there is 48 hours; no drain is longer."""

AWS_DEFAULT: Final = "AWS's default"
"""The place of a value that nobody has set."""

_PREFIXES: Final[dict[Part, tuple[str, ...]]] = {
    "alb": ("alb_", "deregistration_", "slow_", "health", "unhealthy_"),
    "cloudfront": ("cloudfront_",),
    "proxy": ("proxy_",),
}
_DEFAULTS: Final[dict[str, Any]] = {
    **{limit.field: limit.default for limit in AWS_LIMITS if limit.default is not None},
    "health_check_path": "/",
    "cloudfront_methods": "get-head",
}


def limit_of(field: str) -> AwsLimit | None:
    """Return AWS's limit for a setting, if there is one."""
    return next((limit for limit in AWS_LIMITS if limit.field == field), None)


def part_of(field: str) -> Part | None:
    """Return the part in front of the gateway that a setting belongs to, if it is one of these."""
    return next((part for part, each in _PREFIXES.items() if field.startswith(each)), None)


def with_defaults(way: Way) -> Way:
    """Return a way with AWS's defaults for what is unknown of the parts in front."""
    around = way.around
    missing = {
        name: default
        for name, default in _DEFAULTS.items()
        if part_of(name) in around.behind and getattr(around, name) is None
    }
    return dataclasses.replace(
        way,
        around=dataclasses.replace(around, **missing),
        places={**way.places, **dict.fromkeys(missing, AWS_DEFAULT)},
    )
