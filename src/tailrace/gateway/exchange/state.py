"""One held response: two small state machines, one per party; events in, commands out.

The function's side says how far the response has come, the client's side what it has got.
The tables below say which events count in which state; any other event is late (something ended
first) and has no effect. Body bytes do not come through here: they are relayed while
`is_relaying`.

What the response comes from is its source: a callback of the function, or the response stream of
an invocation.

    function   WAITING ──SourceOpened──► OPENED ──HeadArrived──► SENDING ──SourceEnded──► ENDED
                  └──────────────────────┴── any loss ───────────┴──► FAILED
    client     HELD ──(head sent)──► RECEIVING ──(all sent, or a loss made visible)──► DONE
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from tailrace.wire.integration import Head


class Function(Enum):
    """How far the function's response has come."""

    WAITING = "waiting"  # invoked; no source yet
    OPENED = "opened"  # a source has it; no head yet
    SENDING = "sending"  # the head has arrived; body bytes follow
    ENDED = "ended"  # the response is complete
    FAILED = "failed"  # it will never be complete


class Client(Enum):
    """What the client has got."""

    HELD = "held"  # nothing
    RECEIVING = "receiving"  # the head, perhaps more
    DONE = "done"  # all that it will get


# --- events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceOpened:
    """A callback with the right secret has sent its head, or Lambda begins a response stream."""


@dataclass(frozen=True, slots=True)
class HeadArrived:
    """The function has said status and headers; `is_bodiless` when no body can follow them."""

    head: Head
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
    """What the function sent cannot be relayed; `detail` says why."""

    detail: str


@dataclass(frozen=True, slots=True)
class InvokeRefused:
    """The invocation was not accepted; `status` and `detail` are for the client."""

    status: int
    detail: str
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class InvocationFailed:
    """The invocation has ended without a callback, as somebody knows; `detail` is for the client.

    Lambda does not tell this of asynchronous invocations; the emulator in `tailrace dev` does.
    """

    detail: str


@dataclass(frozen=True, slots=True)
class FunctionFailed:
    """The source says that the function has failed: its response will never be complete."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """A deadline has passed; `name` is one of "first byte", "idle", "stall", "total".

    `detail` says which one in words, with its length.
    """

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class ClientLeft:
    """The client's connection has ended."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The gateway gives the exchange up: its drain is over."""


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
)

# --- commands ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AcceptSource:
    """Let the function run: it has the exchange."""


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """Answer the source; any status but 200 tells the function to stop, where that is possible."""

    status: int
    detail: str


@dataclass(frozen=True, slots=True)
class StartResponse:
    """Send the head to the client."""

    head: Head


@dataclass(frozen=True, slots=True)
class EndResponse:
    """End the client's response: it is complete."""


@dataclass(frozen=True, slots=True)
class AbortResponse:
    """Break the client's response visibly: it is not complete.

    `is_flushed` when what was relayed should still reach the client first.
    """

    is_flushed: bool


@dataclass(frozen=True, slots=True)
class AnswerClient:
    """Send the client a whole answer of our own."""

    status: int
    detail: str
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Both sides have ended: forget the exchange. `outcome` is for the log."""

    outcome: str


Command = (
    AcceptSource | AnswerSource | StartResponse | EndResponse | AbortResponse | AnswerClient | Close
)

# --- the tables ----------------------------------------------------------------------------------

FUNCTION_SIDE: Final[dict[Function, dict[type[Event], Function]]] = {
    Function.WAITING: {
        SourceOpened: Function.OPENED,
        InvokeRefused: Function.FAILED,
        InvocationFailed: Function.FAILED,
        DeadlinePassed: Function.FAILED,
        ClientLeft: Function.FAILED,
        Stopped: Function.FAILED,
    },
    Function.OPENED: {
        HeadArrived: Function.SENDING,
        SourceBroken: Function.FAILED,
        ResponseMalformed: Function.FAILED,
        FunctionFailed: Function.FAILED,
        DeadlinePassed: Function.FAILED,
        ClientLeft: Function.FAILED,
        Stopped: Function.FAILED,
    },
    Function.SENDING: {
        SourceEnded: Function.ENDED,
        SourceBroken: Function.FAILED,
        ResponseMalformed: Function.FAILED,
        FunctionFailed: Function.FAILED,
        DeadlinePassed: Function.FAILED,
        ClientLeft: Function.FAILED,
        Stopped: Function.FAILED,
    },
    Function.ENDED: {},
    Function.FAILED: {},
}
"""An accepted event and the state it leads to. Whatever is missing is late, and ignored."""

CLIENT_SIDE: Final[dict[Client, dict[Function, Client]]] = {
    Client.HELD: {Function.SENDING: Client.RECEIVING, Function.FAILED: Client.DONE},
    Client.RECEIVING: {Function.ENDED: Client.DONE, Function.FAILED: Client.DONE},
    Client.DONE: {},
}
"""The client's side follows the function's: its new state by the state that was reached there."""


@dataclass(frozen=True, slots=True)
class _Loss:
    """What each side is told when a response is lost; texts may name the event's own detail."""

    client_status: int
    client_detail: str
    source_status: int
    source_detail: str
    outcome: str


_LOSSES: Final[dict[type[Event], _Loss]] = {
    SourceBroken: _Loss(502, "the function ended before it answered", 0, "", "{name}-broken"),
    ResponseMalformed: _Loss(
        502, "the function's response is malformed: {detail}", 400, "{detail}", "malformed"
    ),
    InvokeRefused: _Loss(0, "{detail}", 0, "", "invoke-refused"),
    InvocationFailed: _Loss(502, "{detail}", 0, "", "invocation-failed"),
    FunctionFailed: _Loss(502, "the function failed", 0, "", "function-failed"),
    DeadlinePassed: _Loss(
        504,
        "the function did not answer in time: {detail}",
        410,
        "{detail}",
        "{name}-deadline",
    ),
    ClientLeft: _Loss(0, "", 410, "the client has left", "client-left"),
    Stopped: _Loss(503, "the gateway is shutting down", 410, "the gateway is stopping", "stopped"),
}


class Exchange:
    """The state of one held response.

    `feed` takes an event and returns the commands that follow from it, in the order in which
    they must be carried out. After `Close` it returns none.
    """

    __slots__ = ("client", "function")

    def __init__(self) -> None:
        self.function = Function.WAITING
        self.client = Client.HELD

    @property
    def is_relaying(self) -> bool:
        """Whether body bytes from the function go to the client now."""
        return self.function is Function.SENDING and self.client is Client.RECEIVING

    def feed(self, event: Event) -> tuple[Command, ...]:
        """Take an event; one that comes too late has no effect."""
        before, had = self.function, self.client
        after = FUNCTION_SIDE[before].get(type(event))
        if after is None or (had is Client.DONE and isinstance(event, ClientLeft)):
            return ()  # a client that has got everything may leave
        self.function = after
        self.client = CLIENT_SIDE[had].get(after, had)
        if after is Function.OPENED:
            return (AcceptSource(),)
        if isinstance(event, HeadArrived):
            if not event.is_bodiless:
                return (StartResponse(event.head),)
            self.client = Client.DONE  # the function may go on; nobody waits for it
            return (StartResponse(event.head), EndResponse())
        if after is Function.ENDED:
            end = (EndResponse(),) if had is Client.RECEIVING else ()
            return (*end, AnswerSource(200, "relayed"), Close("complete"))
        return tuple(_lose(event, before, had))


def _lose(event: Event, function: Function, client: Client) -> list[Command]:
    """The commands that make a loss known to whoever is still there."""
    loss = _LOSSES[type(event)]
    name = event.name if isinstance(event, DeadlinePassed | SourceBroken) else ""
    detail = ""
    if isinstance(event, ResponseMalformed | InvokeRefused | InvocationFailed | DeadlinePassed):
        detail = event.detail
    commands: list[Command] = []
    if client is Client.RECEIVING:
        if not isinstance(event, ClientLeft):
            commands.append(
                AbortResponse(is_flushed=not isinstance(event, Stopped | DeadlinePassed))
            )
    elif client is Client.HELD and not isinstance(event, ClientLeft):
        status, retry_after_s = loss.client_status, None
        if isinstance(event, InvokeRefused):
            status, retry_after_s = event.status, event.retry_after_s
        commands.append(
            AnswerClient(status, loss.client_detail.format(detail=detail), retry_after_s)
        )
    if loss.source_status and function is not Function.WAITING:
        text = loss.source_detail.format(detail=detail, name=name)
        commands.append(AnswerSource(loss.source_status, text))
    outcome = loss.outcome.format(name=name.replace(" ", "-"))
    commands.append(Close("complete" if client is Client.DONE else outcome))
    return commands
