"""What a gateway's machine may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from tailrace.deploy.streaming_function import StreamingFunction
from tailrace.deploy.suppression import resource_finding, suppress

_SESSION_MANAGER: Final = (
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
"""What a session needs (Systems Manager User Guide, "Create a custom IAM role for Session Manager",
read 2026-11). None of these can be bound to a resource."""


class GatewayRole(Construct):
    """The role of a gateway's machine, with no managed policy.

    It invokes any version of its functions, since a machine invokes the version that it was started
    with until it ends, and never `$LATEST` by its bare name.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Sequence[StreamingFunction],
        asset: s3_assets.Asset,
        log_groups: Sequence[logs.ILogGroup],
        has_session_manager: bool,
    ) -> None:
        super().__init__(scope, id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            description="tailrace: gateways invoke functions",
        )
        versions = [f"{each.function.function_arn}:*" for each in functions]
        statements = [
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=versions),
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=[asset.bucket.arn_for_objects(asset.s3_object_key)],
            ),
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[group.log_group_arn for group in log_groups],
            ),
        ]
        if has_session_manager:
            statements.append(iam.PolicyStatement(actions=list(_SESSION_MANAGER), resources=["*"]))
        self.policy = iam.Policy(self, "Policy", roles=[self.role], statements=statements)
        findings = [resource_finding(self, version) for version in versions]
        suppress(self.policy, "AwsSolutions-IAM5", "old machines invoke old versions", *findings)
        if has_session_manager:
            reason = "Session Manager's actions have no resources"
            suppress(self.policy, "AwsSolutions-IAM5", reason, "Resource::*")

    def allow_lifecycle_of(self, group_name: str) -> None:
        """Let a machine of an Auto Scaling group complete its lifecycle action and prolong it."""
        # The number in the group's ARN is not known to CloudFormation; names are unique.
        arn = Stack.of(self).format_arn(
            service="autoscaling",
            resource="autoScalingGroup",
            resource_name=f"*:autoScalingGroupName/{group_name}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        policy = iam.Policy(
            self,
            "Lifecycle",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(
                    actions=[
                        "autoscaling:CompleteLifecycleAction",
                        "autoscaling:RecordLifecycleActionHeartbeat",
                    ],
                    resources=[arn],
                )
            ],
        )
        reason = "the number in a group's ARN is not known before"
        suppress(policy, "AwsSolutions-IAM5", reason, resource_finding(self, arn))
