"""Open-loop runs: a schedule that nothing moves, and times that leave the generator's own out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from bench import open_loop
from bench.load import BenchError
from bench.open_loop import LAG_NS_MAX, OpenLoop, Outcome, percentile
from bench.relays import Direct, Measured
from bench.report import Row, new_lateness_rows, new_rows
from bench.responder import Responder
from bench.schedule import REQUEST, Plan, schedule
from bench.sockets import Poll, connect, listen, receive, send
from bench.steps import STEPS, OpenLoad, Steps, names

PLAN = Plan(streams=4, chunk_interval_s=0.004, rate=400, seconds=0.1)
TURN_NS = 20_000_000
PATIENCE_NS = 10_000_000_000


@pytest.fixture
def poll() -> Iterator[Poll]:
    poll = Poll()
    yield poll
    poll.stop()


@pytest.fixture
def responder(poll: Poll) -> Iterator[Responder]:
    responder = Responder(poll)
    yield responder
    responder.stop()


def direct(responder: Responder) -> Direct:
    return Direct(responder.upstream_port, "direct")


def spin(duration_ns: int) -> None:
    """Keeps the thread busy for at least so long."""
    until_ns = time.time_ns() + duration_ns
    while time.time_ns() < until_ns:
        pass


def test_a_schedule_is_that_of_its_plan() -> None:
    writes = list(schedule(PLAN))
    chunks = [write for write in writes if write[1] != REQUEST]
    requests = [due_ns for due_ns, number in writes if number == REQUEST]

    assert writes == sorted(writes)
    assert writes == list(schedule(PLAN))
    assert requests != [due for due, _ in schedule(replace(PLAN, seed=2, streams=0))]
    assert chunks == [(index * 1_000_000, index % 4) for index in range(100)]
    assert len(requests) == 45
    assert 0 < min(requests) < max(requests) < 100_000_000


def test_an_arrival_is_the_kernels_however_late_it_is_read(poll: Poll) -> None:
    listener = listen()
    writer = connect(listener.getsockname()[1])
    reader, _ = listener.accept()
    written_ns = time.time_ns()

    send(writer, b"data")
    spin(TURN_NS)
    late_ns = time.time_ns()
    data, arrived_ns = receive(reader)

    assert data == b"data"
    assert written_ns <= arrived_ns < late_ns
    writer.close()
    assert receive(reader) == (b"", 0)
    reader.close()
    listener.close()


def test_every_write_of_a_schedule_is_measured(poll: Poll, responder: Responder) -> None:
    outcome = OpenLoop(poll, responder).measure(direct(responder), PLAN)

    assert len(outcome.chunks_ns) == 100
    assert len(outcome.first_bytes_ns) == 45
    assert len(outcome.lags_ns) == 145
    assert min(outcome.chunks_ns) > 0
    assert min(outcome.lags_ns) >= 0
    assert outcome.reads <= 100
    assert outcome.wall_s >= max(due_ns for due_ns, _ in schedule(PLAN)) / 1e9


def test_the_functions_turn_is_not_the_relays(poll: Poll) -> None:
    class SlowResponder(Responder):
        def waited(self, path: str, since_ns: int) -> None:
            spin(TURN_NS)
            super().waited(path, since_ns)

    responder = SlowResponder(poll)
    plan = replace(PLAN, streams=0, rate=20, seconds=0.2)
    before_ns = time.time_ns()

    outcome = OpenLoop(poll, responder).measure(direct(responder), plan)

    used_ns = time.time_ns() - before_ns
    count = len(outcome.first_bytes_ns)
    assert count > 0
    assert sum(outcome.first_bytes_ns) <= used_ns - count * TURN_NS
    responder.stop()


QUICK = OpenLoad(streams=4, seconds=0.1, behind_share_max=1.0, tries=1)


@dataclass(slots=True)
class Results:
    """What steps fill."""

    rows: dict[str, Row] = field(default_factory=lambda: new_rows() | new_lateness_rows())
    left_out: list[str] = field(default_factory=list)

    def steps(self, loop: OpenLoop, load: OpenLoad = QUICK) -> Steps:
        return Steps(loop, load, self.rows, self.left_out)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_fills_its_rows(step: str, poll: Poll, responder: Responder) -> None:
    """Without a relay those of CPU time stay empty."""
    results = Results()
    steps = results.steps(OpenLoop(poll, responder))

    assert steps.measure(step, direct(responder), 1)

    measured = {name for name, row in results.rows.items() if row.values}
    assert measured == {name for name in names(step) if is_measured_by_clocks(name)}
    assert results.left_out == []


def is_measured_by_clocks(name: str) -> bool:
    return name.startswith(("chunk-", "first-", "lag-", "behind-"))


def test_a_generator_that_is_behind_gives_no_figures() -> None:
    class SlowPoll(Poll):
        def look_until(self, due_ns: int) -> None:
            super().look_until(due_ns + LAG_NS_MAX)

    tries = []

    class CountingLoop(OpenLoop):
        def measure(self, relay: Measured, plan: Plan) -> Outcome:
            tries.append(plan.seed)
            return super().measure(relay, plan)

    poll = SlowPoll()
    responder = Responder(poll)
    results = Results()
    load = replace(QUICK, behind_share_max=0.01, tries=2)
    steps = results.steps(CountingLoop(poll, responder), load)

    assert steps.measure("beside-200", direct(responder), 7)

    assert tries == [7, 7]
    assert {name: results.rows[name].values for name in names("beside-200")} == {
        name: {"direct": [None]} for name in names("beside-200")
    }
    assert results.left_out == [
        "beside-200, direct, run 7: the generator was behind with 100.0% of its writes"
    ]
    responder.stop()
    poll.stop()


def test_a_relay_that_fails_has_no_figures_and_the_next_one_has(
    poll: Poll, responder: Responder
) -> None:
    listener = listen()
    port = listener.getsockname()[1]
    listener.close()
    results = Results()
    steps = results.steps(OpenLoop(poll, responder))

    assert not steps.measure("chunk", Direct(port, "broken"), 1)
    assert steps.measure("chunk", direct(responder), 1)

    assert results.rows["chunk"].values == {"broken": [None]}
    assert set(results.rows["chunk-p99-0"].values) == {"broken", "direct"}
    assert results.rows["chunk-p99-0"].median("direct") is not None
    (line,) = results.left_out
    assert line.startswith(f"chunk, broken, run 1: no connection to port {port}: ")


def test_a_relay_that_does_not_answer_is_overloaded(
    poll: Poll, responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule goes on without it, up to a limit."""
    monkeypatch.setattr(open_loop, "CLIENTS_MAX", 3)
    listener = listen()
    results = Results()
    steps = results.steps(OpenLoop(poll, responder))

    assert not steps.measure("request-500", Direct(listener.getsockname()[1], "silent"), 1)

    assert results.rows["request-500"].values == {"silent": [None]}
    assert results.left_out == [
        "request-500, silent, run 1: 3 requests are under way; there is no relay"
    ]
    listener.close()


def test_a_callback_that_finds_no_relay_ends_the_run(poll: Poll, responder: Responder) -> None:
    """No error is lost in the parser from whose bytes the invocation came."""
    listener = listen()
    port = listener.getsockname()[1]
    listener.close()
    event = json.dumps({"rawPath": "/one/1", "origin": f"http://127.0.0.1:{port}/callback"})
    caller = connect(responder.invoke_port)

    send(caller, f"POST /invocations HTTP/1.1\r\ncontent-length: {len(event)}\r\n\r\n".encode())
    send(caller, event.encode())

    with pytest.raises(BenchError, match=f"no connection to port {port}"):
        poll.look_until(time.time_ns() + PATIENCE_NS)
    caller.close()


def test_percentiles_are_values_that_were_measured() -> None:
    values = range(1, 201)

    assert [percentile(values, share) for share in (0.5, 0.99, 0.999)] == [100, 198, 200]
    assert percentile([7], 0.5) == percentile([7], 0.999) == 7
