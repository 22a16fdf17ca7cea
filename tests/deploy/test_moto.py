"""The template of the documentation's app, created by moto's CloudFormation and read by boto3.

What moto does not make is named here, and asserted on the template elsewhere. So is what it takes
and leaves at a default: attributes of load balancers and target groups (test_balancer.py), tables
of subnets (test_network.py), and the ARN for which a version stands (test_gateway.py).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.parsers import ResponseParserError
from tests.deploy.assembly import Assembly, Resource, Template
from tests.deploy.moto_cloud import ACCOUNT, BUCKET, REGION, Cloud, moto_cloud

UNMADE = {
    "AWS::AutoScaling::LifecycleHook": "test_gateway.py",
    "AWS::AutoScaling::ScalingPolicy": "test_gateway.py",
    "AWS::CloudFront::Distribution": "test_distribution.py",
    "AWS::CloudFront::OriginRequestPolicy": "test_distribution.py",
    "AWS::CloudFront::VpcOrigin": "test_distribution.py",
    "AWS::CloudWatch::Alarm": "test_alarms.py",
    "AWS::EC2::SecurityGroupEgress": "test_balancer.py",
    "AWS::Lambda::EventInvokeConfig": "test_streaming_function.py",
}
"""What moto 5.2 passes over in silence, and the tests of its template."""
LEFT_OUT = (
    "AWS::EC2::SecurityGroupIngress",
    "Custom::TailraceInstanceRefresh",
    "Custom::TailracePrefixListId",
)
"""What it refuses, a rule for a prefix list (test_balancer.py), and what it runs in Docker: custom
resources (test_helper_on_lambda.py)."""
PORTS = (8081, 8208)


@dataclass(frozen=True)
class Deployed:
    """A stack in moto."""

    cloud: Cloud
    template: Template
    made: dict[str, str]
    keys: list[str]

    def one(self, service: str, operation: str, key: str, **arguments: Any) -> dict[str, Any]:
        """The only result of a call."""
        (found,) = getattr(self.cloud.client(service), operation)(**arguments)[key]
        result: dict[str, Any] = found
        return result

    def id_of(self, kind: str) -> str:
        return self.made[self.template.id_of(kind)]

    @property
    def function_arn(self) -> str:
        (name,) = (
            name
            for name, resource in self.template.of_type("Lambda::Function").items()
            if resource["Properties"]["Timeout"] == 300
        )
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.made[name]}"

    def group(self, words: str) -> dict[str, Any]:
        """The stack's security group with these words in its description."""
        (name,) = (
            name
            for name, group in self.template.of_type("EC2::SecurityGroup").items()
            if words in group["Properties"]["GroupDescription"]
        )
        ids = [self.made[name]]
        return self.one("ec2", "describe_security_groups", "SecurityGroups", GroupIds=ids)


def left_out(template: Template) -> set[str]:
    return {
        name
        for name, resource in template.resources.items()
        if resource["Type"].startswith("Custom::")
        or "SourcePrefixListId" in resource.get("Properties", {})
    }


def made_by_moto(template: Template) -> dict[str, Resource]:
    out = left_out(template)
    return {name: each for name, each in template.resources.items() if name not in out}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with moto_cloud(tmp_path_factory.mktemp("moto") / "log") as cloud:
        cloud.bootstrap()
        yield cloud


@pytest.fixture(scope="module")
def deployed(cloud: Cloud, example: Assembly, lines: Template) -> Deployed:
    keys = cloud.put_assets(example, "Lines")
    cloud.deploy("create", "Lines", lines, made_by_moto(lines))
    return Deployed(cloud, lines, cloud.made("Lines"), keys)


def test_what_moto_does_not_make_is_known(deployed: Deployed) -> None:
    resources = deployed.template.resources
    unmade = resources.keys() - deployed.made.keys() - left_out(deployed.template)

    assert {resources[name]["Type"] for name in unmade} == set(UNMADE)
    assert {resources[name]["Type"] for name in left_out(deployed.template)} <= set(LEFT_OUT)
    assert len(deployed.made) >= 45


def test_moto_refuses_a_rule_for_a_prefix_list(deployed: Deployed) -> None:
    """When it makes one, `LEFT_OUT` shrinks."""
    template = deployed.template
    vpc = template.id_of("EC2::VPC")
    (rule,) = (
        resource
        for resource in template.of_type("EC2::SecurityGroupIngress").values()
        if "SourcePrefixListId" in resource["Properties"]
    )
    group = rule["Properties"]["GroupId"]["Fn::GetAtt"][0]
    known = {**rule, "Properties": {**rule["Properties"], "SourcePrefixListId": "pl-0123abcd"}}
    alone = {vpc: template.resources[vpc], group: template.resources[group]}

    deployed.cloud.deploy("create", "Group", template, alone)
    with pytest.raises(ResponseParserError, match="500 Internal Server Error"):
        deployed.cloud.deploy("create", "Rule", template, {**alone, "Rule": known})


def test_the_network_has_two_private_subnets_without_public_addresses(deployed: Deployed) -> None:
    vpc = deployed.id_of("EC2::VPC")
    ec2 = deployed.cloud.client("ec2")
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    assert len(subnets) == 4
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2
    # The VPC's own table, and one of each subnet.
    assert sorted(map(_leads_out, tables)) == [False, False, False, True, True]
    endpoints = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    assert {each["ServiceName"] for each in endpoints["VpcEndpoints"]} == {
        f"com.amazonaws.{REGION}.{name}" for name in ("autoscaling", "lambda", "logs", "s3")
    }


def _leads_out(table: dict[str, Any]) -> bool:
    return any(route.get("DestinationCidrBlock") == "0.0.0.0/0" for route in table["Routes"])


def test_who_reaches_the_gateways(deployed: Deployed) -> None:
    gateways = deployed.group("gateways, from")
    functions, balancer = deployed.group("a function"), deployed.group("the load balancer, from")
    permissions = {
        (rule["FromPort"], rule["ToPort"]): [pair["GroupId"] for pair in rule["UserIdGroupPairs"]]
        for rule in gateways["IpPermissions"]
    }

    assert permissions == {(8080, 8080): [balancer["GroupId"]], PORTS: [functions["GroupId"]]}
    assert not any(rule["IpRanges"] for rule in gateways["IpPermissions"])
    assert functions["IpPermissions"] == []


def test_machines_have_no_public_address_and_only_the_second_metadata_service(
    deployed: Deployed,
) -> None:
    version = deployed.one(
        "ec2", "describe_launch_template_versions", "LaunchTemplateVersions",
        LaunchTemplateId=deployed.id_of("EC2::LaunchTemplate"),
    )  # fmt: skip
    data = version["LaunchTemplateData"]
    (interface,) = data["NetworkInterfaces"]
    user_data = base64.b64decode(data["UserData"]).decode()

    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert interface["AssociatePublicIpAddress"] is False
    assert interface["Groups"] == [deployed.group("gateways, from")["GroupId"]]
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    assert 'path = "/*"' in user_data
    assert any(f"s3://{BUCKET}/{key}" in user_data for key in deployed.keys)


def test_two_machines_are_targets_of_the_load_balancer(deployed: Deployed) -> None:
    group = deployed.one("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups")
    targets = deployed.one("elbv2", "describe_target_groups", "TargetGroups")
    health = deployed.cloud.client("elbv2").describe_target_health(
        TargetGroupArn=targets["TargetGroupArn"]
    )["TargetHealthDescriptions"]

    assert (group["MinSize"], group["MaxSize"], group["HealthCheckType"]) == (2, 4, "ELB")
    assert group["TargetGroupARNs"] == [targets["TargetGroupArn"]]
    assert {each["Target"]["Id"] for each in health} == {
        each["InstanceId"] for each in group["Instances"]
    }
    assert {each["Target"]["Port"] for each in health} == {8080}
    assert targets["HealthCheckPath"] == "/_tailrace/health"
    assert (targets["HealthCheckIntervalSeconds"], targets["HealthCheckTimeoutSeconds"]) == (5, 4)


def test_the_load_balancer_is_internal_and_forwards_to_them(deployed: Deployed) -> None:
    balancer = deployed.one("elbv2", "describe_load_balancers", "LoadBalancers")
    targets = deployed.one("elbv2", "describe_target_groups", "TargetGroups")
    listener = deployed.one(
        "elbv2", "describe_listeners", "Listeners", LoadBalancerArn=balancer["LoadBalancerArn"]
    )

    assert (balancer["Scheme"], balancer["State"]["Code"]) == ("internal", "active")
    assert balancer["SecurityGroups"] == [deployed.group("the load balancer, from")["GroupId"]]
    assert (listener["Port"], listener["Protocol"]) == (80, "HTTP")
    assert listener["DefaultActions"] == [
        {"Type": "forward", "TargetGroupArn": targets["TargetGroupArn"]}
    ]


def test_the_machines_role_invokes_versions_of_the_function_and_reads_one_archive(
    deployed: Deployed,
) -> None:
    iam = deployed.cloud.client("iam")
    profile = deployed.one("iam", "list_instance_profiles", "InstanceProfiles")
    (role,) = profile["Roles"]
    names = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
    allowed = {
        action: statement["Resource"]
        for name in names
        for statement in iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)[
            "PolicyDocument"
        ]["Statement"]
        for action in [statement["Action"]]
        if isinstance(action, str)
    }

    assert iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"] == []
    assert allowed["lambda:InvokeFunction"] == f"{deployed.function_arn}:*"
    assert allowed["s3:GetObject"].removeprefix(f"arn:aws:s3:::{BUCKET}/") in deployed.keys


def test_the_function_has_a_version(deployed: Deployed) -> None:
    client = deployed.cloud.client("lambda")
    found = client.get_function(FunctionName=f"{deployed.function_arn}:1")["Configuration"]

    assert (found["Version"], found["Timeout"], found["State"]) == ("1", 300, "Active")
    assert found["CodeSize"] > 0
