"""A peer that takes nothing of its response: its connection notices it, once, on every listener."""

from __future__ import annotations

import ast

from tests.clock import ManualClock
from tests.fakes import until
from tests.net.server.stage import BOTH, GET, Request, Stage, played
from tests.test_layers import MODULES

from tailrace.errors import HttpError
from tailrace.net.server.deadlines import PeerDeadlines
from tailrace.net.server.parser import HttpLimits
from tailrace.net.server.phases import Phase

STALL_S = 10.0
BIG = 1_048_576
UNREAD = 4_096


class Peer:
    """A connection whose counts a test sets, and its deadlines."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.deadlines = PeerDeadlines(HttpLimits(stall_timeout_s=STALL_S), self.clock)
        self.phase = Phase.ANSWER
        self.since_s = self.phase_since_s = 0.0
        self.seen = 0
        self.request_bytes = 0
        self.is_reading = True
        self.unsent_bytes = self.taken_bytes = 0
        self.stalls = 0
        self.deadlines.start()
        self.deadlines.watch(self)

    def end_stalled(self) -> None:
        self.stalls += 1
        self.phase = Phase.CLOSED

    def refuse(self, error: HttpError) -> None:
        raise AssertionError(str(error))

    def close(self) -> None:
        raise AssertionError("closed")

    def reset(self) -> None:
        raise AssertionError("cut")

    def see(self, taken_bytes: int, unsent_bytes: int, after_s: float) -> None:
        """Let time pass, with these counts from now on."""
        self.taken_bytes, self.unsent_bytes = taken_bytes, unsent_bytes
        self.clock.advance(after_s)


def test_only_a_peer_that_takes_nothing_stalls() -> None:
    peer = Peer()

    for taken_bytes in (1, 2):
        peer.see(taken_bytes, 9, STALL_S)
        assert peer.stalls == 0
    peer.see(2, 9, 1.0)

    assert peer.stalls == 1


def test_a_response_that_grows_is_no_progress_of_its_peer() -> None:
    peer = Peer()

    peer.see(5, 4, 1.0)
    peer.see(5, 14, STALL_S)

    assert peer.stalls == 1


def test_one_that_takes_a_byte_in_time_does_not_stall() -> None:
    peer = Peer()

    peer.see(5, 4, 1.0)
    peer.see(5, 4, STALL_S - 2)
    peer.see(6, 3, STALL_S - 1)

    assert peer.stalls == 0


def test_one_that_has_everything_does_not_stall() -> None:
    peer = Peer()

    peer.see(9, 0, 5 * STALL_S)

    assert peer.stalls == 0


def test_one_that_falls_behind_again_has_all_the_time() -> None:
    peer = Peer()

    peer.see(5, 4, STALL_S - 2)
    peer.see(9, 0, 1.0)
    peer.see(9, 4, STALL_S - 1)
    assert peer.stalls == 0
    peer.see(9, 4, 2.0)

    assert peer.stalls == 1


def test_a_stall_is_reported_once() -> None:
    peer = Peer()

    peer.see(5, 4, 10 * STALL_S)

    assert peer.stalls == 1


# --- of a real connection ------------------------------------------------------------------------


def begin(request: Request, size: int = BIG) -> None:
    request.connection.start(200)
    request.connection.write(b"x" * size)


@played(loops=BOTH, stall_timeout_s=STALL_S)
async def test_a_stalled_connection_is_reset_and_its_application_called_once(
    stage: Stage,
) -> None:
    peer, request = await stage.exchange(GET, receive_bytes=UNREAD)
    begin(request)
    await until(lambda: request.events[-1] == "pause")
    seen: list[bool] = []
    stage.scripts["gone"] = lambda each: seen.append(each.connection.has_stalled)

    stage.clock.advance(2 * STALL_S)

    assert seen == [True]
    assert request.connection.phase is Phase.CLOSED
    assert request.events[-1] == "gone"
    await until(lambda: stage.open_count == 0)
    assert (await peer.read_to_end())[1] == "reset"


@played(stall_timeout_s=STALL_S)
async def test_what_the_application_still_does_to_a_stalled_connection_has_no_effect(
    stage: Stage,
) -> None:
    _, request = await stage.exchange(GET, receive_bytes=UNREAD)
    begin(request)
    stage.scripts["gone"] = lambda each: each.connection.reset()

    stage.clock.advance(2 * STALL_S)
    request.connection.write(b"more")
    request.connection.end()

    assert request.events[-1] == "gone"


@played(stall_timeout_s=STALL_S)
async def test_a_held_response_that_has_not_started_cannot_stall(stage: Stage) -> None:
    _, request = await stage.exchange(GET)

    assert stage.watched_count == 0
    stage.clock.advance(10 * STALL_S)

    assert request.connection.phase is Phase.ANSWER
    request.connection.respond(200)


@played(stall_timeout_s=STALL_S)
async def test_a_peer_that_leaves_has_not_stalled(stage: Stage) -> None:
    peer, request = await stage.exchange(GET)
    begin(request, 1)

    peer.reset()
    await until(lambda: "gone" in request.events)

    assert not request.connection.has_stalled


# --- of the tree ---------------------------------------------------------------------------------


def modules_with(test: object) -> set[str]:
    """Modules in whose syntax tree a node passes a test."""
    assert callable(test)
    return {
        name
        for name, path in MODULES.items()
        if any(test(node) for node in ast.walk(ast.parse(path.read_text())))
    }


def test_a_stall_is_noticed_in_one_place() -> None:
    """Only the server's deadlines compare the stall time-out; only the connection reports it."""

    def compares(node: ast.AST) -> bool:
        return isinstance(node, ast.Compare) and "stall" in ast.unparse(node)

    def counts_what_was_taken(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr == "taken_bytes"

    assert modules_with(compares) == {"net.server.deadlines"}
    assert modules_with(counts_what_was_taken) == {"net.server.deadlines"}


def test_there_is_one_sweep() -> None:
    """Nothing sets its own timer again and again but the sweeper, and what is once in a process."""

    def is_repeated(node: ast.AST) -> bool:
        """A function that schedules itself."""
        if not isinstance(node, ast.FunctionDef):
            return False
        return any(
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in ("call_later", "call_at")
            and any(
                isinstance(given, ast.Attribute) and given.attr == node.name for given in call.args
            )
            for call in ast.walk(node)
        )

    def defines_a_sweep(node: ast.AST) -> bool:
        is_def = isinstance(node, ast.FunctionDef | ast.ClassDef)
        return is_def and "sweep" in node.name.lower()

    assert modules_with(is_repeated) == {
        "fleet.worker",  # the parent, for the exit code of a worker that is ending
        "gateway.observe.node",  # a worker's counts
        "net.server.acceptor",  # a listener that closes, in each turn
    }
    of_connections = {
        name for name in modules_with(defines_a_sweep) if not name.startswith(("cli", "probe"))
    }
    assert of_connections - {"gateway.exchange.deadlines"} == {"net.sweeper"}
