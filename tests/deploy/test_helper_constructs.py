"""The helper in a template: its rights, its times, and what it is told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.deploy.assembly import Assembly, Template

from tailrace.deploy.helper import resources


def function_of(template: Template, kind: str) -> dict[str, Any]:
    """The function behind the only resource of a kind."""
    name = template.only(kind)["ServiceToken"]["Fn::GetAtt"][0]
    function: dict[str, Any] = template.resources[name]
    return function


def statements_of(template: Template, kind: str) -> list[dict[str, Any]]:
    """All rights of that function's role."""
    role = {"Ref": function_of(template, kind)["Properties"]["Role"]["Fn::GetAtt"][0]}
    assert "ManagedPolicyArns" not in template.resources[role["Ref"]]["Properties"]
    assert "Policies" not in template.resources[role["Ref"]]["Properties"]
    return [
        statement
        for policy in template.of_type("IAM::Policy").values()
        if role in policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def test_a_refresh_is_told_the_version_that_the_group_has(lines: Template) -> None:
    told = lines.only(resources.INSTANCE_REFRESH)
    (name, group), *others = lines.of_type("AutoScaling::AutoScalingGroup").items()

    assert others == []
    assert told["GroupName"] == {"Ref": name}
    assert told["LaunchTemplateVersion"] == group["Properties"]["LaunchTemplate"]["Version"]
    assert told["Preferences"] == {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 200,
        "InstanceWarmup": 60,
        "SkipMatching": True,
        "ScaleInProtectedInstances": "Ignore",
        "StandbyInstances": "Ignore",
    }


def test_a_refresh_waits_for_the_group_and_its_hooks(lines: Template) -> None:
    """With an older hook the first machines would not drain as the new version wants it."""
    (resource,) = lines.of_type(resources.INSTANCE_REFRESH).values()

    hooks = lines.of_type("AutoScaling::LifecycleHook")
    assert set(hooks) <= set(resource["DependsOn"])


@pytest.mark.parametrize("kind", resources.PERMISSIONS)
def test_each_function_may_do_what_its_resource_needs(lines: Template, kind: str) -> None:
    log, needed = statements_of(lines, kind)

    assert log["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert log["Resource"]["Fn::GetAtt"][1] == "Arn"
    actions = needed["Action"] if isinstance(needed["Action"], list) else [needed["Action"]]
    assert tuple(actions) == resources.PERMISSIONS[kind]
    if kind == resources.PREFIX_LIST_ID:
        assert needed["Resource"] == "*"
    else:
        (group,) = lines.of_type("AutoScaling::AutoScalingGroup")
        *words, name = needed["Resource"]["Fn::Join"][1]
        assert name == {"Ref": group}
        assert words[-1] == ":autoScalingGroup:*:autoScalingGroupName/"


@pytest.mark.parametrize("kind", resources.PERMISSIONS)
def test_an_answer_comes_before_cloudformation_gives_up(lines: Template, kind: str) -> None:
    """Also the last of Lambda's attempts, one and two minutes after the others."""
    function = function_of(lines, kind)["Properties"]

    assert function["Handler"] == "index.handler"
    assert 3 * function["Timeout"] + 60 + 120 <= int(lines.only(kind)["ServiceTimeout"]) < 3600


@pytest.mark.parametrize("kind", resources.PERMISSIONS)
def test_the_code_is_one_file(example: Assembly, lines: Template, kind: str) -> None:
    """Compiled modules in it would change the template of everybody who has run the tests."""
    digest = function_of(lines, kind)["Properties"]["Code"]["S3Key"].removesuffix(".zip")

    assert [path.name for path in (example.folder / f"asset.{digest}").iterdir()] == ["index.py"]


def test_the_prefix_list_needs_nothing_of_the_group(lines: Template) -> None:
    """The group's load balancer needs the list, and the group needs its load balancer."""
    (group,) = lines.of_type("AutoScaling::AutoScalingGroup")
    statements = str(statements_of(lines, resources.PREFIX_LIST_ID))

    assert group not in statements
    assert group not in str(function_of(lines, resources.PREFIX_LIST_ID))
