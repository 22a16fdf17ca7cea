"""Made-up readings for tests of what is said and drawn of them."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.probe.record import Arrival, Chunk, Clock, Reading, Unit

URL = "https://example.com/lines?secret=1"
SECONDS = (0.0, 1.0, 2.0, 3.0)


def timed(
    pairs: Sequence[tuple[float, float]],
    *,
    uncertainty_s: float = 0.001,
    ended_s: float | None = None,
    padded_bytes: int = 0,
    broken: str | None = None,
) -> Reading:
    """A response of the companion, by the times of writing and arrival of its chunks."""
    chunks = tuple(Chunk(i, 64, arrived, written) for i, (written, arrived) in enumerate(pairs))
    return Reading(
        url=URL,
        status=200,
        http_version="1.1",
        headers=(),
        unit="chunk",
        head_s=pairs[0][1] if pairs else 0.1,
        ended_s=ended_s or (pairs[-1][1] if pairs else 0.2),
        size=64 * len(pairs),
        arrivals=tuple(Arrival(arrived, 64) for _, arrived in pairs),
        chunks=chunks,
        started_s=0.0,
        environment="e",
        clock=Clock(0.0, uncertainty_s, 8, 2 * uncertainty_s),
        interval_s=1.0,
        broken=broken,
        padded_bytes=padded_bytes,
    )


def untimed(
    arrivals: Sequence[float], *, unit: Unit = "event", status: int = 200, url: str = URL
) -> Reading:
    """A response without a companion, by the times of arrival of its pieces."""
    return Reading(
        url=url,
        status=status,
        http_version="1.1",
        headers=(),
        unit=unit,
        head_s=0.1,
        ended_s=max(arrivals, default=0.2),
        size=10 * len(arrivals),
        arrivals=tuple(Arrival(at_s, 10) for at_s in arrivals),
        chunks=tuple(Chunk(i, 10, at_s) for i, at_s in enumerate(arrivals)),
    )
