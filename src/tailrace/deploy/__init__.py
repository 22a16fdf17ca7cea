"""Infrastructure on AWS as constructs of the AWS CDK (extra `deploy`)."""

from tailrace.deploy.balancer import Balancer
from tailrace.deploy.distribution import Distribution

__all__ = ["Balancer", "Distribution"]
