"""Who reaches what, read from a template."""

from __future__ import annotations

from typing import Any

from tests.deploy.assembly import Template

Rule = dict[str, Any]


def rules(template: Template, direction: str, group: str) -> list[Rule]:
    """The rules of a security group, without descriptions: those inside it and those beside it."""
    own = template.resources[group]["Properties"].get(f"SecurityGroup{direction}", [])
    beside = [
        {k: v for k, v in each["Properties"].items() if k != "GroupId"}
        for each in template.of_type(f"EC2::SecurityGroup{direction}").values()
        if each["Properties"]["GroupId"] == group_id(group)
    ]
    return [{k: v for k, v in rule.items() if k != "Description"} for rule in (*own, *beside)]


def group_id(group: str) -> Rule:
    return {"Fn::GetAtt": [group, "GroupId"]}


def tcp(first: int, last: int | None = None) -> Rule:
    return {"IpProtocol": "tcp", "FromPort": first, "ToPort": last or first}


def named(template: Template, kind: str, beginning: str) -> str:
    """The logical id of the resource of a type whose id begins so, and goes on with a hash."""
    found = [name for name in template.of_type(kind) if name[:-8] == beginning]
    assert len(found) == 1, f"{beginning}: {sorted(template.of_type(kind))}"
    return found[0]


def properties(template: Template, kind: str, beginning: str) -> dict[str, Any]:
    found: dict[str, Any] = template.resources[named(template, kind, beginning)]["Properties"]
    return found


def statements(template: Template, beginning: str) -> list[dict[str, Any]]:
    """The statements of a policy."""
    document = properties(template, "IAM::Policy", beginning)["PolicyDocument"]
    found: list[dict[str, Any]] = document["Statement"]
    return found
