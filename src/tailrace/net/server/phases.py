"""The phases of a server's connection as a table: for each phase and event, the next phase.

    CLOSED ──► IDLE ──► HEAD ──► PENDING ──► BODY ──► ANSWER ──► IDLE, LINGER or CLOSING ──► CLOSED

An event that is missing in a phase is impossible there, and raises KeyError.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Phase(Enum):
    """What a connection waits for. All but CLOSED have a deadline.

    In PENDING and ANSWER it is the stall deadline, from the start of the response; the time until
    then is bounded by the application.
    """

    __hash__ = object.__hash__  # faster than Enum's, which is a call in Python

    IDLE = "the next request"
    HEAD = "the rest of a head"
    PENDING = "the application to accept the request"
    BODY = "the rest of a body"
    ANSWER = "the application"
    LINGER = "the peer to read its answer and stop sending"
    CLOSING = "the peer to take the last bytes"
    CLOSED = "nothing"


class PhaseEvent(Enum):
    """What happens to a connection."""

    __hash__ = object.__hash__

    MADE = "the peer has connected"
    REQUEST_BEGUN = "the first bytes of a request"
    HEAD_READ = "a head is complete: the application is called"
    ACCEPTED = "the application accepts the request, whose body follows"
    REQUEST_READ = "the request is complete"
    ENDED_KEPT = "the response has ended, another request may follow"
    ENDED_LAST = "the last response has ended"
    ENDED_UNREAD = "the last response has ended before its request"
    PEER_ENDED = "the peer has ended its side"
    CLOSE = "the server closes"
    RESET = "the server resets"
    LOST = "the connection has ended"


# On Python 3.11 a member is found ten times as fast by a name of the module as by its class.
IDLE, HEAD, PENDING, BODY, ANSWER, LINGER, CLOSING, CLOSED = Phase
MADE, REQUEST_BEGUN, HEAD_READ, ACCEPTED, REQUEST_READ = list(PhaseEvent)[:5]
ENDED_KEPT, ENDED_LAST, ENDED_UNREAD, PEER_ENDED, CLOSE, RESET, LOST = list(PhaseEvent)[5:]

_ENDS: Final = {
    PhaseEvent.PEER_ENDED: Phase.CLOSING,
    PhaseEvent.CLOSE: Phase.CLOSING,
    PhaseEvent.RESET: Phase.CLOSED,
    PhaseEvent.LOST: Phase.CLOSED,
}
_ANSWERS: Final = {
    PhaseEvent.ENDED_KEPT: Phase.IDLE,
    PhaseEvent.ENDED_LAST: Phase.CLOSING,
    PhaseEvent.ENDED_UNREAD: Phase.LINGER,
}

PHASES: Final[dict[Phase, dict[PhaseEvent, Phase]]] = {
    Phase.IDLE: {PhaseEvent.REQUEST_BEGUN: Phase.HEAD, **_ENDS},
    Phase.HEAD: {
        PhaseEvent.HEAD_READ: Phase.PENDING,
        PhaseEvent.ENDED_UNREAD: Phase.LINGER,  # refused
        **_ENDS,
    },
    Phase.PENDING: {
        PhaseEvent.ACCEPTED: Phase.BODY,
        PhaseEvent.REQUEST_READ: Phase.ANSWER,
        **_ANSWERS,
        **_ENDS,
    },
    Phase.BODY: {PhaseEvent.REQUEST_READ: Phase.ANSWER, **_ANSWERS, **_ENDS},
    Phase.ANSWER: {**_ANSWERS, **_ENDS},
    Phase.LINGER: {
        PhaseEvent.CLOSE: Phase.CLOSING,
        PhaseEvent.RESET: Phase.CLOSED,
        PhaseEvent.LOST: Phase.CLOSED,
    },
    Phase.CLOSING: _ENDS,
    Phase.CLOSED: {PhaseEvent.MADE: Phase.IDLE, PhaseEvent.LOST: Phase.CLOSED},
}
"""For each phase and event, the next phase. PEER_ENDED in LINGER has no effect: the peer has
received its answer."""


class Intake(Enum):
    """The treatment of bytes that are received."""

    READ = "read"
    KEPT = "kept, up to a limit; more resets the connection"
    HELD = "kept, up to a limit; then reading pauses"
    DISCARDED = "discarded, up to a limit"


INTAKE: Final[dict[Phase, Intake]] = {
    Phase.IDLE: Intake.READ,  # KEPT, until the previous response was sent
    Phase.HEAD: Intake.READ,
    Phase.PENDING: Intake.HELD,
    Phase.BODY: Intake.READ,
    Phase.ANSWER: Intake.KEPT,
    Phase.LINGER: Intake.DISCARDED,
    Phase.CLOSING: Intake.DISCARDED,
    Phase.CLOSED: Intake.DISCARDED,
}
