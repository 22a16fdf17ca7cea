"""The VPC in which gateways and functions are."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from itertools import islice
from typing import Final, Literal

from aws_cdk import Annotations, Fn, Tags
from aws_cdk import aws_ec2 as ec2
from constructs import Construct, DependencyGroup

from tailrace.deploy import limits
from tailrace.errors import ConfigError

Egress = Literal["none", "nat"]
"""How what is in the private subnets reaches the internet."""

ENDPOINTS: Final = ("lambda", "autoscaling", "logs")
"""The services that a gateway calls: it invokes, completes its lifecycle hook, writes its log."""

_HTTPS: Final = 443
_EGRESS: Final = ("none", "nat")
_S3: Final = ec2.GatewayVpcEndpointAwsService.S3


class Network(Construct):
    """A VPC with private subnets: that of `vpc`, or a new one.

    A new VPC has two availability zones, with a public and a private subnet in each. Nothing has a
    public address. What is in the private subnets reaches S3 and `endpoints`; with `egress="nat"`
    also the internet, through one NAT gateway. An interface endpoint and the NAT gateway cost money
    each hour, and an info line of `cdk synth` has the sum.

    A given VPC must have DNS, and what its private subnets need: a route to the services of
    `ENDPOINTS` and to S3. `endpoints` names the interface endpoints to add to it; none by default.
    For CloudFront's VPC origins it needs an internet gateway. `egress` says what it has.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        vpc: ec2.IVpc | None = None,
        egress: Egress | None = None,
        endpoints: Sequence[str] | None = None,
        subnets: ec2.SubnetSelection | None = None,
        cidr: str = limits.NETWORK_CIDR,
    ) -> None:
        super().__init__(scope, id)
        if egress not in (None, *_EGRESS):
            raise ConfigError(f"{egress!r} is unknown", where="egress", allowed=", ".join(_EGRESS))
        self.is_created = vpc is None
        if vpc is None:
            egress = egress or "none"
            vpc = self._create(cidr, egress)
            if endpoints is None:
                endpoints = ENDPOINTS if egress == "none" else ()
        self.vpc = vpc
        self.egress = egress
        self.private_subnets = self._private_subnets(subnets)
        self._endpoint_group = self._endpoints(endpoints or ())
        if self.is_created:
            self._name_the_price(egress, len(endpoints or ()))

    @property
    def has_internet(self) -> bool:
        """Whether what is in the private subnets reaches the internet."""
        if self.egress is not None:
            return self.egress == "nat"
        return bool(self.vpc.private_subnets)

    def allow_to_endpoints(self, peer: ec2.ISecurityGroup, description: str) -> None:
        """Let the members of a security group reach the interface endpoints that are made here."""
        if self._endpoint_group is not None:
            self._endpoint_group.add_ingress_rule(peer, ec2.Port.tcp(_HTTPS), description)

    def _private_subnets(self, given: ec2.SubnetSelection | None) -> ec2.SubnetSelection:
        """Return the subnets for gateways and functions: those given, else all without a public
        route."""
        if given is not None:
            return given
        subnets = [*self.vpc.private_subnets, *self.vpc.isolated_subnets]
        if not subnets:
            problem = f"the VPC of {self.node.path} has no private subnets"
            raise ConfigError(f"{problem}; name some with subnets=ec2.SubnetSelection(...)")
        return ec2.SubnetSelection(subnets=subnets)

    def _create(self, cidr: str, egress: Egress) -> ec2.IVpc:
        """Make the VPC from its parts: `ec2.Vpc` asks the account for its availability zones."""
        vpc = ec2.CfnVPC(
            self, "Vpc", cidr_block=cidr, enable_dns_hostnames=True, enable_dns_support=True
        )
        Tags.of(vpc).add("Name", self.node.path)
        # CloudFront reaches a VPC origin only in a VPC with an internet gateway, though nothing is
        # routed there (CloudFront Developer Guide, "Restrict access with VPC origins", read
        # 2026-11).
        internet = ec2.CfnInternetGateway(self, "Internet")
        attached = ec2.CfnVPCGatewayAttachment(
            self, "InternetAttached", vpc_id=vpc.ref, internet_gateway_id=internet.ref
        )
        blocks = _subnets_of(cidr)
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
        if egress == "nat":
            nat = public[0].add_nat_gateway()
            for subnet in private:
                subnet.add_default_nat_route(nat.ref)
        made = self._as_vpc(vpc, cidr, zones, public, private, egress)
        established = made.internet_connectivity_established
        assert isinstance(established, DependencyGroup)
        established.add(attached)
        return made

    def _as_vpc(
        self,
        vpc: ec2.CfnVPC,
        cidr: str,
        zones: list[str],
        public: Sequence[ec2.Subnet],
        private: Sequence[ec2.Subnet],
        egress: Egress,
    ) -> ec2.IVpc:
        ids = [subnet.subnet_id for subnet in private]
        tables = [subnet.route_table.route_table_id for subnet in private]
        has_route = egress == "nat"
        made = ec2.Vpc.from_vpc_attributes(
            self,
            "Known",
            vpc_id=vpc.ref,
            vpc_cidr_block=cidr,
            availability_zones=zones,
            public_subnet_ids=[subnet.subnet_id for subnet in public],
            public_subnet_route_table_ids=[subnet.route_table.route_table_id for subnet in public],
            private_subnet_ids=ids if has_route else None,
            private_subnet_route_table_ids=tables if has_route else None,
            isolated_subnet_ids=None if has_route else ids,
            isolated_subnet_route_table_ids=None if has_route else tables,
        )
        made.add_gateway_endpoint("S3", service=_S3)
        return made

    def _endpoints(self, names: Sequence[str]) -> ec2.SecurityGroup | None:
        """Make the interface endpoints; return their security group."""
        if not names:
            return None
        group = ec2.SecurityGroup(
            self, "Endpoints", vpc=self.vpc, allow_all_outbound=False,
            description="tailrace: endpoints of AWS services, from the gateways",
        )  # fmt: skip
        for name in names:
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

    def _name_the_price(self, egress: Egress | None, endpoints: int) -> None:
        hourly = endpoints * limits.ZONES * limits.ENDPOINT_USD_PER_H
        parts = [f"{endpoints} interface endpoints in {limits.ZONES} zones"] if endpoints else []
        if egress == "nat":
            hourly += limits.NAT_USD_PER_H
            parts.append("one NAT gateway")
        text = f"{' and '.join(parts) or 'nothing'}, {hourly * limits.MONTH_H:.0f} USD a month"
        Annotations.of(self).add_info(
            f"the VPC has {text} before traffic (us-east-1, {limits.PRICES_READ})"
        )


def _subnets_of(cidr: str) -> list[str]:
    """Return the addresses of the subnets: a sixteenth of the network each."""
    try:
        whole = ipaddress.IPv4Network(cidr)
        blocks = islice(whole.subnets(limits.SUBNET_BITS), 2 * limits.ZONES)
        found = [str(block) for block in blocks]
    except ValueError as error:
        raise ConfigError(f"{cidr!r} is no network: {error}", where="cidr") from None
    if not limits.CIDR_PREFIX_MIN <= whole.prefixlen <= limits.CIDR_PREFIX_MAX:
        allowed = f"/{limits.CIDR_PREFIX_MIN} to /{limits.CIDR_PREFIX_MAX}"
        raise ConfigError(f"{cidr} has another size", where="cidr", allowed=allowed)
    return found
