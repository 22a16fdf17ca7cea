"""Machines, load balancer units and native streams."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.costs.fleet import balancer_units, machines, native_stream_s
from tailrace.costs.prices import US_EAST_1
from tailrace.costs.workload import Workload
from tailrace.errors import ConfigError


@pytest.mark.parametrize(
    ("streams", "spare", "zones", "count"),
    [
        (1, 1, 2, 2),  # one is enough, one may fail
        (1, 0, 2, 2),  # one in each zone
        (1, 0, 1, 1),
        (1_070, 1, 2, 3),  # 1,069 each
        (1_069, 1, 2, 2),
        (10_000, 2, 3, 12),
    ],
)
def test_machines_by_hand(streams: int, spare: int, zones: int, count: int) -> None:
    """70 % of two cores by 20 chunks of 64 µs, 818 µs in 30 s, and 2 kB: 1,308.4 µs a stream."""
    load = Workload(streams=streams, spare_nodes=spare, zones=zones, node="c7g.large")

    fleet = machines(load, US_EAST_1)

    assert fleet.capacity.streams == 1_069
    assert (fleet.count, fleet.in_deploy) == (count, 2 * count)


@pytest.mark.parametrize(
    ("streams", "count", "name"),
    [
        (1_000, 6, "t4g.small"),  # 0.101 $ an hour; two c7g.large are 0.145
        (5_000, 6, "c7g.large"),  # 0.435; 25 t4g.small are 0.420, and four c7g.xlarge 0.580
        (100_000, 25, "c7g.2xlarge"),  # 7.25; 95 c7g.large are 6.89, 16 c7g.4xlarge 9.28
    ],
)
def test_fewer_machines_may_cost_a_tenth_more(streams: int, count: int, name: str) -> None:
    fleet = machines(Workload(streams=streams), US_EAST_1)

    assert (fleet.count, fleet.type.name) == (count, name)


def test_a_stream_that_is_too_much_for_a_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"t4g\.small does not carry one such stream: cpu is"):
        machines(Workload(chunks_per_s=90_000, node="t4g.small"), US_EAST_1)
    with pytest.raises(ConfigError, match=r"c7g\.4xlarge does not carry"):
        machines(Workload(stream_bytes=2**40), US_EAST_1)

    assert machines(Workload(chunks_per_s=90_000), US_EAST_1).type.name == "c7g.4xlarge"


UNITS: list[tuple[str, float, dict[str, Any]]] = [
    # 2,500 requests a second: 25 for each unit
    ("new", 100, {"streams": 2_500, "stream_s": 1, "stream_bytes": 0, "request_bytes": 0}),
    # 30,000 open connections: 3,000 for each unit
    ("active", 10, {"streams": 30_000, "stream_s": 900, "stream_bytes": 0, "request_bytes": 0}),
    # a stream of 1 GB an hour, ten of them: 1 GB an hour for each unit
    ("bytes", 10, {"streams": 10, "stream_s": 3_600, "stream_bytes": 2**30, "request_bytes": 0}),
    # 100 requests a second through 90 rules that are counted: 1,000 for each unit
    ("rules", 9, {"streams": 100, "stream_s": 1, "rules": 100, "stream_bytes": 0}),
]


@pytest.mark.parametrize(("largest", "paid", "changes"), UNITS, ids=[row[0] for row in UNITS])
def test_each_dimension_of_a_unit_is_paid_once(
    largest: str, paid: float, changes: dict[str, Any]
) -> None:
    units = balancer_units(Workload(**changes))

    assert (units.largest, units.paid) == (largest, pytest.approx(paid))


def test_ten_rules_are_free() -> None:
    assert balancer_units(Workload(rules=10)).rules == 0
    assert balancer_units(Workload(streams=30, rules=11)).rules == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("stream_bytes", "seconds"), [(6 * 2**20, 30), (66 * 2**20, 30), (106 * 2**20, 50)]
)
def test_lambdas_rate_makes_large_streams_longer(stream_bytes: int, seconds: float) -> None:
    """6 MB at once, then 2 MB a second."""
    assert native_stream_s(Workload(stream_bytes=stream_bytes)) == pytest.approx(seconds)
