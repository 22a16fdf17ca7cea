"""What is in front of gateways: an internal and a public load balancer, each with its distribution.

`Internal` and `Public` have the defaults, `Full` has all that can be set.
"""

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3 as s3

from tailrace.deploy import Balancer, Distribution

CERTIFICATE = "arn:aws:acm:{region}:123456789012:certificate/12345678-1234-1234-1234-123456789012"
WEB_ACL = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/lines/12345678"
ENV = cdk.Environment(account="123456789012", region="eu-central-1")


def gateways(stack: cdk.Stack) -> tuple[ec2.IVpc, autoscaling.AutoScalingGroup]:
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0a1b2c3d4e5f60718",
        availability_zones=["eu-central-1a", "eu-central-1b"],
        public_subnet_ids=["subnet-0a000000000000001", "subnet-0a000000000000002"],
        private_subnet_ids=["subnet-0b000000000000001", "subnet-0b000000000000002"],
    )
    template = ec2.LaunchTemplate(
        stack,
        "Template",
        machine_image=ec2.MachineImage.latest_amazon_linux2023(),
        instance_type=ec2.InstanceType("t4g.small"),
        security_group=ec2.SecurityGroup(stack, "Group", vpc=vpc, allow_all_outbound=False),
    )
    return vpc, autoscaling.AutoScalingGroup(
        stack, "Gateways", vpc=vpc, launch_template=template, min_capacity=1, max_capacity=2
    )


app = cdk.App()

for name, is_public in (("Internal", False), ("Public", True)):
    stack = cdk.Stack(app, name, env=ENV)
    vpc, group = gateways(stack)
    balancer = Balancer(stack, "Balancer", vpc=vpc, targets=[group], is_public=is_public)
    Distribution(stack, "Distribution", balancer=balancer)

stack = cdk.Stack(app, "Full", env=ENV)
vpc, group = gateways(stack)
logs = s3.Bucket(stack, "Logs", object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED)
balancer = Balancer(
    stack,
    "Balancer",
    vpc=vpc,
    targets=[group],
    idle_timeout_s=200,
    client_keep_alive_s=7_200,
    deregistration_delay_s=1_800,
    health_path="/alive",
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
    read_timeout_s=110,
    keep_alive_s=100,
    connection_timeout_s=3,
    response_completion_timeout_s=1_000,
    log_bucket=logs,
)
app.synth()
