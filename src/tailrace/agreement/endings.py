"""Rules about ends: how long a response may take, and how long a gateway takes to stop."""

from __future__ import annotations

from functools import partial
from typing import Final

from tailrace.agreement.aws import HOOK_HEARTBEATS_MAX
from tailrace.agreement.rule import Complaints, Rule, error, warning
from tailrace.agreement.way import Way, label

_HEARTBEAT_SHARE_MAX: Final = 2 / 3
"""What the interval of heartbeats may be of the hook's time-out: one that fails is repeated."""


def drain_s(way: Way) -> float:
    """Return the longest time from the first signal to the end of the gateway."""
    return way.gateway.drain_delay_s + way.gateway.drain_timeout_s


def _drain(way: Way) -> str:
    return f"{way.named('drain_delay_s')} and {way.named('drain_timeout_s')}"


def _function_timeout(way: Way) -> Complaints:
    """The bound of the gateway is for all functions: the one with the longest time-out counts."""
    total_s, functions = way.gateway.total_timeout_s, way.functions_by("timeout_s")
    longest_s = max(functions, default=total_s)
    if longest_s < total_s:
        yield warning(
            f"{way.named('timeout_s', functions[longest_s])} is shorter than "
            f"{way.named('total_timeout_s')}: Lambda aborts a stream after {longest_s:g} s",
            f"raise the function's time-out to {total_s:g} s, or lower total_timeout_s to "
            f"{longest_s:g} s",
        )


def _completion(way: Way) -> Complaints:
    completion_s = way.around.cloudfront_completion_timeout_s
    total_s = way.gateway.total_timeout_s
    assert completion_s is not None
    if total_s < completion_s:
        return
    yield error(
        f"{way.named('total_timeout_s')} is not shorter than "
        f"{way.named('cloudfront_completion_timeout_s')}: CloudFront aborts each response after "
        f"{completion_s:g} s, whatever it has sent",
        f"leave CloudFront's response completion time-out unset, or raise it above {total_s:g} s",
    )


def _completion_and_read(way: Way) -> Complaints:
    completion_s = way.around.cloudfront_completion_timeout_s
    read_s = way.around.cloudfront_read_timeout_s
    assert completion_s is not None and read_s is not None
    if completion_s >= read_s:
        return
    yield error(
        f"{way.named('cloudfront_completion_timeout_s')} is shorter than "
        f"{way.named('cloudfront_read_timeout_s')}: CloudFront refuses the configuration",
        f"leave the response completion time-out unset, or raise it to {read_s:g} s",
    )


def _drain_timeout(way: Way) -> Complaints:
    drain_timeout_s, total_s = way.gateway.drain_timeout_s, way.gateway.total_timeout_s
    for timeout_s, functions in way.functions_by("timeout_s").items():
        longest_s = min(timeout_s, total_s)
        if drain_timeout_s < longest_s:
            yield warning(
                f"{way.named('drain_timeout_s')} is shorter than "
                f"{way.named('timeout_s', functions)}: when a gateway stops, a stream that would "
                f"run on for {longest_s:g} s is aborted after {drain_timeout_s:g} s",
                f"raise drain_timeout_s to {longest_s:g} s",
            )


def _drain_delay(way: Way) -> Complaints:
    interval_s, count = way.around.health_interval_s, way.around.unhealthy_threshold
    assert interval_s is not None and count is not None
    unhealthy_s = interval_s * count
    if way.gateway.drain_delay_s >= unhealthy_s:
        return
    if way.around.fargate_stop_timeout_s is not None:
        return  # ECS sends SIGTERM when the target has been deregistered
    yield error(
        f"{way.named('drain_delay_s')} is shorter than {way.named('health_interval_s')} times "
        f"{way.named('unhealthy_threshold')}: the ALB still sends requests for up to "
        f"{unhealthy_s - way.gateway.drain_delay_s:g} s after the gateway has closed its listener, "
        "and clients get 502",
        f"set drain_delay_s to {unhealthy_s:g} s, or check health more often",
    )


def _deregistration(way: Way) -> Complaints:
    delay_s = way.around.deregistration_delay_s
    assert delay_s is not None
    if drain_s(way) <= delay_s:
        return
    yield error(
        f"{_drain(way)} are longer together than {way.named('deregistration_delay_s')}: the ALB "
        f"aborts open streams {delay_s:g} s after the gateway was deregistered",
        f"raise the deregistration delay to {drain_s(way):g} s, or lower drain_timeout_s",
    )


def _hook(way: Way) -> Complaints:
    beat_s = way.around.hook_heartbeat_s
    assert beat_s is not None
    bound_s, what = beat_s, way.named("hook_heartbeat_s")
    remedy = (
        "let the gateway send heartbeats (--lifecycle-hook), or raise the hook's heartbeat "
        f"time-out to {drain_s(way):g} s"
    )
    if way.lifecycle_heartbeat_s is not None:
        bound_s = HOOK_HEARTBEATS_MAX * beat_s
        what = f"{HOOK_HEARTBEATS_MAX} times {what}"
        remedy = f"raise the hook's heartbeat time-out to {drain_s(way) / HOOK_HEARTBEATS_MAX:g} s"
    if drain_s(way) <= bound_s:
        return
    yield error(
        f"{_drain(way)} are longer together than {what}: the instance is terminated after "
        f"{bound_s:g} s, and open streams are aborted",
        remedy,
    )


def _hook_interval(way: Way) -> Complaints:
    beat_s, own_s = way.around.hook_heartbeat_s, way.lifecycle_heartbeat_s
    assert beat_s is not None and own_s is not None
    if own_s <= beat_s * _HEARTBEAT_SHARE_MAX:
        return
    yield error(
        f"{way.named('lifecycle_heartbeat_s')} is more than two thirds of "
        f"{way.named('hook_heartbeat_s')}: the hook is over when one heartbeat fails, and open "
        "streams are aborted",
        f"set --lifecycle-heartbeat to {beat_s * _HEARTBEAT_SHARE_MAX:g} s or less",
    )


def _stop_timeout(field: str, way: Way) -> Complaints:
    stop_s, delay_s = way.value(field), way.around.deregistration_delay_s
    assert isinstance(stop_s, float | int)
    if drain_s(way) <= stop_s:
        return
    if field.startswith("fargate") and delay_s is not None and delay_s >= drain_s(way):
        return  # ECS deregisters first, and sends SIGTERM when streams have had that time
    remedy = f"raise it to {drain_s(way):g} s"
    if field.startswith("fargate"):
        remedy = (
            "give the target group a deregistration delay of "
            f"{drain_s(way):g} s, which ECS waits for before SIGTERM"
        )
    yield error(
        f"{_drain(way)} are longer together than {way.named(field)}: the gateway is killed "
        f"{stop_s:g} s after SIGTERM, and open streams are aborted",
        remedy,
    )


def _stop_rule(name: str, field: str) -> Rule:
    return Rule(
        name,
        f"`drain_delay_s` + `drain_timeout_s` ≤ {label(field)}"
        + (", or ≤ the deregistration delay" if field.startswith("fargate") else ""),
        "the gateway is killed while streams are open",
        (field,),
        partial(_stop_timeout, field),
    )


ENDING_RULES: Final = (
    Rule(
        "function-timeout",
        "`total_timeout_s` ≤ the longest time-out of its functions",
        "Lambda aborts streams that the gateway would keep (warning)",
        ("timeout_s",),
        _function_timeout,
    ),
    Rule(
        "cloudfront-completion",
        f"`total_timeout_s` < {label('cloudfront_completion_timeout_s')}, if that is set",
        "CloudFront aborts each long response",
        ("cloudfront_completion_timeout_s",),
        _completion,
    ),
    Rule(
        "cloudfront-completion-read",
        f"{label('cloudfront_read_timeout_s')} ≤ {label('cloudfront_completion_timeout_s')}",
        "CloudFront refuses the configuration",
        ("cloudfront_completion_timeout_s", "cloudfront_read_timeout_s"),
        _completion_and_read,
    ),
    Rule(
        "drain-timeout",
        "`drain_timeout_s` ≥ the longest stream: the function's time-out or `total_timeout_s`",
        "a stream may be aborted when a gateway stops (warning)",
        ("timeout_s",),
        _drain_timeout,
    ),
    Rule(
        "drain-delay",
        f"`drain_delay_s` ≥ {label('health_interval_s')} × {label('unhealthy_threshold')}",
        "clients get 502 while a gateway stops",
        ("health_interval_s", "unhealthy_threshold"),
        _drain_delay,
    ),
    Rule(
        "deregistration-delay",
        f"`drain_delay_s` + `drain_timeout_s` ≤ {label('deregistration_delay_s')}",
        "the ALB aborts streams that the gateway would finish",
        ("deregistration_delay_s",),
        _deregistration,
    ),
    Rule(
        "hook-heartbeat",
        f"`drain_delay_s` + `drain_timeout_s` ≤ {label('hook_heartbeat_s')}; with heartbeats, ≤ "
        f"{HOOK_HEARTBEATS_MAX} × it",
        "the instance is terminated while streams are open",
        ("hook_heartbeat_s",),
        _hook,
    ),
    Rule(
        "hook-interval",
        f"{label('lifecycle_heartbeat_s')} ≤ two thirds of {label('hook_heartbeat_s')}",
        "the instance is terminated when a heartbeat fails",
        ("hook_heartbeat_s", "lifecycle_heartbeat_s"),
        _hook_interval,
    ),
    _stop_rule("stop-timeout", "stop_timeout_s"),
    _stop_rule("fargate-stop-timeout", "fargate_stop_timeout_s"),
)
