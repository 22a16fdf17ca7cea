"""When a group of gateways grows and shrinks."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch

from tailrace.deploy import limits
from tailrace.gateway.observe.emf import DIMENSION, NAMESPACE

SCALED_BY: Final = "HeldPercent"
"""Open responses of a machine that takes requests, of its `held_max`. CPU time says nothing of
streams: they are held without using any."""


def gateway_metric(gateway: str, name: str, statistic: str) -> cloudwatch.Metric:
    """Return a metric that all machines of a gateway write, once a minute each."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={DIMENSION: gateway},
        statistic=statistic,
        period=Duration.seconds(limits.METRIC_PERIOD_S),
    )


def scale_on_held(
    group: autoscaling.AutoScalingGroup, gateway: str, target_percent: float
) -> autoscaling.TargetTrackingScalingPolicy:
    """Let the group have as many machines as hold this share of their bound, on average.

    Target tracking adds machines after three minutes above, and takes one away after a quarter of
    an hour below nine tenths of the target (Auto Scaling User Guide, "Target tracking scaling
    policies", read 2026-11).
    """
    return group.scale_to_track_metric(
        "Held", metric=gateway_metric(gateway, SCALED_BY, "Average"), target_value=target_percent
    )
