"""The distribution passes streams on: nothing is cached, compressed, retried or left to AWS."""

from __future__ import annotations

from typing import Any

import pytest
from tests.deploy.assembly import Assembly, Template

CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
"""The id of AWS's policy "CachingDisabled" (CloudFront Developer Guide, "Use managed cache
policies", read 2026-11)."""


STACKS = ["Lines", "Public", "Full"]


@pytest.fixture
def template(example: Assembly, front: Assembly, stack: str) -> Template:
    return (example if stack == "Lines" else front).template(stack)


def config(template: Template) -> dict[str, Any]:
    body: dict[str, Any] = template.only("CloudFront::Distribution")["DistributionConfig"]
    return body


@pytest.mark.parametrize("stack", STACKS)
def test_streams_pass_as_they_come(template: Template) -> None:
    behavior = config(template)["DefaultCacheBehavior"]
    (origin,) = config(template)["Origins"]

    assert behavior == {
        "AllowedMethods": ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"],
        "CachePolicyId": CACHING_DISABLED,
        "Compress": False,
        "OriginRequestPolicyId": {"Ref": template.id_of("CloudFront::OriginRequestPolicy")},
        "TargetOriginId": origin["Id"],
        "ViewerProtocolPolicy": "redirect-to-https",
    }
    assert "CacheBehaviors" not in config(template)
    assert config(template)["HttpVersion"] == "http2and3"


@pytest.mark.parametrize("stack", STACKS)
def test_the_function_learns_the_host_and_the_scheme_of_the_client(template: Template) -> None:
    """All headers of the client include `Host`. The load balancer overwrites X-Forwarded-Proto."""
    policy = template.only("CloudFront::OriginRequestPolicy")["OriginRequestPolicyConfig"]

    assert policy["HeadersConfig"] == {
        "HeaderBehavior": "allViewerAndWhitelistCloudFront",
        "Headers": ["CloudFront-Forwarded-Proto"],
    }
    assert policy["CookiesConfig"] == {"CookieBehavior": "all"}
    assert policy["QueryStringsConfig"] == {"QueryStringBehavior": "all"}
    assert policy["Name"]["Fn::Join"][1][-1] == {"Ref": "AWS::Region"}


@pytest.mark.parametrize("stack", STACKS[:2])
def test_each_time_out_to_the_origin_is_set(template: Template) -> None:
    (origin,) = config(template)["Origins"]
    timeouts = origin.get("VpcOriginConfig") or origin["CustomOriginConfig"]

    assert timeouts["OriginReadTimeout"] == 80
    assert timeouts["OriginKeepaliveTimeout"] == 60
    assert origin["ConnectionTimeout"] == 5
    assert origin["ConnectionAttempts"] == 1
    assert "ResponseCompletionTimeout" not in origin


def test_an_internal_load_balancer_is_reached_through_a_vpc_origin(
    lines: Template, front: Assembly
) -> None:
    """AWS makes it in a VPC with an internet gateway only, so the gateway is made before."""
    (origin,) = config(lines)["Origins"]
    name = lines.id_of("CloudFront::VpcOrigin")

    endpoint = lines.only("CloudFront::VpcOrigin")["VpcOriginEndpointConfig"]
    assert endpoint["Arn"] == {"Ref": lines.id_of("ElasticLoadBalancingV2::LoadBalancer")}
    assert endpoint["OriginProtocolPolicy"] == "http-only"
    assert origin["VpcOriginConfig"]["VpcOriginId"] == {"Fn::GetAtt": [name, "Id"]}
    attached = lines.id_of("EC2::VPCGatewayAttachment")
    assert lines.resources[name]["DependsOn"] == [attached]
    assert front.template("Public").of_type("CloudFront::VpcOrigin") == {}


@pytest.mark.parametrize("stack", STACKS)
def test_no_error_is_kept(template: Template) -> None:
    """CloudFront keeps an answer 503 for 10 s where nothing is set, with caching disabled too."""
    responses = config(template)["CustomErrorResponses"]

    assert {each["ErrorCode"] for each in responses} == {
        *(400, 403, 404, 405, 414, 416),
        *(500, 501, 502, 503, 504),
    }
    assert all(set(each) == {"ErrorCode", "ErrorCachingMinTTL"} for each in responses)
    assert {each["ErrorCachingMinTTL"] for each in responses} == {0}


def test_a_vpc_origin_is_replaced_and_never_updated(lines: Template, front: Assembly) -> None:
    """AWS refuses to update one that a distribution uses: its protocol, and its tags."""
    full = front.template("Full")

    assert lines.id_of("CloudFront::VpcOrigin") != full.id_of("CloudFront::VpcOrigin")
    assert "Tags" not in full.only("CloudFront::VpcOrigin")
    assert {"Key": "team", "Value": "lines"} in full.only("CloudFront::Distribution")["Tags"]


def test_all_that_can_be_set_is_set(front: Assembly) -> None:
    template = front.template("Full")
    full = config(template)
    (origin,) = full["Origins"]

    assert full["Aliases"] == ["lines.example.com"]
    assert full["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert ":us-east-1:" in full["ViewerCertificate"]["AcmCertificateArn"]
    assert ":global/webacl/" in full["WebACLId"]
    assert "Bucket" in full["Logging"]
    assert origin["VpcOriginConfig"]["OriginReadTimeout"] == 118
    assert origin["VpcOriginConfig"]["OriginKeepaliveTimeout"] == 110
    assert origin["ConnectionTimeout"] == 3
    assert origin["ResponseCompletionTimeout"] == 1_000
    endpoint = template.only("CloudFront::VpcOrigin")["VpcOriginEndpointConfig"]
    assert endpoint["OriginProtocolPolicy"] == "https-only"
    assert endpoint["OriginSSLProtocols"] == ["TLSv1.2"]
