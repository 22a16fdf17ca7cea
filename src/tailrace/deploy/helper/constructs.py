"""Custom resources of the helper, each with a function that may do only what that resource needs.

They do not share a function: its rights would name the Auto Scaling group, which needs the load
balancer, which needs the prefix list, which would need the function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aws_cdk import CustomResource, Duration, RemovalPolicy, Stack, Token
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from tailrace.deploy.helper import resources
from tailrace.deploy.suppression import resource_finding, suppress, suppress_all

_ACCEPTED: Final = {
    "Serverless-LambdaDLQ": "CloudFormation reports an event that has no answer",
    "Serverless-LambdaTracing": "it runs once in a deploy, and its log has each call",
}
"""Why rules of cdk-nag do not apply to the function."""


class InstanceRefresh(Construct):
    """Replaces the instances of a group when its launch template changes, behind the deploy.

    `launch_template_version` is the number that the group has, from `latest_version_number`. A new
    instance counts when it has been in service for `warmup_s`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        group: autoscaling.IAutoScalingGroup,
        launch_template_version: str,
        warmup_s: int,
    ) -> None:
        super().__init__(scope, construct_id)
        assert Token.is_unresolved(launch_template_version) or launch_template_version.isdecimal()
        stack = Stack.of(self)
        names = {"partition": stack.partition, "region": stack.region, "account": stack.account}
        arn = resources.GROUP_ARN.format(group=group.auto_scaling_group_name, **names)
        properties = {
            "GroupName": group.auto_scaling_group_name,
            "LaunchTemplateVersion": launch_template_version,
            "Preferences": resources.refresh_preferences(warmup_s),
        }
        custom_resource(self, resources.INSTANCE_REFRESH, arn, properties).node.add_dependency(
            group
        )


class PrefixListId(Construct):
    """Finds the id of CloudFront's prefix list in the stack's region while it is deployed."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        properties = {"Name": resources.CLOUDFRONT_PREFIX_LIST}
        found = custom_resource(self, resources.PREFIX_LIST_ID, "*", properties)
        self.prefix_list_id = found.get_att_string("PrefixListId")


def custom_resource(
    scope: Construct, kind: str, arn: str, properties: Mapping[str, object]
) -> CustomResource:
    """A custom resource and its function, whose role may do what `kind` needs on `arn`."""
    log_group = logs.LogGroup(
        scope,
        "Log",
        retention=logs.RetentionDays.ONE_MONTH,
        removal_policy=RemovalPolicy.DESTROY,
    )
    role = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    role.add_to_policy(
        iam.PolicyStatement(actions=list(resources.PERMISSIONS[kind]), resources=[arn])
    )
    reason = "what it acts on has a number in its ARN that is not known before, or no ARN"
    suppress(role, "AwsSolutions-IAM5", reason, resource_finding(scope, arn))
    function = lambda_.Function(
        scope,
        "Function",
        description=f"tailrace: {kind}",
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        code=lambda_.Code.from_asset(str(resources.CODE), exclude=["__pycache__"]),
        handler=resources.HANDLER,
        timeout=Duration.seconds(resources.TIMEOUT_S),
        memory_size=resources.MEMORY_MB,
        role=role,
        log_group=log_group,
    )
    suppress_all(function, _ACCEPTED)
    return CustomResource(
        scope,
        "Resource",
        resource_type=kind,
        service_token=function.function_arn,
        service_timeout=Duration.seconds(resources.SERVICE_TIMEOUT_S),
        properties=properties,
    )
