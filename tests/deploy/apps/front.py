"""What is in front of gateways, in a VPC that exists, in a stack whose account is known.

`Public` has a public load balancer, `Full` sets all that can be set.
"""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3 as s3

from tailrace.deploy import (
    Balancer,
    Distribution,
    Gateway,
    Network,
    StreamingFunction,
    StreamingSite,
)

LINES = Path(__file__).parents[3] / "examples" / "deploy" / "lines"
CERTIFICATE = "arn:aws:acm:{region}:123456789012:certificate/12345678-1234-1234-1234-123456789012"
WEB_ACL = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/lines/12345678"
ENV = cdk.Environment(account="123456789012", region="eu-central-1")


def network(stack: cdk.Stack) -> Network:
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0a1b2c3d4e5f60718",
        availability_zones=["eu-central-1a", "eu-central-1b"],
        public_subnet_ids=["subnet-0a000000000000001", "subnet-0a000000000000002"],
        public_subnet_route_table_ids=["rtb-0a000000000000001", "rtb-0a000000000000002"],
        private_subnet_ids=["subnet-0b000000000000001", "subnet-0b000000000000002"],
        private_subnet_route_table_ids=["rtb-0b000000000000001", "rtb-0b000000000000002"],
    )
    return Network(stack, "Network", vpc=vpc, egress="nat")


app = cdk.App()

stack = cdk.Stack(app, "Public", env=ENV)
lines = StreamingFunction(stack, "Lines", path=LINES, app="main:app", timeout_s=300)
StreamingSite(
    stack,
    "Site",
    routes=[{"path": "/*", "function": lines}],
    network=network(stack),
    is_public=True,
)

stack = cdk.Stack(app, "Full", env=ENV)
lines = StreamingFunction(stack, "Lines", path=LINES, app="main:app", timeout_s=800)
gateway = Gateway(
    stack,
    "Gateway",
    network=network(stack),
    routes=[{"path": "/*", "function": lines}],
    settings={
        "health_path": "/alive",
        "total_timeout_s": 800,
        "drain_timeout_s": 800,
        "function_idle_timeout_s": 100,
        "keep_alive_timeout_s": 150,
    },
)
logs = s3.Bucket(stack, "Logs", object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED)
balancer = Balancer(
    stack,
    "Balancer",
    gateways=[gateway],
    idle_timeout_s=115,
    client_keep_alive_s=7_200,
    deregistration_delay_s=1_800,
    certificate_arn=CERTIFICATE.format(region="eu-central-1"),
    cloudfront_prefix_list_id="pl-0a1b2c3d4e5f60718",
    has_deletion_protection=True,
    access_log_bucket=logs,
)
Distribution(
    stack,
    "Distribution",
    balancer=balancer,
    domain_name="lines.example.com",
    certificate_arn=CERTIFICATE.format(region="us-east-1"),
    web_acl_arn=WEB_ACL,
    read_timeout_s=118,
    keep_alive_s=110,
    connection_timeout_s=3,
    response_completion_timeout_s=1_000,
    log_bucket=logs,
)
cdk.Tags.of(stack).add("team", "lines")
app.synth()
