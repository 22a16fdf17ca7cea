"""Sites whose settings do not agree, each in a stack of its own; with an argument, in a stage."""

import sys
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2

from tailrace.deploy import StreamingFunction, StreamingSite

LINES = Path(__file__).parents[3] / "examples" / "deploy" / "lines"


def make_site(scope, timeout_s=300, **options):
    lines = StreamingFunction(scope, "Lines", path=LINES, app="main:app", timeout_s=timeout_s)
    return StreamingSite(scope, "Site", routes=[{"path": "/*", "function": lines}], **options)


def override(construct, path, value):
    construct.node.default_child.add_property_override(path, value)


def agreeing(stack):
    """Settings of the gateway alone: what is in front follows."""
    make_site(stack, settings={"function_idle_timeout_s": 100, "drain_delay_s": 20})


def given(stack):
    """Settings that are given do not agree with what follows from them."""
    make_site(stack, settings={"function_idle_timeout_s": 150, "health_path": "/alive"})


def overridden(stack):
    """Each value was changed behind its construct, as CDK's documentation shows."""
    site = make_site(stack)
    balancer, distribution = site.balancer, site.distribution.distribution
    override(balancer.load_balancer, "LoadBalancerAttributes.2.Value", "55")
    override(balancer.target_group, "TargetGroupAttributes.0.Value", "3601")
    override(balancer.target_group, "HealthCheckPath", "/")
    origin = "DistributionConfig.Origins.0"
    override(distribution, f"{origin}.ConnectionAttempts", 3)
    override(distribution, f"{origin}.VpcOriginConfig.OriginReadTimeout", 181)
    override(distribution, "DistributionConfig.DefaultCacheBehavior.Compress", True)
    override(site.functions[0].function, "Timeout", 20)
    for each in site.gateway.security_group.node.find_all():
        if isinstance(each, ec2.CfnSecurityGroupIngress) and each.from_port == 8081:
            each.add_property_override("ToPort", 8081)


def removed(stack):
    """Without a value, AWS's default counts."""
    site = make_site(stack)
    resource = site.balancer.load_balancer.node.default_child
    resource.add_property_deletion_override("LoadBalancerAttributes")


def accepted(stack):
    """A site's owner accepts what is a warning, and what is an error."""
    site = make_site(stack)
    override(site.distribution.distribution, "DistributionConfig.Origins.0.ConnectionAttempts", 3)
    override(site.balancer.target_group, "HealthCheckPath", "/")
    cdk.Validations.of(site).acknowledge(
        cdk.Acknowledgment(id="tailrace::cloudfront-attempts", reason="reads may be repeated"),
        cdk.Acknowledgment(id="tailrace::health-path", reason="/ is a route that does little"),
    )


def nested(stack):
    """The resources are in the template of a nested stack."""
    site = make_site(cdk.NestedStack(stack, "Inner"))
    override(site.balancer.target_group, "HealthCheckPath", "/")


app = cdk.App()
if sys.argv[1:]:
    nested(cdk.Stack(cdk.Stage(app, sys.argv[1]), "Lines"))
else:
    for make in (agreeing, given, overridden, removed, accepted, nested):
        make(cdk.Stack(app, make.__name__))
app.synth()
