"""The machines of a gateway: who reaches them, what they may do, when they come and go."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from typing import Any

from tests.deploy.assembly import Assembly, Template
from tests.deploy.security import group_id, named, properties, rules, statements, tcp

ASSETS = "cdk-hnb659fds-assets-123456789012-eu-central-1"


def launch_data(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = template.only("EC2::LaunchTemplate")["LaunchTemplateData"]
    return found


def user_data(template: Template) -> str:
    """The script, with the logical ids of what AWS fills in."""
    joined = launch_data(template)["UserData"]["Fn::Base64"]["Fn::Join"][1]
    return "".join(each if isinstance(each, str) else f"<{each['Ref']}>" for each in joined)


def gateways(template: Template) -> str:
    return named(template, "EC2::SecurityGroup", "GatewaySecurityGroup")


def arn(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


def test_functions_alone_reach_the_callback_ports(parts: Assembly) -> None:
    """And nobody anything else: a load balancer opens the public port to itself when it is made."""
    template = parts.template("Full")
    functions = [
        named(template, "EC2::SecurityGroup", f"{name}SecurityGroup")
        for name in ("Lines", "Bundled")
    ]

    assert rules(template, "Ingress", gateways(template)) == [
        {**tcp(8081, 8208), "SourceSecurityGroupId": group_id(function)} for function in functions
    ]


def test_machines_reach_https_alone(parts: Assembly) -> None:
    template = parts.template("Plain")

    assert rules(template, "Egress", gateways(template)) == [{**tcp(443), "CidrIp": "0.0.0.0/0"}]


def test_machines_have_no_public_address_no_key_and_imdsv2(parts: Assembly) -> None:
    template = parts.template("Plain")
    data = launch_data(template)

    assert data["NetworkInterfaces"] == [
        {
            "AssociatePublicIpAddress": False,
            "DeviceIndex": 0,
            "Groups": [group_id(gateways(template))],
        }
    ]
    assert "KeyName" not in data
    assert data["MetadataOptions"] == {
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
        "InstanceMetadataTags": "enabled",
    }
    assert data["InstanceType"] == "t4g.small"
    assert data["BlockDeviceMappings"] == [
        {
            "DeviceName": "/dev/xvda",
            "Ebs": {"Encrypted": True, "VolumeSize": 8, "VolumeType": "gp3"},
        }
    ]


def test_the_image_is_found_by_cloudformation(parts: Assembly) -> None:
    for stack, machine in (("Plain", "arm64"), ("Full", "x86_64")):
        template = parts.template(stack)
        parameter = template.body["Parameters"][launch_data(template)["ImageId"]["Ref"]]

        assert parameter["Type"] == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"
        assert parameter["Default"].startswith("/aws/service/ami-amazon-linux-latest/al2023-ami-")
        assert parameter["Default"].endswith(f"-{machine}")


def test_the_role_has_these_rights_and_no_others(parts: Assembly) -> None:
    template = parts.template("Plain")
    asset = json.loads((parts.folder / "Plain.assets.json").read_text())
    wheels = [
        each["destinations"].popitem()[1]["objectKey"]
        for name, each in asset["files"].items()
        if each["displayName"].startswith("Gateway/Wheels")
    ]
    function = named(template, "Lambda::Function", "LinesFunction")
    logs = [
        arn(name) for name in template.of_type("Logs::LogGroup") if name.startswith("GatewayLog")
    ]

    bucket = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"
    objects = [":s3:::", {"Fn::Sub": bucket}, f"/{wheels[0]}"]
    assert statements(template, "GatewayRolePolicy") == [
        {
            "Action": "lambda:InvokeFunction",
            "Effect": "Allow",
            "Resource": {"Fn::Join": ["", [arn(function), ":*"]]},
        },
        {
            "Action": "s3:GetObject",
            "Effect": "Allow",
            "Resource": {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, *objects]]},
        },
        {
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Effect": "Allow",
            "Resource": logs,
        },
    ]
    assert len(wheels) == 1


def test_a_machine_completes_the_hook_of_its_own_group(parts: Assembly) -> None:
    template = parts.template("Full")
    group = template.id_of("AutoScaling::AutoScalingGroup")

    place = ":autoscaling:eu-central-1:123456789012:autoScalingGroup:*:autoScalingGroupName/"
    joined = ["arn:", {"Ref": "AWS::Partition"}, place, {"Ref": group}]
    assert statements(template, "GatewayRoleLifecycle") == [
        {
            "Action": [
                "autoscaling:CompleteLifecycleAction",
                "autoscaling:RecordLifecycleActionHeartbeat",
            ],
            "Effect": "Allow",
            "Resource": {"Fn::Join": ["", joined]},
        }
    ]


def test_no_role_has_a_managed_policy(parts: Assembly) -> None:
    for stack in parts.stacks:
        for name, role in parts.template(stack).of_type("IAM::Role").items():
            assert "ManagedPolicyArns" not in role["Properties"], name


def test_session_manager_has_its_actions_where_it_is_wanted(parts: Assembly) -> None:
    plain, full = (statements(parts.template(s), "GatewayRolePolicy") for s in ("Plain", "Full"))

    assert full[3:] == [
        {
            "Action": [
                "ssm:UpdateInstanceInformation",
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            ],
            "Effect": "Allow",
            "Resource": "*",
        }
    ]
    assert "ssm" not in json.dumps(plain)


def test_a_deploy_leaves_the_group_as_scaling_has_set_it(parts: Assembly) -> None:
    for stack in parts.stacks:
        group = parts.template(stack).only("AutoScaling::AutoScalingGroup")

        assert "DesiredCapacity" not in group


def test_the_group_replaces_before_it_ends(parts: Assembly) -> None:
    group = parts.template("Plain").only("AutoScaling::AutoScalingGroup")

    assert (group["MinSize"], group["MaxSize"]) == ("2", "4")
    assert group["InstanceMaintenancePolicy"] == {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 200,
    }
    assert group["HealthCheckType"] == "ELB"
    assert group["HealthCheckGracePeriod"] == 300
    assert group["DefaultInstanceWarmup"] == 60
    assert "InstanceLifecyclePolicy" not in group
    assert "MaxInstanceLifetime" not in group


def hooks(template: Template) -> dict[str, tuple[str, int, str]]:
    found = [each["Properties"] for each in template.of_type("AutoScaling::LifecycleHook").values()]
    return {
        each["LifecycleHookName"]: (
            each["LifecycleTransition"].removeprefix("autoscaling:EC2_INSTANCE_"),
            each["HeartbeatTimeout"],
            each["DefaultResult"],
        )
        for each in found
    }


def test_a_machine_serves_before_it_counts_and_drains_before_it_ends(parts: Assembly) -> None:
    assert hooks(parts.template("Plain")) == {
        "boot": ("LAUNCHING", 600, "ABANDON"),
        "drain": ("TERMINATING", 900, "CONTINUE"),
    }


def test_a_machine_that_did_not_drain_may_be_retained(parts: Assembly) -> None:
    template = parts.template("Full")
    group = template.only("AutoScaling::AutoScalingGroup")

    assert hooks(template)["drain"] == ("TERMINATING", 600, "ABANDON")
    assert group["InstanceLifecyclePolicy"] == {
        "RetentionTriggers": {"TerminateHookAbandon": "retain"}
    }


def test_the_group_is_scaled_by_what_it_holds(parts: Assembly) -> None:
    for stack, target in (("Plain", 60), ("Full", 40)):
        policy = parts.template(stack).only("AutoScaling::ScalingPolicy")
        tracking = policy["TargetTrackingConfiguration"]
        metric = tracking["CustomizedMetricSpecification"]

        assert tracking["TargetValue"] == target
        assert "PredefinedMetricSpecification" not in tracking  # such as CPU
        assert (metric["Namespace"], metric["MetricName"]) == ("Tailrace", "HeldPercent")
        assert metric["Statistic"] == "Average"
        assert [each["Name"] for each in metric["Dimensions"]] == ["Gateway"]


def test_a_deploy_that_waits_leaves_the_refresh_to_cloudformation(parts: Assembly) -> None:
    template = parts.template("Full")
    ((_, group),) = template.of_type("AutoScaling::AutoScalingGroup").items()

    preferences = group["UpdatePolicy"]["AutoScalingInstanceRefresh"]["Preferences"]

    assert preferences["MinHealthyPercentage"] == 100
    assert preferences["MaxHealthyPercentage"] == 200
    assert template.of_type("Custom::TailraceInstanceRefresh") == {}
    assert parts.template("Plain").of_type("Custom::TailraceInstanceRefresh") != {}


def test_a_group_starts_when_its_machines_may_do_what_they_must(parts: Assembly) -> None:
    """A machine reads its wheels at its first boot: it needs the right to, and a way there."""
    template = parts.template("Plain")
    ((_, group),) = template.of_type("AutoScaling::AutoScalingGroup").items()
    kinds = ("EC2::VPCEndpoint", "EC2::SubnetRouteTableAssociation", "EC2::Route")
    ways = {name for kind in kinds for name in template.of_type(kind)}

    assert {named(template, "IAM::Policy", "GatewayRolePolicy"), *ways} <= set(group["DependsOn"])


def test_all_that_can_be_set_is_set(parts: Assembly) -> None:
    template = parts.template("Full")
    group, data = template.only("AutoScaling::AutoScalingGroup"), launch_data(template)
    log = properties(template, "Logs::LogGroup", "GatewayLoggateway")

    assert (group["MinSize"], group["MaxSize"]) == ("3", "9")
    assert group["MaxInstanceLifetime"] == 14 * 86_400
    assert data["InstanceType"] == "c7i.large"
    assert data["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 20
    assert log["RetentionInDays"] == 365


def test_a_machine_is_told_all_that_it_needs(parts: Assembly) -> None:
    """The machine's configuration is the one that the synthesis has checked."""
    template = parts.template("Full")
    script = user_data(template)
    config = script.partition("tailrace.toml <<'TAILRACE_END_OF_FILE' &&\n")[2]
    table = tomllib.loads(config.partition("\nTAILRACE_END_OF_FILE")[0])
    versions = [f"<{name}>" for name in template.of_type("Lambda::Version")]
    logs = [
        f"<{named(template, 'Logs::LogGroup', f'GatewayLog{name}')}>"
        for name in ("gateway", "boot", "metrics")
    ]

    assert table == {
        "routes": [
            {"path": "/lines/*", "host": "a.example", "function": versions[0], "concurrency": 5},
            {"path": "/", "function": versions[1], "transport": "response-stream"},
        ],
        "gateway": {
            "held_max": 5000,
            "trusted_hops": 2,
            "scheme_header": "cloudfront-forwarded-proto",
            "drain_delay_s": 25,
            "drain_timeout_s": 900,
            "first_byte_timeout_s": 61,
        },
    }
    tracking = template.only("AutoScaling::ScalingPolicy")["TargetTrackingConfiguration"]
    name = tracking["CustomizedMetricSpecification"]["Dimensions"][0]["Value"]
    assert (
        'TAILRACE_OPTIONS="--workers 3 --callback-listen 0.0.0.0:8081 --callback-ports 8081-8208'
        f' --advertise auto --lifecycle-hook drain --metrics emf --metrics-name {name}"\n'
        'AWS_REGION="eu-central-1"\n'
    ) in script
    assert "\nhook=boot\n" in script
    for log in logs:
        assert f'"log_group_name": "{log}"' in script


def test_the_options_are_those_that_the_gateway_takes(parts: Assembly) -> None:
    line = user_data(parts.template("Full")).partition('TAILRACE_OPTIONS="')[2].partition('"')[0]

    done = subprocess.run(
        [sys.executable, "-m", "tailrace", "gateway", *shlex.split(line), "--help"],
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0
