"""The table of a connection's phases: complete, and what it says of the ends."""

from __future__ import annotations

import pytest

from tailrace.net.server.phases import INTAKE, PHASES, Intake, Phase, PhaseEvent

OPEN = [phase for phase in Phase if phase is not Phase.CLOSED]


def test_every_phase_has_a_row_and_an_intake() -> None:
    assert list(PHASES) == list(Phase)
    assert list(INTAKE) == list(Phase)


def test_every_phase_and_every_event_is_reached() -> None:
    reached = {after for row in PHASES.values() for after in row.values()}
    events = {event for row in PHASES.values() for event in row}

    assert reached == set(Phase)
    assert events == set(PhaseEvent)


@pytest.mark.parametrize("phase", OPEN)
def test_an_open_connection_may_be_lost_and_reset_at_any_time(phase: Phase) -> None:
    assert PHASES[phase][PhaseEvent.LOST] is Phase.CLOSED
    assert PHASES[phase][PhaseEvent.RESET] is Phase.CLOSED


def test_a_request_is_read_before_it_is_answered_by_another() -> None:
    """Only a connection that is idle begins a request."""
    assert [p for p in Phase if PhaseEvent.REQUEST_BEGUN in PHASES[p]] == [Phase.IDLE]
    assert [p for p in Phase if PhaseEvent.ENDED_KEPT in PHASES[p]] == [
        Phase.PENDING,
        Phase.BODY,
        Phase.ANSWER,
    ]


def test_a_closed_connection_stays_closed() -> None:
    row = PHASES[Phase.CLOSED]

    assert {event for event, after in row.items() if after is not Phase.CLOSED} == {PhaseEvent.MADE}


def test_a_request_that_has_not_been_accepted_is_not_read() -> None:
    assert INTAKE[Phase.PENDING] is Intake.HELD
    assert {p for p in Phase if INTAKE[p] is Intake.READ} == {Phase.IDLE, Phase.HEAD, Phase.BODY}
