"""The VPC in which gateways and functions are."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from itertools import islice
from typing import Final, Literal

from aws_cdk import Annotations, Fn, Tags
from aws_cdk import aws_ec2 as ec2
from constructs import Construct, DependencyGroup

from tailrace.costs.prices import US_EAST_1
from tailrace.deploy import limits
from tailrace.deploy.suppression import suppress
from tailrace.errors import ConfigError
from tailrace.words import counted

Egress = Literal["none", "nat"]
"""How what is in the private subnets reaches the internet."""

ENDPOINTS: Final = ("lambda", "autoscaling", "logs")
"""The services that a gateway calls: it invokes, completes its lifecycle hook, writes its log."""

_HTTPS: Final = 443
_EGRESS: Final = ("none", "nat")
_S3: Final = ec2.GatewayVpcEndpointAwsService.S3


class Network(Construct):
    """A VPC with private subnets: that of `vpc`, or a new one.

    A new VPC has two availability zones, with a public and a private subnet in each: those of
    `zones`, names such as "us-east-1b", or the first two that AWS names. What is in the
    private subnets reaches S3 and the services of `endpoints`, by default those of `ENDPOINTS`;
    with `egress="nat"` all of the internet, through one NAT gateway, and no endpoints. Both cost
    money each hour, and an info line of the synthesis has the sum. `cidr` is from /16 to /24.

    To a given VPC nothing is added. It must have DNS, an internet gateway for CloudFront's VPC
    origins, and in its private subnets, or those of `subnets`, a route to S3 and to the services of
    `ENDPOINTS`. `egress` says whether they have one to the internet, where CDK cannot know.

    Raises:
        ConfigError: a value is not allowed, or the VPC has no private subnets.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        vpc: ec2.IVpc | None = None,
        egress: Egress | None = None,
        endpoints: Sequence[str] | None = None,
        subnets: Sequence[ec2.ISubnet] | None = None,
        cidr: str = limits.NETWORK_CIDR,
        zones: Sequence[str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        if egress not in (None, *_EGRESS):
            where = f"{self.node.path}: egress"
            raise ConfigError(f"{egress!r} is unknown", where=where, allowed=", ".join(_EGRESS))
        if vpc is not None and endpoints is not None:
            remedy = "add others with vpc.add_interface_endpoint"
            problem = f"a given VPC keeps those that it has; {remedy}"
            raise ConfigError(problem, where=f"{self.node.path}: endpoints")
        if vpc is not None and cidr != limits.NETWORK_CIDR:
            problem = "a given VPC keeps the addresses that it has; leave it out"
            raise ConfigError(problem, where=f"{self.node.path}: cidr")
        if vpc is None and subnets is not None:
            problem = "they are in no VPC that is made here; give their vpc too"
            raise ConfigError(problem, where=f"{self.node.path}: subnets")
        if zones is not None and (vpc is not None or len(set(zones)) != limits.ZONES):
            where, allowed = f"{self.node.path}: zones", f"{limits.ZONES} of a VPC that is made"
            raise ConfigError(f"{list(zones)} do not fit", where=where, allowed=allowed)
        self.is_created = vpc is None
        if endpoints is None:
            endpoints = ENDPOINTS if vpc is None and egress != "nat" else ()
        self.endpoints = tuple(endpoints)
        self.egress = egress
        self.vpc = self._create(cidr, zones) if vpc is None else vpc
        self.private_subnets = self._private_subnets(subnets)
        self._endpoint_group = self._make_endpoints()
        if self.is_created:
            self._name_the_price()

    @property
    def has_internet(self) -> bool:
        """Whether what is in the private subnets reaches the internet."""
        if self.egress is not None or self.is_created:
            return self.egress == "nat"
        return bool(self.vpc.private_subnets)

    def unreached(self, services: Sequence[str]) -> list[str]:
        """Return those of AWS's services that the private subnets do not reach, as far as known."""
        if self.has_internet or not self.is_created:
            return []
        return [name for name in services if name not in self.endpoints]

    def allow_to_endpoints(self, peer: ec2.ISecurityGroup, description: str) -> None:
        """Let the members of a security group reach the interface endpoints that are made here."""
        if self._endpoint_group is not None:
            self._endpoint_group.add_ingress_rule(peer, ec2.Port.tcp(_HTTPS), description)

    def _private_subnets(self, given: Sequence[ec2.ISubnet] | None) -> ec2.SubnetSelection:
        """Return the subnets for gateways and functions."""
        subnets = given or self.vpc.private_subnets or self.vpc.isolated_subnets
        if not subnets:
            problem = "it has no private subnets; name some with subnets="
            raise ConfigError(problem, where=f"{self.node.path}: vpc")
        return ec2.SubnetSelection(subnets=list(subnets))

    def _create(self, cidr: str, zones: Sequence[str] | None) -> ec2.IVpc:
        """Make the VPC from its parts: `ec2.Vpc` asks the account for its availability zones."""
        vpc = ec2.CfnVPC(
            self, "Vpc", cidr_block=cidr, enable_dns_hostnames=True, enable_dns_support=True
        )
        Tags.of(vpc).add("Name", self.node.path)
        suppress(
            vpc, "AwsSolutions-VPC7", "flow logs cost money; network.vpc.add_flow_log adds them"
        )
        # CloudFront reaches a VPC origin only in a VPC with an internet gateway, though nothing is
        # routed there (CloudFront Developer Guide, "Restrict access with VPC origins", read
        # 2026-11).
        internet = ec2.CfnInternetGateway(self, "Internet")
        attached = ec2.CfnVPCGatewayAttachment(
            self, "InternetAttached", vpc_id=vpc.ref, internet_gateway_id=internet.ref
        )
        blocks = _subnets_of(cidr, f"{self.node.path}: cidr")
        if zones is None:
            zones = [Fn.select(number, Fn.get_azs()) for number in range(limits.ZONES)]
        public, private = [], []
        for number, zone in enumerate(zones):
            outer = ec2.PublicSubnet(
                self, f"Public{number + 1}", availability_zone=zone, vpc_id=vpc.ref,
                cidr_block=blocks[number], map_public_ip_on_launch=False,
            )  # fmt: skip
            outer.add_default_internet_route(internet.ref, attached)
            inner = ec2.PrivateSubnet(
                self, f"Private{number + 1}", availability_zone=zone, vpc_id=vpc.ref,
                cidr_block=blocks[limits.ZONES + number], map_public_ip_on_launch=False,
            )  # fmt: skip
            public.append(outer)
            private.append(inner)
        for subnet in (*public, *private):
            Tags.of(subnet).add("Name", subnet.node.path)
        if self.has_internet:
            nat = public[0].add_nat_gateway()
            for subnet in private:
                subnet.add_default_nat_route(nat.ref)
        made = self._as_vpc(vpc, cidr, zones, public, private)
        established = made.internet_connectivity_established
        assert isinstance(established, DependencyGroup)
        established.add(attached)
        return made

    def _as_vpc(
        self,
        vpc: ec2.CfnVPC,
        cidr: str,
        zones: Sequence[str],
        public: Sequence[ec2.Subnet],
        private: Sequence[ec2.Subnet],
    ) -> ec2.IVpc:
        ids = [subnet.subnet_id for subnet in private]
        tables = [subnet.route_table.route_table_id for subnet in private]
        has_route = self.has_internet
        made = ec2.Vpc.from_vpc_attributes(
            self,
            "Known",
            vpc_id=vpc.ref,
            vpc_cidr_block=cidr,
            availability_zones=list(zones),
            public_subnet_ids=[subnet.subnet_id for subnet in public],
            public_subnet_route_table_ids=[subnet.route_table.route_table_id for subnet in public],
            private_subnet_ids=ids if has_route else None,
            private_subnet_route_table_ids=tables if has_route else None,
            isolated_subnet_ids=None if has_route else ids,
            isolated_subnet_route_table_ids=None if has_route else tables,
        )
        made.add_gateway_endpoint("S3", service=_S3)
        return made

    def _make_endpoints(self) -> ec2.SecurityGroup | None:
        """Make the interface endpoints; return their security group."""
        if not self.endpoints:
            return None
        group = ec2.SecurityGroup(
            self, "Endpoints", vpc=self.vpc, allow_all_outbound=False,
            description="tailrace: endpoints of AWS services, from the gateways",
        )  # fmt: skip
        for name in self.endpoints:
            ec2.InterfaceVpcEndpoint(
                self,
                f"Endpoint-{name}",
                vpc=self.vpc,
                service=ec2.InterfaceVpcEndpointAwsService(name),
                subnets=self.private_subnets,
                security_groups=[group],
                private_dns_enabled=True,
                open=False,
            )
        return group

    def _name_the_price(self) -> None:
        count = limits.ZONES * len(self.endpoints)
        usd = count * US_EAST_1.endpoint_hour.month_usd
        parts = [counted(count, "interface endpoint")] if count else []
        if self.has_internet:
            usd += US_EAST_1.nat_gateway_hour.month_usd
            parts.append("a NAT gateway")
        Annotations.of(self).add_info(
            f"this VPC costs {usd:.2f} USD a month before traffic, for"
            f" {' and '.join(parts) or 'nothing'} ({US_EAST_1.region}, {US_EAST_1.checked})"
        )


def _subnets_of(cidr: str, where: str) -> list[str]:
    """Return the addresses of the subnets: a sixteenth of the network each."""
    try:
        whole = ipaddress.IPv4Network(cidr)
        blocks = islice(whole.subnets(limits.SUBNET_BITS), 2 * limits.ZONES)
        found = [str(block) for block in blocks]
    except ValueError as error:
        raise ConfigError(f"{cidr!r} is no network: {error}", where=where) from None
    if not limits.CIDR_PREFIX_MIN <= whole.prefixlen <= limits.CIDR_PREFIX_MAX:
        allowed = f"/{limits.CIDR_PREFIX_MIN} to /{limits.CIDR_PREFIX_MAX}"
        raise ConfigError(f"{cidr} has another size", where=where, allowed=allowed)
    return found
