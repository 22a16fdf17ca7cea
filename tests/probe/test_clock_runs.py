"""The real probe and a real companion over a bad link: is the truth within the stated bound?

Both clocks are functions of one real clock, the machine's monotonic one, which all processes share.
The client's is that clock; the function's is set apart by milliseconds to hours, and drifts. So the
test knows the truth to the nanosecond; the probe knows nothing of it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from tests.e2e.chain import Chain, serving
from tests.e2e.gate import SOURCE
from tests.probe.link import Delay, Link

import tailrace.probe.measure
from tailrace.limits import CLOCK_DRIFT_PPM
from tailrace.net.http_server import run
from tailrace.probe.client import Answer, Client
from tailrace.probe.measure import MeasureOptions, measure
from tailrace.probe.record import Reading
from tailrace.probe.recorder import Recorder

RUNS = 200
AT_ONCE = 8
OPTIONS = MeasureOptions(count=3, size=200, interval_s=0.01, pings=2)
ROUNDING_S = 1e-7
DRIFT = CLOCK_DRIFT_PPM * 1e-6

# What its clock is, the query says. An environment serves one request at a time.
FUNCTION = '''
from time import perf_counter_ns

from gate import query
from tailrace.probe.companion import make_handler

said = {}


def clock_ns():
    """A clock that showed `zero_ns` at a moment of the real one, and has drifted since."""
    since_ns = perf_counter_ns() - said["at_ns"]
    return said["zero_ns"] + since_ns + since_ns * said["drift_ppb"] // 1_000_000_000


companion = make_handler(clock_ns)


def handler(event, context):
    said.update({name: int(value) for name, value in query(event).items()})
    return companion(event, context)
'''


def configuration() -> str:
    """A function for each run that goes on: one environment, so all its pings count."""
    lines = ["[emulator]", "retry_delay_scale = 0"]
    for slot in range(AT_ONCE):
        lines += [f"[functions.f{slot}]", 'handler = "companion.handler"', "concurrency = 1"]
        lines += [f"[functions.f{slot}.url]", 'invoke_mode = "RESPONSE_STREAM"']
    return "\n".join(lines)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    for name, text in {"gate.py": SOURCE, "companion.py": FUNCTION}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "tailrace.toml").write_text(configuration())
    with serving(tmp_path / "tailrace.toml") as chain:
        yield chain


# --- what the test knows -------------------------------------------------------------------------


@dataclass(frozen=True)
class FunctionClock:
    """The function's clock, in nanoseconds of its own and of the real one."""

    at_ns: int
    zero_ns: int
    drift_ppb: int

    def moment_s(self, shown_ns: int) -> float:
        """When it showed this, by the real clock."""
        since_ns = (shown_ns - self.zero_ns) / (1 + self.drift_ppb * 1e-9)
        return (self.at_ns + since_ns) / 1e9

    def ahead_s(self, moment_s: float, other_ns: int) -> float:
        """By how much it is ahead of a clock that shows this at a moment of the real one."""
        since_ns = moment_s * 1e9 - self.at_ns
        return (self.zero_ns - other_ns + since_ns + since_ns * self.drift_ppb * 1e-9) / 1e9


@dataclass(frozen=True)
class Run:
    """One measured response, what was seen of it, and the truth."""

    clock: FunctionClock
    least_s: float
    """The least that the link takes for a round trip."""
    reading: Reading
    answer: Answer
    recorder: Recorder
    quickest_s: float
    """The quickest ping that the client saw, with the function's own time."""
    lasted_s: float

    def check(self) -> float:
        """Fail unless the truth is within; return how far from the middle it is, of the bound."""
        clock, reading, sent_s = self.reading.clock, self.reading, self.answer.sent_s
        assert clock is not None and reading.started_s is not None, reading
        assert (reading.status, len(reading.chunks), reading.broken) == (200, OPTIONS.count, None)
        most_s = clock.uncertainty_s + ROUNDING_S

        started_s = self.clock.moment_s(int(self.recorder.said["started_ns"])) - sent_s
        assert abs(reading.started_s - started_s) <= most_s
        for chunk, (arrived_s, cut) in zip(reading.chunks, self.recorder.cuts, strict=True):
            assert cut.written_ns is not None and chunk.late_s is not None
            late_s = arrived_s - self.clock.moment_s(cut.written_ns)
            assert late_s >= 0
            assert abs(chunk.late_s - late_s) <= most_s
        errors_s = []
        for at_s in (0.0, *(chunk.arrived_s for chunk in reading.chunks)):
            shown_ns = self.answer.sent_wall_ns + round(at_s * 1e9)  # by the client's wall clock
            ahead_s = self.clock.ahead_s(sent_s + at_s, shown_ns)
            errors_s.append(abs(clock.offset_s - ahead_s))
        assert max(errors_s) <= most_s

        assert clock.sample_count == 2 * OPTIONS.pings
        assert clock.round_trip_s is not None
        assert self.least_s <= clock.round_trip_s <= self.quickest_s
        assert clock.uncertainty_s <= clock.round_trip_s / 2 + DRIFT * self.lasted_s
        return max(errors_s) / most_s


_seen: ContextVar[list[tuple[Answer, Recorder]]] = ContextVar("seen")


class SeenClient(Client):
    """The probe's own client. A reading has no absolute times; here the test finds them."""

    async def get(self, url: str, taker: Any, *, headers: tuple[tuple[str, str], ...]) -> Answer:
        answer = await super().get(url, taker, headers=headers)
        _seen.get().append((answer, taker))
        return answer


async def measured(chain: Chain, slot: int, random: Random) -> Run:
    """Measure once, by a link and a clock that chance has made."""
    up, down = (
        Delay(random.uniform(0, 0.012), random.expovariate(500), random.choice((0.0, 0.02)))
        for _ in range(2)
    )
    apart_s = random.choice((-1, 1)) * 10 ** random.uniform(-3, 4.7)  # up to 14 hours
    clock = FunctionClock(
        time.perf_counter_ns() - random.randrange(10**11),
        time.time_ns() + round(apart_s * 1e9),
        random.randint(-499_000, 499_000),
    )
    query = urlencode({name: getattr(clock, name) for name in ("at_ns", "zero_ns", "drift_ppb")})
    port = urlsplit(chain.function_url(f"f{slot}")).port
    assert port is not None
    seen: list[tuple[Answer, Recorder]] = []
    _seen.set(seen)
    async with Link(port, up, down, random) as link:
        begun_s = time.perf_counter()
        reading = await measure(f"http://127.0.0.1:{link.port}/?{query}", OPTIONS)
        lasted_s = time.perf_counter() - begun_s
    ((answer, recorder),) = [each for each in seen if each[1].cuts]
    quickest_s = min(taker.last_s - ping.sent_s for ping, taker in seen if not taker.cuts)
    least_s = up.least_s + down.least_s
    return Run(clock, least_s, reading, answer, recorder, quickest_s, lasted_s)


def test_the_truth_lies_within_the_stated_bound_every_time(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tailrace.probe.measure, "Client", SeenClient)
    seed = secrets.randbits(32)
    indices = iter(range(RUNS))
    shares: list[float] = []

    async def work(slot: int) -> None:
        for index in indices:
            done: Run | None = None
            try:
                done = await measured(chain, slot, Random(f"{seed}/{index}"))
                shares.append(done.check())
            except Exception as error:
                error.add_note(f"seed {seed}, run {index}: {done}")
                raise

    async def work_all() -> None:
        async with asyncio.timeout(100), asyncio.TaskGroup() as group:
            for slot in range(AT_ONCE):
                group.create_task(work(slot))

    run(work_all())

    assert len(shares) == RUNS
    # An asymmetric link moves the middle far from the truth: a smaller bound would not have held.
    assert sum(share > 0.5 for share in shares) > RUNS / 20, f"seed {seed}: {sorted(shares)}"
