"""The load balancer in front of the gateways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from aws_cdk import Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from tailrace.config import GatewayConfig
from tailrace.deploy import limits, template
from tailrace.deploy.checks import Checks, Templates
from tailrace.deploy.gateway import Gateway
from tailrace.deploy.helper.constructs import PrefixListId
from tailrace.deploy.network import Network
from tailrace.deploy.suppression import suppress
from tailrace.errors import ConfigError

SECRET_HEADER: Final = "x-tailrace-origin"
"""The header with which CloudFront proves to a public load balancer that it is the one in front."""

_TLS_POLICY: Final = elbv2.SslPolicy.RECOMMENDED_TLS
_NO_LOGS: Final = "logs cost money for each request; access_log_bucket switches them on"
_FORBIDDEN: Final = "this address is not public; use that of the distribution\n"


class Balancer(Construct):
    """An Application Load Balancer that lets streams pass, and that CloudFront alone can reach.

    `gateways` are in one network, and have the same public port and health path. The load balancer
    is internal, for a CloudFront VPC origin, unless `is_public`. Then it has public addresses,
    and answers 403 to each request without the secret header that `Distribution` sends.

    Time-outs are whole seconds. Without `idle_timeout_s` the load balancer accepts more silence
    than the gateways do; without `deregistration_delay_s` it waits until they have drained. The id
    of CloudFront's prefix list, which differs by region, is looked up when the stack is deployed,
    unless `cloudfront_prefix_list_id` is given: `aws ec2 describe-managed-prefix-lists --filters
    Name=prefix-list-name,Values=com.amazonaws.global.cloudfront.origin-facing`.

    With `certificate_arn`, a certificate of this region, the listener is HTTPS on port 443 instead
    of HTTP on port 80; it must be valid for the domain of the distribution.

    Raises:
        ConfigError: there is no gateway, or they are in several networks.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        gateways: Sequence[Gateway],
        health_interval_s: int = limits.HEALTH_INTERVAL_S,
        health_timeout_s: int = limits.HEALTH_TIMEOUT_S,
        healthy_threshold: int = limits.HEALTHY_THRESHOLD,
        unhealthy_threshold: int = limits.UNHEALTHY_THRESHOLD,
        idle_timeout_s: int | None = None,
        client_keep_alive_s: int = limits.BALANCER_CLIENT_KEEP_ALIVE_S,
        deregistration_delay_s: int | None = None,
        is_public: bool = False,
        certificate_arn: str | None = None,
        cloudfront_prefix_list_id: str | None = None,
        has_deletion_protection: bool = False,
        access_log_bucket: s3.IBucket | None = None,
        subnets: ec2.SubnetSelection | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.gateways = list(gateways)
        self.network = self._network()
        self.is_https = certificate_arn is not None
        # AWS replaces a load balancer whose scheme changes, and would find the target group at the
        # old one (aws-cloudformation/cloudformation-coverage-roadmap#780).
        self._prefix = "Public" if is_public else ""
        settings = [gateway.config.gateway for gateway in gateways]
        if idle_timeout_s is None:
            idle_timeout_s = limits.SILENCE_MARGIN_S + max(map(silence_s, settings))
        self.idle_timeout_s = idle_timeout_s
        delay_s = deregistration_delay_s
        if delay_s is None:
            delay_s = limits.DEREGISTRATION_MARGIN_S + max(map(drain_s, settings))
        self.security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=self.network.vpc,
            allow_all_outbound=False,
            description="tailrace: the load balancer, from CloudFront",
        )
        self.load_balancer = self._load_balancer(
            is_public, subnets, client_keep_alive_s, has_deletion_protection
        )
        if access_log_bucket is not None:
            self.load_balancer.log_access_logs(access_log_bucket)
        else:
            suppress(self.load_balancer, "AwsSolutions-ELB2", _NO_LOGS)
        check = elbv2.HealthCheck(
            path=settings[0].health_path,
            protocol=elbv2.Protocol.HTTP,
            healthy_http_codes="200",
            interval=Duration.seconds(health_interval_s),
            timeout=Duration.seconds(health_timeout_s),
            healthy_threshold_count=healthy_threshold,
            unhealthy_threshold_count=unhealthy_threshold,
        )
        self.target_group = self._target_group(delay_s, check)
        self.secret = self._secret() if is_public else None
        self.listener = self._listener(certificate_arn)
        prefix_list_id = (
            cloudfront_prefix_list_id or PrefixListId(self, "CloudFront").prefix_list_id
        )
        self.security_group.add_ingress_rule(
            ec2.Peer.prefix_list(prefix_list_id),
            ec2.Port.tcp(self.listener_port),
            "CloudFront: its list counts as 55 of the 60 rules of a group",
        )
        Checks.of(self).add_front(self, "alb", behind=self.gateways, values=self._values)

    @property
    def listener_port(self) -> int:
        """The port of the listener: 80, or 443 with a certificate."""
        return 443 if self.is_https else 80

    def _values(self, templates: Templates) -> template.Values:
        return {
            **templates.read(template.balancer_values, self.load_balancer),
            **templates.read(template.target_group_values, self.target_group),
            **templates.read(template.listener_values, self.listener),
        }

    def _network(self) -> Network:
        networks = {gateway.network.node.path: gateway.network for gateway in self.gateways}
        if len(networks) != 1:
            problem = f"the {len(self.gateways)} gateways are not in one network"
            raise ConfigError(problem, where=f"{self.node.path}: gateways")
        return next(iter(networks.values()))

    def _load_balancer(
        self,
        is_public: bool,
        subnets: ec2.SubnetSelection | None,
        client_keep_alive_s: int,
        has_deletion_protection: bool,
    ) -> elbv2.ApplicationLoadBalancer:
        return elbv2.ApplicationLoadBalancer(
            self,
            f"{self._prefix}LoadBalancer",
            vpc=self.network.vpc,
            vpc_subnets=subnets or (None if is_public else self.network.private_subnets),
            internet_facing=is_public,
            security_group=self.security_group,
            idle_timeout=Duration.seconds(self.idle_timeout_s),
            client_keep_alive=Duration.seconds(client_keep_alive_s),
            http2_enabled=True,
            drop_invalid_header_fields=True,
            desync_mitigation_mode=elbv2.DesyncMitigationMode.DEFENSIVE,
            xff_header_processing_mode=elbv2.XffHeaderProcessingMode.APPEND,
            preserve_host_header=True,
            deletion_protection=has_deletion_protection,
        )

    def _target_group(
        self, deregistration_delay_s: int, check: elbv2.HealthCheck
    ) -> elbv2.ApplicationTargetGroup:
        return elbv2.ApplicationTargetGroup(
            self,
            f"{self._prefix}Gateways",
            vpc=self.network.vpc,
            targets=[gateway.group for gateway in self.gateways],
            port=self.gateways[0].public_port,
            protocol=elbv2.ApplicationProtocol.HTTP,
            protocol_version=elbv2.ApplicationProtocolVersion.HTTP1,
            target_type=elbv2.TargetType.INSTANCE,
            deregistration_delay=Duration.seconds(deregistration_delay_s),
            # Streams last: counting what is open shares them out, taking turns does not.
            load_balancing_algorithm_type=(
                elbv2.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS
            ),
            health_check=check,
        )

    def _listener(self, certificate_arn: str | None) -> elbv2.ApplicationListener:
        forward = elbv2.ListenerAction.forward([self.target_group])
        refuse = elbv2.ListenerAction.fixed_response(
            403, content_type="text/plain", message_body=_FORBIDDEN
        )
        listener = self.load_balancer.add_listener(
            "Listener",
            port=self.listener_port,
            open=False,
            protocol=(
                elbv2.ApplicationProtocol.HTTPS if self.is_https else elbv2.ApplicationProtocol.HTTP
            ),
            certificates=[elbv2.ListenerCertificate.from_arn(certificate_arn)]
            if certificate_arn is not None
            else None,
            ssl_policy=_TLS_POLICY if self.is_https else None,
            default_action=forward if self.secret is None else refuse,
        )
        if self.secret is not None:
            value = self.secret.secret_value.unsafe_unwrap()  # a dynamic reference, not the value
            listener.add_action(
                "FromCloudFront",
                priority=1,
                conditions=[elbv2.ListenerCondition.http_header(SECRET_HEADER, [value])],
                action=forward,
            )
        return listener

    def _secret(self) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            self,
            "OriginSecret",
            description=f"tailrace: the value of {SECRET_HEADER} from CloudFront to "
            f"the load balancer of {Stack.of(self).stack_name}",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                exclude_punctuation=True, password_length=limits.ORIGIN_SECRET_CHARS
            ),
        )
        reason = "CloudFront and the load balancer would refuse each other while it is rotated"
        suppress(secret, "AwsSolutions-SMG4", reason)
        return secret


def silence_s(settings: GatewayConfig) -> int:
    """Return the longest silence that a gateway allows on a client's connection."""
    return math.ceil(max(settings.first_byte_timeout_s, settings.function_idle_timeout_s))


def drain_s(settings: GatewayConfig) -> int:
    """Return how long a gateway takes to drain, at most."""
    return math.ceil(settings.drain_delay_s + settings.drain_timeout_s)
