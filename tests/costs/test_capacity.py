"""What a machine carries, and that the measured figures are those of the page."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from tailrace.costs import capacity as measured
from tailrace.costs.capacity import NODE_TYPES, capacity
from tailrace.costs.workload import NodeChoice
from tailrace.limits import HELD_MAX

PAGE = (Path(__file__).parents[2] / "docs/topics/performance.md").read_text()
LARGE = NODE_TYPES["c7g.large"]
STREAM: dict[str, Any] = {
    "stream_s": 100,
    "chunks_per_s": 1,
    "stream_bytes": 1_000,
    "headroom": 0,
}


def test_the_figures_are_those_of_the_page() -> None:
    workers = dict(re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \| [\d.]+ \|$", PAGE, re.M))
    request = workers["CPU time of a request, 300 a second for each worker"]
    held = workers["memory of each of 9,000 held responses"]
    (chunk,) = re.findall(r"for 3,000 chunks a\s+second in all \(49 µs, (\d+) µs\)", PAGE)
    (bodies,) = re.findall(
        r"^\| \*\*tailrace\*\*, Debian's Python \|(?:[^|]+\|){5} ([\d,]+)<br>", PAGE, re.M
    )

    assert f"{measured.REQUEST_CPU_S * 1e6:.0f} µs" == request
    assert f"{measured.HELD_BYTES / 1000:.2f} KB" == held
    assert f"{measured.CHUNK_CPU_S * 1e6:.0f}" == chunk
    assert f"{measured.BODY_BYTES_PER_CPU_S / 1e6:,.0f}" == bodies


def test_cpu_by_hand() -> None:
    """10 chunks of 64 µs and 1/10 request of 818 µs a second: 721.8 µs, and 2 cores."""
    found = capacity(LARGE, **{**STREAM, "stream_s": 10, "chunks_per_s": 10, "stream_bytes": 0})

    assert found.cpu == pytest.approx(2 / 721.8e-6)
    assert found.streams == math.floor(2 / 721.8e-6) == 2_770
    assert (found.scarcest, found.network) == ("cpu", math.inf)


@pytest.mark.parametrize(
    ("scarcest", "changes"),
    [
        ("cpu", {"chunks_per_s": 100}),
        ("network", {"stream_bytes": 100 * 2**20, "stream_s": 10}),
        ("held_max", {"chunks_per_s": 0}),
    ],
)
def test_each_resource_bounds_once(scarcest: str, changes: dict[str, Any]) -> None:
    found = capacity(LARGE, **{**STREAM, **changes})

    assert found.scarcest == scarcest
    assert found.streams == math.floor(getattr(found, scarcest))


def test_memory_is_no_bound_of_these_types() -> None:
    """Half of the smallest machine's memory holds more than a gateway accepts."""
    for node in NODE_TYPES.values():
        assert capacity(node, **STREAM).memory > HELD_MAX


def test_headroom_is_kept_of_everything() -> None:
    whole, half = capacity(LARGE, **STREAM), capacity(LARGE, **{**STREAM, "headroom": 0.5})

    for name in ("cpu", "memory", "network", "held_max"):
        assert getattr(half, name) == pytest.approx(getattr(whole, name) / 2)


def test_a_burstable_type_counts_with_its_baseline() -> None:
    assert NODE_TYPES["t4g.small"].cores == pytest.approx(0.2 * NODE_TYPES["t4g.small"].vcpus)


def test_each_type_can_be_chosen() -> None:
    assert set(get_args(NodeChoice)) == {"auto", *NODE_TYPES}
