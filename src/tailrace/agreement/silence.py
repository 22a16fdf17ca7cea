"""Rules about silence: how long a response may be silent, and a connection idle."""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple

from tailrace.agreement.aws import limit_of
from tailrace.agreement.rule import Complaints, Rule, error, warning
from tailrace.agreement.way import Way, label, shown

_KEEP_ALIVE_MARGIN_S: Final = 5
"""By how much longer than the next one in front a server should keep idle connections."""


class Hop(NamedTuple):
    """A part in front of the gateway that ends responses which are silent for too long."""

    key: str
    name: str
    field: str
    """The setting with the longest silence that it allows."""


_HOPS: Final = (
    Hop("alb", "the ALB", "alb_idle_timeout_s"),
    Hop("cloudfront", "CloudFront", "cloudfront_read_timeout_s"),
    Hop("proxy", "the proxy", "proxy_read_timeout_s"),
)


def _first_byte(hop: Hop, way: Way) -> Complaints:
    own_s, hop_s = way.gateway.first_byte_timeout_s, getattr(way.around, hop.field)
    if own_s < hop_s:
        return
    again, attempts = "", way.around.cloudfront_attempts
    if hop.key == "cloudfront" and attempts != 1:
        times = "up to 3 times" if attempts is None else f"{attempts} times"
        again = f", and CloudFront sends a GET {times}: the function runs as often"
    yield error(
        f"{way.named('first_byte_timeout_s')} is not shorter than {way.named(hop.field)}: when a "
        f"function is slow to begin, clients get 504 from {hop.name} after {shown('_s', hop_s)}"
        f"{again}",
        f"{_raise(hop, own_s)}lower first_byte_timeout_s below {hop_s:g} s",
    )


def _idle(hop: Hop, way: Way) -> Complaints:
    own_s, hop_s = way.gateway.function_idle_timeout_s, getattr(way.around, hop.field)
    if own_s < hop_s:
        return
    yield error(
        f"{way.named('function_idle_timeout_s')} is not shorter than {way.named(hop.field)}: "
        f"{hop.name} aborts a response that is silent for {hop_s:g} s, and the gateway's log says "
        "that the client left",
        f"{_raise(hop, own_s)}lower function_idle_timeout_s below {hop_s:g} s and send heartbeats "
        "more often",
    )


def _raise(hop: Hop, own_s: float) -> str:
    """Return the first half of a remedy; empty if AWS allows no time-out as long as this."""
    limit = limit_of(hop.field)
    if limit is not None and own_s >= limit.high:
        return ""
    return f"raise {label(hop.field)} above {own_s:g} s, or "


def _heartbeat(way: Way) -> Complaints:
    """Compare the heartbeat with the shortest silence that something on the way allows."""
    beat_s = way.around.heartbeat_s
    assert beat_s is not None
    bounds = {"function_idle_timeout_s": ("the gateway", way.gateway.function_idle_timeout_s)}
    for hop in _HOPS:
        hop_s = getattr(way.around, hop.field)
        if hop_s is not None:
            bounds[hop.field] = (hop.name, hop_s)
    field, (name, bound_s) = min(bounds.items(), key=lambda each: each[1][1])
    if 2 * beat_s <= bound_s:
        return
    both = f"{way.named('heartbeat_s')} is more than half of {way.named(field)}"
    remedy = (
        f"send a heartbeat every {bound_s / 2:g} s or more often, or raise {label(field)} to "
        f"{2 * beat_s:g} s"
    )
    if beat_s >= bound_s:
        yield error(f"{both}: {name} aborts each response between two heartbeats", remedy)
        return
    late_s = bound_s - beat_s
    yield warning(f"{both}: {name} aborts a response whose heartbeat is {late_s:g} s late", remedy)


def _kept_longer(name: str, own: str, field: str, way: Way) -> Complaints:
    """Compare how long a server keeps idle connections with how long the one in front does."""
    own_s, front_s = way.value(own), way.value(field)
    assert isinstance(own_s, float | int) and isinstance(front_s, float | int)
    if own_s > front_s:
        return
    server = "the gateway" if own == "keep_alive_timeout_s" else "the ALB"
    yield error(
        f"{way.named(own)} is not longer than {way.named(field)}: {server} closes idle connections "
        f"first, a request that {name} sends in that moment is lost, and clients get 502 now and "
        "then",
        f"set {label(own)} to {front_s + _KEEP_ALIVE_MARGIN_S:g} s",
    )


def _cloudfront_keep_alive(way: Way) -> Complaints:
    """CloudFront's connections end at the ALB; without one, at the gateway."""
    has_alb = way.around.alb_idle_timeout_s is not None
    own = "alb_idle_timeout_s" if has_alb else "keep_alive_timeout_s"
    return _kept_longer("CloudFront", own, "cloudfront_keep_alive_s", way)


def _rules_of(hop: Hop) -> tuple[Rule, ...]:
    return (
        Rule(
            f"{hop.key}-first-byte",
            f"`first_byte_timeout_s` < {label(hop.field)}",
            f"{hop.name} answers 504 before the gateway does"
            + ("; CloudFront sends a GET again" if hop.key == "cloudfront" else ""),
            (hop.field,),
            partial(_first_byte, hop),
        ),
        Rule(
            f"{hop.key}-silence",
            f"`function_idle_timeout_s` < {label(hop.field)}",
            f"{hop.name} aborts silent responses that the gateway would keep",
            (hop.field,),
            partial(_idle, hop),
        ),
    )


SILENCE_RULES: Final = (
    *(rule for hop in _HOPS for rule in _rules_of(hop)),
    Rule(
        "heartbeat",
        f"2 × {label('heartbeat_s')} ≤ the shortest of `function_idle_timeout_s` and the time-outs "
        "of silence in front",
        "a response is aborted when a heartbeat is late (warning), or between any two",
        ("heartbeat_s",),
        _heartbeat,
    ),
    Rule(
        "alb-keep-alive",
        f"`keep_alive_timeout_s` > {label('alb_idle_timeout_s')}",
        "clients get 502 now and then",
        ("alb_idle_timeout_s",),
        partial(_kept_longer, "the ALB", "keep_alive_timeout_s", "alb_idle_timeout_s"),
    ),
    Rule(
        "proxy-keep-alive",
        f"`keep_alive_timeout_s` > {label('proxy_keep_alive_s')}",
        "clients get 502 now and then",
        ("proxy_keep_alive_s",),
        partial(_kept_longer, "the proxy", "keep_alive_timeout_s", "proxy_keep_alive_s"),
    ),
    Rule(
        "cloudfront-keep-alive",
        f"{label('alb_idle_timeout_s')}, or `keep_alive_timeout_s` without an ALB, > "
        f"{label('cloudfront_keep_alive_s')}",
        "clients get 502 now and then",
        ("cloudfront_keep_alive_s",),
        _cloudfront_keep_alive,
    ),
)
