"""Estimates: what they promise for any workload, and when a gateway is paid for."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.costs.bill import PARTS, WAYS
from tailrace.costs.estimate import estimate, paying_left_share, paying_streams, saved_usd
from tailrace.costs.prices import US_EAST_1
from tailrace.costs.workload import Workload
from tailrace.errors import ConfigError

WORKLOADS = st.builds(
    Workload,
    streams=st.integers(1, 1_000_000),
    stream_s=st.floats(1, 900),
    busy_share=st.floats(0.01, 1),
    memory_mb=st.integers(128, 10_240),
    stream_bytes=st.integers(0, 20_000_000),
    chunks_per_s=st.floats(0, 200),
    left_share=st.floats(0, 1),
    spare_nodes=st.integers(0, 3),
    zones=st.integers(1, 3),
    is_public=st.booleans(),
    nat_gateways=st.integers(0, 3),
    node=st.sampled_from(["c7g.large", "c7g.4xlarge"]),
)


def changed(load: Workload, **changes: Any) -> Workload:
    return dataclasses.replace(load, **changes)


@given(WORKLOADS)
def test_a_bill_is_the_sum_of_its_parts(load: Workload) -> None:
    for bill in estimate(load).bills.values():
        assert all(line.usd >= 0 and line.amount >= 0 for line in bill.lines)
        assert bill.usd == pytest.approx(sum(bill.part_usd(part) for part in PARTS))


@given(WORKLOADS, st.integers(2, 10))
def test_more_streams_never_cost_less(load: Workload, factor: int) -> None:
    one, more = estimate(load), estimate(changed(load, streams=load.streams * factor))

    assert more.machines.count >= one.machines.count
    assert more.units.paid == pytest.approx(one.units.paid * factor)
    for way in WAYS:
        assert more.bills[way].usd >= one.bills[way].usd


@given(WORKLOADS)
def test_the_peak_fits_when_the_spare_machines_have_failed(load: Workload) -> None:
    fleet = estimate(load).machines
    working = fleet.count - load.spare_nodes

    assert working * fleet.capacity.streams >= load.streams or fleet.count == load.zones
    assert fleet.count * fleet.capacity.streams >= load.streams


@given(WORKLOADS)
def test_a_gateway_costs_the_same_whatever_the_functions_memory(load: Workload) -> None:
    small, large = (estimate(changed(load, memory_mb=mb)) for mb in (128, 10_240))

    assert small.gateway_usd == large.gateway_usd
    assert small.bills["callback"].usd < large.bills["callback"].usd


@given(WORKLOADS)
def test_front_costs_the_same_on_each_way(load: Workload) -> None:
    bills = estimate(load).bills

    assert len({bill.part_usd("front") for bill in bills.values()}) == 1


@given(WORKLOADS)
def test_leaving_clients_never_make_the_callback_dearer(load: Workload) -> None:
    stay, leave = (saved_usd(changed(load, left_share=share)) for share in (0.0, 1.0))

    assert leave >= stay


@given(WORKLOADS, st.floats(1.01, 5))
def test_prices_are_inputs(load: Workload, factor: float) -> None:
    price = dataclasses.replace(US_EAST_1.balancer_hour, usd=US_EAST_1.balancer_hour.usd * factor)
    dear = dataclasses.replace(US_EAST_1, balancer_hour=price)

    difference = estimate(load, dear).gateway_usd - estimate(load).gateway_usd

    assert difference == pytest.approx(730 * 0.0225 * (factor - 1), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("streams", 0, "streams: 0 is not 1 to 1e+07"),
        ("stream_s", 0.0, "stream_s: 0.0 is not more than 0 to 5400"),
        ("stream_s", float("nan"), "stream_s: nan is not more than 0 to 5400"),
        ("busy_share", 1.1, "busy_share: 1.1 is not more than 0 to 1"),
        ("headroom", 1.0, "headroom: 1.0 is not 0 to 0.9"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: float, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        Workload(**{name: value})  # type: ignore[arg-type]

    assert str(error.value) == words


# --- when it is paid for -------------------------------------------------------------------------

SMALLEST: dict[str, Any] = {"streams": 1, "node": "t4g.small", "deploys": 0}


def test_the_smallest_gateway_in_streams() -> None:
    """Two t4g.small, the load balancer, disks, metrics and alarms: 49.31 $. A stream of 30 s and
    1 GB is 0.0004002 $. Endpoints in two zones are 43.80 $ more."""
    bare = estimate(Workload(**SMALLEST, endpoints=0))
    usual = estimate(Workload(**SMALLEST))

    assert bare.stream_usd == pytest.approx(30 * 0.0000133334 + 0.2e-6)
    assert bare.gateway_usd == pytest.approx(49.31, abs=0.01)
    assert bare.gateway_in_streams == pytest.approx(123_220, abs=1)
    assert usual.gateway_usd - bare.gateway_usd == pytest.approx(43.80, abs=0.01)


def test_the_least_size_at_which_a_gateway_is_paid_for() -> None:
    load = Workload(left_share=0.1)

    least = paying_streams(load)

    assert least == 189
    assert (
        saved_usd(changed(load, streams=least)) >= 0 > saved_usd(changed(load, streams=least - 1))
    )


def test_a_gateway_that_saves_nothing_is_never_paid_for() -> None:
    assert paying_streams(Workload()) is None


def test_a_gateway_can_be_paid_for_from_the_first_stream_on() -> None:
    """Of 10 GB of memory, full at all times: half of the clients leave."""
    load = Workload(memory_mb=10_240, busy_share=1, left_share=1, stream_s=900)

    assert paying_streams(load) == 1


def test_the_least_share_of_clients_that_leave() -> None:
    load = Workload(streams=10_000)

    share = paying_left_share(load)

    assert share is not None
    assert 0.015 < share < 0.025
    assert saved_usd(changed(load, left_share=share)) >= 0
    assert saved_usd(changed(load, left_share=share - 1e-5)) < 0


def test_no_share_pays_for_a_gateway_that_is_hardly_used() -> None:
    assert paying_left_share(Workload(streams=1)) is None


def test_long_slow_streams_of_large_functions_pay_without_anyone_leaving() -> None:
    """Lambda's own rate keeps 10 GB functions for 97 s instead of 10."""
    load = Workload(
        streams=100, stream_s=10, stream_bytes=200 * 2**20, memory_mb=10_240, chunks_per_s=1
    )

    assert paying_left_share(load) == 0
