"""Everything from a CloudFront address to functions that stream."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from tailrace.deploy import limits
from tailrace.deploy.alarms import Alarms
from tailrace.deploy.balancer import Balancer, silence_s
from tailrace.deploy.distribution import Distribution
from tailrace.deploy.gateway import Gateway
from tailrace.deploy.network import Egress, Network
from tailrace.deploy.routes import SiteRoute, Value, checked, functions_of, toml_of
from tailrace.errors import ConfigError
from tailrace.package.options import Architecture


class StreamingSite(Construct):
    """Functions that stream to a CloudFront address: network, gateways, load balancer, CloudFront.

    `routes` are as `[[routes]]` of tailrace.toml, with a StreamingFunction as `function`;
    `settings` are the keys of `[gateway]`. A response may take as long as the function with the
    longest time-out, and a gateway that stops lets it; the time-outs in front follow from the
    settings. Settings that do not agree fail the synth, with what to set.

    Without `vpc` or `network` a VPC is made, whose price an info line of the synth has. In it
    functions reach the gateways alone; those with `needs_internet` reach the internet too, if
    `egress` is "nat". `vpc` is one of yours: see `Network` for what it needs.

    `domain_name` needs `certificate_arn`, a certificate of us-east-1, and a DNS record of yours
    that leads to `distribution.distribution.distribution_domain_name`. `web_acl_arn` is a web ACL
    of AWS WAF, of scope CLOUDFRONT. With `is_public` the load balancer has public addresses, and
    refuses what does not come from this distribution: for regions without VPC origins. The access
    logs of the load balancer and of CloudFront go to `log_bucket`, which needs ACLs.

    The alarms of `Alarms` notify `alarm_topic`; `without_alarms` are names of those to leave out.

    For what has no argument here, compose `Network`, `Gateway`, `Balancer` and `Distribution`.

    Raises:
        ConfigError: a route or a setting is not allowed.
        PackageError: the wheels of the gateway cannot be had.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        routes: Sequence[SiteRoute],
        settings: Mapping[str, Value] | None = None,
        network: Network | None = None,
        vpc: ec2.IVpc | None = None,
        egress: Egress | None = None,
        instance_type: str = limits.INSTANCE_TYPE,
        architecture: Architecture = "arm64",
        instances_min: int = limits.INSTANCES_MIN,
        instances_max: int = limits.INSTANCES_MAX,
        workers: int | None = None,
        wheels: str | Path | None = None,
        domain_name: str | None = None,
        certificate_arn: str | None = None,
        web_acl_arn: str | None = None,
        is_public: bool = False,
        cloudfront_prefix_list_id: str | None = None,
        has_deletion_protection: bool = False,
        log_bucket: s3.IBucket | None = None,
        alarm_topic: sns.ITopic | None = None,
        without_alarms: Collection[str] = (),
    ) -> None:
        super().__init__(scope, id)
        self.network = network or Network(self, "Network", vpc=vpc, egress=egress)
        if network is not None and (vpc, egress) != (None, None):
            where = f"{self.node.path}: network"
            raise ConfigError("vpc and egress belong to the network", where=where)
        self.functions = functions_of(routes)
        self.gateway = Gateway(
            self,
            "Gateway",
            network=self.network,
            routes=routes,
            settings=self._settings(routes, settings or {}),
            instance_type=instance_type,
            architecture=architecture,
            instances_min=instances_min,
            instances_max=instances_max,
            workers=workers,
            wheels=wheels,
        )
        self.balancer = Balancer(
            self,
            "Balancer",
            gateways=[self.gateway],
            is_public=is_public,
            cloudfront_prefix_list_id=cloudfront_prefix_list_id,
            has_deletion_protection=has_deletion_protection,
            access_log_bucket=log_bucket,
        )
        self.distribution = Distribution(
            self,
            "Distribution",
            balancer=self.balancer,
            domain_name=domain_name,
            certificate_arn=certificate_arn,
            web_acl_arn=web_acl_arn,
            log_bucket=log_bucket,
        )
        self.alarms = Alarms(
            self, "Alarms", gateway=self.gateway, target_group=self.balancer.target_group,
            topic=alarm_topic, without=without_alarms,
        )  # fmt: skip
        self.url = self.distribution.url

    def _settings(
        self, routes: Sequence[SiteRoute], given: Mapping[str, Value]
    ) -> dict[str, Value]:
        """Return the settings, with what follows from the functions and from one another."""
        longest_s = max(function.timeout_s for function in self.functions)
        settings = {"total_timeout_s": longest_s, **given}
        settings = {"drain_timeout_s": settings["total_timeout_s"], **settings}
        config = checked(toml_of(routes, {**limits.GATEWAY_SETTINGS, **settings})).gateway
        kept_s = silence_s(config) + 2 * limits.SILENCE_MARGIN_S
        return {"keep_alive_timeout_s": max(kept_s, config.keep_alive_timeout_s), **settings}
