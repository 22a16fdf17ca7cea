"""The sentences of docs/topics/costs.md that have figures; its tables are generated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tailrace.costs import US_EAST_1, Workload, estimate, paying_left_share

PAGE = " ".join((Path(__file__).parents[2] / "docs/topics/costs.md").read_text().split())
SIZES = (1_000, 2_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000)


def test_the_share_of_the_gateway() -> None:
    assert "The gateway is 1 or 2 % on top of it" in PAGE
    for streams in SIZES:
        found = estimate(Workload(streams=streams))
        assert 0.005 < found.gateway_usd / found.bills["function-url"].usd < 0.025
        functions_usd = found.bills["callback"].part_usd("function")
        assert 50 <= functions_usd / found.gateway_usd <= 120


def test_the_share_of_clients() -> None:
    assert "when 2 to 4 % of the clients leave halfway" in PAGE
    for streams in SIZES:
        share = paying_left_share(Workload(streams=streams))
        assert share is not None
        assert 0.015 < share < 0.045


def test_what_a_machine_carries() -> None:
    named = {
        (int(count.replace(",", "")), node)
        for count, node in re.findall(r"([\d,]+)(?: such streams)? on a `([\w.]+)`", PAGE)
    }

    assert named == {(213, "t4g.small"), (1_069, "c7g.large")}
    for count, node in named:
        fleet = estimate(Workload(node=node)).machines  # type: ignore[arg-type]
        assert (fleet.capacity.streams, fleet.capacity.scarcest) == (count, "cpu")
    slow = estimate(Workload(node="c7g.large", chunks_per_s=1)).machines.capacity
    assert "With one chunk a second a `c7g.large` carries 7,000" in PAGE
    assert (slow.streams, slow.scarcest) == (7_000, "held_max")


def test_the_prices_in_sentences() -> None:
    assert f"looked up {US_EAST_1.checked}" in PAGE
    assert "A NAT gateway is 33 $ a month" in PAGE
    assert US_EAST_1.nat_gateway_hour.month_usd == pytest.approx(33, abs=0.5)
    assert "0.008 $ for each GB beyond 6 MB" in PAGE
    assert US_EAST_1.lambda_streamed_gb.usd == US_EAST_1.balancer_lcu_hour.usd == 0.008


def test_large_responses_do_not_pay() -> None:
    """As long as Lambda's rate does not make them longer."""
    assert "**Large responses do not pay for it.**" in PAGE
    for megabytes in (10, 30, 60):
        load = Workload(stream_bytes=megabytes * 2**20, chunks_per_s=1)
        bills = estimate(load).bills
        assert bills["callback"].usd > bills["function-url"].usd
