"""The settings of what is around a gateway: in front of it, behind it, and its machine.

The options of `tailrace check` are derived from these records. The ranges of AWS are not checked
here: see `aws`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from tailrace.setting import Range, Setting

Part: TypeAlias = Literal["alb", "cloudfront", "proxy"]
"""What may be in front of a gateway."""
Switch: TypeAlias = Literal["on", "off"]

_SECONDS: Final = Range(ge=0, description="seconds")
_COUNT: Final = Range(ge=0, description="a whole number")


def _setting(
    help: str,
    meaning: str | None = None,
    *,
    metavar: str | None = None,
    option: str | None = None,
    default: str | None = None,
) -> Setting:
    return Setting(meaning or help, help=help, metavar=metavar, option=option, default=default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is around a gateway. A value of None is unknown, or not there."""

    behind: Annotated[
        tuple[Part, ...],
        _setting(
            "What is in front of the gateway: alb, cloudfront or proxy; repeat it for more.",
            "What is in front of the gateway, to be repeated for more: `alb`, `cloudfront`, or "
            "`proxy` for any other. What you do not give of an ALB and of CloudFront has AWS's "
            "default. With all of them named, `trusted_hops` is checked as well.",
            metavar="PART",
            default="unknown",
        ),
    ] = ()
    alb_idle_timeout_s: Annotated[
        float | None, _SECONDS, _setting("The ALB's connection idle timeout.")
    ] = None
    alb_client_keep_alive_s: Annotated[
        float | None,
        _SECONDS,
        _setting("The longest life of a client's connection to the ALB."),
    ] = None
    deregistration_delay_s: Annotated[
        float | None, _SECONDS, _setting("The deregistration delay of the ALB's target group.")
    ] = None
    slow_start_s: Annotated[
        float | None, _SECONDS, _setting("The slow start of the ALB's target group; 0: none.")
    ] = None
    health_interval_s: Annotated[
        float | None, _SECONDS, _setting("The interval of the ALB's health checks.")
    ] = None
    health_timeout_s: Annotated[
        float | None, _SECONDS, _setting("How long the ALB waits for the answer to one.")
    ] = None
    healthy_threshold: Annotated[
        int | None, _COUNT, _setting("Successes after which the ALB sends requests.")
    ] = None
    unhealthy_threshold: Annotated[
        int | None, _COUNT, _setting("Failures after which the ALB sends none.")
    ] = None
    health_check_path: Annotated[
        str | None,
        _setting("The path that the ALB checks.", metavar="PATH"),
    ] = None
    alb_protocol: Annotated[
        Literal["http", "https"] | None,
        _setting("The protocol of the ALB's listener.", metavar="NAME"),
    ] = None

    cloudfront_read_timeout_s: Annotated[
        float | None, _SECONDS, _setting("CloudFront's origin response timeout.")
    ] = None
    cloudfront_keep_alive_s: Annotated[
        float | None, _SECONDS, _setting("CloudFront's origin keep-alive timeout.")
    ] = None
    cloudfront_completion_timeout_s: Annotated[
        float | None,
        _SECONDS,
        _setting("CloudFront's response completion timeout, if it is set."),
    ] = None
    cloudfront_connection_timeout_s: Annotated[
        float | None, _SECONDS, _setting("CloudFront's origin connection timeout.")
    ] = None
    cloudfront_attempts: Annotated[
        int | None, _COUNT, _setting("CloudFront's origin connection attempts.")
    ] = None
    cloudfront_compression: Annotated[
        Switch | None, _setting("Whether CloudFront compresses.", metavar="on|off")
    ] = None
    cloudfront_caching: Annotated[
        Switch | None, _setting("Whether CloudFront caches.", metavar="on|off")
    ] = None
    cloudfront_methods: Annotated[
        Literal["all", "get-head", "get-head-options"] | None,
        _setting("The methods that CloudFront allows.", metavar="NAME"),
    ] = None
    cloudfront_host: Annotated[
        Literal["viewer", "origin"] | None,
        _setting(
            "The Host that CloudFront sends: the viewer's, or the origin's.",
            "The Host that CloudFront sends: the `viewer`'s, as with the origin request policy "
            "AllViewer, or the `origin`'s, as with AllViewerExceptHostHeader.",
            metavar="NAME",
        ),
    ] = None

    proxy_read_timeout_s: Annotated[
        float | None,
        _SECONDS,
        _setting(
            "The longest silence that another proxy in front allows a response.",
            "The longest silence that another proxy in front allows a response: "
            "`proxy_read_timeout` of nginx, `timeout server` of HAProxy.",
        ),
    ] = None
    proxy_keep_alive_s: Annotated[
        float | None,
        _SECONDS,
        _setting(
            "How long that proxy keeps idle connections to the gateway.",
            "How long that proxy keeps idle connections to the gateway: `keepalive_timeout` in "
            "nginx's `upstream`, 60 s by default.",
        ),
    ] = None

    hook_heartbeat_s: Annotated[
        float | None,
        _SECONDS,
        _setting("The heartbeat timeout of the Auto Scaling group's termination hook."),
    ] = None
    stop_timeout_s: Annotated[
        float | None,
        _SECONDS,
        _setting(
            "From SIGTERM to SIGKILL.",
            "From SIGTERM to SIGKILL: `terminationGracePeriodSeconds` of a pod, `TimeoutStopSec` "
            "of a systemd unit, `stopTimeout` of an ECS container on EC2.",
        ),
    ] = None
    fargate_stop_timeout_s: Annotated[
        float | None,
        _SECONDS,
        _setting("The same on Fargate.", "The same on Fargate: `stopTimeout` of the container."),
    ] = None

    account_concurrency: Annotated[
        int | None, _COUNT, _setting("The account's concurrent executions in this region.")
    ] = None
    gateways: Annotated[
        int | None,
        _COUNT,
        _setting("Gateways at a time, at most: the largest size of the group."),
    ] = None
    heartbeat_s: Annotated[
        float | None,
        _SECONDS,
        _setting(
            "The longest silence of the app within a response.",
            "The longest silence of the app within a response, such as the interval of its "
            "comments in server-sent events.",
        ),
    ] = None

    functions_reach_callbacks: bool | None = None
    """Whether security groups let the functions reach all callback ports."""
    gateways_reach_lambda: bool | None = None
    """Whether the gateways' subnets have a way to the Lambda endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokedFunction:
    """What is known of a function. A value of None is unknown."""

    timeout_s: Annotated[
        float | None,
        _SECONDS,
        _setting("The time-out of the functions.", option="--function-timeout"),
    ] = None
    reserved_concurrency: Annotated[
        int | None, _COUNT, _setting("The reserved concurrency of each function.")
    ] = None
    async_age_s_max: Annotated[
        float | None,
        _SECONDS,
        _setting(
            "The maximum age of asynchronous events.",
            option="--async-age",
            metavar="SECONDS",
        ),
    ] = None
    async_retries: Annotated[
        int | None,
        _COUNT,
        _setting("Retries of an asynchronous invocation that has failed."),
    ] = None
    has_egress: bool | None = None
    """Whether a function in the VPC has a way to the internet; None: it is not in the VPC."""
