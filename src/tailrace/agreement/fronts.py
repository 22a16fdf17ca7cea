"""Rules about what is in front: what CloudFront and the ALB do with requests and responses."""

from __future__ import annotations

from typing import Final

from tailrace.agreement.rule import Complaints, Rule, error, warning
from tailrace.agreement.way import Way, label


def _compression(way: Way) -> Complaints:
    if way.around.cloudfront_compression == "on":
        yield warning(
            "CloudFront compresses responses: one of a listed type with a content-length may be "
            "held back until it is complete",
            "switch compression off for the behavior of the gateway (compress: false)",
        )


def _caching(way: Way) -> Complaints:
    if way.around.cloudfront_caching == "on":
        yield error(
            "CloudFront caches responses: a client may get the response to another one's request",
            "use the cache policy CachingDisabled for the behavior of the gateway",
        )


def _methods(way: Way) -> Complaints:
    if way.around.cloudfront_methods != "all":
        yield error(
            f"{way.named('cloudfront_methods')} are not all: clients get 403 for a POST",
            "allow all methods: GET, HEAD, OPTIONS, PUT, PATCH, POST, DELETE",
        )


def _host(way: Way) -> Complaints:
    if way.around.cloudfront_host == "viewer":
        return
    policy = "use the origin request policy AllViewer"
    if way.around.alb_protocol == "https":
        yield error(
            "CloudFront sends the origin's Host and the ALB's listener is HTTPS: its certificate "
            "does not have the ALB's own name, and clients get 502",
            policy,
        )
        return
    hosts = [route.host for route in way.routes if route.host is not None]
    if hosts:
        yield error(
            f"CloudFront sends the origin's Host, and a route is for host {hosts[0]}: no request "
            "matches it",
            policy,
        )


def _attempts(way: Way) -> Complaints:
    attempts = way.around.cloudfront_attempts
    assert attempts is not None
    if attempts > 1:
        yield warning(
            f"{way.named('cloudfront_attempts')} are more than 1: a GET whose response does not "
            f"begin in time is sent {attempts} times, and its function runs as often",
            "set the connection attempts to 1",
        )


def _trusted_hops(way: Way) -> Complaints:
    hops, front = way.gateway.trusted_hops, way.around.behind
    names = " and ".join(_NAMES[part] for part in front)
    remedy = f"set trusted_hops to {len(front)}"
    if hops > len(front):
        yield error(
            f"{way.named('trusted_hops')} is more than what is in front: {names} ({len(front)}): "
            "clients choose the address under which functions see them",
            remedy,
        )
    elif hops < len(front):
        yield warning(
            f"{way.named('trusted_hops')} is less than what is in front: {names} ({len(front)}): "
            "functions see a proxy's address in place of the client's, and http in place of https",
            remedy,
        )


def _health_path(way: Way) -> Complaints:
    if way.around.health_check_path == way.gateway.health_path:
        return
    yield error(
        f"{way.named('health_check_path')} is not {way.named('health_path')}: the ALB invokes a "
        "function with each check, or takes the gateway for unhealthy, and does not notice a drain",
        f"set the health check's path to {way.gateway.health_path}",
    )


def _health_timeout(way: Way) -> Complaints:
    timeout_s, interval_s = way.around.health_timeout_s, way.around.health_interval_s
    assert timeout_s is not None and interval_s is not None
    if timeout_s < interval_s:
        return
    yield error(
        f"{way.named('health_timeout_s')} is not shorter than {way.named('health_interval_s')}: "
        "AWS refuses the target group",
        f"set the health check's time-out below {interval_s:g} s",
    )


_NAMES: Final = {"alb": "the ALB", "cloudfront": "CloudFront", "proxy": "a proxy"}

FRONT_RULES: Final = (
    Rule(
        "cloudfront-compression",
        "CloudFront does not compress",
        "a response may be held back (warning)",
        ("cloudfront_compression",),
        _compression,
    ),
    Rule(
        "cloudfront-caching",
        "CloudFront does not cache",
        "clients get responses to the requests of others",
        ("cloudfront_caching",),
        _caching,
    ),
    Rule(
        "cloudfront-methods",
        "CloudFront allows all methods",
        "clients get 403 for a POST",
        ("cloudfront_methods",),
        _methods,
    ),
    Rule(
        "cloudfront-host",
        "CloudFront sends the viewer's Host, where the ALB's listener is HTTPS or a route has a "
        "`host`",
        "clients get 502, or no route matches",
        ("cloudfront_host",),
        _host,
    ),
    Rule(
        "cloudfront-attempts",
        f"{label('cloudfront_attempts')} = 1",
        "a GET may invoke its function several times (warning)",
        ("cloudfront_attempts",),
        _attempts,
    ),
    Rule(
        "trusted-hops",
        "`trusted_hops` = the number of proxies in front",
        "clients choose the address that functions see; with too few, functions see a proxy's "
        "(warning)",
        ("behind",),
        _trusted_hops,
    ),
    Rule(
        "health-path",
        f"{label('health_check_path')} = `health_path`",
        "the ALB does not notice a drain, or takes the gateway for unhealthy",
        ("health_check_path",),
        _health_path,
    ),
    Rule(
        "health-timeout",
        f"{label('health_timeout_s')} < {label('health_interval_s')}",
        "AWS refuses the target group",
        ("health_timeout_s", "health_interval_s"),
        _health_timeout,
    ),
)
