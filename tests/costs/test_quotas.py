"""Each quota has a workload that exceeds it, and says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.costs.estimate import estimate
from tailrace.costs.quotas import QUOTAS, Demand, rise_s
from tailrace.costs.workload import Workload

SMALL: dict[str, Any] = {"streams": 10, "node": "t4g.small", "zones": 1, "spare_nodes": 0}
"""No quota is exceeded by it."""

ABOVE: dict[str, tuple[dict[str, Any], float]] = {
    "seconds of a function": ({"stream_s": 901}, 901),
    "Lambda concurrency": ({"streams": 1_001}, 1_001),
    "bytes of a streamed response": ({"stream_bytes": 200 * 2**20 + 1}, 200 * 2**20 + 1),
    "bytes of a request": ({"request_bytes": 750_001}, 750_001),
    "EC2 vCPUs during a deploy, of a new account": ({"spare_nodes": 1}, 8),
    "load balancer targets during a deploy": ({"spare_nodes": 500}, 1_002),
    "load balancer units to reserve before a sudden peak": (
        {"streams": 5_000, "stream_s": 2, "stream_bytes": 0, "request_bytes": 0},
        100,
    ),
    "load balancer units of one load balancer": (
        {"streams": 375_025, "stream_s": 1, "stream_bytes": 0, "request_bytes": 0},
        15_001,
    ),
    # twice 121 machines, an interface of Lambda, 8 for the load balancer, 3 endpoints
    "addresses in each subnet during a deploy": ({"spare_nodes": 120}, 254),
    "CloudFront requests a second": ({"streams": 250_001, "stream_s": 1}, 250_001),
    "CloudFront bits a second": (
        {"streams": 10_000, "stream_s": 1, "stream_bytes": 1_875_001},
        10_000 * 8 * 1_875_001,
    ),
    "API Gateway requests a second": ({"streams": 10_001, "stream_s": 1}, 10_001),
}


def above(**changes: Any) -> dict[str, float]:
    found = estimate(Workload(**{**SMALL, **changes}))
    return {excess.quota.name: excess.needed for excess in found.exceeded}


def test_a_small_site_meets_no_quota() -> None:
    assert above() == {}


def test_each_quota_is_tried() -> None:
    assert set(ABOVE) == {quota.name for quota in QUOTAS}


@pytest.mark.parametrize("name", ABOVE)
def test_a_quota_that_is_exceeded_is_named(name: str) -> None:
    changes, needed = ABOVE[name]

    assert above(**changes)[name] == pytest.approx(needed)


@pytest.mark.parametrize(
    "changes",
    [
        {"stream_s": 900},
        {"request_bytes": 750_000},
        {"stream_bytes": 200 * 2**20, "streams": 1},
    ],
)
def test_a_limit_itself_is_allowed(changes: dict[str, Any]) -> None:
    names = {"seconds of a function", "bytes of a request", "bytes of a streamed response"}

    assert names.isdisjoint(above(**changes))


def test_what_is_exceeded_says_how_far_and_what_to_do() -> None:
    found = estimate(Workload(**SMALL, request_bytes=750_001, left_share=0.5)).exceeded

    assert [str(excess) for excess in found] == [
        "bytes of a request: 750,001 needed, the limit is 750,000; "
        "use a response-stream route; an event is 1 MB at most"
    ]
    assert found[0].quota.ways == ("callback",)


def test_native_streams_need_more_concurrency_when_clients_leave() -> None:
    load = Workload(streams=1_200, left_share=0.5)

    (excess,) = (e for e in estimate(load).exceeded if e.quota.name == "Lambda concurrency")

    assert excess.quota.ways == ("function-url", "rest-api")
    assert str(excess) == (
        "Lambda concurrency: 1,200 needed, the default is 1,000; ask for more under Service Quotas"
    )


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"streams": 300, "stream_s": 0.01}, 3_000),  # ten requests a second for each unit
        ({"streams": 300, "stream_s": 30, "stream_bytes": 106 * 2**20}, 500),  # 50 s each
    ],
)
def test_native_concurrency_follows_rate_and_bytes(changes: dict[str, Any], needed: int) -> None:
    load = Workload(**{"chunks_per_s": 0, **changes})
    found = estimate(load)
    demand = Demand(workload=load, machines=found.machines, units=found.units)

    assert demand.native_concurrency == needed
    assert demand.callback_concurrency == 300
    assert rise_s(demand) == 3
