"""A log group that ends with its stack."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from tailrace.deploy import limits
from tailrace.errors import ConfigError


def log_group_of(scope: Construct, name: str, retention_days: int) -> logs.LogGroup:
    """Make a log group.

    Raises:
        ConfigError: CloudWatch does not keep logs for so many days.
    """
    if retention_days not in limits.LOG_RETENTIONS_DAYS:
        allowed = ", ".join(map(str, limits.LOG_RETENTIONS_DAYS))
        where = f"{scope.node.path}: log_retention_days"
        raise ConfigError(f"{retention_days} is none of CloudWatch's", where=where, allowed=allowed)
    group = logs.LogGroup(scope, name, removal_policy=RemovalPolicy.DESTROY)
    resource = group.node.default_child
    assert isinstance(resource, logs.CfnLogGroup)
    resource.retention_in_days = retention_days
    return group
