"""The open-loop steps: the plan of each, and the rows that its outcome gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bench.load import BenchError
from bench.open_loop import OpenLoop, Outcome, percentile
from bench.relays import Measured
from bench.report import Row, new_lateness_rows
from bench.schedule import ALONE_RATE, RATES, Plan
from bench.stand_in import HEADERS_PATH

MERGED_SHARE_MAX: Final = 0.01
"""If more chunks shared a read with the one before, they were cheaper than chunks are."""
WARM_UP_RATE: Final = 200

REQUESTS: Final = f"request-{ALONE_RATE}"
HEADERS_REQUESTS: Final = f"request-headers-{ALONE_RATE}"
BESIDE: Final = {f"beside-{rate}" if rate else "chunk": rate for rate in RATES}
"""The steps with paced streams, and their rates."""
STEPS: Final = (REQUESTS, HEADERS_REQUESTS, *BESIDE)


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """What the steps share."""

    streams: int = 100
    chunk_interval_s: float = 0.020
    seconds: float = 4.0
    warm_up_s: float = 0.5
    behind_share_max: float = 0.01
    """If a larger share of the generator's writes was behind, a run gives no figures."""
    tries: int = 3
    """For a run that gives none: others may have used the generator's core for a moment."""


QUICK: Final = OpenLoad(streams=8, seconds=0.1, warm_up_s=0.1, behind_share_max=1.0, tries=1)


def plans(load: OpenLoad) -> dict[str, Plan]:
    """The plan of each step."""
    paced = Plan(load.streams, load.chunk_interval_s, 0, load.seconds)
    alone = replace(paced, streams=0, rate=ALONE_RATE)
    beside = {name: replace(paced, rate=rate) for name, rate in BESIDE.items()}
    headers = replace(alone, path=f"{HEADERS_PATH}one/")
    return {REQUESTS: alone, HEADERS_REQUESTS: headers, **beside}


def figures(step: str, outcome: Outcome) -> dict[str, float]:
    """The values of a step's rows; those of CPU time are missing if there is no relay."""
    if step not in BESIDE:
        requests = len(outcome.first_bytes_ns)
        return {step: outcome.cpu_s / requests * 1e6} if outcome.cpu_s else {}
    rate, chunks_ns = BESIDE[step], sorted(outcome.chunks_ns)
    found = {
        f"chunk-p50-{rate}": percentile(chunks_ns, 0.5) / 1e3,
        f"chunk-p99-{rate}": percentile(chunks_ns, 0.99) / 1e3,
        f"chunk-p99.9-{rate}": percentile(chunks_ns, 0.999) / 1e3,
        f"lag-p99-{rate}": percentile(sorted(outcome.lags_ns), 0.99) / 1e3,
        f"behind-{rate}": outcome.behind_share * 100,
    }
    if rate:
        first_ns = sorted(outcome.first_bytes_ns)
        found[f"first-p50-{rate}"] = percentile(first_ns, 0.5) / 1e3
        found[f"first-p99-{rate}"] = percentile(first_ns, 0.99) / 1e3
    if outcome.cpu_s:
        found[f"busy-{rate}"] = outcome.cpu_s / outcome.wall_s * 100
    if outcome.cpu_s and not rate:
        found["chunk"] = outcome.cpu_s / len(chunks_ns) * 1e6
        found["merged"] = outcome.merged_share * 100
    return found


def names(step: str) -> list[str]:
    """The names of a step's rows."""
    if step not in BESIDE:
        return [step]
    rate = BESIDE[step]
    of_rate = [name for name in new_lateness_rows() if name.endswith(f"-{rate}")]
    return of_rate if rate else ["chunk", "merged", *of_rate]


class Steps:
    """Measures relays and fills rows. `left_out` gets a line for each run without figures."""

    def __init__(
        self, loop: OpenLoop, load: OpenLoad, rows: Mapping[str, Row], left_out: list[str]
    ) -> None:
        self._loop = loop
        self._load = load
        self._rows = rows
        self._plans = plans(load)
        self._left_out = left_out

    def warm_up(self, relay: Measured) -> None:
        """Brings in what the first requests need."""
        plan = replace(self._plans[REQUESTS], rate=WARM_UP_RATE, seconds=self._load.warm_up_s)
        self._loop.measure(relay, plan)

    def measure(self, step: str, relay: Measured, run: int) -> bool:
        """Adds the values of a run. False if the relay has failed and must be started again.

        The arrivals are those of the run's number, the same for each relay.
        """
        try:
            outcome = self._best(step, relay, replace(self._plans[step], seed=run))
        except BenchError as error:
            self._leave_out(step, relay, run, f"{error}; {relay.explain()}")
            return False
        if self._is_behind(outcome):
            share = f"{outcome.behind_share:.1%}"
            self._leave_out(
                step, relay, run, f"the generator was behind with {share} of its writes"
            )
            return True
        for name, value in figures(step, outcome).items():
            self._rows[name].add(relay.name, value)
        return True

    def _best(self, step: str, relay: Measured, plan: Plan) -> Outcome:
        """The first try that counts, or the last one."""
        for _ in range(self._load.tries):
            outcome = self._loop.measure(relay, plan)
            is_merged = step == "chunk" and outcome.merged_share > MERGED_SHARE_MAX
            if not is_merged and not self._is_behind(outcome):
                break
        return outcome

    def _is_behind(self, outcome: Outcome) -> bool:
        return outcome.behind_share > self._load.behind_share_max

    def _leave_out(self, step: str, relay: Measured, run: int, reason: str) -> None:
        self._left_out.append(f"{step}, {relay.name}, run {run}: {reason}")
        for name in names(step):
            self._rows[name].add(relay.name, None)
