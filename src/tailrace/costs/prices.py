"""Prices of AWS: each with its unit, the page that has it, and when it was read.

List prices in US dollars, without taxes and discounts. A GB is 2**30 bytes, as on AWS's bills.
`US_EAST_1.nat_gateway_hour.month_usd` is the price of a NAT gateway for a month.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

GB: Final = 2**30
HOURS_PER_MONTH: Final = 730
"""A month on AWS's own price pages."""

Seen = Literal["AWS", "others", "nowhere"]
"""Where a price was read: a stored copy of AWS's page; only what others publish; nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a unit costs, and how that is known."""

    usd: float
    """Of one unit; if there are tiers, in the first one."""
    unit: str
    page: str
    """AWS's page with the price."""
    seen: Seen
    read: str
    """When the text was written in which the price was read: a year, a month or a day."""
    tiers: tuple[tuple[float, float], ...] = ()
    """Further tiers: how many units a month come before it, and the price of one unit in it."""
    free: float = 0.0
    """Units a month that are free for every account, for as long as it exists."""

    def cost_usd(self, amount: float, *, has_free_tier: bool = False) -> float:
        """Return the price of so many units in a month."""
        paid = max(0.0, amount - self.free) if has_free_tier else amount
        begins = (0.0, *(begin for begin, _ in self.tiers))
        ends = (*begins[1:], math.inf)
        prices = (self.usd, *(usd for _, usd in self.tiers))
        return sum(
            usd * (min(paid, end) - begin)
            for usd, begin, end in zip(prices, begins, ends, strict=True)
            if paid > begin
        )

    @property
    def month_usd(self) -> float:
        """The price of one for a month. Raises ValueError if it is not paid by the hour."""
        if self.unit != "hour":
            raise ValueError(f"priced by the {self.unit}, not by the hour; use cost_usd")
        return self.usd * HOURS_PER_MONTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The prices of a Region. `dataclasses.replace` makes a table with others."""

    region: str
    checked: str
    """The day on which all of them were looked up."""
    lambda_gb_s: Mapping[str, Price]
    """By architecture."""
    lambda_request: Price
    lambda_streamed_gb: Price
    """What is beyond 6 MB of a response, on Lambda's own streams."""
    rest_api_request: Price
    node_hour: Mapping[str, Price]
    """By instance type: Linux, on demand."""
    disk_gb_month: Price
    balancer_hour: Price
    balancer_lcu_hour: Price
    endpoint_hour: Price
    """An interface endpoint, in one zone."""
    endpoint_gb: Price
    nat_gateway_hour: Price
    nat_gateway_gb: Price
    ipv4_hour: Price
    """A public address."""
    zone_gb: Price
    """Between two zones, in one direction. The sender pays it, and so does the receiver."""
    out_gb: Price
    """To the internet without CloudFront."""
    cloudfront_gb: Price
    """To clients in North America or Europe."""
    cloudfront_request: Price
    metric_month: Price
    alarm_month: Price
    log_gb: Price


_EC2: Final = "https://aws.amazon.com/ec2/pricing/on-demand/"
_LAMBDA: Final = "https://aws.amazon.com/lambda/pricing/"
_BALANCER: Final = "https://aws.amazon.com/elasticloadbalancing/pricing/"
_VPC: Final = "https://aws.amazon.com/vpc/pricing/"
_ENDPOINT: Final = "https://aws.amazon.com/privatelink/pricing/"
_CLOUDFRONT: Final = "https://aws.amazon.com/cloudfront/pricing/"
_CLOUDWATCH: Final = "https://aws.amazon.com/cloudwatch/pricing/"
_API: Final = "https://aws.amazon.com/api-gateway/pricing/"
_EBS: Final = "https://aws.amazon.com/ebs/pricing/"


def _node(usd: float) -> Price:
    return Price(usd=usd, unit="hour", page=_EC2, seen="others", read="2026")


US_EAST_1: Final = Prices(
    region="us-east-1",
    checked="2026-11-30",
    lambda_gb_s=MappingProxyType(
        {
            "arm64": Price(
                usd=0.0000133334,
                unit="GB-second",
                page=_LAMBDA,
                seen="others",
                read="2024",
                tiers=((7.5e9, 0.0000120001), (18.75e9, 0.0000106667)),
                free=400_000,
            ),
            "x86": Price(
                usd=0.0000166667,
                unit="GB-second",
                page=_LAMBDA,
                seen="others",
                read="2026-05",
                tiers=((6e9, 0.000015), (15e9, 0.0000133334)),
                free=400_000,
            ),
        }
    ),
    lambda_request=Price(
        usd=0.20e-6, unit="request", page=_LAMBDA, seen="AWS", read="2026-09-20", free=1e6
    ),
    lambda_streamed_gb=Price(
        usd=0.008, unit="GB", page=_LAMBDA, seen="others", read="2026", free=100
    ),
    rest_api_request=Price(
        usd=3.50e-6,
        unit="request",
        page=_API,
        seen="others",
        read="2026",
        tiers=((333e6, 2.80e-6), (1e9, 2.38e-6), (20e9, 1.51e-6)),
    ),
    node_hour=MappingProxyType(
        {
            "t4g.small": _node(0.0168),
            "t4g.medium": _node(0.0336),
            "c7g.large": _node(0.0725),
            "c7g.xlarge": _node(0.145),
            "c7g.2xlarge": _node(0.29),
            "c7g.4xlarge": _node(0.58),
        }
    ),
    disk_gb_month=Price(usd=0.08, unit="GB-month", page=_EBS, seen="others", read="2026"),
    balancer_hour=Price(usd=0.0225, unit="hour", page=_BALANCER, seen="AWS", read="2026-09-20"),
    balancer_lcu_hour=Price(
        usd=0.008, unit="LCU-hour", page=_BALANCER, seen="AWS", read="2026-09-20"
    ),
    endpoint_hour=Price(usd=0.01, unit="hour", page=_ENDPOINT, seen="others", read="2026-03"),
    endpoint_gb=Price(
        usd=0.01,
        unit="GB",
        page=_ENDPOINT,
        seen="AWS",
        read="no date",
        tiers=((1_048_576, 0.006), (5 * 1_048_576, 0.004)),
    ),
    nat_gateway_hour=Price(usd=0.045, unit="hour", page=_VPC, seen="AWS", read="2026-09-20"),
    nat_gateway_gb=Price(usd=0.045, unit="GB", page=_VPC, seen="AWS", read="2026-09-20"),
    ipv4_hour=Price(usd=0.005, unit="hour", page=_VPC, seen="others", read="2026-02"),
    zone_gb=Price(usd=0.01, unit="GB", page=_EC2, seen="others", read="2026"),
    out_gb=Price(
        usd=0.09,
        unit="GB",
        page=_EC2,
        seen="others",
        read="2026-03",
        tiers=((10_240, 0.085), (51_200, 0.07), (153_600, 0.05)),
        free=100,
    ),
    cloudfront_gb=Price(
        usd=0.085,
        unit="GB",
        page=_CLOUDFRONT,
        seen="AWS",
        read="no date",
        tiers=(
            (10_240, 0.080),
            (51_200, 0.060),
            (153_600, 0.040),
            (512_000, 0.030),
            (1_048_576, 0.025),
            (5_242_880, 0.020),
        ),
        free=1_024,
    ),
    cloudfront_request=Price(
        usd=1.0e-6, unit="request", page=_CLOUDFRONT, seen="others", read="2026-03", free=10e6
    ),
    metric_month=Price(
        usd=0.30,
        unit="metric-month",
        page=_CLOUDWATCH,
        seen="others",
        read="2026-05",
        tiers=((10_000, 0.10), (250_000, 0.05)),
        free=10,
    ),
    alarm_month=Price(
        usd=0.10, unit="alarm-month", page=_CLOUDWATCH, seen="others", read="2026-05", free=10
    ),
    log_gb=Price(usd=0.50, unit="GB", page=_CLOUDWATCH, seen="others", read="2026-06", free=5),
)
"""US East (N. Virginia)."""
