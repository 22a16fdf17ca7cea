"""What is read from a synthesized template, and what remains unknown."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.deploy import template

ALL = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]


def distribution(behavior: dict[str, Any], **origin: Any) -> dict[str, Any]:
    """Resources with a distribution that has a second origin, which does not count."""
    config = {
        "DefaultCacheBehavior": {"TargetOriginId": "one", **behavior},
        "Origins": [
            {"Id": "other", "CustomOriginConfig": {"OriginReadTimeout": 1}},
            {"Id": "one", **origin},
        ],
    }
    kind = "AWS::CloudFront::Distribution"
    return {"D": {"Type": kind, "Properties": {"DistributionConfig": config}}}


def policy(**headers: Any) -> dict[str, Any]:
    config = {"OriginRequestPolicyConfig": {"HeadersConfig": headers}}
    return {"P": {"Type": "AWS::CloudFront::OriginRequestPolicy", "Properties": config}}


@pytest.mark.parametrize(
    ("headers", "host"),
    [
        ({"HeaderBehavior": "allViewer"}, "viewer"),
        ({"HeaderBehavior": "allViewerAndWhitelistCloudFront", "Headers": ["X"]}, "viewer"),
        ({"HeaderBehavior": "whitelist", "Headers": ["Accept", "Host"]}, "viewer"),
        ({"HeaderBehavior": "whitelist", "Headers": ["Accept"]}, "origin"),
        ({"HeaderBehavior": "none"}, "origin"),
    ],
)
def test_whose_host_the_origin_gets(headers: dict[str, Any], host: str) -> None:
    resources = {
        **distribution({"OriginRequestPolicyId": {"Ref": "P"}}),
        **policy(**headers),
    }

    assert template.distribution_values(resources, "D")["cloudfront_host"] == host


@pytest.mark.parametrize(
    ("identifier", "host"),
    [
        ("216adef6-5c7f-47e4-b989-5492eafa07d3", "viewer"),
        ("33f36d7e-f396-46d9-90e0-52428a34d9dc", "viewer"),
        ("b689b0a8-53d0-40ab-baf2-68738e2966ac", "origin"),
        ("00000000-0000-0000-0000-000000000000", None),
        ({"Fn::ImportValue": "policy"}, None),
    ],
)
def test_policies_of_aws_and_of_others(identifier: Any, host: str | None) -> None:
    resources = distribution({"OriginRequestPolicyId": identifier})

    assert template.distribution_values(resources, "D")["cloudfront_host"] == host


def test_a_distribution_with_what_aws_takes_for_granted() -> None:
    values = template.distribution_values(distribution({}, S3OriginConfig={}), "D")

    assert values == {
        "cloudfront_compression": "off",
        "cloudfront_caching": "on",
        "cloudfront_methods": "get-head",
        "cloudfront_host": "origin",
    }


def test_the_origin_of_the_default_behavior_counts() -> None:
    resources = distribution(
        {"AllowedMethods": ALL, "Compress": True},
        ConnectionAttempts=2,
        CustomOriginConfig={"OriginReadTimeout": 40, "OriginKeepaliveTimeout": {"Ref": "Seconds"}},
    )
    values = template.distribution_values(resources, "D")

    assert values["cloudfront_methods"] == "all"
    assert values["cloudfront_compression"] == "on"
    assert values["cloudfront_attempts"] == 2
    assert values["cloudfront_read_timeout_s"] == 40
    assert "cloudfront_keep_alive_s" not in values  # a parameter is known at the deploy


def test_only_the_hook_for_termination_counts() -> None:
    def hook(way: str, heartbeat_s: int, group: str) -> dict[str, Any]:
        properties = {
            "AutoScalingGroupName": {"Ref": group},
            "LifecycleTransition": f"autoscaling:EC2_INSTANCE_{way}",
            "HeartbeatTimeout": heartbeat_s,
        }
        return {"Type": "AWS::AutoScaling::LifecycleHook", "Properties": properties}

    resources = {
        "G": {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": {"MaxSize": "4"}},
        "A": hook("LAUNCHING", 60, "G"),
        "B": hook("TERMINATING", 900, "G"),
        "C": hook("TERMINATING", 30, "H"),
    }

    assert template.group_values(resources, "G") == {"gateways": 4, "hook_heartbeat_s": 900}


def test_settings_of_another_version_do_not_count() -> None:
    def config(version: Any, retries: int) -> dict[str, Any]:
        properties = {"Qualifier": version, "MaximumRetryAttempts": retries}
        return {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": properties}

    resources = {
        "F": {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 300}},
        "Latest": config("$LATEST", 2),
        "Old": config({"Fn::GetAtt": ["V1", "Version"]}, 1),
        "New": config({"Fn::GetAtt": ["V2", "Version"]}, 0),
    }

    assert template.function_values(resources, "F", "V2") == {"timeout_s": 300, "async_retries": 0}


@pytest.mark.parametrize(
    ("ports", "is_open"),
    [
        ({"IpProtocol": "tcp", "FromPort": 8081, "ToPort": 8208}, True),
        ({"IpProtocol": "tcp", "FromPort": 8081, "ToPort": 8207}, False),
        ({"IpProtocol": "-1"}, True),
        ({"IpProtocol": "tcp", "FromPort": {"Ref": "Port"}, "ToPort": {"Ref": "Port"}}, False),
    ],
    ids=["these", "one fewer", "all", "known at the deploy"],
)
def test_a_rule_opens_the_callback_ports_or_not(ports: dict[str, Any], is_open: bool) -> None:
    groups = {"GroupId": {"Ref": "To"}, "SourceSecurityGroupId": {"Ref": "From"}}
    resources = {"R": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": groups | ports}}

    assert template.callback_values(resources, "To", "From", ports=(8081, 8208)) == {
        "functions_reach_callbacks": is_open
    }
