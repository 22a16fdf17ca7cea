"""Each rule is broken alone, and its message is read; at the border it holds."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import pytest

from tailrace.agreement import RULES, InvokedFunction, Surroundings, Way, check_agreement
from tailrace.config import GatewayConfig, PortRange, RouteConfig

AGREED = Way(
    gateway=GatewayConfig(
        first_byte_timeout_s=20,
        function_idle_timeout_s=25,
        total_timeout_s=300,
        keep_alive_timeout_s=75,
        drain_delay_s=20,
        drain_timeout_s=300,
        trusted_hops=2,
    ),
    routes=(RouteConfig(path="/*", host="a.example", function="chat", concurrency=50),),
    functions={
        "chat": InvokedFunction(
            timeout_s=300,
            reserved_concurrency=100,
            async_age_s_max=60,
            async_retries=0,
            has_egress=True,
        )
    },
    around=Surroundings(
        behind=("cloudfront", "alb"),
        alb_idle_timeout_s=60,
        alb_client_keep_alive_s=3_600,
        deregistration_delay_s=320,
        slow_start_s=0,
        health_interval_s=10,
        health_timeout_s=5,
        healthy_threshold=2,
        unhealthy_threshold=2,
        health_check_path="/_tailrace/health",
        alb_protocol="https",
        cloudfront_read_timeout_s=30,
        cloudfront_keep_alive_s=5,
        cloudfront_completion_timeout_s=301,
        cloudfront_connection_timeout_s=10,
        cloudfront_attempts=1,
        cloudfront_compression="off",
        cloudfront_caching="off",
        cloudfront_methods="all",
        cloudfront_host="viewer",
        proxy_read_timeout_s=60,
        proxy_keep_alive_s=60,
        hook_heartbeat_s=30,
        stop_timeout_s=320,
        fargate_stop_timeout_s=120,
        account_concurrency=100,
        gateways=2,
        heartbeat_s=12.5,
        functions_reach_callbacks=True,
        gateways_reach_lambda=True,
    ),
    public_port=8080,
    callback_ports=PortRange(8081, 8084),
    workers=2,
    lifecycle_heartbeat_s=20,
    places={"alb_idle_timeout_s": "--alb-idle-timeout"},
)
"""All settings are known, and agree."""


def changed(**changes: Any) -> Way:
    """The settings that agree, but for these, each in the record that has it."""
    routes = AGREED.routes
    if "route" in changes:
        routes = (dataclasses.replace(routes[0], **changes.pop("route")),)
    records: list[Any] = [AGREED.gateway, AGREED.around, AGREED.functions["chat"], AGREED]
    for index, record in enumerate(records):
        names = {field.name for field in dataclasses.fields(record)} & set(changes)
        records[index] = dataclasses.replace(record, **{name: changes.pop(name) for name in names})
    assert not changes
    gateway, around, chat, way = records
    functions = {"chat": chat}
    return dataclasses.replace(
        way, gateway=gateway, around=around, functions=functions, routes=routes
    )


class Case(NamedTuple):
    rule: str
    broken: dict[str, Any]
    """What breaks this rule and no other."""
    text: str
    remedy: str
    border: dict[str, Any] | None = None
    """The last values that agree; None: the values that agree are at the border."""
    level: str = "error"


CASES = [
    Case(
        "alb-first-byte",
        # The ALB's time-out below CloudFront's; the idle and heartbeat rules hold.
        {"alb_idle_timeout_s": 26, "first_byte_timeout_s": 26},
        "first_byte_timeout_s (26 s) is not shorter than the ALB's idle time-out (26 s, "
        "--alb-idle-timeout): when a function is slow to begin, clients get 504 from the ALB after "
        "26 s",
        "raise the ALB's idle time-out above 26 s, or lower first_byte_timeout_s below 26 s",
        {"alb_idle_timeout_s": 26, "first_byte_timeout_s": 25.9},
    ),
    Case(
        "cloudfront-first-byte",
        {"first_byte_timeout_s": 30, "cloudfront_attempts": 1},
        "first_byte_timeout_s (30 s) is not shorter than CloudFront's read time-out (30 s): when a "
        "function is slow to begin, clients get 504 from CloudFront after 30 s",
        "raise CloudFront's read time-out above 30 s, or lower first_byte_timeout_s below 30 s",
        {"first_byte_timeout_s": 29.9},
    ),
    Case(
        "proxy-first-byte",
        {"first_byte_timeout_s": 26, "proxy_read_timeout_s": 26},
        "first_byte_timeout_s (26 s) is not shorter than the proxy's read time-out (26 s): when a "
        "function is slow to begin, clients get 504 from the proxy after 26 s",
        "raise the proxy's read time-out above 26 s, or lower first_byte_timeout_s below 26 s",
        {"first_byte_timeout_s": 25.9, "proxy_read_timeout_s": 26},
    ),
    Case(
        "alb-silence",
        {"alb_idle_timeout_s": 25},
        "function_idle_timeout_s (25 s) is not shorter than the ALB's idle time-out (25 s, "
        "--alb-idle-timeout): the ALB aborts a response that is silent for 25 s, and the gateway's "
        "log says that the client left",
        "raise the ALB's idle time-out above 25 s, or lower function_idle_timeout_s below 25 s and "
        "send heartbeats more often",
        {"alb_idle_timeout_s": 25.1},
    ),
    Case(
        "cloudfront-silence",
        {"function_idle_timeout_s": 30},
        "function_idle_timeout_s (30 s) is not shorter than CloudFront's read time-out (30 s): "
        "CloudFront aborts a response that is silent for 30 s",
        "raise CloudFront's read time-out above 30 s, or lower function_idle_timeout_s below 30 s",
        {"function_idle_timeout_s": 29.9},
    ),
    Case(
        "proxy-silence",
        {"proxy_read_timeout_s": 25},
        "function_idle_timeout_s (25 s) is not shorter than the proxy's read time-out (25 s): the "
        "proxy aborts a response that is silent for 25 s",
        "raise the proxy's read time-out above 25 s, or lower function_idle_timeout_s below 25 s",
        {"proxy_read_timeout_s": 25.1},
    ),
    Case(
        "heartbeat",
        {"heartbeat_s": 13},
        "the app's heartbeat (13 s) is more than half of function_idle_timeout_s (25 s): the "
        "gateway aborts a response whose heartbeat is 12 s late",
        "send a heartbeat every 12.5 s or more often, or raise function_idle_timeout_s to 26 s",
        level="warning",
    ),
    Case(
        "heartbeat",
        {"heartbeat_s": 25},
        "the app's heartbeat (25 s) is more than half of function_idle_timeout_s (25 s): the "
        "gateway aborts each response between two heartbeats",
        "send a heartbeat every 12.5 s or more often, or raise function_idle_timeout_s to 50 s",
    ),
    Case(
        "alb-keep-alive",
        {"keep_alive_timeout_s": 60, "proxy_keep_alive_s": 59},
        "keep_alive_timeout_s (60 s) is not longer than the ALB's idle time-out (60 s, "
        "--alb-idle-timeout): the gateway closes idle connections first, a request that the ALB "
        "sends in that moment is lost, and clients get 502 now and then",
        "set keep_alive_timeout_s to 65 s",
        {"keep_alive_timeout_s": 60.1, "proxy_keep_alive_s": 59},
    ),
    Case(
        "proxy-keep-alive",
        {"proxy_keep_alive_s": 75},
        "keep_alive_timeout_s (75 s) is not longer than the proxy's keep-alive (75 s): the gateway "
        "closes idle connections first",
        "set keep_alive_timeout_s to 80 s",
        {"proxy_keep_alive_s": 74.9},
    ),
    Case(
        "cloudfront-keep-alive",
        {"cloudfront_keep_alive_s": 60},
        "the ALB's idle time-out (60 s, --alb-idle-timeout) is not longer than CloudFront's "
        "keep-alive (60 s): the ALB closes idle connections first",
        "set the ALB's idle time-out to 65 s",
        {"cloudfront_keep_alive_s": 59},
    ),
    Case(
        "function-timeout",
        {"total_timeout_s": 300, "timeout_s": 299},
        "the time-out of function chat (299 s) is shorter than total_timeout_s (300 s): Lambda "
        "aborts a stream after 299 s",
        "raise the function's time-out to 300 s, or lower total_timeout_s to 299 s",
        level="warning",
    ),
    Case(
        "cloudfront-completion",
        {"cloudfront_completion_timeout_s": 300},
        "total_timeout_s (300 s) is not shorter than CloudFront's response completion time-out "
        "(300 s): CloudFront aborts each response after 300 s, whatever it has sent",
        "leave CloudFront's response completion time-out unset, or raise it above 300 s",
    ),
    Case(
        "cloudfront-completion-read",
        {
            "cloudfront_completion_timeout_s": 29,
            "total_timeout_s": 28,
        },
        "CloudFront's response completion time-out (29 s) is shorter than CloudFront's read "
        "time-out (30 s): CloudFront refuses the configuration",
        "leave the response completion time-out unset, or raise it to 30 s",
        {"cloudfront_completion_timeout_s": 30, "total_timeout_s": 28},
    ),
    Case(
        "drain-timeout",
        {"drain_timeout_s": 299},
        "drain_timeout_s (299 s) is shorter than the time-out of function chat (300 s): when a "
        "gateway stops, a stream that would run on for 300 s is aborted after 299 s",
        "raise drain_timeout_s to 300 s",
        level="warning",
    ),
    Case(
        "drain-delay",
        {"drain_delay_s": 19, "fargate_stop_timeout_s": None},
        "drain_delay_s (19 s) is shorter than the health check's interval (10 s) times the health "
        "check's unhealthy threshold (2): the ALB still sends requests for up to 1 s after the "
        "gateway has closed its listener, and clients get 502",
        "set drain_delay_s to 20 s, or check health more often",
        # ECS sends SIGTERM to a task whose target has been deregistered.
        {"drain_delay_s": 0},
    ),
    Case(
        "deregistration-delay",
        # ECS would not wait for so long before SIGTERM either.
        {"deregistration_delay_s": 319, "fargate_stop_timeout_s": None},
        "drain_delay_s (20 s) and drain_timeout_s (300 s) are longer together than the target "
        "group's deregistration delay (319 s): the ALB aborts open streams 319 s after the gateway "
        "was deregistered",
        "raise the deregistration delay to 320 s, or lower drain_timeout_s",
    ),
    Case(
        "hook-heartbeat",
        {"hook_heartbeat_s": 319, "lifecycle_heartbeat_s": None},
        "drain_delay_s (20 s) and drain_timeout_s (300 s) are longer together than the lifecycle "
        "hook's heartbeat time-out (319 s): the instance is terminated after 319 s, and open "
        "streams are aborted",
        "let the gateway send heartbeats (--lifecycle-hook), or raise the hook's heartbeat "
        "time-out to 320 s",
        {"hook_heartbeat_s": 320, "lifecycle_heartbeat_s": None},
    ),
    Case(
        "hook-heartbeat",
        {"drain_timeout_s": 2_981, "deregistration_delay_s": 3_600, "stop_timeout_s": 3_600},
        "drain_delay_s (20 s) and drain_timeout_s (2981 s) are longer together than 100 times "
        "the lifecycle hook's heartbeat time-out (30 s): the instance is terminated after 3000 s, "
        "and open streams are aborted",
        "raise the hook's heartbeat time-out to 30.01 s",
        {"drain_timeout_s": 2_980, "deregistration_delay_s": 3_600, "stop_timeout_s": 3_600},
    ),
    Case(
        "hook-interval",
        {"lifecycle_heartbeat_s": 21},
        "the gateway's lifecycle heartbeat (21 s) is more than two thirds of the lifecycle hook's "
        "heartbeat time-out (30 s): the hook is over when one heartbeat fails, and open streams "
        "are aborted",
        "set --lifecycle-heartbeat to 20 s or less",
    ),
    Case(
        "stop-timeout",
        {"stop_timeout_s": 319},
        "drain_delay_s (20 s) and drain_timeout_s (300 s) are longer together than the stop "
        "time-out (319 s): the gateway is killed 319 s after SIGTERM, and open streams are aborted",
        "raise it to 320 s",
    ),
    Case(
        "fargate-stop-timeout",
        {"fargate_stop_timeout_s": 120, "deregistration_delay_s": None},
        "drain_delay_s (20 s) and drain_timeout_s (300 s) are longer together than the container's "
        "stopTimeout (120 s): the gateway is killed 120 s after SIGTERM, and open streams are "
        "aborted",
        "give the target group a deregistration delay of 320 s, which ECS waits for before SIGTERM",
    ),
    Case(
        "reserved-concurrency",
        {"reserved_concurrency": 99},
        "concurrency of its routes (50) × 2 gateways is more than the reserved concurrency of "
        "function chat (99): Lambda throttles what is above, and those clients wait for a 504 in "
        "place of an immediate 503",
        "reserve 100 for the function, or lower concurrency of its routes",
    ),
    Case(
        "reserved-concurrency",
        # A gateway holds no more than held_max in all.
        {"route": {"concurrency": 500}, "held_max": 51},
        "held_max (51) × 2 gateways is more than the reserved concurrency of function chat (100)",
        "reserve 102 for the function, or lower concurrency of its routes",
        {"route": {"concurrency": 500}, "held_max": 50},
    ),
    Case(
        "account-concurrency",
        {"account_concurrency": 99},
        "the routes allow 100 open requests at a time, concurrency × gateways, and the account's "
        "concurrency (99) is less: Lambda throttles what is above",
        "lower concurrency of the routes or held_max, or ask AWS for a concurrency of 100",
    ),
    Case(
        "async-age",
        {"async_age_s_max": 120},
        "the maximum event age of function chat (120 s) is not first_byte_timeout_s (20 s) rounded "
        "up to minutes: Lambda runs a queued event up to 120 s later, and its client got 504 after "
        "20 s",
        "set the maximum event age to 60 s, on the version or alias that is invoked",
        level="warning",
    ),
    Case(
        "async-age",
        {
            "first_byte_timeout_s": 60.5,
            "cloudfront_read_timeout_s": 61,
            "alb_idle_timeout_s": 61,
            "proxy_read_timeout_s": 61,
        },
        "the maximum event age of function chat (60 s) is not first_byte_timeout_s (60.5 s) "
        "rounded up to minutes: Lambda drops a queued event after 60 s, and its client waits for a "
        "504 until 60.5 s",
        "set the maximum event age to 120 s, on the version or alias that is invoked",
        {
            "first_byte_timeout_s": 60,
            "cloudfront_read_timeout_s": 61,
            "alb_idle_timeout_s": 61,
            "proxy_read_timeout_s": 61,
        },
        level="warning",
    ),
    Case(
        "async-retries",
        {"async_retries": 1},
        "the retries of function chat (1) begin after first_byte_timeout_s (20 s), when the client "
        "has its 504: a function that fails runs 2 times, and only the first run has a client",
        "set the retries to 0, on the version or alias that is invoked",
        # Lambda retries no invocation whose response is streamed.
        {"async_retries": 1, "route": {"transport": "response-stream"}},
    ),
    Case(
        "callback-ports",
        {"public_port": 8084},
        "the public port (8084) is one of the callback ports (8081-8084): the security group that "
        "lets functions call back lets them reach the public port as well",
        "take callback ports without the public port: --callback-ports FIRST-LAST",
        {"public_port": 8085},
    ),
    Case(
        "callback-ports",
        {"workers": 3},
        "4 callback ports (8081-8084) are fewer than two for each of 3 workers: a reload finds no "
        "port for the new workers while the old ones drain",
        "take 6 ports or more: --callback-ports 8081-8092",
        level="warning",
    ),
    Case(
        "callbacks-reached",
        {"functions_reach_callbacks": False},
        "the functions may not reach the callback ports (8081-8084) of the gateways: each request "
        "ends with 504 after first_byte_timeout_s (20 s)",
        "let the functions' security group reach these ports of the gateways' one",
    ),
    Case(
        "lambda-reached",
        {"gateways_reach_lambda": False},
        "the gateways' subnets have no way to the Lambda endpoint: each request ends with 504",
        "add an interface endpoint for Lambda to the VPC, or a NAT gateway",
    ),
    Case(
        "functions-egress",
        {"has_egress": False},
        "function chat runs in the VPC, whose subnets have no way to the internet: its calls of an "
        "API outside, as of a language model, wait for their time-outs",
        "add a NAT gateway, or interface endpoints for the services that it calls",
        level="warning",
    ),
    Case(
        "cloudfront-compression",
        {"cloudfront_compression": "on"},
        "CloudFront compresses responses: one of a listed type with a content-length may be held "
        "back until it is complete",
        "switch compression off for the behavior of the gateway (compress: false)",
        level="warning",
    ),
    Case(
        "cloudfront-caching",
        {"cloudfront_caching": "on"},
        "CloudFront caches responses: a client may get the response to another one's request",
        "use the cache policy CachingDisabled for the behavior of the gateway",
    ),
    Case(
        "cloudfront-methods",
        {"cloudfront_methods": "get-head-options"},
        "CloudFront's methods (get-head-options) are not all: clients get 403 for a POST",
        "allow all methods: GET, HEAD, OPTIONS, PUT, PATCH, POST, DELETE",
    ),
    Case(
        "cloudfront-host",
        {"cloudfront_host": "origin", "route": {"host": None}},
        "CloudFront sends the origin's Host and the ALB's listener is HTTPS: its certificate does "
        "not have the ALB's own name, and clients get 502",
        "use the origin request policy AllViewer",
        {"cloudfront_host": "origin", "route": {"host": None}, "alb_protocol": "http"},
    ),
    Case(
        "cloudfront-host",
        {"cloudfront_host": "origin", "alb_protocol": "http"},
        "CloudFront sends the origin's Host, and a route is for host a.example: no request matches "
        "it",
        "use the origin request policy AllViewer",
    ),
    Case(
        "cloudfront-attempts",
        {"cloudfront_attempts": 2},
        "CloudFront's connection attempts (2) are more than 1: a GET whose response does not begin "
        "in time is sent 2 times, and its function runs as often",
        "set the connection attempts to 1",
        level="warning",
    ),
    Case(
        "trusted-hops",
        {"trusted_hops": 3},
        "trusted_hops (3) is more than what is in front: CloudFront and the ALB (2): clients "
        "choose the address under which functions see them",
        "set trusted_hops to 2",
    ),
    Case(
        "trusted-hops",
        {"trusted_hops": 1},
        "trusted_hops (1) is less than what is in front: CloudFront and the ALB (2): functions see "
        "a proxy's address in place of the client's, and http in place of https",
        "set trusted_hops to 2",
        {"trusted_hops": 1, "behind": ("alb",)},
        level="warning",
    ),
    Case(
        "health-path",
        {"health_check_path": "/"},
        "the health check's path (/) is not health_path (/_tailrace/health): the ALB invokes a "
        "function with each check, or takes the gateway for unhealthy, and does not notice a drain",
        "set the health check's path to /_tailrace/health",
        {"health_check_path": "/healthz", "health_path": "/healthz"},
    ),
    Case(
        "health-timeout",
        {"health_timeout_s": 10},
        "the health check's time-out (10 s) is not shorter than the health check's interval (10 "
        "s): AWS refuses the target group",
        "set the health check's time-out below 10 s",
        {"health_timeout_s": 9},
    ),
]


def test_settings_that_agree_are_all_checked() -> None:
    agreement = check_agreement(AGREED)

    assert agreement.findings == []
    assert agreement.unchecked == {}
    assert agreement.checked == [rule.name for rule in RULES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_is_broken_alone(case: Case) -> None:
    (finding,) = check_agreement(changed(**case.broken)).findings

    assert (finding.subject, finding.level) == (case.rule, case.level)
    assert finding.text.startswith(case.text)
    assert finding.remedy is not None
    assert finding.remedy.startswith(case.remedy)


@pytest.mark.parametrize("case", [case for case in CASES if case.border], ids=lambda c: c.rule)
def test_a_rule_holds_at_its_border(case: Case) -> None:
    assert case.border is not None
    assert check_agreement(changed(**case.border)).findings == []


def test_each_relation_has_a_case() -> None:
    limits = {rule.name for rule in RULES if rule.name.startswith("limit-")}

    assert {case.rule for case in CASES} == {rule.name for rule in RULES} - limits


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_can_be_allowed(case: Case) -> None:
    agreement = check_agreement(changed(**case.broken), allowed=(case.rule,))

    assert agreement.findings == []
    assert case.rule not in agreement.checked


def test_cloudfront_that_may_try_again_is_named() -> None:
    """A function that is slow to begin is invoked again: the user pays twice."""
    way = changed(first_byte_timeout_s=30, cloudfront_attempts=3)

    found = check_agreement(way, allowed=("cloudfront-attempts",)).findings

    assert [finding.text.partition("after 30 s")[2] for finding in found] == [
        ", and CloudFront sends a GET 3 times: the function runs as often"
    ]


def test_what_aws_does_not_allow_is_no_remedy() -> None:
    way = changed(first_byte_timeout_s=120, function_idle_timeout_s=119)

    found = check_agreement(way, allowed=("alb-first-byte", "alb-silence", "async-age"))

    remedies = {finding.subject: finding.remedy for finding in found.findings}
    assert remedies["cloudfront-first-byte"] == "lower first_byte_timeout_s below 30 s"
    assert remedies["cloudfront-silence"] == (
        "raise CloudFront's read time-out above 119 s, or lower function_idle_timeout_s below 30 s "
        "and send heartbeats more often"
    )


def test_events_get_no_older_than_lambda_allows() -> None:
    """A gateway may wait for a day, and an event for six hours."""
    way = changed(first_byte_timeout_s=40_000, async_age_s_max=21_600)

    assert "async-age" not in {finding.subject for finding in check_agreement(way).findings}


def test_the_shortest_silence_on_the_way_counts_for_heartbeats() -> None:
    way = changed(heartbeat_s=20, function_idle_timeout_s=300, cloudfront_read_timeout_s=39)

    found = check_agreement(way, allowed=("alb-silence", "cloudfront-silence", "proxy-silence"))

    assert [finding.text for finding in found.findings] == [
        "the app's heartbeat (20 s) is more than half of CloudFront's read time-out (39 s): "
        "CloudFront aborts a response whose heartbeat is 19 s late"
    ]


def test_cloudfront_without_an_alb_keeps_connections_to_the_gateway() -> None:
    way = changed(alb_idle_timeout_s=None, cloudfront_keep_alive_s=75)

    (finding,) = check_agreement(way).findings

    assert finding.subject == "cloudfront-keep-alive"
    assert finding.text.startswith("keep_alive_timeout_s (75 s) is not longer than CloudFront's")


def test_what_is_unknown_is_not_checked() -> None:
    agreement = check_agreement(Way(gateway=GatewayConfig()))

    assert agreement.findings == []
    assert agreement.checked == []
    assert agreement.unchecked["drain-delay"] == ("health_interval_s", "unhealthy_threshold")


def test_functions_with_the_same_value_are_named_together() -> None:
    routes = [RouteConfig(path=f"/{name}", function=name) for name in "abcde"]
    functions = {name: InvokedFunction(async_retries=2) for name in "abcd"}
    way = Way(gateway=GatewayConfig(), routes=tuple(routes), functions=functions)

    (finding,) = check_agreement(way).findings

    assert finding.text.startswith("the retries of function a, b, c and 1 more (2) begin after")


def test_the_function_with_the_longest_time_out_counts() -> None:
    """A gateway has one bound for all: a short function beside a long one is no mistake."""
    routes = tuple(RouteConfig(path=f"/{name}", function=name) for name in "ab")
    functions = {"a": InvokedFunction(timeout_s=60), "b": InvokedFunction(timeout_s=900)}
    way = Way(gateway=GatewayConfig(drain_timeout_s=900), routes=routes, functions=functions)

    assert check_agreement(way).findings == []
    assert "function-timeout" in check_agreement(way).checked


def test_the_account_holds_the_sum_of_its_functions() -> None:
    """A function takes no more than is reserved for it; one that a URL invokes is none of them."""
    targets = {"a": 40, "b": 300, "http://10.0.0.1/run": 500}
    routes = tuple(
        RouteConfig(path=f"/{index}", function=name, concurrency=count)
        for index, (name, count) in enumerate(targets.items())
    )
    functions = {"b": InvokedFunction(reserved_concurrency=50)}
    around = Surroundings(account_concurrency=130, gateways=2)
    way = Way(gateway=GatewayConfig(), routes=routes, functions=functions, around=around)

    assert check_agreement(way, allowed=("reserved-concurrency",)).findings == []

    less = dataclasses.replace(way, around=dataclasses.replace(around, account_concurrency=129))
    (finding,) = check_agreement(less, allowed=("reserved-concurrency",)).findings
    assert finding.text.startswith("the routes allow 130 open requests at a time")

    # All functions together are bounded as well.
    few = dataclasses.replace(less, gateway=GatewayConfig(held_max=64))
    assert check_agreement(few, allowed=("reserved-concurrency",)).findings == []

    more = dataclasses.replace(less, gateway=GatewayConfig(held_max=65))
    more = dataclasses.replace(more, functions={})
    (finding,) = check_agreement(more).findings
    assert finding.text.startswith("the gateways hold 130 open requests at a time, held_max × gate")
