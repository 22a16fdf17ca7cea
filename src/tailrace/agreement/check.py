"""Checks all rules and limits."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from functools import partial
from typing import Final

from tailrace.agreement.aws import AWS_LIMITS, AwsLimit
from tailrace.agreement.capacity import CAPACITY_RULES
from tailrace.agreement.endings import ENDING_RULES
from tailrace.agreement.fronts import FRONT_RULES
from tailrace.agreement.rule import Complaint, Complaints, Rule, error, warning
from tailrace.agreement.silence import SILENCE_RULES
from tailrace.agreement.surroundings import InvokedFunction, Surroundings
from tailrace.agreement.way import Way, label, shown
from tailrace.gateway.check.finding import Finding
from tailrace.setting import fields_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What was checked, and what was found."""

    findings: list[Finding]
    """`subject` is the rule's name."""
    checked: list[str]
    """The names of the rules that were checked."""
    unchecked: dict[str, tuple[str, ...]]
    """Those that were not, each with the settings that are unknown."""


def check_agreement(way: Way, allowed: Container[str] = ()) -> Agreement:
    """Check each rule whose settings are known, but for those whose names are allowed."""
    findings: list[Finding] = []
    checked: list[str] = []
    unchecked: dict[str, tuple[str, ...]] = {}
    for rule in RULES:
        missing = tuple(name for name in rule.needs if not way.is_known(name))
        if missing:
            unchecked[rule.name] = missing
        elif rule.name not in allowed:
            checked.append(rule.name)
            findings += [Finding(c.level, rule.name, c.text, c.remedy) for c in rule.check(way)]
    return Agreement(findings=findings, checked=checked, unchecked=unchecked)


def _within(limit: AwsLimit, way: Way) -> Complaints:
    values = {way.value(limit.field): list[str]()} if limit.field in _AROUND else None
    for value, functions in (values or way.functions_by(limit.field)).items():
        assert isinstance(value, float | int)
        complaint = _complaint(limit, way.named(limit.field, functions), value)
        if complaint is not None:
            yield complaint


def _complaint(limit: AwsLimit, named: str, value: float) -> Complaint | None:
    if limit.low <= value <= limit.high or (limit.may_be_zero and value == 0):
        return None
    low, high = (shown(limit.field, each) for each in (limit.low, limit.high))
    allowed = f"{'0, or ' if limit.may_be_zero else ''}{low} to {high}"
    remedy = f"set it to {allowed}"
    on_request = limit.high_on_request
    if on_request is not None and limit.high < value <= on_request:
        return warning(
            f"{named} is more than {high}, the limit in AWS's reference: the deployment may be "
            "refused",
            f"{remedy}, or ask AWS for more and allow this rule",
        )
    return error(f"{named} is not what AWS allows, {allowed}: the deployment is refused", remedy)


def _limit_rule(limit: AwsLimit) -> Rule:
    field = _AROUND.get(limit.field) or fields_of(InvokedFunction)[limit.field]
    return Rule(
        f"limit-{field.option.removeprefix('--')}",
        f"{label(limit.field)} is within AWS's limits",
        "AWS refuses the deployment",
        (limit.field,),
        partial(_within, limit),
    )


_AROUND: Final = fields_of(Surroundings)
LIMIT_RULES: Final = tuple(_limit_rule(limit) for limit in AWS_LIMITS)
RULES: Final = (*SILENCE_RULES, *ENDING_RULES, *CAPACITY_RULES, *FRONT_RULES, *LIMIT_RULES)
