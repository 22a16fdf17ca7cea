"""When an open-loop run writes what: fixed before the run, by its plan and nothing else.

Times are nanoseconds from the start of the run.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

RATES: Final = (0, 200, 500, 1_000)
"""New requests per second beside paced streams."""
ALONE_RATE: Final = 500
"""New requests per second without streams."""
REQUEST: Final = -1
"""In the place of a stream's number: a new request."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Paced streams, and new requests beside them."""

    streams: int
    chunk_interval_s: float
    rate: float
    """New requests per second, whose arrivals are those of a Poisson process."""
    seconds: float
    path: str = "/one/"
    """The begin of each request's path."""
    seed: int = 1


def schedule(plan: Plan) -> Iterator[tuple[int, int]]:
    """Every write in order: when it is due, and a stream's number or REQUEST."""
    return heapq.merge(_chunks(plan), _requests(plan))


def _chunks(plan: Plan) -> Iterator[tuple[int, int]]:
    """The streams take turns, each at its interval: their chunks do not come in bunches."""
    if not plan.streams:
        return
    turns = int(plan.seconds / plan.chunk_interval_s)
    step_ns = plan.chunk_interval_s / plan.streams * 1e9
    for number in range(turns * plan.streams):
        yield int(number * step_ns), number % plan.streams


def _requests(plan: Plan) -> Iterator[tuple[int, int]]:
    if not plan.rate:
        return
    draw = random.Random(plan.seed)
    due_s = draw.expovariate(plan.rate)
    while due_s < plan.seconds:
        yield int(due_s * 1e9), REQUEST
        due_s += draw.expovariate(plan.rate)
