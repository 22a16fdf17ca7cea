"""Bills by hand: each line, on each way."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.costs.bill import PARTS, WAYS, Bill
from tailrace.costs.estimate import estimate
from tailrace.costs.workload import Workload

STREAMS = 26_280_000  # a month: 1,000 / 30 s × 0.3 × 730 h
PLAIN: dict[str, Any] = {
    "node": "c7g.large",
    "spare_nodes": 1,
    "deploys": 12,
    "drain_s": 1_800,
}


def amounts(bill: Bill) -> dict[str, tuple[float, float]]:
    return {line.name: (line.amount, round(line.usd, 2)) for line in bill.lines}


def near(amount: float, usd: float) -> Any:
    return (pytest.approx(amount, rel=1e-6), pytest.approx(usd, abs=0.005))


def test_the_callbacks_bill_by_hand() -> None:
    load = Workload(**PLAIN)

    bill = estimate(load).bills["callback"]

    assert load.streams_per_month == pytest.approx(STREAMS)
    assert amounts(bill) == {
        # 30 s of 1 GB each, at 0.0000133334
        "Lambda duration": near(788_400_000, 10_512.05),
        "Lambda requests": near(STREAMS, 5.26),
        "Lambda logs": near(STREAMS * 400 / 2**30, 4.90),
        "CloudFront bytes": near(STREAMS * 60_000 / 2**30, 124.82),
        "CloudFront requests": near(STREAMS, 26.28),
        # two machines; 12 times both of them for half an hour
        "machines, c7g.large": near(1_460, 105.85),
        "machines that drain": near(12, 0.87),
        "disks": near(8 * (2 + 12 / 730), 1.29),
        "load balancer": near(730, 16.43),
        # 33.3 streams a second of 64,096 bytes are 7.16 GB an hour, three tenths of it on average
        "load balancer units": near(7.163286 * 0.3 * 730, 12.55),
        "endpoints": near(3 * 2 * 730, 43.80),
        "bytes through endpoints": near(STREAMS * 4_096 / 2**30, 1.00),
        # half of the bytes, out of one zone and into the other
        "bytes between zones": near(STREAMS * 60_000 / 2**30, 14.69),
        "metrics": near(18, 5.40),
        "alarms": near(16, 1.60),
        "gateway logs": near((STREAMS * 320 + 2 * 43_800 * 1_200) / 2**30, 3.96),
    }
    assert bill.usd == pytest.approx(sum(bill.part_usd(part) for part in PARTS))


def test_a_function_url_has_no_gateway() -> None:
    bill = estimate(Workload()).bills["function-url"]

    assert bill.part_usd("gateway") == 0
    assert set(amounts(bill)) == {
        "Lambda duration",
        "Lambda requests",
        "Lambda streamed bytes",
        "Lambda logs",
        "CloudFront bytes",
        "CloudFront requests",
    }


def test_large_responses_cost_by_the_byte_on_native_ways() -> None:
    """106 MB: 100 MB of each are paid, and take 50 s."""
    load = Workload(stream_bytes=106 * 2**20, chunks_per_s=1)

    for way in ("function-url", "rest-api"):
        lines = amounts(estimate(load).bills[way])
        assert lines["Lambda streamed bytes"] == near(STREAMS * 100 / 1_024, 20_531.25)
        assert lines["Lambda duration"] == near(STREAMS * 50, 17_520.09)
    assert "Lambda streamed bytes" not in amounts(estimate(load).bills["callback"])


@pytest.mark.parametrize(("mb", "count"), [(0, 1), (10, 1), (11, 2), (106, 11)])
def test_an_api_counts_a_request_for_each_10_mb(mb: int, count: int) -> None:
    load = Workload(streams=100, stream_bytes=mb * 2**20, chunks_per_s=1)

    line = amounts(estimate(load).bills["rest-api"])["API requests"]

    assert line == near(2_628_000 * count, 2_628_000 * count * 3.50e-6)


@pytest.mark.parametrize(
    ("request_bytes", "count"), [(262_144, 1), (262_145, 2), (327_680, 2), (327_681, 3)]
)
def test_an_event_of_more_than_256_kb_counts_more_than_once(request_bytes: int, count: int) -> None:
    bills = estimate(Workload(request_bytes=request_bytes)).bills

    assert amounts(bills["callback"])["Lambda requests"][0] == pytest.approx(STREAMS * count)
    assert amounts(bills["function-url"])["Lambda requests"][0] == pytest.approx(STREAMS)


def test_a_client_that_leaves_stops_its_function_by_callback_only() -> None:
    """All of them leave halfway: half of the duration."""
    bills = estimate(Workload(left_share=1)).bills

    assert amounts(bills["callback"])["Lambda duration"][0] == pytest.approx(STREAMS * 15)
    assert amounts(bills["function-url"])["Lambda duration"][0] == pytest.approx(STREAMS * 30)
    for way in WAYS:
        delivered_gb = amounts(bills[way])["CloudFront bytes"][0]
        assert delivered_gb == pytest.approx(STREAMS * 30_000 / 2**30)


def test_without_cloudfront_bytes_and_addresses_are_paid() -> None:
    bills = estimate(Workload(is_public=True)).bills

    for way in WAYS:
        lines = amounts(bills[way])
        assert lines["bytes to the internet"] == near(STREAMS * 60_000 / 2**30, 132.17)
        assert "CloudFront bytes" not in lines
    assert amounts(bills["callback"])["public addresses"] == near(2 * 730, 7.30)
    assert "public addresses" not in amounts(estimate(Workload()).bills["callback"])


def test_a_nat_gateway_has_an_address() -> None:
    lines = amounts(estimate(Workload(nat_gateways=3)).bills["callback"])

    assert lines["NAT gateways"] == near(3 * 730, 98.55)
    assert lines["public addresses"] == near(3 * 730, 10.95)
    assert "events through NAT" not in lines


def test_without_endpoints_events_pass_the_nat_gateway() -> None:
    lines = amounts(estimate(Workload(nat_gateways=1, endpoints=0)).bills["callback"])

    assert lines["events through NAT"] == near(STREAMS * 4_096 / 2**30, 4.51)
    assert "endpoints" not in lines


def test_in_one_zone_no_byte_crosses() -> None:
    lines = amounts(estimate(Workload(zones=1)).bills["callback"])

    assert lines["bytes between zones"] == (0, 0)
    assert lines["endpoints"][0] == 3 * 730


def test_x86_has_its_own_price() -> None:
    lines = amounts(estimate(Workload(architecture="x86")).bills["callback"])

    assert lines["Lambda duration"] == near(788_400_000, 13_140.03)


def test_the_free_tiers_are_subtracted_once() -> None:
    """400,000 GB-seconds, a million requests, 1 TB and ten million requests of CloudFront."""
    paid = amounts(estimate(Workload()).bills["callback"])
    free = amounts(estimate(Workload(has_free_tier=True)).bills["callback"])

    def saved(name: str) -> float:
        return round(paid[name][1] - free[name][1], 2)

    assert saved("Lambda duration") == pytest.approx(5.33, abs=0.01)
    assert saved("Lambda requests") == pytest.approx(0.20, abs=0.01)
    assert saved("CloudFront bytes") == pytest.approx(87.04, abs=0.01)
    assert saved("CloudFront requests") == pytest.approx(10, abs=0.01)
    assert saved("machines that drain") == 0
