"""The function, its version, and what remains of them after an update."""

from __future__ import annotations

import zipfile
from typing import Any

import pytest
from tests.deploy.assembly import Assembly, Template
from tests.deploy.security import group_id, named, properties, rules, statements, tcp

from tailrace.package.layer import MODULES, WRAPPER

CALLBACKS = tcp(8081, 8208)
INTERFACES = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]


def version_of(template: Template, function: str) -> tuple[str, dict[str, Any]]:
    """The only version of a function: its logical id and the resource."""
    ((name, resource),) = [
        (name, each)
        for name, each in template.of_type("Lambda::Version").items()
        if each["Properties"]["FunctionName"] == {"Ref": function}
    ]
    return name, resource


def archive_names(assembly: Assembly, code: dict[str, Any]) -> list[str]:
    name = str(code["S3Key"]).removesuffix(".zip")
    with zipfile.ZipFile(assembly.folder / f"asset.{name}.zip") as archive:
        return archive.namelist()


def test_the_function_runs_under_the_layer(parts: Assembly) -> None:
    template = parts.template("Plain")
    function = properties(template, "Lambda::Function", "LinesFunction")
    layer = template.only("Lambda::LayerVersion")

    assert (function["Handler"], function["Runtime"]) == ("app.handler", "python3.13")
    assert (function["Timeout"], function["MemorySize"]) == (300, 512)
    assert function["Architectures"] == ["arm64"]
    assert function["Layers"] == [{"Ref": template.id_of("Lambda::LayerVersion")}]
    assert function["Environment"] == {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": f"/opt/{WRAPPER}"}}
    assert archive_names(parts, function["Code"]) == ["app.py"]
    assert WRAPPER in (names := archive_names(parts, layer["Content"]))
    assert f"{MODULES}tailrace/runtime/managed.py" in names


def test_all_that_can_be_set_is_set(parts: Assembly) -> None:
    template = parts.template("Full")
    function = properties(template, "Lambda::Function", "LinesFunction")
    log = properties(template, "Logs::LogGroup", "LinesLog")

    assert (function["Timeout"], function["MemorySize"]) == (900, 1024)
    assert function["Runtime"] == "python3.12"
    assert function["Architectures"] == ["x86_64"]
    assert function["ReservedConcurrentExecutions"] == 50
    assert function["Environment"]["Variables"]["GREETING"] == "hello"
    assert log == {"RetentionInDays": 7}


def test_a_bundled_function_has_the_sdk_and_no_layer(parts: Assembly) -> None:
    function = properties(parts.template("Full"), "Lambda::Function", "BundledFunction")

    assert "Layers" not in function
    assert "Environment" not in function
    assert "tailrace/function/handler.py" in archive_names(parts, function["Code"])


@pytest.mark.parametrize(
    ("stack", "function", "age_s"),
    [("Plain", "Lines", 60), ("Full", "Lines", 120), ("Full", "Bundled", 120)],
)
def test_an_event_of_the_version_is_tried_once_and_soon(
    parts: Assembly, stack: str, function: str, age_s: int
) -> None:
    """The gateway waits 30 s for the first byte in one stack, and 61 s in the other.

    What is set for `$LATEST` does not apply to a version: the qualifier is the version's number.
    """
    template = parts.template(stack)
    name = named(template, "Lambda::Function", f"{function}Function")
    version, _ = version_of(template, name)

    (config,) = [
        each["Properties"]
        for each in template.of_type("Lambda::EventInvokeConfig").values()
        if each["Properties"]["FunctionName"] == {"Ref": name}
    ]

    assert config == {
        "FunctionName": {"Ref": name},
        "Qualifier": {"Fn::GetAtt": [version, "Version"]},
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": age_s,
    }


def test_old_versions_and_their_settings_remain(updates: dict[str, Template]) -> None:
    """Another version has another logical id. The old one disappears from the template, and its
    own policy keeps it. Its settings are replaced, since their qualifier changes."""
    before, after = updates["before"], updates["other-code"]
    old, version = version_of(before, _function(before))
    new, _ = version_of(after, _function(after))
    ((settings, config),) = before.of_type("Lambda::EventInvokeConfig").items()

    assert old != new
    assert old not in after.resources
    for resource in (version, config):
        # Kept, unless it is made in a deploy that fails: Lambda would refuse to publish a version
        # of the same code again.
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resource["UpdateReplacePolicy"] == "Retain"
    assert after.resources[settings]["Properties"]["Qualifier"] == {"Fn::GetAtt": [new, "Version"]}


def test_the_gateway_goes_on_to_invoke_old_versions(updates: dict[str, Template]) -> None:
    before, after = updates["before"], updates["other-code"]
    policy = named(before, "IAM::Policy", "GatewayRolePolicy")

    assert before.resources[policy] == after.resources[policy]


def test_other_code_means_other_machines_and_the_same_group(updates: dict[str, Template]) -> None:
    before, after = updates["before"], updates["other-code"]
    template = before.id_of("EC2::LaunchTemplate")
    group = before.id_of("AutoScaling::AutoScalingGroup")
    refresh = before.id_of("Custom::TailraceInstanceRefresh")

    assert before.resources[template] != after.resources[template]
    assert before.resources[group] == after.resources[group]
    assert after.resources[group]["Properties"]["LaunchTemplate"] == {
        "LaunchTemplateId": {"Ref": template},
        "Version": {"Fn::GetAtt": [template, "LatestVersionNumber"]},
    }
    properties = after.resources[refresh]["Properties"]
    assert properties["LaunchTemplateVersion"] == {"Fn::GetAtt": [template, "LatestVersionNumber"]}
    assert properties["GroupName"] == {"Ref": group}
    assert {k: properties["Preferences"][k] for k in ("MinHealthyPercentage", "SkipMatching")} == {
        "MinHealthyPercentage": 100,
        "SkipMatching": True,
    }


def test_the_same_code_is_the_same_version(updates: dict[str, Template]) -> None:
    """Lambda refuses to publish what it has published; concurrency is no part of a version."""
    before, after = updates["before"], updates["other-concurrency"]
    function = _function(before)

    changed = [name for name in before.resources if before.resources[name] != after.resources[name]]

    assert changed == [function]
    assert after.resources[function]["Properties"]["ReservedConcurrentExecutions"] == 60
    assert before.resources.keys() == after.resources.keys()


def test_the_function_reaches_callback_ports_alone(parts: Assembly) -> None:
    template = parts.template("Plain")
    group = named(template, "EC2::SecurityGroup", "LinesSecurityGroup")
    gateways = named(template, "EC2::SecurityGroup", "GatewaySecurityGroup")

    assert rules(template, "Egress", group) == [
        {**CALLBACKS, "DestinationSecurityGroupId": group_id(gateways)}
    ]
    assert rules(template, "Ingress", group) == []


def test_a_function_that_needs_the_internet_reaches_https(parts: Assembly) -> None:
    template = parts.template("Full")
    group = named(template, "EC2::SecurityGroup", "LinesSecurityGroup")
    gateways = named(template, "EC2::SecurityGroup", "GatewaySecurityGroup")

    assert rules(template, "Egress", group) == [
        {**tcp(443), "CidrIp": "0.0.0.0/0"},
        {**CALLBACKS, "DestinationSecurityGroupId": group_id(gateways)},
    ]


def test_the_function_is_in_the_private_subnets(parts: Assembly) -> None:
    template = parts.template("Plain")
    group = named(template, "EC2::SecurityGroup", "LinesSecurityGroup")

    assert properties(template, "Lambda::Function", "LinesFunction")["VpcConfig"] == {
        "SecurityGroupIds": [group_id(group)],
        "SubnetIds": [
            {"Ref": named(template, "EC2::Subnet", f"NetworkPrivate{number}Subnet")}
            for number in (1, 2)
        ],
    }


def test_its_role_writes_one_log_and_makes_interfaces_for_lambda_alone(parts: Assembly) -> None:
    template = parts.template("Plain")
    function = named(template, "Lambda::Function", "LinesFunction")
    log = named(template, "Logs::LogGroup", "LinesLog")

    assert statements(template, "LinesRoleDefaultPolicy") == [
        {
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Effect": "Allow",
            "Resource": {"Fn::GetAtt": [log, "Arn"]},
        },
        {"Action": INTERFACES, "Effect": "Allow", "Resource": "*"},
    ]
    assert statements(template, "LinesNotForTheCode") == [
        {
            "Action": INTERFACES,
            "Effect": "Deny",
            "Resource": "*",
            "Condition": {
                "ArnEquals": {"lambda:SourceFunctionArn": {"Fn::GetAtt": [function, "Arn"]}}
            },
        }
    ]
    assert "ManagedPolicyArns" not in properties(template, "IAM::Role", "LinesRole")
    assert template.resources[function]["DependsOn"] == [
        named(template, "IAM::Policy", "LinesRoleDefaultPolicy"),
        named(template, "IAM::Role", "LinesRole"),
    ]


def _function(template: Template) -> str:
    return named(template, "Lambda::Function", "LinesFunction")
