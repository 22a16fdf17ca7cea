"""A group and the helper's resources, in a stack whose account is not known."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2

from tailrace.deploy.helper.constructs import InstanceRefresh, PrefixListId

app = cdk.App()
stack = cdk.Stack(app, "Helped")
vpc = ec2.Vpc(stack, "Vpc", availability_zones=["eu-central-1a"])
template = ec2.LaunchTemplate(
    stack,
    "Template",
    machine_image=ec2.MachineImage.generic_linux({"eu-central-1": "ami-0a1b2c3d4e5f60718"}),
    instance_type=ec2.InstanceType("t4g.small"),
)
group = autoscaling.AutoScalingGroup(stack, "Group", vpc=vpc, launch_template=template)
group.add_lifecycle_hook(
    "Hook", lifecycle_transition=autoscaling.LifecycleTransition.INSTANCE_TERMINATING
)
InstanceRefresh(
    stack, "Refresh", group=group, launch_template_version=template.latest_version_number
)
PrefixListId(stack, "CloudFront")
app.synth()
