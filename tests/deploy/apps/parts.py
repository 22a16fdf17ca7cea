"""Network, functions and gateways, each as it is alone.

`Plain` has the defaults, in a stack without account and region; `Full` has all that can be set;
`Given` is in a VPC that is there already; `Few` has too few endpoints.
"""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_sns as sns

from tailrace.deploy import Alarms, Gateway, Network, StreamingFunction

LINES = Path(__file__).parents[3] / "examples" / "lines"
ENV = cdk.Environment(account="123456789012", region="eu-central-1")

app = cdk.App()

stack = cdk.Stack(app, "Plain")
lines = StreamingFunction(stack, "Lines", path=LINES, app="app:handler", timeout_s=300)
gateway = Gateway(
    stack, "Gateway", network=Network(stack, "Network"), routes=[{"path": "/*", "function": lines}]
)
Alarms(stack, "Alarms", gateway=gateway)

stack = cdk.Stack(app, "Full", env=ENV)
network = Network(stack, "Network", egress="nat", cidr="10.9.0.0/20", endpoints=["lambda"])
lines = StreamingFunction(
    stack,
    "Lines",
    path=LINES,
    app="app:handler",
    timeout_s=900,
    memory_mib=1024,
    reserved_concurrency=50,
    environment={"GREETING": "hello"},
    needs_internet=True,
    log_retention_days=7,
    python="3.12",
    architecture="x86_64",
)
bundled = StreamingFunction(
    stack, "Bundled", path=LINES, app="app:handler", timeout_s=60, bundle=True
)
gateway = Gateway(
    stack,
    "Gateway",
    network=network,
    routes=[
        {"path": "/lines/*", "host": "a.example", "function": lines, "concurrency": 5},
        {"path": "/", "function": bundled, "transport": "response-stream"},
    ],
    settings={"first_byte_timeout_s": 61, "held_max": 5000},
    instance_type="c7i.large",
    architecture="x86_64",
    python="3.13",
    workers=3,
    instances_min=3,
    instances_max=9,
    target_held_percent=40,
    hook_heartbeat_s=600,
    retains_undrained=True,
    instance_days_max=14,
    waits_for_refresh=True,
    volume_gib=20,
    log_retention_days=365,
    has_session_manager=True,
)
Alarms(
    stack, "Alarms", gateway=gateway, topic=sns.Topic(stack, "Topic"), without=["late", "silent"]
)

stack = cdk.Stack(app, "Given", env=ENV)
vpc = ec2.Vpc.from_vpc_attributes(
    stack,
    "Vpc",
    vpc_id="vpc-0a1b2c3d4e5f60718",
    availability_zones=["eu-central-1a", "eu-central-1b"],
    isolated_subnet_ids=["subnet-0b000000000000001", "subnet-0b000000000000002"],
    isolated_subnet_route_table_ids=["rtb-0c000000000000001", "rtb-0c000000000000002"],
)
lines = StreamingFunction(
    stack, "Lines", path=LINES, app="app:handler", timeout_s=300, needs_internet=True
)
Gateway(
    stack,
    "Gateway",
    network=Network(stack, "Network", vpc=vpc),
    routes=[{"path": "/*", "function": lines}],
)

stack = cdk.Stack(app, "Few", env=ENV)
lines = StreamingFunction(stack, "Lines", path=LINES, app="app:handler", timeout_s=300)
Gateway(
    stack,
    "Gateway",
    network=Network(
        stack,
        "Network",
        endpoints=["lambda", "logs", "ssm"],
        zones=["eu-central-1b", "eu-central-1c"],
    ),
    routes=[{"path": "/*", "function": lines}],
    has_session_manager=True,
)

app.synth()
