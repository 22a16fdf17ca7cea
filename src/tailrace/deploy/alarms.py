"""The alarms of a gateway, its functions and its load balancer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_sns as sns
from constructs import Construct

from tailrace.deploy import limits
from tailrace.deploy.alarm_table import ALARMS, AlarmRow
from tailrace.deploy.gateway import Gateway
from tailrace.errors import ConfigError

_COMPARISONS: Final = {
    "at least": cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    "below": cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
}
_Watched = tuple[AlarmRow, str, cloudwatch.Metric, float]
"""A row, the id of its alarm, the metric and the threshold."""


class Alarms(Construct):
    """CloudWatch alarms, each with a description that says what to do: see `alarm_table`.

    They notify `topic`, if there is one, when they go off and when all is well again. `without` are
    names of alarms to leave out. Those of the load balancer need its target group.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        gateway: Gateway,
        target_group: elbv2.ApplicationTargetGroup | None = None,
        topic: sns.ITopic | None = None,
        without: Collection[str] = (),
    ) -> None:
        super().__init__(scope, id)
        names = [row.name for row in ALARMS]
        for name in set(without) - set(names):
            where = f"{self.node.path}: without"
            raise ConfigError(f"{name!r} is no alarm", where=where, allowed=", ".join(names))
        watched = [*_of_gateway(gateway), *_of_functions(gateway)]
        if target_group is not None:
            watched += _of_balancer(target_group)
        self.alarms = [
            self._alarm(*each, topic=topic) for each in watched if each[0].name not in without
        ]

    def _alarm(
        self,
        row: AlarmRow,
        id: str,
        metric: cloudwatch.Metric,
        threshold: float,
        *,
        topic: sns.ITopic | None,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            threshold=threshold,
            comparison_operator=_COMPARISONS[row.comparison],
            datapoints_to_alarm=row.bad_min,
            evaluation_periods=row.of_min,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING
            if row.is_bad_without_data
            else cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=row.description,
        )
        if topic is not None:
            alarm.add_alarm_action(actions.SnsAction(topic))
            alarm.add_ok_action(actions.SnsAction(topic))
        return alarm


def _of_gateway(gateway: Gateway) -> Iterator[_Watched]:
    group = {"AutoScalingGroupName": gateway.group.auto_scaling_group_name}
    for row in ALARMS:
        if row.of == "gateway":
            yield row, row.name, gateway.metric(row.metric, row.statistic), _threshold(row)
        elif row.of == "group":
            metric = _metric("AWS/AutoScaling", row, group)
            yield row, row.name, metric, gateway.instances_min


def _of_functions(gateway: Gateway) -> Iterator[_Watched]:
    for number, function in enumerate(gateway.functions, 1):
        dimensions = {"FunctionName": function.function.function_name}
        for row in ALARMS:
            if row.of != "function":
                continue
            threshold = row.threshold
            if threshold is None:
                if function.reserved_concurrency is None:
                    continue
                threshold = limits.BUSY_SHARE * function.reserved_concurrency
            metric = _metric("AWS/Lambda", row, dimensions)
            yield row, f"{row.name}-{number}", metric, threshold


def _of_balancer(target_group: elbv2.ApplicationTargetGroup) -> Iterator[_Watched]:
    balancer = {"LoadBalancer": target_group.first_load_balancer_full_name}
    both = {**balancer, "TargetGroup": target_group.target_group_full_name}
    for row in ALARMS:
        if row.of == "balancer":
            dimensions = both if row.metric == "HealthyHostCount" else balancer
            metric = _metric("AWS/ApplicationELB", row, dimensions)
            yield row, row.name, metric, _threshold(row)


def _threshold(row: AlarmRow) -> float:
    assert row.threshold is not None
    return row.threshold


def _metric(namespace: str, row: AlarmRow, dimensions: dict[str, str]) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=row.metric,
        dimensions_map=dimensions,
        statistic=row.statistic,
        period=Duration.seconds(limits.METRIC_PERIOD_S),
    )
