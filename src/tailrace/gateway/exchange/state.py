"""The tables of one exchange: two small state machines, one per party; events in, commands out.

The function's side is the progress of the response, the client's side is what the client has
received. The response comes from the exchange's source: a callback of the function, or the response
stream of an invocation.

For each state and event the table has the next state, or a verdict. LATE: something else ended the
exchange first, and the event is ignored. IMPOSSIBLE: no behaviour of the peers leads to it, so the
gateway has an error. Body bytes are no events: they are relayed while `is_relaying`.

    function   WAITING ──SourceOpened──► OPENED ──HeadArrived──► SENDING ──SourceEnded──► ENDED
                  └──────────────────────┴── any loss ───────────┴──► FAILED
    client     HELD ──(head sent)──► RECEIVING ──(all sent, or a loss made visible)──► DONE
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final


class FunctionState(Enum):
    """The progress of the function's response."""

    __hash__ = object.__hash__  # faster than Enum's, which is a call in Python

    WAITING = "waiting"  # invoked; no source yet
    OPENED = "opened"  # a source has opened; no head yet
    SENDING = "sending"  # the head has arrived; body bytes follow
    ENDED = "ended"  # the response is complete
    FAILED = "failed"  # it will never be complete


class ClientState(Enum):
    """What the client has received."""

    __hash__ = object.__hash__

    HELD = "held"  # nothing
    RECEIVING = "receiving"  # the head, perhaps more
    DONE = "done"  # all that it will receive


class Verdict(Enum):
    """The meaning of an event that has no next state."""

    LATE = "late"  # something else ended the exchange first: ignored
    IMPOSSIBLE = "impossible"  # an error in the gateway: raised


# --- events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceOpened:
    """A callback has presented the secret of the exchange, or Lambda has started a stream."""


@dataclass(frozen=True, slots=True)
class HeadArrived:
    """The response head has been received; `is_bodiless` if no body can follow it."""

    is_bodiless: bool = False


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """The source's message is complete."""


@dataclass(frozen=True, slots=True)
class SourceBroken:
    """The source ended before its message was complete; `name` is "callback" or "stream"."""

    name: str = "callback"


@dataclass(frozen=True, slots=True)
class ResponseMalformed:
    """What the function sent cannot be relayed; `detail` is the reason."""

    detail: str


@dataclass(frozen=True, slots=True)
class InvokeRefused:
    """The invocation was not accepted; `status` and `detail` are for the client."""

    status: int
    detail: str
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class InvocationFailed:
    """The invocation has ended without a callback; `detail` is for the client.

    Only the emulator in `tailrace dev` reports it: Lambda does not for asynchronous invocations.
    """

    detail: str


@dataclass(frozen=True, slots=True)
class FunctionFailed:
    """The source reports that the function has failed; its response is incomplete."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """A deadline has passed; `name` is one of "first byte", "idle", "stall", "total".

    `detail` is a text for both sides, which names the deadline's length.
    """

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class ClientLeft:
    """The client's connection has ended."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The gateway stops, because the time of its drain has passed."""


@dataclass(frozen=True, slots=True)
class GatewayFailed:
    """The gateway has failed in this exchange: an error in its code."""


Event = (
    SourceOpened
    | HeadArrived
    | SourceEnded
    | SourceBroken
    | ResponseMalformed
    | InvokeRefused
    | InvocationFailed
    | FunctionFailed
    | DeadlinePassed
    | ClientLeft
    | Stopped
    | GatewayFailed
)

# --- commands ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AcceptSource:
    """Accept the source: it alone may answer the exchange from now on."""


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """Answer the source; any status but 200 stops the function, if the transport can do that."""

    status: int
    detail: str


@dataclass(frozen=True, slots=True)
class StartResponse:
    """Send the head to the client."""


@dataclass(frozen=True, slots=True)
class EndResponse:
    """End the client's response: it is complete."""


@dataclass(frozen=True, slots=True)
class AbortResponse:
    """Abort the client's response: it is visibly incomplete.

    With `is_flushed`, what was relayed before is sent first.
    """

    is_flushed: bool


@dataclass(frozen=True, slots=True)
class AnswerClient:
    """Send the client a whole response from the gateway, such as a 502."""

    status: int
    detail: str
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Both sides have ended: release the exchange. `outcome` goes into its record."""

    outcome: str


Command = (
    AcceptSource | AnswerSource | StartResponse | EndResponse | AbortResponse | AnswerClient | Close
)

# --- the tables ----------------------------------------------------------------------------------

# Members by names of the module, which on Python 3.11 are found ten times as fast.
WAITING, _OPENED, _SENDING, _ENDED, _FAILED = FunctionState
_HELD, _RECEIVING, _DONE = ClientState
_LATE: Final = Verdict.LATE
_NEVER: Final = Verdict.IMPOSSIBLE
BEFORE_HEAD: Final = (WAITING, _OPENED)

# fmt: off
_TRANSITIONS: Final[dict[type[Event], tuple[FunctionState | Verdict, ...]]] = {
    # in               WAITING  OPENED    SENDING  ENDED   FAILED
    SourceOpened:      (_OPENED, _NEVER,   _NEVER,  _NEVER, _LATE),  # a second is refused
    InvokeRefused:     (_FAILED, _LATE,    _LATE,   _LATE,  _LATE),  # slower than the function
    InvocationFailed:  (_FAILED, _LATE,    _LATE,   _LATE,  _LATE),
    DeadlinePassed:    (_FAILED, _FAILED,  _FAILED, _LATE,  _LATE),
    ClientLeft:        (_FAILED, _FAILED,  _FAILED, _LATE,  _LATE),
    Stopped:           (_FAILED, _FAILED,  _FAILED, _LATE,  _LATE),
    GatewayFailed:     (_FAILED, _FAILED,  _FAILED, _LATE,  _LATE),
    # Events of a source: there is none in WAITING, and its message is complete in ENDED.
    HeadArrived:       (_NEVER,  _SENDING, _NEVER,  _NEVER, _LATE),
    SourceBroken:      (_NEVER,  _FAILED,  _FAILED, _NEVER, _LATE),
    ResponseMalformed: (_NEVER,  _FAILED,  _FAILED, _NEVER, _LATE),
    FunctionFailed:    (_NEVER,  _FAILED,  _FAILED, _NEVER, _LATE),
    SourceEnded:       (_NEVER,  _NEVER,   _ENDED,  _NEVER, _LATE),  # before the head: malformed
}
# fmt: on

FUNCTION_SIDE: Final[dict[FunctionState, dict[type[Event], FunctionState | Verdict]]] = {
    state: {event: row[column] for event, row in _TRANSITIONS.items()}
    for column, state in enumerate(FunctionState)
}
"""For each state and event, the next state or a verdict."""

CLIENT_SIDE: Final[dict[ClientState, dict[FunctionState, ClientState]]] = {
    ClientState.HELD: {
        FunctionState.SENDING: ClientState.RECEIVING,
        FunctionState.FAILED: ClientState.DONE,
    },
    ClientState.RECEIVING: {
        FunctionState.ENDED: ClientState.DONE,
        FunctionState.FAILED: ClientState.DONE,
    },
    ClientState.DONE: {},
}
"""The client's next state, by its state and the state that the function's side has reached.

After DONE, `ClientLeft` is late in every state of the function's side.
"""


@dataclass(frozen=True, slots=True)
class Loss:
    """What each side receives when a response is lost.

    Texts may have the placeholders `{detail}` and `{name}`, filled from the event.
    """

    client_status: int
    """0: the status comes from the event, or the client has left."""
    client_detail: str
    source_status: int
    """0: the source has ended as well, or there was none."""
    source_detail: str
    outcome: str
    is_flushed: bool = True
    """Whether bytes that were relayed before are still sent to the client."""


LOSSES: Final[dict[type[Event], Loss]] = {
    SourceBroken: Loss(502, "the function ended before it answered", 0, "", "{name}-broken"),
    ResponseMalformed: Loss(
        502, "the function's response is malformed: {detail}", 400, "{detail}", "malformed"
    ),
    InvokeRefused: Loss(0, "{detail}", 0, "", "invoke-refused"),
    InvocationFailed: Loss(502, "{detail}", 0, "", "invocation-failed"),
    FunctionFailed: Loss(502, "the function failed", 0, "", "function-failed"),
    DeadlinePassed: Loss(
        504,
        "the function did not answer in time: {detail}",
        410,
        "{detail}",
        "{name}-deadline",
        is_flushed=False,
    ),
    ClientLeft: Loss(0, "", 410, "the client has left", "client-left"),
    Stopped: Loss(
        503,
        "the gateway is shutting down",
        410,
        "the gateway is stopping",
        "stopped",
        is_flushed=False,
    ),
    GatewayFailed: Loss(500, "the gateway failed", 410, "the gateway failed", "gateway-failed"),
}


class ImpossibleEventError(Exception):
    """An event came in a state in which it is impossible: an error in the gateway's code."""


@dataclass(slots=True, eq=False)
class Exchange:
    """The state of one exchange.

    `feed` takes an event and returns the commands that follow, in the order in which they must be
    performed. After `Close` it returns none. `is_relaying`: whether body bytes from the function
    are written to the client now.
    """

    function: FunctionState = WAITING
    client: ClientState = _HELD
    is_relaying: bool = False

    def feed(self, event: Event) -> tuple[Command, ...]:
        """Take an event, and return the commands that follow; a late event has none.

        Raises:
            ImpossibleEventError: it is impossible in this state, which does not change.
        """
        before, had = self.function, self.client
        after = FUNCTION_SIDE[before][type(event)]
        if after is _NEVER:
            raise ImpossibleEventError(f"{type(event).__name__} in {before.name}")
        if after is _LATE or (had is _DONE and type(event) is ClientLeft):
            return ()
        self.function = after
        self.client = CLIENT_SIDE[had].get(after, had)
        if type(event) is HeadArrived and event.is_bodiless:
            self.client = _DONE  # it has all; the function may continue
        # A plain attribute, because it is read for each chunk.
        self.is_relaying = self.client is _RECEIVING
        if after is _FAILED:
            return tuple(_lose(event, before, had))
        if after is _OPENED:
            return _ACCEPT
        if after is _SENDING:
            return _START if self.is_relaying else _START_AND_END
        return _END_BOTH if had is _RECEIVING else _END_SOURCE


# Commands are immutable, so equal ones are made once.
_ACCEPT: Final = (AcceptSource(),)
_START: Final = (StartResponse(),)
_START_AND_END: Final = (StartResponse(), EndResponse())
_END_SOURCE: Final = (AnswerSource(200, "relayed"), Close("complete"))
_END_BOTH: Final = (EndResponse(), *_END_SOURCE)


def _lose(event: Event, function: FunctionState, client: ClientState) -> Iterator[Command]:
    """Yield the commands that make a loss visible to the sides that are still connected."""
    loss = LOSSES[type(event)]
    name = detail = ""
    status = loss.client_status
    retry_after_s: int | None = None
    match event:
        case SourceBroken(name):
            pass
        case ResponseMalformed(detail) | InvocationFailed(detail):
            pass
        case DeadlinePassed(name, detail):
            pass
        case InvokeRefused(status, detail, retry_after_s):
            pass
    is_client_there = type(event) is not ClientLeft
    if client is ClientState.RECEIVING and is_client_there:
        yield AbortResponse(loss.is_flushed)
    elif client is ClientState.HELD and is_client_there:
        yield AnswerClient(status, loss.client_detail.format(detail=detail), retry_after_s)
    if loss.source_status and function is not FunctionState.WAITING:
        yield AnswerSource(loss.source_status, loss.source_detail.format(detail=detail))
    outcome = loss.outcome.format(name=name.replace(" ", "-"))
    yield Close("complete" if client is ClientState.DONE else outcome)
