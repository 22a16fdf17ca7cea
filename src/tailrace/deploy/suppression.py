"""Why a rule of cdk-nag does not apply to a resource."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def suppress(construct: IConstruct, rule: str, reason: str, *findings: str) -> None:
    """Accept what a rule finds at a construct's resource, or only these of its findings.

    cdk-nag 3 reads what CDK's own validation has acknowledged, and nothing else.
    """
    resource = construct.node.default_child
    assert resource is not None, construct.node.path
    ids = [f"{rule}[{finding}]" for finding in findings] or [rule]
    acknowledged = (Acknowledgment(id=each, reason=reason) for each in ids)
    Validations.of(resource).acknowledge(*acknowledged)
