"""An estimate as text for people, and as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from tailrace.costs.bill import PARTS, WAYS
from tailrace.costs.estimate import Estimate, paying_left_share, paying_streams
from tailrace.costs.quotas import Demand, rise_s

RISE_SHOWN_S: Final = 10.0
"""How long Lambda may take to start all functions of the peak before the text mentions it."""
_DIMENSIONS: Final = {
    "new": "new connections",
    "active": "open connections",
    "bytes": "bytes",
    "rules": "rules",
}


def text_lines(estimate: Estimate) -> Iterator[str]:
    """The lines of the text."""
    load, prices = estimate.workload, estimate.prices
    yield (
        f"{load.streams:,} streams of {load.stream_s:g} s at the peak, "
        f"{load.streams_per_month:,.0f} a month"
    )
    yield f"US dollars a month: list prices of {prices.region}, looked up {prices.checked}"
    yield ""
    yield " " * 10 + "".join(f"{way:>14}" for way in WAYS)
    for part in PARTS:
        cells = (estimate.bills[way].part_usd(part) for way in WAYS)
        yield f"{part:<10}" + "".join(f"{usd:>14,.0f}" for usd in cells)
    yield f"{'all':<10}" + "".join(f"{estimate.bills[way].usd:>14,.0f}" for way in WAYS)
    yield ""
    yield from _size(estimate)
    yield from _worth(estimate)
    for excess in estimate.exceeded:
        yield f"quota: {', '.join(excess.quota.ways)}: {excess}"


def _size(estimate: Estimate) -> Iterator[str]:
    fleet, units = estimate.machines, estimate.units
    each = f"{fleet.capacity.streams:,} streams each, bounded by {fleet.capacity.scarcest}"
    yield f"machines: {fleet.count:,} × {fleet.type.name}, {each}"
    largest = _DIMENSIONS[units.largest]
    yield f"load balancer: {units.paid:,.1f} units (LCU) at the peak, for {largest}"
    rise = rise_s(Demand(workload=estimate.workload, machines=fleet, units=units))
    if rise > RISE_SHOWN_S:
        yield f"Lambda: {rise:,.0f} s to start one function so many times"


def _worth(estimate: Estimate) -> Iterator[str]:
    streams = f"Lambda's price of {estimate.gateway_in_streams:,.0f} streams"
    yield f"gateway: {estimate.gateway_usd:,.0f} $ a month, {streams}"
    share = paying_left_share(estimate.workload, estimate.prices)
    if share is None:
        yield "no more than a Function URL: at no share of clients that leave halfway"
    elif share == 0:
        yield "no more than a Function URL: even if no client leaves"
    else:
        yield f"no more than a Function URL: if {share:.1%} of clients leave halfway"
    if estimate.workload.left_share:
        least = paying_streams(estimate.workload, estimate.prices)
        size = "at no size" if least is None else f"from {least:,} streams at a time on"
        yield f"no more than a Function URL, with {estimate.workload.left_share:.1%}: {size}"


def facts(estimate: Estimate) -> dict[str, Any]:
    """The same as data for JSON, with each line of the bills."""
    fleet, units = estimate.machines, estimate.units
    return {
        "region": estimate.prices.region,
        "prices_checked": estimate.prices.checked,
        "workload": dataclasses.asdict(estimate.workload),
        "streams_per_month": estimate.workload.streams_per_month,
        "machines": {
            "type": fleet.type.name,
            "count": fleet.count,
            "streams_each": fleet.capacity.streams,
            "bounded_by": fleet.capacity.scarcest,
        },
        "load_balancer_units": {**dataclasses.asdict(units), "paid": units.paid},
        "bills": {
            way: {
                "usd": bill.usd,
                "parts": {part: bill.part_usd(part) for part in PARTS},
                "lines": [dataclasses.asdict(line) for line in bill.lines],
            }
            for way, bill in estimate.bills.items()
        },
        "gateway_in_streams": estimate.gateway_in_streams,
        "paying_left_share": paying_left_share(estimate.workload, estimate.prices),
        "paying_streams": paying_streams(estimate.workload, estimate.prices),
        "quotas_exceeded": [
            {
                "name": excess.quota.name,
                "ways": list(excess.quota.ways),
                "limit": excess.quota.limit,
                "needed": excess.needed,
                "remedy": excess.quota.remedy,
                "is_firm": excess.quota.is_firm,
            }
            for excess in estimate.exceeded
        ],
    }
