"""What is known of a gateway for the checks at synth."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

from aws_cdk import Stack
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2

from tailrace.agreement import InvokedFunction, Surroundings, Way
from tailrace.config import Config, PortRange
from tailrace.deploy import template
from tailrace.deploy.checks import Templates
from tailrace.deploy.streaming_function import StreamingFunction
from tailrace.net.process.limits import LIFECYCLE_HEARTBEAT_S


def way_of(
    config: Config,
    functions: Sequence[StreamingFunction],
    group: autoscaling.AutoScalingGroup,
    security_group: ec2.SecurityGroup,
    templates: Templates,
    *,
    public_port: int,
    callback_ports: PortRange,
    workers: int | None,
    place: str,
) -> Way:
    """Return the way of a response up to the gateway; `place` names the gateway in messages.

    In the configuration a function has the ARN of its version, which is known after the deploy; in
    messages it has its construct's path.
    """
    names = {each.version.function_arn: each.node.path for each in functions}
    values = templates.read(template.group_values, group)
    callers = [each.security_group for each in functions if each.security_group is not None]
    if {Stack.of(each) for each in (security_group, *callers)} == {Stack.of(group)}:
        callback_values = partial(template.callback_values, ports=callback_ports)
        values |= templates.read(callback_values, security_group, *callers)
    return Way(
        gateway=config.gateway,
        routes=tuple(
            dataclasses.replace(route, function=names[route.function]) for route in config.routes
        ),
        functions={each.node.path: _invoked(each, templates) for each in functions},
        around=Surroundings(**values),
        public_port=public_port,
        callback_ports=callback_ports,
        workers=workers,
        lifecycle_heartbeat_s=LIFECYCLE_HEARTBEAT_S,
        places=dict.fromkeys(values, place),
    )


def _invoked(function: StreamingFunction, templates: Templates) -> InvokedFunction:
    values = templates.read(template.function_values, function.function, function.version)
    return InvokedFunction(**values)
