"""A group of machines that run the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from aws_cdk import Duration, Names, RemovalPolicy
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from tailrace.agreement import Way
from tailrace.config import Config, PortRange
from tailrace.deploy import limits
from tailrace.deploy.checks import Checks, Templates
from tailrace.deploy.gateway_asset import gateway_asset
from tailrace.deploy.gateway_role import GatewayRole
from tailrace.deploy.gateway_way import way_of
from tailrace.deploy.network import Network
from tailrace.deploy.routes import Route, Value, checked, functions_of, toml_of
from tailrace.package.options import Architecture
from tailrace.package.wheels import WheelTarget

LOGS: Final = ("gateway.log", "metrics.emf")
"""The files that are collected, in the folder of the gateway's log."""
HOOK: Final = "drain"
"""The lifecycle hook's name."""

_CPUS: Final = {
    "arm64": ec2.AmazonLinuxCpuType.ARM_64,
    "x86_64": ec2.AmazonLinuxCpuType.X86_64,
}
_ROOT_VOLUME: Final = "/dev/xvda"
_BOOT_SCRIPT: Final = """\
#!/bin/sh
set -eu
mkdir -p /etc/tailrace /run/tailrace
cat > /etc/tailrace/tailrace.toml <<'END'
{config}
END
echo 'TAILRACE_OPTIONS={options}' > /etc/tailrace/gateway.env
aws s3 cp {url} /run/tailrace.zip
python3 -m zipfile -e /run/tailrace.zip /run/tailrace
sh /run/tailrace/install.sh
"""
_CONTINUE: Final = autoscaling.DefaultResult.CONTINUE


class Gateway(Construct):
    """An Auto Scaling group of machines with Amazon Linux 2023 that run `tailrace gateway`.

    `routes` are as `[[routes]]` of tailrace.toml, with a StreamingFunction as `function`;
    `settings` are the keys of `[gateway]`. The functions join the network, and their events become
    no older than this gateway waits for the first byte.

    A machine is installed from wheels in S3, without the internet: those of `wheels`, a folder that
    `tailrace package gateway` has made, or a new one, for which the package index is needed once.
    `instance_type` must fit `architecture`.

    A machine that is to end gets no new requests, and ends when its streams have, or after
    `hook_heartbeat_s` without a sign of life. When the machine's image, the configuration or a
    version of a function changes, all machines are replaced, new ones first.

    Raises:
        ConfigError: a route or a setting is not allowed.
        PackageError: the wheels cannot be had.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        network: Network,
        routes: Sequence[Route],
        settings: Mapping[str, Value] | None = None,
        instance_type: str = limits.INSTANCE_TYPE,
        architecture: Architecture = "arm64",
        python: str = limits.GATEWAY_PYTHON,
        workers: int | None = None,
        wheels: str | Path | None = None,
        instances_min: int = limits.INSTANCES_MIN,
        instances_max: int = limits.INSTANCES_MAX,
        hook_heartbeat_s: int = limits.HOOK_HEARTBEAT_S,
        volume_gib: int = limits.VOLUME_GIB,
        log_retention_days: int = limits.LOG_RETENTION_DAYS,
        has_session_manager: bool = False,
    ) -> None:
        super().__init__(scope, id)
        self.network = network
        self.functions = functions_of(routes)
        self.name = Names.unique_resource_name(self, max_length=limits.NAME_CHARS_MAX)
        self.workers = workers
        text = toml_of(routes, {**limits.GATEWAY_SETTINGS, **(settings or {})})
        self.config: Config = checked(text)
        self.public_port = limits.PUBLIC_PORT
        self.callback_ports = PortRange(*limits.CALLBACK_PORTS)
        self.security_group = self._security_group()
        self.log_groups = {name: self._log_group(name, log_retention_days) for name in LOGS}
        target = WheelTarget(architecture, python)
        asset = gateway_asset(self, target, None if wheels is None else Path(wheels))
        self._role = GatewayRole(
            self,
            "Role",
            functions=self.functions,
            asset=asset,
            log_groups=list(self.log_groups.values()),
            has_session_manager=has_session_manager,
        )
        self.launch_template = ec2.LaunchTemplate(
            self,
            "Template",
            machine_image=ec2.MachineImage.latest_amazon_linux2023(cpu_type=_CPUS[architecture]),
            instance_type=ec2.InstanceType(instance_type),
            security_group=self.security_group,
            role=self._role.role,
            user_data=ec2.UserData.custom(self._boot_script(asset, text)),
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            instance_metadata_tags=True,
            associate_public_ip_address=False,
            block_devices=[
                ec2.BlockDevice(
                    device_name=_ROOT_VOLUME,
                    volume=ec2.BlockDeviceVolume.ebs(
                        volume_gib, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3
                    ),
                )
            ],
        )
        self.group = self._group(instances_min, instances_max, hook_heartbeat_s)
        self._allow_callbacks()
        Checks.of(self).add_gateway(self, self.group, self._way)

    def _way(self, templates: Templates) -> Way:
        return way_of(
            self.config,
            self.functions,
            self.group,
            templates,
            public_port=self.public_port,
            callback_ports=self.callback_ports,
            workers=self.workers,
            place=self.node.path,
        )

    def _security_group(self) -> ec2.SecurityGroup:
        """Make the security group. The load balancer opens the public port when it is made."""
        group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=self.network.vpc, allow_all_outbound=False,
            description="tailrace: gateways, from the load balancer and from functions",
        )  # fmt: skip
        # S3 has public addresses, also behind its VPC endpoint: where else this leads is decided by
        # the routes of the subnets.
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS's services")
        self.network.allow_to_endpoints(group, "tailrace: gateways")
        return group

    def _boot_script(self, asset: s3_assets.Asset, config: str) -> str:
        workers = "auto" if self.workers is None else self.workers
        options = (
            f"--workers {workers} --callback-listen 0.0.0.0:{self.callback_ports.first}"
            f" --callback-ports {self.callback_ports} --advertise auto"
        )
        return _BOOT_SCRIPT.format(url=asset.s3_object_url, config=config, options=options)

    def _allow_callbacks(self) -> None:
        first_byte_timeout_s = self.config.gateway.first_byte_timeout_s
        ports = ec2.Port.tcp_range(*self.callback_ports)
        for function in self.functions:
            members = function.join(self.network)
            function.must_answer_within(first_byte_timeout_s)
            self.security_group.connections.allow_from(members, ports, "callbacks")

    def _log_group(self, name: str, retention_days: int) -> logs.LogGroup:
        group = logs.LogGroup(
            self, f"Log-{name.partition('.')[0]}", removal_policy=RemovalPolicy.DESTROY
        )
        resource = group.node.default_child
        assert isinstance(resource, logs.CfnLogGroup)
        resource.retention_in_days = retention_days
        return group

    def _group(
        self, instances_min: int, instances_max: int, hook_heartbeat_s: int
    ) -> autoscaling.AutoScalingGroup:
        group = autoscaling.AutoScalingGroup(
            self,
            "Group",
            vpc=self.network.vpc,
            vpc_subnets=self.network.private_subnets,
            launch_template=self.launch_template,
            # Without a desired capacity: a deploy leaves it as scaling has set it.
            min_capacity=instances_min,
            max_capacity=instances_max,
            health_checks=autoscaling.HealthChecks.with_additional_checks(
                additional_types=[autoscaling.AdditionalHealthCheckType.ELB],
                grace_period=Duration.seconds(limits.HEALTH_GRACE_S),
            ),
            default_instance_warmup=Duration.seconds(limits.WARMUP_S),
            # One that fails is replaced before it ends, as in an instance refresh.
            min_healthy_percentage=100,
            max_healthy_percentage=200,
        )
        group.add_lifecycle_hook(
            "Hook",
            lifecycle_hook_name=HOOK,
            lifecycle_transition=autoscaling.LifecycleTransition.INSTANCE_TERMINATING,
            heartbeat_timeout=Duration.seconds(hook_heartbeat_s),
            default_result=_CONTINUE,
        )
        group.node.add_dependency(self._role.policy)
        self._role.allow_lifecycle_of(group.auto_scaling_group_name)
        return group
