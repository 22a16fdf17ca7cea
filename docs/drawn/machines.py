"""The state machines as tables: the exchange of the gateway, and a server's connection."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from functools import partial
from typing import Final

from docs.drawn.markdown import table

from tailrace.gateway.exchange import state as exchange
from tailrace.gateway.exchange.state import (
    CLIENT_SIDE,
    FUNCTION_SIDE,
    ClientState,
    Exchange,
    FunctionState,
    Verdict,
)
from tailrace.net.server.deadlines import passed_deadline
from tailrace.net.server.parser import HttpLimits
from tailrace.net.server.phases import INTAKE, PHASES, Phase, PhaseEvent

# --- the exchange ----------------------------------------------------------------------------


def function_side() -> str:
    """The transition table of the function's side: the next state, or a verdict."""
    rows = [
        [f"`{event.__name__}`"] + [_step(FUNCTION_SIDE[state][event]) for state in FunctionState]
        for event in FUNCTION_SIDE[FunctionState.WAITING]
    ]
    return table(["event", *(f"in {state.name}" for state in FunctionState)], rows)


def _step(after: FunctionState | Verdict) -> str:
    return after.name if after in set(FunctionState) else after.value


def client_side() -> str:
    """The transition table of the client's side, which follows the function's."""
    states = [state for state in ClientState if CLIENT_SIDE[state]]
    reached = list(dict.fromkeys(s for table in CLIENT_SIDE.values() for s in table))
    rows = [
        [f"the function's side reaches {function.name}"]
        + [_next(CLIENT_SIDE[state].get(function)) for state in states]
        for function in reached
    ]
    return table(["when", *(f"in {state.name}" for state in states)], rows)


_PATHS: Final[dict[FunctionState, tuple[exchange.Event, ...]]] = {
    FunctionState.WAITING: (),
    FunctionState.OPENED: (exchange.SourceOpened(),),
    FunctionState.SENDING: (exchange.SourceOpened(), exchange.HeadArrived()),
}
_EVENTS: Final[tuple[exchange.Event, ...]] = (
    exchange.SourceOpened(),
    exchange.HeadArrived(),
    exchange.SourceEnded(),
    exchange.SourceBroken(),
    exchange.ResponseMalformed("…"),
    exchange.InvokeRefused(503, "…"),
    exchange.InvocationFailed("…"),
    exchange.FunctionFailed(),
    exchange.DeadlinePassed("idle", ""),
    exchange.ClientLeft(),
    exchange.Stopped(),
    exchange.GatewayFailed(),
)


def commands() -> str:
    """What an exchange commands, tried out: every event in every state."""
    rows = []
    for event in _EVENTS:
        cells = [f"`{type(event).__name__}`"]
        for path in _PATHS.values():
            held = Exchange()
            for earlier in path:
                held.feed(earlier)
            cells.append(_fed(held, event))
        rows.append(cells)
    return table(["event", *(f"in {state.name}" for state in _PATHS)], rows)


def _fed(held: Exchange, event: exchange.Event) -> str:
    try:
        return ", ".join(_command(each) for each in held.feed(event)) or "nothing"
    except exchange.ImpossibleEventError:
        return "an error"


def _command(command: exchange.Command) -> str:
    match command:
        case exchange.AnswerSource(status) | exchange.AnswerClient(status):
            return f"`{type(command).__name__}` {status}"
        case exchange.AbortResponse(is_flushed):
            return "`AbortResponse`" + ("" if is_flushed else ", at once")
        case exchange.Close(outcome):
            return f"`Close` ({outcome})"
    return f"`{type(command).__name__}`"


def _next(state: ClientState | None) -> str:
    return "no change" if state is None else state.name


# --- a server's connection ---------------------------------------------------------------------


def connection_events() -> str:
    """The transition table of a connection's phases."""
    rows = [
        [event.value, *(_phase(PHASES[phase].get(event)) for phase in Phase)]
        for event in PhaseEvent
    ]
    return table(["event", *(f"in {phase.name}" for phase in Phase)], rows)


def _phase(phase: Phase | None) -> str:
    return "" if phase is None else phase.name


def connection_phases() -> str:
    """What each phase waits for, what becomes of bytes that come, and its deadlines, tried out."""
    rows = [
        [phase.name, phase.value, INTAKE[phase].value, ", ".join(_deadlines_of(phase)) or "none"]
        for phase in Phase
    ]
    return table(["phase", "waits for", "bytes that come are", "deadlines"], rows)


_TIMEOUTS: Final = [
    field.name for field in dataclasses.fields(HttpLimits) if field.name.endswith("_timeout_s")
]


def _deadlines_of(phase: Phase) -> Iterator[str]:
    endless = dict.fromkeys(_TIMEOUTS, math.inf)
    for name in _TIMEOUTS:
        bounds = dataclasses.replace(HttpLimits(), **endless | {name: 1.0})
        passed = partial(passed_deadline, bounds, phase, waited_s=1.0, phase_s=1.0)
        if passed(has_unsent=True) or passed(has_unsent=False):
            yield f"`{name}`"
