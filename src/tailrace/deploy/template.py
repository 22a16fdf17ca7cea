"""Reads the settings of a response's way from synthesized templates: what AWS is going to be sent.

So a value that was changed behind a construct, as by `add_property_override`, counts. A value that
is known when the stack is deployed only, such as a parameter, is unknown here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Resources = Mapping[str, Mapping[str, Any]]
"""The resources of a template, by logical id."""
Values = dict[str, Any]
"""Settings by their names in `tailrace.agreement`."""

_BALANCER: Final = {
    "idle_timeout.timeout_seconds": "alb_idle_timeout_s",
    "client_keep_alive.seconds": "alb_client_keep_alive_s",
}
_TARGETS: Final = {
    "deregistration_delay.timeout_seconds": "deregistration_delay_s",
    "slow_start.duration_seconds": "slow_start_s",
}
_HEALTH: Final = {
    "HealthCheckIntervalSeconds": "health_interval_s",
    "HealthCheckTimeoutSeconds": "health_timeout_s",
    "HealthyThresholdCount": "healthy_threshold",
    "UnhealthyThresholdCount": "unhealthy_threshold",
    "HealthCheckPath": "health_check_path",
}
_ORIGIN: Final = {
    "ConnectionAttempts": "cloudfront_attempts",
    "ConnectionTimeout": "cloudfront_connection_timeout_s",
    "ResponseCompletionTimeout": "cloudfront_completion_timeout_s",
}
_ORIGIN_CONFIG: Final = {
    "OriginReadTimeout": "cloudfront_read_timeout_s",
    "OriginKeepaliveTimeout": "cloudfront_keep_alive_s",
}
_INVOKE_CONFIG: Final = {
    "MaximumEventAgeInSeconds": "async_age_s_max",
    "MaximumRetryAttempts": "async_retries",
}
_METHODS: Final = {2: "get-head", 3: "get-head-options", 7: "all"}

_CACHING_DISABLED: Final = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
_HOSTS: Final = {
    "216adef6-5c7f-47e4-b989-5492eafa07d3": "viewer",  # AllViewer
    "33f36d7e-f396-46d9-90e0-52428a34d9dc": "viewer",  # AllViewerAndCloudFrontHeaders-2022-06
    "b689b0a8-53d0-40ab-baf2-68738e2966ac": "origin",  # AllViewerExceptHostHeader
}
"""Ids of managed policies (CloudFront Developer Guide, "Use managed cache policies" and "Use
managed origin request policies", read 2026-11)."""
_ALL_HEADERS: Final = ("allViewer", "allViewerAndWhitelistCloudFront")


def balancer_values(resources: Resources, name: str) -> Values:
    """Read the settings of a load balancer; `name` is its logical id."""
    properties = _properties(resources, name)
    return _attributes(properties.get("LoadBalancerAttributes", ()), _BALANCER)


def target_group_values(resources: Resources, name: str) -> Values:
    """Read the settings of a target group."""
    properties = _properties(resources, name)
    attributes = _attributes(properties.get("TargetGroupAttributes", ()), _TARGETS)
    return _known(properties, _HEALTH) | attributes


def listener_values(resources: Resources, name: str) -> Values:
    """Read the settings of a listener."""
    protocol = _properties(resources, name).get("Protocol")
    return {"alb_protocol": protocol.lower()} if protocol in ("HTTP", "HTTPS") else {}


def distribution_values(resources: Resources, name: str) -> Values:
    """Read the settings of a distribution's default behavior and its origin."""
    config = _properties(resources, name)["DistributionConfig"]
    behavior = config["DefaultCacheBehavior"]
    values: Values = {
        "cloudfront_compression": "on" if behavior.get("Compress") is True else "off",
        "cloudfront_caching": "off" if behavior.get("CachePolicyId") == _CACHING_DISABLED else "on",
        "cloudfront_methods": _METHODS.get(len(behavior.get("AllowedMethods", (1, 2)))),
        "cloudfront_host": _host(resources, behavior.get("OriginRequestPolicyId")),
    }
    for origin in config["Origins"]:
        if origin["Id"] == behavior["TargetOriginId"]:
            own = origin.get("VpcOriginConfig") or origin.get("CustomOriginConfig") or {}
            values |= _known(origin, _ORIGIN) | _known(own, _ORIGIN_CONFIG)
    return values


def group_values(resources: Resources, name: str) -> Values:
    """Read the settings of an Auto Scaling group and its hook for termination."""
    values = _known(_properties(resources, name), {"MaxSize": "gateways"})
    for hook in _hooks(resources, name):
        values |= _known(hook, {"HeartbeatTimeout": "hook_heartbeat_s"})
    return values


def function_values(resources: Resources, function: str, version: str) -> Values:
    """Read the settings of a function, and of asynchronous invocations of its version."""
    values = _known(
        _properties(resources, function),
        {"Timeout": "timeout_s", "ReservedConcurrentExecutions": "reserved_concurrency"},
    )
    for _, config in _of_type(resources, "AWS::Lambda::EventInvokeConfig"):
        if version in _referenced(config.get("Qualifier")):
            values |= _known(config, _INVOKE_CONFIG)
    return values


def callback_values(
    resources: Resources, target: str, *sources: str, ports: tuple[int, int]
) -> Values:
    """Read whether security groups, `sources`, reach these ports of another one, `target`."""
    missing = set(sources)
    for _, rule in _of_type(resources, "AWS::EC2::SecurityGroupIngress"):
        if target in _referenced(rule.get("GroupId")) and _has_ports(rule, *ports):
            missing -= _referenced(rule.get("SourceSecurityGroupId"))
    return {"functions_reach_callbacks": not missing}


def _has_ports(rule: Mapping[str, Any], first: int, last: int) -> bool:
    """Whether a rule allows all of these ports, as far as its own are known."""
    if rule.get("IpProtocol") == "-1":  # all ports of all protocols
        return True
    low, high = _value(rule.get("FromPort")), _value(rule.get("ToPort"))
    return isinstance(low, int) and isinstance(high, int) and low <= first and last <= high


def _properties(resources: Resources, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = resources[name].get("Properties", {})
    return found


def _of_type(resources: Resources, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, resource in resources.items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


def _hooks(resources: Resources, group: str) -> Iterator[Mapping[str, Any]]:
    own = _properties(resources, group).get("LifecycleHookSpecificationList", ())
    beside = (
        hook
        for _, hook in _of_type(resources, "AWS::AutoScaling::LifecycleHook")
        if group in _referenced(hook.get("AutoScalingGroupName"))
    )
    for hook in (*own, *beside):
        if hook.get("LifecycleTransition", "").endswith("EC2_INSTANCE_TERMINATING"):
            yield hook


def _host(resources: Resources, policy: Any) -> str | None:
    """Return whose Host the origin gets; None for a policy that is not in the template."""
    if policy is None:
        return "origin"
    if isinstance(policy, str):
        return _HOSTS.get(policy)
    for name in _referenced(policy) & resources.keys():
        headers = _properties(resources, name)["OriginRequestPolicyConfig"]["HeadersConfig"]
        named = {header.lower() for header in headers.get("Headers", ())}
        is_viewer = headers["HeaderBehavior"] in _ALL_HEADERS or "host" in named
        return "viewer" if is_viewer else "origin"
    return None


def _attributes(attributes: Any, names: Mapping[str, str]) -> Values:
    return _known({each["Key"]: each["Value"] for each in attributes}, names)


def _known(properties: Mapping[str, Any], names: Mapping[str, str]) -> Values:
    """Return the values that are known, under our names."""
    values = {own: _value(properties[key]) for key, own in names.items() if key in properties}
    return {own: value for own, value in values.items() if value is not None}


def _value(value: Any) -> float | int | str | None:
    """Return numbers as numbers, also those that CloudFormation takes as texts."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() else value
    return value if isinstance(value, float | int) else None


def _referenced(value: Any) -> set[str]:
    """Return the logical ids in the functions of a value."""
    if isinstance(value, Mapping):
        if "Ref" in value:
            return {value["Ref"]}
        if isinstance(value.get("Fn::GetAtt"), list):
            return {value["Fn::GetAtt"][0]}
        return {name for each in value.values() for name in _referenced(each)}
    if isinstance(value, list):
        return {name for each in value for name in _referenced(each)}
    return set()
