"""The VPC: what is in it, what its private subnets reach, and what that costs."""

from __future__ import annotations

import re
from typing import Any

from tests.deploy.assembly import Assembly, Template
from tests.deploy.security import group_id, named, properties, rules, tcp


def default_routes(template: Template) -> dict[str, Any]:
    """The target of each default route, by the name of the subnet."""
    return {
        name.removeprefix("Network").partition("DefaultRoute")[0]: (
            route["Properties"].get("GatewayId") or route["Properties"]["NatGatewayId"]
        )
        for name, route in template.of_type("EC2::Route").items()
    }


def subnet(template: Template, name: str) -> tuple[Any, ...]:
    found = properties(template, "EC2::Subnet", f"Network{name}Subnet")
    return found["CidrBlock"], found["AvailabilityZone"], found["MapPublicIpOnLaunch"]


def test_nothing_is_looked_up(parts: Assembly) -> None:
    """Not the availability zones, either, though two stacks have an account and a region."""
    assert "missing" not in parts.manifest


def test_a_new_vpc_has_a_public_and_a_private_subnet_in_each_zone(parts: Assembly) -> None:
    template = parts.template("Full")
    first, second = ({"Fn::Select": [number, {"Fn::GetAZs": ""}]} for number in (0, 1))

    assert subnet(template, "Public1") == ("10.9.0.0/24", first, False)
    assert subnet(template, "Public2") == ("10.9.1.0/24", second, False)
    assert subnet(template, "Private1") == ("10.9.2.0/24", first, False)
    assert subnet(template, "Private2") == ("10.9.3.0/24", second, False)
    assert template.only("EC2::VPC")["CidrBlock"] == "10.9.0.0/20"
    assert template.only("EC2::VPC")["EnableDnsSupport"] is True


def test_the_zones_may_be_named(parts: Assembly) -> None:
    """Not each zone has all that a site needs, and the first two of an account are any."""
    few = parts.template("Few")

    assert [subnet(few, name)[1] for name in ("Public1", "Public2", "Private1", "Private2")] == [
        "eu-central-1b", "eu-central-1c", "eu-central-1b", "eu-central-1c"
    ]  # fmt: skip


def descriptions(template: Template) -> list[str]:
    """Of security groups and of the rules in them and beside them."""
    found = []
    for resource in template.resources.values():
        if resource["Type"].startswith("AWS::EC2::SecurityGroup"):
            own = resource["Properties"]
            inside = [*own.get("SecurityGroupEgress", []), *own.get("SecurityGroupIngress", [])]
            found += [
                own.get("GroupDescription"),
                *(each.get("Description") for each in (own, *inside)),
            ]
    return [text for text in found if text is not None]


def test_ec2_accepts_the_descriptions(parts: Assembly, front: Assembly, example: Assembly) -> None:
    """It refuses a rule with any other character, an apostrophe for one, and so does the deploy.

    Amazon EC2 API Reference, "IpRange" and "CreateSecurityGroup", read 2026-11.
    """
    accepted = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")
    texts = {
        text
        for assembly in (parts, front, example)
        for stack in assembly.stacks
        for text in descriptions(assembly.template(stack))
    }

    assert {"AWS services", "callbacks", "Load balancer to target"} <= texts
    assert [text for text in texts if not accepted.fullmatch(text)] == []


def test_private_subnets_have_no_way_out_unless_by_nat(parts: Assembly) -> None:
    plain, full = parts.template("Plain"), parts.template("Full")
    internet = {"Ref": plain.id_of("EC2::InternetGateway")}
    nat = {"Ref": full.id_of("EC2::NatGateway")}

    assert default_routes(plain) == {"Public1": internet, "Public2": internet}
    assert default_routes(full) == {
        "Public1": internet, "Public2": internet, "Private1": nat, "Private2": nat
    }  # fmt: skip
    assert plain.of_type("EC2::NatGateway") == plain.of_type("EC2::EIP") == {}


def test_an_internet_gateway_is_attached_for_the_vpc_origin(parts: Assembly) -> None:
    plain = parts.template("Plain")

    assert plain.only("EC2::VPCGatewayAttachment") == {
        "VpcId": {"Ref": plain.id_of("EC2::VPC")},
        "InternetGatewayId": {"Ref": plain.id_of("EC2::InternetGateway")},
    }


def test_the_services_that_a_gateway_calls_have_endpoints(parts: Assembly) -> None:
    template = parts.template("Plain")
    group = named(template, "EC2::SecurityGroup", "NetworkEndpoints")
    private = [{"Ref": named(template, "EC2::Subnet", f"NetworkPrivate{n}Subnet")} for n in (1, 2)]
    found = [each["Properties"] for each in template.of_type("EC2::VPCEndpoint").values()]
    interfaces = [each for each in found if each["VpcEndpointType"] == "Interface"]

    assert sorted(each["ServiceName"]["Fn::Join"][1][-1] for each in found) == [
        ".autoscaling", ".lambda", ".logs", ".s3"
    ]  # fmt: skip
    for each in interfaces:
        assert each["SubnetIds"] == private
        assert each["SecurityGroupIds"] == [group_id(group)]
        assert each["PrivateDnsEnabled"] is True


def test_endpoints_are_reached_by_gateways_alone(parts: Assembly) -> None:
    template = parts.template("Plain")
    group = named(template, "EC2::SecurityGroup", "NetworkEndpoints")
    gateways = named(template, "EC2::SecurityGroup", "GatewaySecurityGroup")

    assert rules(template, "Ingress", group) == [
        {**tcp(443), "SourceSecurityGroupId": group_id(gateways)}
    ]


def test_a_function_that_needs_the_internet_reaches_endpoints_as_well(parts: Assembly) -> None:
    """Their private names stand in the place of the public ones, for everything in the VPC."""
    template = parts.template("Full")
    group = named(template, "EC2::SecurityGroup", "NetworkEndpoints")

    sources = [each["SourceSecurityGroupId"] for each in rules(template, "Ingress", group)]

    assert group_id(named(template, "EC2::SecurityGroup", "LinesSecurityGroup")) in sources
    assert group_id(named(template, "EC2::SecurityGroup", "BundledSecurityGroup")) not in sources


def test_s3_is_reached_from_each_subnet_without_the_internet(parts: Assembly) -> None:
    template = parts.template("Plain")
    (s3,) = [
        each["Properties"]
        for each in template.of_type("EC2::VPCEndpoint").values()
        if each["Properties"]["VpcEndpointType"] == "Gateway"
    ]

    assert {each["Ref"] for each in s3["RouteTableIds"]} == set(template.of_type("EC2::RouteTable"))


def test_the_price_is_named(parts: Assembly) -> None:
    assert [text for level, text in parts.annotations("Plain") if level == "info"] == [
        "this VPC costs 43.80 USD a month before traffic, for 6 interface endpoints"
        " (us-east-1, 2026-11-30)"
    ]
    assert [text for level, text in parts.annotations("Full") if level == "info"] == [
        "this VPC costs 47.45 USD a month before traffic, for 2 interface endpoints and a NAT"
        " gateway (us-east-1, 2026-11-30)"
    ]


def test_nothing_is_added_to_a_given_vpc(parts: Assembly) -> None:
    template = parts.template("Given")

    for kind in ("VPC", "Subnet", "VPCEndpoint", "InternetGateway", "Route"):
        assert template.of_type(f"EC2::{kind}") == {}
    assert template.only("AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"] == [
        "subnet-0b000000000000001", "subnet-0b000000000000002"
    ]  # fmt: skip


def warnings(assembly: Assembly, stack: str) -> list[str]:
    return [
        text.partition(" [ack: ")[0]
        for level, text in assembly.annotations(stack)
        if level == "warning"
    ]


def test_what_a_vpc_lacks_is_a_warning(parts: Assembly) -> None:
    assert warnings(parts, "Plain") == warnings(parts, "Full") == []
    assert warnings(parts, "Given") == [
        "the function needs the internet, and the subnets of Given/Network have no route there, so"
        ' its connections will time out: set egress="nat" there, or add interface endpoints for the'
        " AWS services that it calls"
    ]
    assert warnings(parts, "Few") == [
        "machines call autoscaling, ssmmessages, and Few/Network has no way there: name them in its"
        ' endpoints, or set egress="nat"'
    ]
