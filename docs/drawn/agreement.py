"""The rules of `tailrace check`, and the limits of AWS."""

from __future__ import annotations

from docs.drawn.markdown import table

from tailrace.agreement import AWS_LIMITS, RULES, InvokedFunction, Surroundings, label, shown
from tailrace.setting import fields_of


def rules() -> str:
    """The relations, each with what it demands and why."""
    rows = [
        [f"`{rule.name}`", rule.meaning, rule.reason]
        for rule in RULES
        if not rule.name.startswith("limit-")
    ]
    return table(["rule", "what must be", "otherwise"], rows)


def limits_of_aws() -> str:
    """What AWS allows, with its default."""
    fields = {**fields_of(Surroundings), **fields_of(InvokedFunction)}
    rows = []
    for limit in AWS_LIMITS:
        low, high = (shown(limit.field, each) for each in (limit.low, limit.high))
        allowed = f"{'0, or ' if limit.may_be_zero else ''}{low} to {high}"
        if limit.high_on_request is not None:
            allowed += f"; to {shown(limit.field, limit.high_on_request)} a warning"
        default = "none" if limit.default is None else shown(limit.field, limit.default)
        option = f"`{fields[limit.field].option}`"
        name = label(limit.field)
        rows.append([name[0].upper() + name[1:], option, allowed, default, limit.source])
    return table(["setting", "option", "allowed", "AWS's default", "source"], rows)
