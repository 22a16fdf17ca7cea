"""What a site does, and how its gateway is laid out: the inputs of the model.

Each is declared once; the options of `tailrace costs` are derived from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from tailrace.costs.prices import HOURS_PER_MONTH
from tailrace.errors import ConfigError
from tailrace.setting import Range, Setting, fields_of

MONTH_S: Final = HOURS_PER_MONTH * 3_600
"""Seconds in a month."""
STREAMS_MAX: Final = 10_000_000
"""Streams at a time for which the model has an answer."""

NodeChoice = Literal[
    "auto", "t4g.small", "t4g.medium", "c7g.large", "c7g.xlarge", "c7g.2xlarge", "c7g.4xlarge"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Streams at their peak, and the fleet for them. Raises ConfigError for a value out of range.

    The defaults are tokens of a language model: half a minute, twenty a second, 100 bytes each.
    """

    streams: Annotated[
        int,
        Range(ge=1, le=STREAMS_MAX),
        Setting(
            "Streams that are open at the same time, at the peak.",
            help="Streams open at a time, at the peak.",
        ),
    ] = 1_000
    stream_s: Annotated[
        float,
        Range(gt=0, le=5_400),
        Setting("How long a stream is.", help="Length of a stream.", option="--seconds"),
    ] = 30.0
    busy_share: Annotated[
        float,
        Range(gt=0, le=1),
        Setting(
            "The average of the month as a share of the peak: 1 if it is as busy at night as at "
            "noon.",
            help="Average of the month as a share of the peak.",
            option="--busy",
            metavar="SHARE",
        ),
    ] = 0.3
    memory_mb: Annotated[
        int,
        Range(ge=128, le=10_240),
        Setting("The function's memory.", help="Memory of the function.", option="--memory"),
    ] = 1_024
    architecture: Annotated[
        Literal["arm64", "x86"],
        Setting(
            "That of the function: `arm64` or `x86`.",
            help="Of the function: arm64 or x86.",
            metavar="NAME",
        ),
    ] = "arm64"
    stream_bytes: Annotated[
        int,
        Range(ge=0, le=2**40),
        Setting(
            "The size of a response's body.",
            help="Size of a response.",
            option="--bytes",
            metavar="BYTES",
        ),
    ] = 60_000
    request_bytes: Annotated[
        int,
        Range(ge=0, le=6 * 2**20),
        Setting("The size of a request with its head.", help="Size of a request."),
    ] = 4_096
    chunks_per_s: Annotated[
        float,
        Range(ge=0, le=100_000),
        Setting(
            "How many chunks a second each stream has.",
            help="Chunks a second of each stream.",
            option="--chunks",
            metavar="COUNT",
        ),
    ] = 20.0
    left_share: Annotated[
        float,
        Range(ge=0, le=1),
        Setting(
            "The share of streams whose client leaves before the end, halfway on average.",
            help="Streams whose client leaves, halfway on average.",
            option="--left",
            metavar="SHARE",
        ),
    ] = 0.0
    node: Annotated[
        NodeChoice,
        Setting(
            "The gateway's instance type: `t4g.small`, `t4g.medium`, `c7g.large`, `c7g.xlarge`, "
            "`c7g.2xlarge` or `c7g.4xlarge`; `auto` is the one of which the fewest are needed, "
            "among those that cost at most a tenth more than the cheapest.",
            help="Instance type of the gateway, or auto.",
            metavar="TYPE",
        ),
    ] = "auto"
    headroom: Annotated[
        float,
        Range(ge=0, le=0.9),
        Setting(
            "The share of each machine that is kept free at the peak.",
            help="Share of each machine that is kept free.",
            metavar="SHARE",
        ),
    ] = 0.3
    spare_nodes: Annotated[
        int,
        Range(ge=0, le=1_000),
        Setting(
            "Machines that may fail at the peak.",
            help="Machines that may fail at the peak.",
            option="--spare",
        ),
    ] = 1
    zones: Annotated[
        int,
        Range(ge=1, le=6),
        Setting("Availability zones.", help="Availability zones."),
    ] = 2
    deploys: Annotated[
        float,
        Range(ge=0, le=10_000),
        Setting(
            "Deploys a month. New machines start beside the old ones, which stay for "
            "`--drain` seconds.",
            help="Deploys a month.",
            metavar="COUNT",
        ),
    ] = 20.0
    drain_s: Annotated[
        float,
        Range(ge=0, le=172_800),
        Setting(
            "How long a machine that is replaced stays for its streams.",
            help="How long a replaced machine stays.",
        ),
    ] = 900.0
    rules: Annotated[
        int,
        Range(ge=0, le=100),
        Setting(
            "Rules of the load balancer that a request passes; ten cost nothing.",
            help="Rules of the load balancer.",
        ),
    ] = 2
    endpoints: Annotated[
        int,
        Range(ge=0, le=50),
        Setting(
            "Interface endpoints of the VPC, each in every zone: by default those of Lambda, Auto "
            "Scaling and CloudWatch Logs, as a stack of `tailrace.deploy` has them.",
            help="Interface endpoints of the VPC.",
        ),
    ] = 3
    nat_gateways: Annotated[
        int,
        Range(ge=0, le=6),
        Setting(
            "NAT gateways. Without endpoints they carry the events for Lambda; nothing else that "
            "they carry is counted. A stack of `tailrace.deploy` with a NAT gateway is "
            "`--nat 1 --endpoints 0`.",
            help="NAT gateways.",
            option="--nat",
        ),
    ] = 0
    is_public: Annotated[
        bool,
        Setting(
            "Without CloudFront: the load balancer, the Function URL or the API is public.",
            help="Without CloudFront.",
            option="--public",
        ),
    ] = False
    has_free_tier: Annotated[
        bool,
        Setting(
            "Subtract AWS's free tiers that do not end. An account has them once.",
            help="Subtract the free tiers that do not end.",
            option="--free-tier",
        ),
    ] = False
    metrics: int = 18
    """Custom metrics: those of `--metrics emf`."""
    alarms: int = 16
    """Of a stack with one function; two are for scaling."""

    def __post_init__(self) -> None:
        for name, field in fields_of(type(self)).items():
            value, bounds = getattr(self, name), field.bounds
            if bounds is None:
                continue
            is_low = bounds.ge is not None and not value >= bounds.ge
            is_low = is_low or (bounds.gt is not None and not value > bounds.gt)
            if is_low or not value <= bounds.le:
                low = f"more than {bounds.gt:g}" if bounds.ge is None else f"{bounds.ge:g}"
                raise ConfigError(f"{value!r} is not {low} to {bounds.le:g}", where=name)

    @property
    def requests_per_s(self) -> float:
        """New streams a second, at the peak."""
        return self.streams / self.stream_s

    @property
    def streams_per_month(self) -> float:
        """Streams that begin in a month."""
        return self.requests_per_s * self.busy_share * MONTH_S

    @property
    def kept_share(self) -> float:
        """The part of all streams that is left when clients leave halfway."""
        return 1 - self.left_share / 2
