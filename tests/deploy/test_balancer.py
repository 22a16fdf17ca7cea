"""The load balancer lets streams pass, and CloudFront alone reaches it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.deploy.assembly import Assembly, Template
from tests.deploy.security import rules

from tailrace.config import GatewayConfig
from tailrace.limits import KEEP_ALIVE_TIMEOUT_S

HTTP_FROM_CLOUDFRONT = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}


def attributes(properties: dict[str, Any], key: str) -> dict[str, Any]:
    return {each["Key"]: each["Value"] for each in properties[key]}


def balancer_group(template: Template) -> str:
    (reference,) = template.only("ElasticLoadBalancingV2::LoadBalancer")["SecurityGroups"]
    name: str = reference["Fn::GetAtt"][0]
    return name


def test_each_time_out_is_set_and_none_is_left_to_aws(lines: Template) -> None:
    balancer = lines.only("ElasticLoadBalancingV2::LoadBalancer")
    target = lines.only("ElasticLoadBalancingV2::TargetGroup")

    assert attributes(balancer, "LoadBalancerAttributes") == {
        "idle_timeout.timeout_seconds": "70",
        "client_keep_alive.seconds": "3600",
        "deletion_protection.enabled": "false",
        "routing.http2.enabled": "true",
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.desync_mitigation_mode": "defensive",
        "routing.http.preserve_host_header.enabled": "true",
        "routing.http.xff_header_processing.mode": "append",
    }
    assert attributes(target, "TargetGroupAttributes") == {
        "deregistration_delay.timeout_seconds": "370",
        "load_balancing.algorithm.type": "least_outstanding_requests",
        "stickiness.enabled": "false",
    }
    assert {
        k: v for k, v in target.items() if "Health" in k or "health" in k or k == "Matcher"
    } == {
        "HealthCheckPath": "/_tailrace/health",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckIntervalSeconds": 5,
        "HealthCheckTimeoutSeconds": 4,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 2,
        "Matcher": {"HttpCode": "200"},
    }
    assert (target["Port"], target["Protocol"], target["ProtocolVersion"]) == (
        8080,
        "HTTP",
        "HTTP1",
    )


def test_a_silent_stream_is_ended_by_the_gateway_and_not_by_what_is_in_front(
    lines: Template,
) -> None:
    """Each party waits longer than the one behind it, and closes idle connections before it."""
    balancer = attributes(
        lines.only("ElasticLoadBalancingV2::LoadBalancer"), "LoadBalancerAttributes"
    )
    (origin,) = lines.only("CloudFront::Distribution")["DistributionConfig"]["Origins"]
    idle_s = int(balancer["idle_timeout.timeout_seconds"])
    defaults = GatewayConfig()

    assert max(defaults.first_byte_timeout_s, defaults.function_idle_timeout_s) < idle_s
    assert idle_s < origin["VpcOriginConfig"]["OriginReadTimeout"] <= 120
    assert origin["VpcOriginConfig"]["OriginKeepaliveTimeout"] < idle_s < KEEP_ALIVE_TIMEOUT_S


@pytest.mark.parametrize(
    ("stack", "scheme"), [("Lines", "internal"), ("Public", "internet-facing")]
)
def test_cloudfront_alone_reaches_the_load_balancer(
    example: Assembly, front: Assembly, stack: str, scheme: str
) -> None:
    template = (example if stack == "Lines" else front).template(stack)
    group = balancer_group(template)

    assert template.only("ElasticLoadBalancingV2::LoadBalancer")["Scheme"] == scheme
    (rule,) = rules(template, "Ingress", group)
    looked_up = rule.pop("SourcePrefixListId")
    assert rule == HTTP_FROM_CLOUDFRONT
    assert looked_up["Fn::GetAtt"][0] in template.resources


def test_the_load_balancer_reaches_the_gateways_public_port_alone(lines: Template) -> None:
    (gateways,) = (
        name
        for name, group in lines.of_type("EC2::SecurityGroup").items()
        if "gateways, from" in group["Properties"]["GroupDescription"]
    )
    port = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080}

    assert rules(lines, "Egress", balancer_group(lines)) == [
        {**port, "DestinationSecurityGroupId": {"Fn::GetAtt": [gateways, "GroupId"]}}
    ]
    assert [rule for rule in rules(lines, "Ingress", gateways) if rule["FromPort"] == 8080] == [
        {**port, "SourceSecurityGroupId": {"Fn::GetAtt": [balancer_group(lines), "GroupId"]}}
    ]


def test_an_internal_load_balancer_forwards_everything(lines: Template) -> None:
    listener = lines.only("ElasticLoadBalancingV2::Listener")
    target = {"Ref": lines.id_of("ElasticLoadBalancingV2::TargetGroup")}

    assert (listener["Port"], listener["Protocol"]) == (80, "HTTP")
    assert listener["DefaultActions"] == [{"Type": "forward", "TargetGroupArn": target}]
    assert lines.of_type("ElasticLoadBalancingV2::ListenerRule") == {}
    assert lines.of_type("SecretsManager::Secret") == {}


def test_a_public_load_balancer_refuses_what_has_no_secret(front: Assembly) -> None:
    template = front.template("Public")
    listener = template.only("ElasticLoadBalancingV2::Listener")
    rule = template.only("ElasticLoadBalancingV2::ListenerRule")
    secret = template.id_of("SecretsManager::Secret")
    reference = {
        "Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": secret}, ":SecretString:::}}"]]
    }
    (origin,) = template.only("CloudFront::Distribution")["DistributionConfig"]["Origins"]

    assert [action["Type"] for action in listener["DefaultActions"]] == ["fixed-response"]
    assert listener["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"] == "403"
    assert rule["Conditions"] == [
        {
            "Field": "http-header",
            "HttpHeaderConfig": {"HttpHeaderName": "x-tailrace-origin", "Values": [reference]},
        }
    ]
    assert [action["Type"] for action in rule["Actions"]] == ["forward"]
    assert origin["OriginCustomHeaders"] == [
        {"HeaderName": "x-tailrace-origin", "HeaderValue": reference}
    ]
    assert template.only("SecretsManager::Secret")["GenerateSecretString"] == {
        "ExcludePunctuation": True,
        "PasswordLength": 48,
    }


def test_a_public_load_balancer_is_another_one_with_another_target_group(
    lines: Template, front: Assembly
) -> None:
    """So that `is_public` can be changed: a target group cannot be at two load balancers."""
    for kind in ("LoadBalancer", "Listener", "TargetGroup"):
        internal, public = (
            template.id_of(f"ElasticLoadBalancingV2::{kind}")
            for template in (lines, front.template("Public"))
        )
        assert internal != public


def test_all_that_can_be_set_is_set(front: Assembly) -> None:
    template = front.template("Full")
    balancer = attributes(
        template.only("ElasticLoadBalancingV2::LoadBalancer"), "LoadBalancerAttributes"
    )
    target = template.only("ElasticLoadBalancingV2::TargetGroup")
    listener = template.only("ElasticLoadBalancingV2::Listener")

    assert balancer["idle_timeout.timeout_seconds"] == "115"
    assert balancer["client_keep_alive.seconds"] == "7200"
    assert balancer["deletion_protection.enabled"] == "true"
    assert balancer["access_logs.s3.enabled"] == "true"
    assert balancer["access_logs.s3.bucket"] == {"Ref": template.id_of("S3::Bucket")}
    assert (
        attributes(target, "TargetGroupAttributes")["deregistration_delay.timeout_seconds"]
        == "1800"
    )
    assert target["HealthCheckPath"] == "/alive"
    assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")
    assert listener["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert rules(template, "Ingress", balancer_group(template)) == [
        {
            "IpProtocol": "tcp",
            "FromPort": 443,
            "ToPort": 443,
            "SourcePrefixListId": "pl-0a1b2c3d4e5f60718",
        }
    ]
