"""Each alarm: what it watches, what it means, and what to do.

Plain data: the constructs make the alarms of it, and the documentation its table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Of = Literal["gateway", "group", "function", "balancer"]
"""Whose metric an alarm watches."""
Comparison = Literal["at least", "below"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """An alarm. It goes off when `bad_min` of the last `of_min` minutes are on the wrong side."""

    name: str
    of: Of
    metric: str
    statistic: str
    comparison: Comparison = "at least"
    threshold: float | None = 1
    """None: it follows from the construct."""
    bad_min: int = 3
    of_min: int = 5
    is_bad_without_data: bool = False
    meaning: str
    remedy: str

    @property
    def description(self) -> str:
        """What is wrong and what to do, for the reader of the alarm."""
        return f"{self.meaning} {self.remedy}"


ALARMS: Final = (
    AlarmRow(
        name="silent",
        of="gateway",
        metric="Clients",
        statistic="SampleCount",
        comparison="below",
        bad_min=5,
        is_bad_without_data=True,
        meaning="No gateway has sent metrics for five minutes.",
        remedy="If requests are answered, look at the CloudWatch agent on a machine. If they are"
        " not, the machines do not start: read their system log (aws ec2 get-console-output).",
    ),
    AlarmRow(
        name="few-machines",
        of="group",
        metric="GroupInServiceInstances",
        statistic="Minimum",
        comparison="below",
        threshold=None,
        bad_min=15,
        of_min=15,
        is_bad_without_data=True,
        meaning="For a quarter of an hour fewer machines were in service than instances_min.",
        remedy="Read the group's activity (aws autoscaling describe-scaling-activities): machines"
        " cannot be launched, or they fail their health check, then read their system log.",
    ),
    AlarmRow(
        name="full",
        of="gateway",
        metric="HeldPercent",
        statistic="Average",
        threshold=85,
        bad_min=5,
        meaning="The gateways hold nearly as many responses as they may.",
        remedy="If the group has its greatest number of machines, raise instances_max. Otherwise"
        " new ones are on their way.",
    ),
    AlarmRow(
        name="refused",
        of="gateway",
        metric="RequestsRefused",
        statistic="Sum",
        meaning="Requests get 503, because a route or a machine is at its bound.",
        remedy="The gateway's log names the bound: raise the route's concurrency with that of its"
        " function, or held_max, or instances_max.",
    ),
    AlarmRow(
        name="late",
        of="gateway",
        metric="RequestsLate",
        statistic="Sum",
        meaning="Requests get 503, because gateways have too little CPU time.",
        remedy="Raise instances_max, or take a larger instance_type; a t4g machine of an account"
        " with CPU credits of the kind standard may have used them up. A lower held_max makes the"
        " group grow earlier.",
    ),
    AlarmRow(
        name="failed",
        of="gateway",
        metric="Failed",
        statistic="Sum",
        meaning="Responses fail: no answer from the function, a broken one, or a status of 500 or"
        " more.",
        remedy="The gateway's log has a warning with the reason for each; then read the log of the"
        " function.",
    ),
    AlarmRow(
        name="workers-lost",
        of="gateway",
        metric="WorkersLost",
        statistic="Sum",
        bad_min=1,
        of_min=1,
        meaning="A worker of a gateway has crashed or was killed, and its open responses broke.",
        remedy="The gateway's log has the signal. After signal 9, the machine was out of memory:"
        " lower held_max or uploads_max, or take a larger instance_type.",
    ),
    AlarmRow(
        name="no-descriptors",
        of="gateway",
        metric="DescriptorsMissed",
        statistic="Sum",
        bad_min=1,
        of_min=5,
        meaning="Connections were closed for want of file descriptors.",
        remedy="Lower held_max, or raise LimitNOFILE of gateway.service.",
    ),
    AlarmRow(
        name="callbacks-refused",
        of="gateway",
        metric="CallbacksRefused",
        statistic="Sum",
        bad_min=1,
        of_min=5,
        meaning="Connections of functions to the callback ports were closed above their bound.",
        remedy="Lower the concurrency of the routes, or raise held_max.",
    ),
    AlarmRow(
        name="function-errors",
        of="function",
        metric="Errors",
        statistic="Sum",
        meaning="The function fails or runs into its time-out.",
        remedy="Read its log. After a deploy that did it, deploy the code before it again.",
    ),
    AlarmRow(
        name="function-throttled",
        of="function",
        metric="Throttles",
        statistic="Sum",
        bad_min=2,
        of_min=5,
        meaning="Lambda starts the function no more often, so that clients wait, and get 504.",
        remedy="Raise its reserved_concurrency, or the account's quota (Service Quotas, Lambda,"
        " concurrent executions), or lower the concurrency of its routes.",
    ),
    AlarmRow(
        name="function-busy",
        of="function",
        metric="ConcurrentExecutions",
        statistic="Maximum",
        threshold=None,
        meaning="The function uses more than four fifths of its reserved concurrency.",
        remedy="Raise reserved_concurrency before it is throttled.",
    ),
    AlarmRow(
        name="function-dropped",
        of="function",
        metric="AsyncEventsDropped",
        statistic="Sum",
        bad_min=1,
        of_min=5,
        meaning="Events have waited in Lambda's queue for so long that they were dropped, or their"
        " only attempt failed; their clients got 504 or a broken response.",
        remedy="Look whether the function is throttled or fails, and at the alarms of that.",
    ),
    AlarmRow(
        name="no-healthy-gateway",
        of="balancer",
        metric="HealthyHostCount",
        statistic="Maximum",  # each zone reports its own count, and a zone may be empty
        comparison="below",
        bad_min=2,
        of_min=2,
        is_bad_without_data=True,
        meaning="The load balancer has no gateway that is healthy, so clients get 503.",
        remedy="Read the targets' health (aws elbv2 describe-target-health) and a machine's system"
        " log. After a deploy that did it, deploy what was before it again.",
    ),
    AlarmRow(
        name="balancer-errors",
        of="balancer",
        metric="HTTPCode_ELB_5XX_Count",
        statistic="Sum",
        threshold=5,
        meaning="The load balancer itself answers with 502, 503 or 504.",
        remedy="503: no gateway is healthy. 504: it waits for less time than the gateway does. 502:"
        " a gateway has ended or closed a connection; run tailrace check.",
    ),
)
