"""What a construct refuses, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2

from tailrace.deploy import (
    Alarms,
    Balancer,
    Gateway,
    Network,
    StreamingFunction,
    StreamingSite,
)
from tailrace.errors import ConfigError

HANDLER = "def handler(event, context):\n    return 1\n"


@pytest.fixture
def stack(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> cdk.Stack:
    """A stack whose folder has a function in it."""
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "main.py").write_text(HANDLER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cdk.Stack(cdk.App(outdir=str(tmp_path / "cdk.out")), "Site")


def function(stack: cdk.Stack, **values: object) -> StreamingFunction:
    settings = {"path": "lines", "app": "main:handler", "timeout_s": 60, **values}
    return StreamingFunction(stack, "Lines", **settings)  # type: ignore[arg-type]


def gateway(stack: cdk.Stack, *paths: str, **values: object) -> Gateway:
    lines = function(stack)
    settings = {"routes": [{"path": path, "function": lines} for path in paths], **values}
    return Gateway(stack, "Gateway", network=Network(stack, "Network"), **settings)  # type: ignore[arg-type]


def site(stack: cdk.Stack, **values: object) -> StreamingSite:
    routes = [{"path": "/*", "function": function(stack)}]
    return StreamingSite(stack, "Site", routes=routes, **values)  # type: ignore[arg-type]


def app_of(stack: cdk.Stack) -> cdk.App:
    app = stack.node.root
    assert isinstance(app, cdk.App)
    return app


def vpc(stack: cdk.Stack, **subnets: list[str]) -> ec2.IVpc:
    zones = ["eu-central-1a"]
    return ec2.Vpc.from_vpc_attributes(
        stack, "Vpc", vpc_id="vpc-1", availability_zones=zones, **subnets
    )


REFUSED: dict[str, tuple[Callable[[cdk.Stack], object], str]] = {
    "a time-out above Lambda's": (
        lambda stack: function(stack, timeout_s=901),
        "Site/Lines: timeout_s: 901 is out of range; allowed: 1 to 900",
    ),
    "memory below Lambda's": (
        lambda stack: function(stack, memory_mib=64),
        "Site/Lines: memory_mib: 64 is out of range; allowed: 128 to 10240",
    ),
    "days for which CloudWatch keeps no logs": (
        lambda stack: function(stack, log_retention_days=10),
        "Site/Lines: log_retention_days: 10 is none of CloudWatch's; allowed: 1, 3, 5, 7, 14, 30,",
    ),
    "no reserved concurrency": (
        lambda stack: function(stack, reserved_concurrency=0),
        "Site/Lines: reserved_concurrency: 0 is out of range; allowed: 1 to 100000",
    ),
    "the variable of the layer": (
        lambda stack: function(stack, environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/other"}),
        "Site/Lines: environment: AWS_LAMBDA_EXEC_WRAPPER is for tailrace's layer; name your"
        " wrapper in TAILRACE_EXEC_WRAPPER_NEXT",
    ),
    "no app": (
        lambda stack: function(stack, app=None),
        "app: there is no app of a known framework in a usual file of lines; name an app or a"
        " handler; allowed: MODULE:ATTRIBUTE",
    ),
    "one zone": (
        lambda stack: Network(stack, "Network", zones=["eu-central-1a"]),
        "Site/Network: zones: ['eu-central-1a'] do not fit; allowed: 2 of a VPC that is made",
    ),
    "two networks": (
        lambda stack: (
            (both := function(stack)).join(Network(stack, "One")),
            both.join(Network(stack, "Other")),
        ),
        "Site/Lines is in another network than Site/Other; give both gateways the same Network",
    ),
    "an egress that is unknown": (
        lambda stack: Network(stack, "Network", egress="all"),  # type: ignore[arg-type]
        "Site/Network: egress: 'all' is unknown; allowed: none, nat",
    ),
    "no addresses": (
        lambda stack: Network(stack, "Network", cidr="10.0.0.1/16"),
        "Site/Network: cidr: '10.0.0.1/16' is no network: 10.0.0.1/16 has host bits set",
    ),
    "too few addresses": (
        lambda stack: Network(stack, "Network", cidr="10.0.0.0/25"),
        "Site/Network: cidr: 10.0.0.0/25 has another size; allowed: /16 to /24",
    ),
    "endpoints for a given VPC": (
        lambda stack: Network(
            stack, "Network", vpc=vpc(stack, isolated_subnet_ids=["subnet-1"]), endpoints=["ssm"]
        ),
        "Site/Network: endpoints: a given VPC keeps those that it has; add others with"
        " vpc.add_interface_endpoint",
    ),
    "addresses of a given VPC": (
        lambda stack: Network(
            stack,
            "Network",
            vpc=vpc(stack, isolated_subnet_ids=["subnet-1"]),
            cidr="10.9.0.0/20",
        ),
        "Site/Network: cidr: a given VPC keeps the addresses that it has; leave it out",
    ),
    "subnets without their VPC": (
        lambda stack: Network(
            stack, "Network", subnets=vpc(stack, isolated_subnet_ids=["subnet-1"]).isolated_subnets
        ),
        "Site/Network: subnets: they are in no VPC that is made here; give their vpc too",
    ),
    "a VPC without private subnets": (
        lambda stack: Network(stack, "Network", vpc=vpc(stack, public_subnet_ids=["subnet-1"])),
        "Site/Network: vpc: it has no private subnets; name some with subnets=",
    ),
    "no routes": (
        lambda stack: gateway(stack),
        'routes: a gateway needs a route; allowed: [{"path": "/*", "function": ...}]',
    ),
    "a function's name": (
        lambda stack: gateway(stack, routes=[{"path": "/*", "function": "lines"}]),
        "routes: /*: function: 'lines' is no StreamingFunction",
    ),
    "more routes than a machine can be told": (
        lambda stack: gateway(stack, *(f"/{number}" for number in range(99))),
        "Site/Gateway: routes: the user data of a machine would have up to",
    ),
    "a parameter in a path": (
        lambda stack: gateway(stack, "/{id}"),
        "routes and settings of the gateway: routes[0].path",
    ),
    "a setting that is unknown": (
        lambda stack: gateway(stack, "/*", settings={"held": 5}),
        "routes and settings of the gateway: gateway.held: unknown",
    ),
    "a machine of another processor": (
        lambda stack: gateway(stack, "/*", instance_type="c7i.large"),
        "Site/Gateway: instance_type: c7i.large has another processor than arm64; set both"
        " instance_type and architecture",
    ),
    "a load balancer without gateways": (
        lambda stack: Balancer(stack, "Balancer", gateways=[]),
        "Site/Balancer: gateways: the 0 gateways are not in one network",
    ),
    "a domain without a certificate": (
        lambda stack: site(stack, domain_name="lines.example.com"),
        "Site/Site/Distribution: one of domain_name and certificate_arn is missing; give both",
    ),
    "a network, and what belongs to one": (
        lambda stack: site(stack, network=Network(stack, "Network"), egress="nat"),
        "Site/Site: network: vpc and egress belong to the network",
    ),
    "an alarm that is unknown": (
        lambda stack: Alarms(stack, "Alarms", gateway=gateway(stack, "/*"), without=["loud"]),
        "Site/Alarms: without: 'loud' is no alarm; allowed: silent, few-machines",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused(name: str, stack: cdk.Stack) -> None:
    make, message = REFUSED[name]

    with pytest.raises(ConfigError) as caught:
        make(stack)

    assert str(caught.value).startswith(message)


def test_a_tag_with_which_no_machine_could_be_launched_is_refused(stack: cdk.Stack) -> None:
    """EC2 says so when the stack is deployed, after minutes: "Group did not stabilize"."""
    gateway(stack, "/*")
    cdk.Tags.of(stack).add("team/name", "streams")
    cdk.Tags.of(stack).add("cost:center", "7")

    with pytest.raises(RuntimeError) as caught:
        app_of(stack).synth()

    text = str(caught.value)
    assert "[Site/Gateway] no machine can have the tag 'team/name': a key in its" in text
    assert "cost:center" not in text


def test_such_a_tag_may_be_on_what_is_no_machine(stack: cdk.Stack) -> None:
    gateway(stack, "/*")
    machines = ["AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::LaunchTemplate", "aws:cdk:stack"]
    cdk.Tags.of(stack).add("team/name", "streams", exclude_resource_types=machines)

    app_of(stack).synth()


def test_such_a_tag_of_a_stack_comes_to_its_machines(stack: cdk.Stack) -> None:
    """CloudFormation gives the tags of a stack to its group."""
    gateway(cdk.Stack(app_of(stack), "Tagged", tags={"team/name": "streams"}), "/*")

    with pytest.raises(RuntimeError, match="no machine can have the tag 'team/name'"):
        app_of(stack).synth()
