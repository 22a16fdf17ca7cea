"""AWS's limits, each broken alone; AWS's defaults."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import pytest

from tailrace.agreement import (
    AWS_LIMITS,
    RULES,
    InvokedFunction,
    Surroundings,
    Way,
    check_agreement,
    with_defaults,
)
from tailrace.config import GatewayConfig, RouteConfig


class Range(NamedTuple):
    field: str
    rule: str
    too_low: float | None
    low: float
    high: float
    too_high: float
    named: str
    allowed: str


RANGES = [
    Range(
        "alb_idle_timeout_s", "limit-alb-idle-timeout", 0, 1, 4_000, 4_001,
        "the ALB's idle time-out", "1 s to 4000 s",
    ),
    Range(
        "alb_client_keep_alive_s", "limit-alb-client-keep-alive", 59, 60, 604_800, 604_801,
        "the ALB's client keep-alive", "60 s to 604800 s",
    ),
    Range(
        "deregistration_delay_s", "limit-deregistration-delay", None, 0, 3_600, 3_601,
        "the target group's deregistration delay", "0 s to 3600 s",
    ),
    Range(
        "slow_start_s", "limit-slow-start", 29, 30, 900, 901,
        "the target group's slow start", "0, or 30 s to 900 s",
    ),
    Range(
        "health_interval_s", "limit-health-interval", 4, 5, 300, 301,
        "the health check's interval", "5 s to 300 s",
    ),
    Range(
        "health_timeout_s", "limit-health-timeout", 1, 2, 120, 121,
        "the health check's time-out", "2 s to 120 s",
    ),
    Range(
        "healthy_threshold", "limit-healthy-threshold", 1, 2, 10, 11,
        "the health check's healthy threshold", "2 to 10",
    ),
    Range(
        "unhealthy_threshold", "limit-unhealthy-threshold", 1, 2, 10, 11,
        "the health check's unhealthy threshold", "2 to 10",
    ),
    Range(
        "cloudfront_read_timeout_s", "limit-cloudfront-read-timeout", 0, 1, 120, 181,
        "CloudFront's read time-out", "1 s to 120 s",
    ),
    Range(
        "cloudfront_keep_alive_s", "limit-cloudfront-keep-alive", 0, 1, 120, 181,
        "CloudFront's keep-alive", "1 s to 120 s",
    ),
    Range(
        "cloudfront_connection_timeout_s", "limit-cloudfront-connection-timeout", 0, 1, 10, 11,
        "CloudFront's connection time-out", "1 s to 10 s",
    ),
    Range(
        "cloudfront_attempts", "limit-cloudfront-attempts", 0, 1, 3, 4,
        "CloudFront's connection attempts", "1 to 3",
    ),
    Range(
        "hook_heartbeat_s", "limit-hook-heartbeat", 29, 30, 7_200, 7_201,
        "the lifecycle hook's heartbeat time-out", "30 s to 7200 s",
    ),
    Range(
        "fargate_stop_timeout_s", "limit-fargate-stop-timeout", None, 0, 120, 121,
        "the container's stopTimeout", "0 s to 120 s",
    ),
    Range(
        "timeout_s", "limit-function-timeout", 0, 1, 900, 901,
        "the time-out of function chat", "1 s to 900 s",
    ),
    Range(
        "async_age_s_max", "limit-async-age", 59, 60, 21_600, 21_601,
        "the maximum event age of function chat", "60 s to 21600 s",
    ),
    Range(
        "async_retries", "limit-async-retries", None, 0, 2, 3,
        "the retries of function chat", "0 to 2",
    ),
]  # fmt: skip

RELATIONS = [rule.name for rule in RULES if not rule.name.startswith("limit-")]


def way_with(field: str, value: float) -> Way:
    """A way of which this alone is known."""
    values: dict[str, Any] = {field: value}
    is_around = field in {each.name for each in dataclasses.fields(Surroundings)}
    return Way(
        gateway=GatewayConfig(),
        routes=(RouteConfig(path="/*", function="chat"),),
        functions={"chat": InvokedFunction() if is_around else InvokedFunction(**values)},
        around=Surroundings(**values) if is_around else Surroundings(),
    )


def number(field: str, value: float) -> str:
    return f"{value} s" if field.endswith(("_s", "_s_max")) else f"{value}"


@pytest.mark.parametrize("each", RANGES, ids=lambda each: each.field)
def test_what_aws_refuses_is_an_error(each: Range) -> None:
    for value in (each.too_low, each.too_high):
        if value is None:
            continue
        agreement = check_agreement(way_with(each.field, value), allowed=RELATIONS)

        (finding,) = agreement.findings
        assert agreement.checked == [each.rule]
        assert (finding.level, finding.subject) == ("error", each.rule)
        assert finding.text == (
            f"{each.named} ({number(each.field, value)}) is not what AWS allows, {each.allowed}: "
            "the deployment is refused"
        )
        assert finding.remedy == f"set it to {each.allowed}"


@pytest.mark.parametrize("each", RANGES, ids=lambda each: each.field)
def test_the_ends_of_a_range_are_allowed(each: Range) -> None:
    for value in (each.low, each.high):
        agreement = check_agreement(way_with(each.field, value), allowed=RELATIONS)

        assert agreement.findings == []
        assert agreement.checked == [each.rule]


def test_no_slow_start_is_allowed() -> None:
    assert check_agreement(way_with("slow_start_s", 0), allowed=RELATIONS).findings == []


@pytest.mark.parametrize("value", [121, 180])
@pytest.mark.parametrize("field", ["cloudfront_read_timeout_s", "cloudfront_keep_alive_s"])
def test_what_aws_may_grant_is_a_warning(field: str, value: float) -> None:
    """AWS's reference has 120 s, an article of its support 180 s."""
    (finding,) = check_agreement(way_with(field, value), allowed=RELATIONS).findings

    assert finding.level == "warning"
    assert finding.text.endswith(
        f"({value} s) is more than 120 s, the limit in AWS's reference: the deployment may be "
        "refused"
    )
    assert finding.remedy == "set it to 1 s to 120 s, or ask AWS for more and allow this rule"


def test_each_limit_has_a_range() -> None:
    assert [each.field for each in RANGES] == [limit.field for limit in AWS_LIMITS]


def test_defaults_are_those_of_the_parts_in_front() -> None:
    given = Surroundings(behind=("alb",), alb_idle_timeout_s=90)
    places = {"alb_idle_timeout_s": "here"}

    way = with_defaults(Way(gateway=GatewayConfig(), around=given, places=places))

    assert way.around == Surroundings(
        behind=("alb",),
        alb_idle_timeout_s=90,
        alb_client_keep_alive_s=3_600,
        deregistration_delay_s=300,
        slow_start_s=0,
        health_interval_s=30,
        health_timeout_s=5,
        healthy_threshold=5,
        unhealthy_threshold=2,
        health_check_path="/",
    )
    assert way.named("alb_idle_timeout_s") == "the ALB's idle time-out (90 s, here)"
    assert way.named("slow_start_s") == "the target group's slow start (0 s, AWS's default)"
    assert way.named("health_path") == "health_path (/_tailrace/health)"


def test_defaults_of_cloudfront() -> None:
    around = Surroundings(behind=("cloudfront", "proxy"))

    way = with_defaults(Way(gateway=GatewayConfig(), around=around))

    assert way.around == dataclasses.replace(
        around,
        cloudfront_read_timeout_s=30,
        cloudfront_keep_alive_s=5,
        cloudfront_connection_timeout_s=10,
        cloudfront_attempts=3,
        cloudfront_methods="get-head",
    )
