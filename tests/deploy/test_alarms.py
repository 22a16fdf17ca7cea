"""The alarms: each watches a metric that there is, and says what to do."""

from __future__ import annotations

from typing import Any

import pytest
from tests.deploy.assembly import Assembly, Template
from tests.deploy.security import named

from tailrace.deploy.alarm_table import ALARMS, AlarmRow
from tailrace.gateway.observe.emf import INCREASES, STATES

ROWS = {row.name: row for row in ALARMS}


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    """The properties by the name of the row; of several functions, by that and a number."""
    found = template.of_type("CloudWatch::Alarm").values()
    by_text = {row.description: row.name for row in ALARMS}
    named: dict[str, dict[str, Any]] = {}
    for each in (alarm["Properties"] for alarm in found):
        name = by_text[each["AlarmDescription"]]
        named[name if name not in named else f"{name}-2"] = each
    return named


def dimensions(alarm: dict[str, Any]) -> dict[str, Any]:
    return {each["Name"]: each["Value"] for each in alarm["Dimensions"]}


@pytest.mark.parametrize("row", ALARMS, ids=lambda row: row.name)
def test_a_row_fits_what_is_read_at_night(row: AlarmRow) -> None:
    assert 1 <= row.bad_min <= row.of_min
    assert len(row.description) <= 1024  # CloudWatch's limit
    assert row.meaning.endswith(".")
    assert row.remedy.endswith(".")


def test_the_gateway_writes_the_metrics_that_are_watched() -> None:
    written = {each.name for each in (*STATES, *INCREASES)}

    assert {row.metric for row in ALARMS if row.of == "gateway"} <= written


def test_names_are_unique() -> None:
    assert len(ROWS) == len(ALARMS)


def test_each_row_is_an_alarm_unless_it_is_left_out(parts: Assembly) -> None:
    """The load balancer's are not here: these gateways have none."""
    plain, full = (alarms(parts.template(stack)) for stack in ("Plain", "Full"))
    expected = {row.name for row in ALARMS if row.of != "balancer"}

    assert plain.keys() == expected - {"function-busy"}  # it has no reserved concurrency
    assert {name.removesuffix("-2") for name in full} == expected - {"late", "silent"}


def test_an_alarm_watches_its_own_gateway_group_and_function(parts: Assembly) -> None:
    template = parts.template("Plain")
    found = alarms(template)
    group = template.id_of("AutoScaling::AutoScalingGroup")
    policy = template.only("AutoScaling::ScalingPolicy")["TargetTrackingConfiguration"]
    function = named(template, "Lambda::Function", "LinesFunction")

    ours = {"Gateway": policy["CustomizedMetricSpecification"]["Dimensions"][0]["Value"]}
    assert dimensions(found["refused"]) == ours
    assert dimensions(found["few-machines"]) == {"AutoScalingGroupName": {"Ref": group}}
    assert dimensions(found["function-errors"]) == {"FunctionName": {"Ref": function}}
    assert template.resources[group]["Properties"]["MetricsCollection"] == [
        {"Granularity": "1Minute"}
    ]


def test_thresholds_follow_from_the_construct(parts: Assembly) -> None:
    plain, full = (alarms(parts.template(stack)) for stack in ("Plain", "Full"))

    assert (plain["few-machines"]["Threshold"], full["few-machines"]["Threshold"]) == (2, 3)
    assert full["function-busy"]["Threshold"] == 40  # of a reserved concurrency of 50


def test_silence_is_an_alarm(parts: Assembly) -> None:
    """A gateway that does not boot writes no metrics."""
    found = alarms(parts.template("Plain"))
    breaching = {name for name, each in found.items() if each["TreatMissingData"] == "breaching"}

    assert breaching == {"silent", "few-machines"}
    assert (found["silent"]["ComparisonOperator"], found["silent"]["Threshold"]) == (
        "LessThanThreshold",
        1,
    )


def test_a_topic_is_told_both_ways(parts: Assembly) -> None:
    template = parts.template("Full")
    topic = {"Ref": template.id_of("SNS::Topic")}

    for alarm in alarms(template).values():
        assert (alarm["AlarmActions"], alarm["OKActions"]) == ([topic], [topic])
    for alarm in alarms(parts.template("Plain")).values():
        assert "AlarmActions" not in alarm


def test_a_site_watches_its_load_balancer(lines: Template) -> None:
    found = alarms(lines)
    listener = lines.id_of("ElasticLoadBalancingV2::Listener")  # its ARN has the balancer's name
    target_group = lines.id_of("ElasticLoadBalancingV2::TargetGroup")

    assert found.keys() == ROWS.keys() - {"function-busy"}
    for name in ("no-healthy-gateway", "balancer-errors"):
        assert found[name]["Namespace"] == "AWS/ApplicationELB"
    assert dimensions(found["no-healthy-gateway"])["TargetGroup"] == {
        "Fn::GetAtt": [target_group, "TargetGroupFullName"]
    }
    assert listener in str(dimensions(found["balancer-errors"])["LoadBalancer"])
    assert "TargetGroup" not in dimensions(found["balancer-errors"])
    assert found["no-healthy-gateway"]["TreatMissingData"] == "breaching"
    # A zone without a healthy machine is no outage while another one has some.
    assert found["no-healthy-gateway"]["Statistic"] == "Maximum"
