"""How large the parts are that carry the load: machines, load balancer units, functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from tailrace.costs.capacity import NODE_TYPES, Capacity, NodeType, capacity
from tailrace.costs.prices import GB, Prices
from tailrace.costs.workload import Workload
from tailrace.errors import ConfigError

DEARER_MAX: Final = 1.1
"""What fewer and larger machines may cost, beside the cheapest ones, for `auto` to take them."""

# --- machines ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """The gateway's machines at the peak."""

    type: NodeType
    count: int
    """With those that may fail."""
    capacity: Capacity
    """Of each."""

    @property
    def in_deploy(self) -> int:
        """During a deploy: all of them twice."""
        return 2 * self.count


def machines(workload: Workload, prices: Prices) -> Machines:
    """Return the machines for the peak: at least one in each zone, and the spare ones.

    Raises ConfigError if one stream is too much for a machine.
    """
    if workload.node != "auto":
        return _machines_of(NODE_TYPES[workload.node], workload)
    *_, largest = NODE_TYPES.values()
    able = [node for node in NODE_TYPES.values() if _capacity_of(node, workload).streams]
    fleets = [_machines_of(node, workload) for node in able or [largest]]
    costs = [each.count * prices.node_hour[each.type.name].usd for each in fleets]
    bound = DEARER_MAX * min(costs)
    cheap = [each for each, usd in zip(fleets, costs, strict=True) if usd <= bound]
    return min(cheap, key=lambda each: each.count)


def _machines_of(node: NodeType, workload: Workload) -> Machines:
    each = _capacity_of(node, workload)
    if not each.streams:
        problem = f"{node.name} does not carry one such stream: {each.scarcest} is too little"
        raise ConfigError(f"{problem}; take a larger type, or smaller streams", where="node")
    needed = math.ceil(workload.streams / each.streams)
    count = max(needed + workload.spare_nodes, workload.zones)
    return Machines(type=node, count=count, capacity=each)


def _capacity_of(node: NodeType, workload: Workload) -> Capacity:
    return capacity(
        node,
        stream_s=workload.stream_s,
        chunks_per_s=workload.chunks_per_s,
        stream_bytes=workload.stream_bytes,
        headroom=workload.headroom,
    )


# --- the load balancer -------------------------------------------------------------------------

LCU_NEW_PER_S: Final = 25
LCU_ACTIVE: Final = 3_000
LCU_GB_PER_H: Final = 1
LCU_RULES_PER_S: Final = 1_000
"""What one unit (LCU) of an Application Load Balancer holds: AWS's price page, of 2026-09-20."""
RULES_FREE: Final = 10
"""Rules that a request passes without being counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerUnits:
    """LCUs at the peak, of each dimension. The largest one is paid."""

    new: float
    active: float
    bytes: float
    rules: float

    @property
    def paid(self) -> float:
        """The units on the bill."""
        return max(self.new, self.active, self.bytes, self.rules)

    @property
    def largest(self) -> str:
        """The dimension that is paid: `new`, `active`, `bytes` or `rules`."""
        return max(("new", "active", "bytes", "rules"), key=lambda name: getattr(self, name))


def balancer_units(workload: Workload) -> BalancerUnits:
    """Return the units at the peak, with a new connection for each request."""
    per_s = workload.requests_per_s
    sent_bytes = workload.stream_bytes * workload.kept_share + workload.request_bytes
    return BalancerUnits(
        new=per_s / LCU_NEW_PER_S,
        active=workload.streams * workload.kept_share / LCU_ACTIVE,
        bytes=per_s * 3_600 * sent_bytes / GB / LCU_GB_PER_H,
        rules=per_s * max(0, workload.rules - RULES_FREE) / LCU_RULES_PER_S,
    )


# --- functions ---------------------------------------------------------------------------------

NATIVE_BURST_BYTES: Final = 6 * 2**20
"""What Lambda's own streams let through at any rate, of each response."""
NATIVE_BYTES_PER_S: Final = 2 * 2**20
"""And the rate of the rest: Developer Guide, configuration-response-streaming, read 2026-11."""


def native_stream_s(workload: Workload) -> float:
    """Return how long a native stream is: no shorter than Lambda's rate allows."""
    slow_bytes = max(0, workload.stream_bytes - NATIVE_BURST_BYTES)
    return max(workload.stream_s, slow_bytes / NATIVE_BYTES_PER_S)
