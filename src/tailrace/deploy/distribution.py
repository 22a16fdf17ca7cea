"""The CloudFront distribution in front of the load balancer."""

from __future__ import annotations

from typing import Any, Final

from aws_cdk import Aws, Duration, Names
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from tailrace.deploy import limits, template
from tailrace.deploy.balancer import SECRET_HEADER, Balancer
from tailrace.deploy.checks import Checks, Templates
from tailrace.deploy.suppression import suppress
from tailrace.errors import ConfigError

_TLS_MIN: Final = cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021
"""Of a domain of one's own; CloudFront's own domain accepts TLS 1.0."""
_PROTOCOLS: Final = {
    False: cloudfront.OriginProtocolPolicy.HTTP_ONLY,
    True: cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
}
"""By whether the load balancer has a certificate."""
_COMMENT_CHARS_MAX: Final = 128
"""AWS refuses a longer comment of a distribution."""
_ACCEPTED: Final = {
    "cfr1": "readers are in any country",
    "cfr2": "AWS WAF costs money for each request; web_acl_arn attaches it",
    "cfr3": "logs cost money for each request; log_bucket switches them on",
    "cfr4": "the policy of CloudFront's own domain is fixed; with domain_name it is TLS 1.2",
    "cfr5": "the load balancer has no certificate, and is reached by HTTP",
}
"""Why rules of cdk-nag do not apply."""


class Distribution(Construct):
    """A CloudFront distribution that passes streams on as they come, from one `Balancer`.

    It caches nothing, errors included, and compresses nothing. It passes on all methods, headers,
    cookies and query strings, and redirects HTTP to HTTPS. It reaches an internal load balancer
    through a VPC origin, and a public one over the internet, with a secret header.

    `domain_name` needs `certificate_arn`, a certificate of us-east-1; its DNS record is yours.
    `web_acl_arn` is a web ACL of scope CLOUDFRONT. Time-outs are whole seconds. Without
    `read_timeout_s` CloudFront accepts more silence than the load balancer does, but for no more
    than 120 s: more needs a larger quota of the account. Without `keep_alive_s` CloudFront closes
    idle connections first. `response_completion_timeout_s` bounds a whole response; with None there
    is no bound.

    Raises:
        ConfigError: a domain without a certificate, or the reverse.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        balancer: Balancer,
        domain_name: str | None = None,
        certificate_arn: str | None = None,
        web_acl_arn: str | None = None,
        read_timeout_s: int | None = None,
        keep_alive_s: int | None = None,
        connection_timeout_s: int = limits.CONNECTION_TIMEOUT_S,
        response_completion_timeout_s: int | None = None,
        price_class: cloudfront.PriceClass = cloudfront.PriceClass.PRICE_CLASS_ALL,
        log_bucket: s3.IBucket | None = None,
    ) -> None:
        super().__init__(scope, id)
        if (domain_name is None) != (certificate_arn is None):
            problem = "one of domain_name and certificate_arn is missing; give both, or neither"
            raise ConfigError(problem, where=self.node.path)
        self.balancer = balancer
        idle_s = balancer.idle_timeout_s
        if read_timeout_s is None:
            read_timeout_s = min(idle_s + limits.SILENCE_MARGIN_S, limits.READ_TIMEOUT_S_MAX)
        if keep_alive_s is None:
            keep_alive_s = min(max(1, idle_s - limits.SILENCE_MARGIN_S), limits.ORIGIN_KEEP_ALIVE_S)
        origin = self._origin(
            read_timeout=read_timeout_s,
            keepalive_timeout=keep_alive_s,
            connection_timeout=connection_timeout_s,
            response_completion_timeout=response_completion_timeout_s,
        )
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"tailrace: {self.node.path}"[:_COMMENT_CHARS_MAX],
            default_behavior=self._behavior(origin),
            error_responses=[
                cloudfront.ErrorResponse(http_status=status, ttl=Duration.seconds(0))
                for status in limits.ERROR_STATUSES
            ],
            domain_names=None if domain_name is None else [domain_name],
            certificate=None
            if certificate_arn is None
            else acm.Certificate.from_certificate_arn(self, "Certificate", certificate_arn),
            minimum_protocol_version=None if certificate_arn is None else _TLS_MIN,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            enable_ipv6=True,
            price_class=price_class,
            web_acl_id=web_acl_arn,
            enable_logging=log_bucket is not None,
            log_bucket=log_bucket,
        )
        self._accept(
            cfr1=True,
            cfr2=web_acl_arn is None,
            cfr3=log_bucket is None,
            cfr4=certificate_arn is None,
            cfr5=not balancer.is_https,
        )
        Checks.of(self).add_front(self, "cloudfront", behind=[balancer], values=self._values)
        self.url = f"https://{domain_name or self.distribution.distribution_domain_name}/"

    def _behavior(self, origin: cloudfront.IOrigin) -> cloudfront.BehaviorOptions:
        return cloudfront.BehaviorOptions(
            origin=origin,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            origin_request_policy=self._origin_request_policy(),
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            compress=False,
        )

    def _accept(self, **is_found: bool) -> None:
        for rule, reason in _ACCEPTED.items():
            if is_found[rule]:
                suppress(self.distribution, f"AwsSolutions-{rule.upper()}", reason)

    def _values(self, templates: Templates) -> template.Values:
        return templates.read(template.distribution_values, self.distribution)

    def _origin_request_policy(self) -> cloudfront.OriginRequestPolicy:
        """All that the client sends, `Host` as well, and whether it used HTTPS.

        The load balancer overwrites `X-Forwarded-Proto` with the scheme of CloudFront's request to
        it. Policies of all regions share one space of names.
        """
        return cloudfront.OriginRequestPolicy(
            self,
            "Policy",
            origin_request_policy_name=f"{Names.unique_id(self)[-80:]}-{Aws.REGION}",
            comment="tailrace: everything of the client, and its scheme",
            header_behavior=cloudfront.OriginRequestHeaderBehavior.all(
                "CloudFront-Forwarded-Proto"
            ),
            cookie_behavior=cloudfront.OriginRequestCookieBehavior.all(),
            query_string_behavior=cloudfront.OriginRequestQueryStringBehavior.all(),
        )

    def _origin(self, **timeouts_s: int | None) -> cloudfront.IOrigin:
        options: dict[str, Any] = {
            name: Duration.seconds(timeout_s)
            for name, timeout_s in timeouts_s.items()
            if timeout_s is not None
        }
        options["connection_attempts"] = limits.CONNECTION_ATTEMPTS
        balancer, tls = self.balancer, [cloudfront.OriginSslPolicy.TLS_V1_2]
        if balancer.secret is None:
            return origins.VpcOrigin.with_vpc_origin(self._vpc_origin(tls), **options)
        secret = balancer.secret.secret_value.unsafe_unwrap()  # a dynamic reference, not the value
        return origins.LoadBalancerV2Origin(
            balancer.load_balancer,
            custom_headers={SECRET_HEADER: secret},
            protocol_policy=_PROTOCOLS[balancer.is_https],
            origin_ssl_protocols=tls,
            **options,
        )

    def _vpc_origin(self, tls: list[cloudfront.OriginSslPolicy]) -> cloudfront.VpcOrigin:
        """Make the VPC origin, which AWS does in a VPC with an internet gateway only.

        AWS refuses to update one that a distribution uses (aws/aws-cdk#35765). So it has another
        name with another protocol, and no tags, since tags of an app change.
        """
        made = cloudfront.VpcOrigin(
            self,
            "HttpsOrigin" if self.balancer.is_https else "HttpOrigin",
            endpoint=cloudfront.VpcOriginEndpoint.application_load_balancer(
                self.balancer.load_balancer
            ),
            protocol_policy=_PROTOCOLS[self.balancer.is_https],
            origin_ssl_protocols=tls,
        )
        resource = made.node.default_child
        assert isinstance(resource, cloudfront.CfnVpcOrigin)
        resource.add_property_deletion_override("Tags")
        resource.node.add_dependency(self.balancer.network.vpc.internet_connectivity_established)
        return made
