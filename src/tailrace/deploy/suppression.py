"""Why a rule of cdk-nag does not apply to a resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct


def suppress(construct: IConstruct, rule: str, reason: str, *findings: str) -> None:
    """Accept what a rule finds in a construct, or only these of its findings.

    cdk-nag 3 reads what CDK's own validation has acknowledged, and nothing else.
    """
    ids = [f"{rule}[{finding}]" for finding in findings] or [rule]
    acknowledged = (Acknowledgment(id=each, reason=reason) for each in ids)
    Validations.of(construct).acknowledge(*acknowledged)


def suppress_all(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Accept what several rules find in a construct; the reasons are by rule."""
    for rule, reason in reasons.items():
        suppress(construct, rule, reason)


def resource_finding(scope: IConstruct, arn: str) -> str:
    """Return how cdk-nag names a wildcard in a policy's resource."""
    return f"Resource::{_shown(Stack.of(scope).resolve(arn))}"


def _shown(value: Any) -> str:
    match value:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_shown(part) for part in parts)
        case _:
            return str(value)
