"""A site's size, its bill on each way, the quotas it meets, and when its gateway is paid for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from tailrace.costs.bill import WAYS, Bill, Billing, Way
from tailrace.costs.fleet import BalancerUnits, Machines, balancer_units, machines
from tailrace.costs.prices import US_EAST_1, Prices
from tailrace.costs.quotas import Demand, Excess, exceeded
from tailrace.costs.workload import STREAMS_MAX, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the model has to say about a workload."""

    workload: Workload
    prices: Prices
    machines: Machines
    units: BalancerUnits
    bills: Mapping[Way, Bill]
    exceeded: tuple[Excess, ...]

    @property
    def gateway_usd(self) -> float:
        """What the callback costs beside function and front, a month."""
        return self.bills["callback"].part_usd("gateway")

    @property
    def stream_usd(self) -> float:
        """What Lambda costs for one stream with a callback whose client stays."""
        load = self.workload
        duration = self.prices.lambda_gb_s[load.architecture].usd
        seconds_usd = load.stream_s * load.memory_mb / 1024 * duration
        return seconds_usd + self.prices.lambda_request.usd

    @property
    def gateway_in_streams(self) -> float:
        """How many streams a month Lambda runs for the price of the gateway."""
        return self.gateway_usd / self.stream_usd


def estimate(workload: Workload, prices: Prices = US_EAST_1) -> Estimate:
    """Return the estimate of a workload with a table of prices."""
    fleet, units = machines(workload, prices), balancer_units(workload)
    billing = Billing(workload, prices)
    return Estimate(
        workload=workload,
        prices=prices,
        machines=fleet,
        units=units,
        bills={way: billing.bill(way, fleet, units) for way in WAYS},
        exceeded=exceeded(Demand(workload=workload, machines=fleet, units=units)),
    )


def saved_usd(workload: Workload, prices: Prices = US_EAST_1) -> float:
    """Return what a month by callback costs less than one by Function URL; negative if more."""
    bills = estimate(workload, prices).bills
    return bills["function-url"].usd - bills["callback"].usd


def paying_streams(workload: Workload, prices: Prices = US_EAST_1) -> int | None:
    """Return the least streams at a time from which on the callback costs no more than a URL.

    None if it costs more at every size. The number of machines grows in steps, so that somewhat
    above it the callback can once more cost a little more.
    """

    def is_paid(streams: int) -> bool:
        return saved_usd(dataclasses.replace(workload, streams=streams), prices) >= 0

    high = 1
    while not is_paid(high):
        if high == STREAMS_MAX:
            return None
        high = min(2 * high, STREAMS_MAX)
    low = high // 2  # not paid there, or 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_paid(middle) else (middle, high)
    return high


def paying_left_share(workload: Workload, prices: Prices = US_EAST_1) -> float | None:
    """Return the least share of leaving clients for which the callback costs no more than a URL.

    None if it costs more even if all of them leave, halfway on average.
    """

    def is_paid(share: float) -> bool:
        return saved_usd(dataclasses.replace(workload, left_share=share), prices) >= 0

    low, high = 0.0, 1.0
    if is_paid(low):
        return low
    if not is_paid(high):
        return None
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if is_paid(middle) else (middle, high)
    return high
