"""What a month costs, line by line, on each of three ways.

A line belongs to a part: `function` (Lambda), `front` (to the clients), or `gateway` (what exists
for the callback only; on an API of API Gateway, what that costs).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tailrace.costs.fleet import (
    NATIVE_BURST_BYTES,
    BalancerUnits,
    Machines,
    native_stream_s,
)
from tailrace.costs.prices import GB, HOURS_PER_MONTH, Price, Prices
from tailrace.costs.workload import Workload

Way = Literal["callback", "function-url", "rest-api"]
WAYS: Final[tuple[Way, ...]] = ("callback", "function-url", "rest-api")
Part = Literal["function", "front", "gateway"]
NATIVE: Final[tuple[Way, ...]] = ("function-url", "rest-api")
PARTS: Final[tuple[Part, ...]] = ("function", "front", "gateway")

DISK_GB: Final = 8
"""The disk of a machine: the smallest that Amazon Linux 2023 has by default."""
GATEWAY_LOG_BYTES: Final = 320
"""The line that the gateway logs for an exchange, with CloudWatch's 26 bytes for each."""
FUNCTION_LOG_BYTES: Final = 400
"""Lambda's START, END and REPORT. An app's own lines are not counted."""
METRIC_LOG_BYTES_PER_MONTH: Final = 43_800 * 1_200
"""A line of metrics of `--metrics emf` a minute, of each machine."""
EVENT_FREE_BYTES: Final = 256 * 2**10
EVENT_STEP_BYTES: Final = 64 * 2**10
"""An asynchronous event counts as one request up to 256 KB, and one more for each 64 KB."""
REST_API_STEP_BYTES: Final = 10 * 2**20
"""A streamed response of API Gateway counts as a request for each 10 MB that it begins."""


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a bill for a month."""

    part: Part
    name: str
    amount: float
    unit: str
    usd: float


@dataclass(frozen=True, slots=True)
class Bill:
    """A month on one way."""

    way: Way
    lines: Sequence[BillLine]

    @property
    def usd(self) -> float:
        """The sum."""
        return math.fsum(line.usd for line in self.lines)

    def part_usd(self, part: Part) -> float:
        """The sum of a part."""
        return math.fsum(line.usd for line in self.lines if line.part == part)


class Billing:
    """Makes the lines of one workload with one table of prices."""

    def __init__(self, workload: Workload, prices: Prices) -> None:
        self._workload = workload
        self._prices = prices

    def bill(self, way: Way, machines: Machines, units: BalancerUnits) -> Bill:
        """Return the bill of a way; machines and units are those of the callback."""
        lines = [*self._function(way), *self._front()]
        if way == "callback":
            lines += [*self._machines(machines), *self._balancer(units), *self._network(machines)]
            lines += self._watch(machines)
        if way == "rest-api":
            steps = max(1, math.ceil(self._workload.stream_bytes / REST_API_STEP_BYTES))
            count = self._workload.streams_per_month * steps
            lines.append(
                self._line("gateway", "API requests", count, self._prices.rest_api_request)
            )
        return Bill(way, tuple(lines))

    def _line(self, part: Part, name: str, amount: float, price: Price) -> BillLine:
        usd = price.cost_usd(amount, has_free_tier=self._workload.has_free_tier)
        return BillLine(part, name, amount, price.unit, usd)

    def _function(self, way: Way) -> Iterator[BillLine]:
        """Callback: a function stops when its client leaves. The others run to their end."""
        load, prices = self._workload, self._prices
        count = load.streams_per_month
        seconds = native_stream_s(load)
        requests = 1
        if way == "callback":
            seconds = load.stream_s * load.kept_share
            large = max(0, load.request_bytes - EVENT_FREE_BYTES)
            requests += math.ceil(large / EVENT_STEP_BYTES)
        gb_s = count * seconds * load.memory_mb / 1024
        yield self._line("function", "Lambda duration", gb_s, prices.lambda_gb_s[load.architecture])
        yield self._line("function", "Lambda requests", count * requests, prices.lambda_request)
        if way != "callback":
            slow_bytes = max(0, load.stream_bytes - NATIVE_BURST_BYTES)
            gb = count * slow_bytes / GB
            yield self._line("function", "Lambda streamed bytes", gb, prices.lambda_streamed_gb)
        gb = count * FUNCTION_LOG_BYTES / GB
        yield self._line("function", "Lambda logs", gb, prices.log_gb)

    def _front(self) -> Iterator[BillLine]:
        load, prices = self._workload, self._prices
        count = load.streams_per_month
        gb = count * load.stream_bytes * load.kept_share / GB
        if load.is_public:
            yield self._line("front", "bytes to the internet", gb, prices.out_gb)
            return
        yield self._line("front", "CloudFront bytes", gb, prices.cloudfront_gb)
        yield self._line("front", "CloudFront requests", count, prices.cloudfront_request)

    def _machines(self, machines: Machines) -> Iterator[BillLine]:
        """The peak's machines, all month, and those that drain beside the new ones."""
        load, prices = self._workload, self._prices
        price = prices.node_hour[machines.type.name]
        hours = machines.count * HOURS_PER_MONTH
        yield self._line("gateway", f"machines, {machines.type.name}", hours, price)
        draining = machines.count * load.deploys * load.drain_s / 3_600
        yield self._line("gateway", "machines that drain", draining, price)
        disk = DISK_GB * (machines.count + draining / HOURS_PER_MONTH)
        yield self._line("gateway", "disks", disk, prices.disk_gb_month)

    def _balancer(self, units: BalancerUnits) -> Iterator[BillLine]:
        load, prices = self._workload, self._prices
        yield self._line("gateway", "load balancer", HOURS_PER_MONTH, prices.balancer_hour)
        hours = units.paid * load.busy_share * HOURS_PER_MONTH
        yield self._line("gateway", "load balancer units", hours, prices.balancer_lcu_hour)

    def _network(self, machines: Machines) -> Iterator[BillLine]:
        load, prices = self._workload, self._prices
        count = load.streams_per_month
        asked_gb = count * load.request_bytes / GB
        if load.endpoints:
            hours = load.endpoints * load.zones * HOURS_PER_MONTH
            yield self._line("gateway", "endpoints", hours, prices.endpoint_hour)
            yield self._line("gateway", "bytes through endpoints", asked_gb, prices.endpoint_gb)
        elif load.nat_gateways:
            yield self._line("gateway", "events through NAT", asked_gb, prices.nat_gateway_gb)
        if load.nat_gateways:
            hours = load.nat_gateways * HOURS_PER_MONTH
            yield self._line("gateway", "NAT gateways", hours, prices.nat_gateway_hour)
        addresses = load.nat_gateways + load.zones * load.is_public
        if addresses:
            hours = addresses * HOURS_PER_MONTH
            yield self._line("gateway", "public addresses", hours, prices.ipv4_hour)
        # From a function to a machine, counted where it leaves a zone and where it enters one.
        # Between a load balancer and its targets nothing is charged.
        gb = count * load.stream_bytes * load.kept_share / GB
        crossing = 2 * gb * (load.zones - 1) / load.zones
        yield self._line("gateway", "bytes between zones", crossing, prices.zone_gb)

    def _watch(self, machines: Machines) -> Iterator[BillLine]:
        load, prices = self._workload, self._prices
        yield self._line("gateway", "metrics", load.metrics, prices.metric_month)
        yield self._line("gateway", "alarms", load.alarms, prices.alarm_month)
        log_bytes = load.streams_per_month * GATEWAY_LOG_BYTES
        log_bytes += machines.count * METRIC_LOG_BYTES_PER_MONTH
        yield self._line("gateway", "gateway logs", log_bytes / GB, prices.log_gb)
