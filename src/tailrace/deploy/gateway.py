"""A group of machines that run the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from aws_cdk import Annotations, Duration, Names, Stack
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from tailrace.agreement import Way
from tailrace.config import Config, PortRange
from tailrace.deploy import limits
from tailrace.deploy.checks import Checks, Templates
from tailrace.deploy.gateway_asset import gateway_asset
from tailrace.deploy.gateway_role import GatewayRole
from tailrace.deploy.gateway_way import way_of
from tailrace.deploy.helper.constructs import InstanceRefresh
from tailrace.deploy.log_group import log_group_of
from tailrace.deploy.machine_tags import MachineTags
from tailrace.deploy.network import ENDPOINTS, Network
from tailrace.deploy.routes import SiteRoute, Value, checked, functions_of, toml_of
from tailrace.deploy.scaling import gateway_metric, scale_on_held
from tailrace.deploy.suppression import suppress
from tailrace.deploy.user_data import LOG_FILES, Boot, user_data
from tailrace.errors import ConfigError
from tailrace.package.options import Architecture
from tailrace.package.wheels import WheelTarget

BOOT_HOOK: Final = "boot"
"""The lifecycle hook that the boot script completes when the gateway serves."""
DRAIN_HOOK: Final = "drain"
"""The one that the gateway completes when its last response has ended."""
SESSION_ENDPOINTS: Final = ("ssm", "ssmmessages")
"""What Session Manager needs besides."""

_CPUS: Final = {
    "arm64": ec2.AmazonLinuxCpuType.ARM_64,
    "x86_64": ec2.AmazonLinuxCpuType.X86_64,
}
_PROCESSORS: Final = {
    "arm64": ec2.InstanceArchitecture.ARM_64,
    "x86_64": ec2.InstanceArchitecture.X86_64,
}
_ROOT_VOLUME: Final = "/dev/xvda"
_RETAIN: Final = autoscaling.InstanceLifecyclePolicy(
    retention_triggers=autoscaling.RetentionTriggers(
        terminate_hook_abandon=autoscaling.TerminateHookAbandonAction.RETAIN
    )
)


class Gateway(Construct):
    """An Auto Scaling group of machines with Amazon Linux 2023 that run `tailrace gateway`.

    `routes` are as `[[routes]]` of tailrace.toml, with a StreamingFunction as `function`;
    `settings` are the keys of `[gateway]`. The functions join the network, and their events become
    no older than this gateway waits for the first byte.

    A machine is installed from wheels in S3, without the internet: those of `wheels`, a folder that
    `tailrace package gateway` has made, or a new one, for which the package index is needed once.
    `instance_type` must fit `architecture`.

    The group has between `instances_min` and `instances_max` machines, so that they hold
    `target_held_percent` of their `held_max` on average. A machine that is to end gets no new
    requests, and ends when its streams have, or after `hook_heartbeat_s` without a sign of life;
    with `retains_undrained` it then remains for you to look at, and is paid for. With
    `instance_days_max`, at least 1, machines are replaced at that age.

    When the machine's image, the configuration or a version of a function changes, all machines are
    replaced, new ones first. The deploy starts that and does not wait; with `waits_for_refresh` it
    waits, and is rolled back when it fails.

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
        routes: Sequence[SiteRoute],
        settings: Mapping[str, Value] | None = None,
        instance_type: str = limits.INSTANCE_TYPE,
        architecture: Architecture = "arm64",
        python: str = limits.GATEWAY_PYTHON,
        workers: int | None = None,
        wheels: str | Path | None = None,
        instances_min: int = limits.INSTANCES_MIN,
        instances_max: int = limits.INSTANCES_MAX,
        target_held_percent: float = limits.TARGET_HELD_PERCENT,
        hook_heartbeat_s: int = limits.HOOK_HEARTBEAT_S,
        retains_undrained: bool = False,
        instance_days_max: int | None = None,
        waits_for_refresh: bool = False,
        volume_gib: int = limits.VOLUME_GIB,
        log_retention_days: int = limits.LOG_RETENTION_DAYS,
        has_session_manager: bool = False,
    ) -> None:
        super().__init__(scope, id)
        self.network = network
        self.functions = functions_of(routes)
        self.name = Names.unique_resource_name(self, max_length=limits.NAME_CHARS_MAX)
        self.workers = workers
        self.instances_min = instances_min
        text = toml_of(routes, {**limits.GATEWAY_SETTINGS, **(settings or {})})
        self.config: Config = checked(text)
        self.public_port = limits.PUBLIC_PORT
        self.callback_ports = PortRange(*limits.CALLBACK_PORTS)
        self.security_group = self._security_group()
        self.log_groups = {
            name: log_group_of(self, f"Log-{name.partition('.')[0]}", log_retention_days)
            for name in LOG_FILES
        }
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
        self.launch_template = self._launch_template(
            target, instance_type, volume_gib, self._boot_script(asset, text)
        )
        self.group = self._group(
            instances_min, instances_max, instance_days_max, retains_undrained, waits_for_refresh
        )
        self._add_hooks(hook_heartbeat_s, retains_undrained)
        scale_on_held(self.group, self.name, target_held_percent)
        if not waits_for_refresh:
            InstanceRefresh(
                self,
                "Refresh",
                group=self.group,
                launch_template_version=self.launch_template.latest_version_number,
                warmup_s=limits.WARMUP_S,
            )
        self._allow_callbacks()
        Checks.of(self).add_gateway(self, self.group, self._way)
        self._warn((*ENDPOINTS, *(SESSION_ENDPOINTS if has_session_manager else ())))

    def metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        """Return a metric that the gateway writes (`--metrics emf`), such as `Held`."""
        return gateway_metric(self.name, name, statistic)

    def _way(self, templates: Templates) -> Way:
        return way_of(
            self.config,
            self.functions,
            self.group,
            self.security_group,
            templates,
            public_port=self.public_port,
            callback_ports=self.callback_ports,
            workers=self.workers,
            place=self.node.path,
        )

    def _warn(self, services: Sequence[str]) -> None:
        missing = ", ".join(self.network.unreached(services))
        if missing:
            Annotations.of(self).add_warning_v2(
                "tailrace:no-endpoint",
                f"machines call {missing}, and {self.network.node.path} has no way there: name them"
                ' in its endpoints, or set egress="nat"',
            )

    def _launch_template(
        self, target: WheelTarget, instance_type: str, volume_gib: int, boot_script: str
    ) -> ec2.LaunchTemplate:
        kind = ec2.InstanceType(instance_type)
        if kind.architecture != _PROCESSORS[target.architecture]:
            problem = f"{instance_type} has another processor than {target.architecture}"
            remedy = "set both instance_type and architecture"
            raise ConfigError(f"{problem}; {remedy}", where=f"{self.node.path}: instance_type")
        # The image's id is a parameter, which CloudFormation reads from AWS at each deploy.
        image = ec2.MachineImage.latest_amazon_linux2023(cpu_type=_CPUS[target.architecture])
        volume = ec2.BlockDeviceVolume.ebs(
            volume_gib, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3
        )
        return ec2.LaunchTemplate(
            self,
            "Template",
            machine_image=image,
            instance_type=kind,
            security_group=self.security_group,
            role=self._role.role,
            user_data=ec2.UserData.custom(boot_script),
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            instance_metadata_tags=True,  # the name of its group is one of them
            associate_public_ip_address=False,
            block_devices=[ec2.BlockDevice(device_name=_ROOT_VOLUME, volume=volume)],
        )

    def _security_group(self) -> ec2.SecurityGroup:
        """Make the security group. The load balancer opens the public port when it is made."""
        group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=self.network.vpc, allow_all_outbound=False,
            description="tailrace: gateways, from the load balancer and from functions",
        )  # fmt: skip
        # S3 has public addresses, also behind its VPC endpoint: where else this leads is decided by
        # the routes of the subnets.
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS services")
        self.network.allow_to_endpoints(group, "tailrace: gateways")
        return group

    def _boot_script(self, asset: s3_assets.Asset, config: str) -> str:
        workers = "auto" if self.workers is None else str(self.workers)
        options = {
            "--workers": workers,
            "--callback-listen": f"0.0.0.0:{self.callback_ports.first}",
            "--callback-ports": str(self.callback_ports),
            "--advertise": "auto",
            "--lifecycle-hook": DRAIN_HOOK,
            "--metrics": "emf",
            "--metrics-name": self.name,
        }
        boot = Boot(
            source=asset.s3_object_url,
            region=Stack.of(self).region,
            config=config,
            options=list(chain.from_iterable(options.items())),
            environment={},
            log_groups={name: each.log_group_name for name, each in self.log_groups.items()},
            hook=BOOT_HOOK,
        )
        try:
            return user_data(boot)
        except ValueError as error:
            raise ConfigError(f"{error}", where=f"{self.node.path}: routes") from None

    def _allow_callbacks(self) -> None:
        first_byte_timeout_s = self.config.gateway.first_byte_timeout_s
        ports = ec2.Port.tcp_range(*self.callback_ports)
        for function in self.functions:
            members = function.join(self.network)
            function.must_answer_within(first_byte_timeout_s)
            self.security_group.connections.allow_from(members, ports, "callbacks")

    def _group(
        self,
        instances_min: int,
        instances_max: int,
        instance_days_max: int | None,
        retains_undrained: bool,
        waits_for_refresh: bool,
    ) -> autoscaling.AutoScalingGroup:
        lifetime = None if instance_days_max is None else Duration.days(instance_days_max)
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
            max_instance_lifetime=lifetime,
            instance_lifecycle_policy=_RETAIN if retains_undrained else None,
            group_metrics=[autoscaling.GroupMetrics.all()],
            update_policy=_refresh_policy() if waits_for_refresh else None,
        )
        suppress(group, "AwsSolutions-AS3", "alarms tell what is wrong; each launch is no news")
        # A machine reads its wheels and its packages at its first boot.
        group.node.add_dependency(self._role.policy, self.network)
        resource = group.node.default_child
        assert isinstance(resource, autoscaling.CfnAutoScalingGroup)
        self.node.add_validation(MachineTags(resource.tags, Stack.of(self).tags))
        self._role.allow_lifecycle_of(group.auto_scaling_group_name)
        return group

    def _add_hooks(self, heartbeat_s: int, retains_undrained: bool) -> None:
        """Let a new machine wait until its gateway serves, and an old one until it holds nothing.

        Without the first, an instance refresh would end old machines while the new ones boot.
        """
        self.group.add_lifecycle_hook(
            "BootHook",
            lifecycle_hook_name=BOOT_HOOK,
            lifecycle_transition=autoscaling.LifecycleTransition.INSTANCE_LAUNCHING,
            heartbeat_timeout=Duration.seconds(limits.BOOT_TIMEOUT_S),
            default_result=autoscaling.DefaultResult.ABANDON,
        )
        self.group.add_lifecycle_hook(
            "DrainHook",
            lifecycle_hook_name=DRAIN_HOOK,
            lifecycle_transition=autoscaling.LifecycleTransition.INSTANCE_TERMINATING,
            heartbeat_timeout=Duration.seconds(heartbeat_s),
            default_result=autoscaling.DefaultResult.ABANDON
            if retains_undrained
            else autoscaling.DefaultResult.CONTINUE,
        )


def _refresh_policy() -> autoscaling.UpdatePolicy:
    """Return the policy with which CloudFormation itself replaces machines, and waits for it."""
    return autoscaling.UpdatePolicy.instance_refresh(
        strategy=autoscaling.InstanceRefreshStrategy.ROLLING,
        min_healthy_percentage=100,
        max_healthy_percentage=200,
        instance_warmup=Duration.seconds(limits.WARMUP_S),
        skip_matching=True,
        scale_in_protected_instances=autoscaling.ScaleInProtectedInstances.IGNORE,
        standby_instances=autoscaling.StandbyInstances.IGNORE,
    )
