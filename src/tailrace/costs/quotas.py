"""Quotas of AWS that stop a site, or that must be raised before it is so large.

Defaults of accounts, as AWS documents them (read 2026-11). A new account may have less.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tailrace.costs.bill import NATIVE, WAYS, Way
from tailrace.costs.fleet import BalancerUnits, Machines, native_stream_s
from tailrace.costs.workload import Workload

SUBNET_ADDRESSES: Final = 251
"""Of a /24: AWS keeps five for itself."""
BALANCER_ADDRESSES: Final = 8
"""What a load balancer wants free in each of its subnets, to grow."""
INTERFACE_CONNECTIONS: Final = 65_000
"""Connections through one network interface of Lambda; then it makes another one."""
LCU_RESERVED_MIN: Final = 100
"""Units of a load balancer from which on it is worth to reserve them."""
SCALING_PER_S: Final = 100
"""New environments of one function: 1,000 in ten seconds."""
SYNC_PER_CONCURRENCY: Final = 10
"""Synchronous invocations a second for each unit of concurrency. Asynchronous ones have no such
quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a workload wants of AWS at its peak."""

    workload: Workload
    machines: Machines
    units: BalancerUnits

    @property
    def callback_concurrency(self) -> int:
        """Executions at a time when a function ends with its client."""
        return math.ceil(round(self.workload.streams * self.workload.kept_share, 6))

    @property
    def native_concurrency(self) -> int:
        """Executions at a time when each one runs to its end, or more for a high rate."""
        seconds = max(native_stream_s(self.workload), 1 / SYNC_PER_CONCURRENCY)
        return math.ceil(round(self.workload.requests_per_s * seconds, 6))

    @property
    def interfaces(self) -> int:
        """Lambda's network interfaces in the VPC: in each zone, and more for many connections."""
        zones = self.workload.zones
        return zones * math.ceil(self.callback_concurrency / zones / INTERFACE_CONNECTIONS)

    @property
    def subnet_addresses(self) -> int:
        """Addresses in each zone's subnet during a deploy."""
        load = self.workload
        used = self.machines.in_deploy + self.interfaces
        return math.ceil(used / load.zones) + BALANCER_ADDRESSES + load.endpoints

    @property
    def front_bits_s(self) -> float:
        """What goes to the clients."""
        return 8 * self.workload.requests_per_s * self.workload.stream_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A quota, and what to do above it."""

    name: str
    ways: tuple[Way, ...]
    limit: float
    needed: Callable[[Demand], float]
    remedy: str
    is_firm: bool = False
    """Whether AWS does not raise it."""


_ASK: Final = "ask for more under Service Quotas"

QUOTAS: Final = (
    Quota(
        name="seconds of a function",
        ways=WAYS,
        limit=900,
        needed=lambda demand: demand.workload.stream_s,
        remedy="no function runs longer",
        is_firm=True,
    ),
    Quota(
        name="Lambda concurrency",
        ways=("callback",),
        limit=1_000,
        needed=lambda demand: demand.callback_concurrency,
        remedy=_ASK,
    ),
    Quota(
        name="Lambda concurrency",
        ways=NATIVE,
        limit=1_000,
        needed=lambda demand: demand.native_concurrency,
        remedy=_ASK,
    ),
    Quota(
        name="bytes of a streamed response",
        ways=NATIVE,
        limit=200 * 2**20,
        needed=lambda demand: demand.workload.stream_bytes,
        remedy="call back, or send a link",
        is_firm=True,
    ),
    Quota(
        name="bytes of a request",
        ways=("callback",),
        limit=750_000,
        needed=lambda demand: demand.workload.request_bytes,
        remedy="use a response-stream route; an event is 1 MB at most",
        is_firm=True,
    ),
    Quota(
        name="EC2 vCPUs during a deploy, of a new account",
        ways=("callback",),
        limit=5,
        needed=lambda demand: demand.machines.in_deploy * demand.machines.type.vcpus,
        remedy=_ASK,
    ),
    Quota(
        name="load balancer targets during a deploy",
        ways=("callback",),
        limit=1_000,
        needed=lambda demand: demand.machines.in_deploy,
        remedy="take a larger instance type, or " + _ASK,
    ),
    Quota(
        name="load balancer units to reserve before a sudden peak",
        ways=("callback",),
        limit=0,
        needed=lambda demand: demand.units.paid if demand.units.paid >= LCU_RESERVED_MIN else 0,
        remedy="it grows by itself within minutes; ask for a reservation if that is too slow",
    ),
    Quota(
        name="load balancer units of one load balancer",
        ways=("callback",),
        limit=15_000,
        needed=lambda demand: demand.units.paid,
        remedy=_ASK,
    ),
    Quota(
        name="addresses in each subnet during a deploy",
        ways=("callback",),
        limit=SUBNET_ADDRESSES,
        needed=lambda demand: demand.subnet_addresses,
        remedy="make subnets larger than /24; those of tailrace.deploy are",
    ),
    Quota(
        name="CloudFront requests a second",
        ways=WAYS,
        limit=250_000,
        needed=lambda demand: 0 if demand.workload.is_public else demand.workload.requests_per_s,
        remedy=_ASK,
    ),
    Quota(
        name="CloudFront bits a second",
        ways=WAYS,
        limit=150e9,
        needed=lambda demand: 0 if demand.workload.is_public else demand.front_bits_s,
        remedy=_ASK,
    ),
    Quota(
        name="API Gateway requests a second",
        ways=("rest-api",),
        limit=10_000,
        needed=lambda demand: demand.workload.requests_per_s,
        remedy=_ASK,
    ),
)


@dataclass(frozen=True, slots=True)
class Excess:
    """A quota that a workload exceeds."""

    quota: Quota
    needed: float

    def __str__(self) -> str:
        quota, needed = self.quota, math.ceil(self.needed)
        usual = "the limit is" if quota.is_firm else "the default is"
        return f"{quota.name}: {needed:,} needed, {usual} {quota.limit:,.0f}; {quota.remedy}"


def exceeded(demand: Demand) -> tuple[Excess, ...]:
    """Return the quotas that are too low, in the order of the table."""
    found = ((quota, quota.needed(demand)) for quota in QUOTAS)
    return tuple(Excess(quota, needed) for quota, needed in found if needed > quota.limit)


def rise_s(demand: Demand) -> float:
    """Return how long Lambda takes to start the environments of the peak, for one function."""
    return demand.callback_concurrency / SCALING_PER_S
