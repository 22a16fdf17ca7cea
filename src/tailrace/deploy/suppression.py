"""Why a rule of cdk-nag does not apply to a resource; in the template, where cdk-nag looks."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnResource
from constructs import IConstruct

_KEY = "cdk_nag"


def suppress(construct: IConstruct, rule: str, reason: str, *findings: str) -> None:
    """Accept what a rule finds at a construct's resource, or only these of its findings."""
    resource = construct.node.default_child
    assert isinstance(resource, CfnResource)
    entry: dict[str, Any] = {"id": rule, "reason": reason}
    if findings:
        entry["applies_to"] = list(findings)
    known = (resource.get_metadata(_KEY) or {}).get("rules_to_suppress", [])
    resource.add_metadata(_KEY, {"rules_to_suppress": [*known, entry]})
