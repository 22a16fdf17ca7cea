"""The Runtime API of one execution environment: an address of its own and a state machine.

Concurrency law: everything happens in callbacks of one event loop, between which the state is
consistent. A runtime may use any number of connections; the state decides what is allowed, as in
AWS's own Runtime API server (aws-lambda-runtime-interface-emulator, `core/states.go`).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from tailrace import limits
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.runtime_answer import (
    INVALID_MODE,
    TRUNCATED,
    Answer,
    AnswerBody,
    is_streamed,
    refuse,
)
from tailrace.emulator.runtime_stream import StreamBody
from tailrace.net.http_server import (
    IGNORE,
    Connection,
    Headers,
    HttpLimits,
    HttpServer,
    Receiver,
    RequestHead,
)
from tailrace.wire import runtime_api

_BOUNDS: Final = HttpLimits(
    head_bytes=limits.RUNTIME_HEAD_BYTES_MAX,
    framing_bytes=limits.RUNTIME_HEAD_BYTES_MAX,
    body_timeout_s=None,  # a function may be silent for as long as it may run
    keep_alive_timeout_s=limits.RUNTIME_KEEP_ALIVE_TIMEOUT_S,
    stall_timeout_s=limits.RUNTIME_KEEP_ALIVE_TIMEOUT_S,
    connections=limits.RUNTIME_CONNECTIONS_MAX,
)
_PATHS: Final = (runtime_api.NEXT_PATH, runtime_api.PING_PATH, runtime_api.INIT_ERROR_PATH)


class State(Enum):
    """What the runtime is doing; the values are the names that AWS's error messages use."""

    STARTED = "Started"
    INIT_ERROR = "InitError"
    READY = "Ready"
    RUNNING = "Running"
    RESPONDING = "InvocationResponse"
    FAILING = "InvocationErrorResponse"
    ANSWERED = "RuntimeResponseSentState"


class Event(Enum):
    """What may happen to it; the values are the states that AWS's messages name as the aim."""

    NEXT = "Ready"
    DELIVER = "Running"
    RESPONSE = "InvocationResponse"
    ERROR = "InvocationErrorResponse"
    INIT_ERROR = "InitError"
    ANSWERED = "RuntimeResponseSentState"


_TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.STARTED: {Event.NEXT: State.READY, Event.INIT_ERROR: State.INIT_ERROR},
    State.INIT_ERROR: {},
    State.READY: {Event.NEXT: State.READY, Event.DELIVER: State.RUNNING},
    # A runtime that lost its connection asks again and is given the same event again.
    State.RUNNING: {
        Event.NEXT: State.RUNNING,
        Event.RESPONSE: State.RESPONDING,
        Event.ERROR: State.FAILING,
    },
    State.RESPONDING: {Event.ANSWERED: State.ANSWERED},
    State.FAILING: {Event.ANSWERED: State.ANSWERED},
    State.ANSWERED: {Event.NEXT: State.READY},
}


class RuntimeServer:
    """The Runtime API for one process.

    `on_ready()` is called when the runtime asks for an event after its init phase or after an
    answer; `on_init_error(outcome)` when it reports that its init phase failed. What a runtime
    answers goes to the attempt that was delivered.
    """

    def __init__(
        self,
        name: str,
        on_ready: Callable[[], None],
        on_init_error: Callable[[Outcome], None],
    ) -> None:
        self.state = State.STARTED
        self._on_ready = on_ready
        self._on_init_error = on_init_error
        self._attempt: Attempt | None = None
        self._deadline_ms = 0
        self._polls: list[_Poll] = []
        self._server = HttpServer(self._serve, name=f"runtime API of {name}", bounds=_BOUNDS)

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        await self._server.start("127.0.0.1", 0)

    @property
    def address(self) -> str:
        """What `AWS_LAMBDA_RUNTIME_API` says: host and port, no scheme."""
        return f"127.0.0.1:{self._server.port}"

    def deliver(self, attempt: Attempt, deadline_ms: int) -> None:
        """Give an event to the runtime, which must be ready for one."""
        assert self.state is State.READY, self.state
        self._attempt = attempt
        self._deadline_ms = deadline_ms
        self._step(Event.DELIVER)
        if self._polls:  # the newest: older ones are more likely to have lost their peer
            self._send_event(self._polls.pop().connection)

    @property
    def connection_count(self) -> int:
        """Open connections; none are left once all that an ended process sent has been read."""
        return self._server.statistics()["connections"]

    async def stop(self) -> None:
        """Close the address and every connection."""
        await self._server.stop()

    # --- requests -----------------------------------------------------------------------------

    def _serve(self, head: RequestHead, connection: Connection) -> Receiver:
        answer = runtime_api.parse_answer_path(head.path)
        match head.method, head.path:
            case "GET", runtime_api.NEXT_PATH:
                return self._next(connection)
            case "GET", runtime_api.PING_PATH:
                connection.respond(200, [(b"content-type", b"text/plain")], b"pong")
            case "POST", runtime_api.INIT_ERROR_PATH:
                return self._init_error(head, connection)
            case "POST", _ if answer is not None:
                request_id, kind = answer
                return self._answer(head, connection, request_id, Answer(kind))
            case _, path if path in _PATHS or answer is not None:
                refuse(connection, 405, "MethodNotAllowed", f"{head.method} is not for this path")
            case _:
                refuse(connection, 404, "NotFound", f"no such path: {head.path[:200]}")
        return IGNORE

    def _next(self, connection: Connection) -> Receiver:
        before = self.state
        if not self._try(Event.NEXT, connection):
            return IGNORE
        if self.state is State.RUNNING:
            self._send_event(connection)
            return IGNORE
        poll = _Poll(connection, self._polls)
        if before is State.ANSWERED:
            assert self._attempt is not None
            # Its answer broke off and nothing better came: the runtime works on, so it was not
            # the end of the process that cut it.
            self._attempt.answer(TRUNCATED)
        if before is not State.READY:
            self._on_ready()
        return poll

    def _init_error(self, head: RequestHead, connection: Connection) -> Receiver:
        if not self._try(Event.INIT_ERROR, connection):
            return IGNORE
        return AnswerBody(
            head,
            connection,
            Answer.ERROR,
            on_outcome=self._on_init_error,
            on_end=lambda: None,  # a report that broke off: the process is about to end
        )

    def _answer(
        self, head: RequestHead, connection: Connection, request_id: str, kind: Answer
    ) -> Receiver:
        attempt = self._attempt
        if attempt is None or request_id != attempt.invocation.request_id:
            refuse(connection, 400, "InvalidRequestID", "Invalid request ID")
            return IGNORE
        event = Event.RESPONSE if kind is Answer.RESPONSE else Event.ERROR
        if not self._try(event, connection):
            return IGNORE
        mode = head.get(runtime_api.RESPONSE_MODE.encode())
        if event is Event.RESPONSE and mode is not None and mode != b"streaming":
            attempt.answer(INVALID_MODE)
            self._step(Event.ANSWERED)
            message = f"Invalid function response mode: {mode.decode('latin-1')[:100]}"
            refuse(connection, 400, "InvalidFunctionResponseMode", message)
            return IGNORE
        if event is Event.RESPONSE and attempt.listener is not None and is_streamed(head):
            return StreamBody(
                head,
                connection,
                attempt=attempt,
                listener=attempt.listener,
                on_end=lambda: self._step(Event.ANSWERED),
            )
        return AnswerBody(
            head,
            connection,
            kind,
            on_outcome=attempt.answer,
            on_end=lambda: self._step(Event.ANSWERED),
        )

    def _send_event(self, connection: Connection) -> None:
        assert self._attempt is not None
        invocation = self._attempt.invocation._replace(deadline_ms=self._deadline_ms)
        headers = [
            (name.encode(), value.encode("latin-1"))
            for name, value in runtime_api.next_headers(invocation)
        ]
        connection.respond(200, headers, invocation.event)

    # --- states -------------------------------------------------------------------------------

    def _step(self, event: Event) -> None:
        self.state = _TRANSITIONS[self.state][event]

    def _try(self, event: Event, connection: Connection) -> bool:
        """Take an event of the runtime's; one that is not in the table is refused with 403."""
        if event in _TRANSITIONS[self.state]:
            self._step(event)
            return True
        message = (
            f"State transition from {self.state.value} to {event.value} failed for runtime. "
            "Error: State transition is not allowed"
        )
        refuse(connection, 403, "InvalidStateTransition", message)
        return False


class _Poll:
    """A runtime that waits for an event, for as long as it takes."""

    __slots__ = ("_polls", "connection")

    def __init__(self, connection: Connection, polls: list[_Poll]) -> None:
        self.connection = connection
        self._polls = polls
        polls.append(self)

    def on_body(self, data: bytes) -> None:
        """A GET has none."""

    def on_end(self, trailers: Headers) -> None:
        """The request is complete; its answer comes when there is an event."""

    def on_gone(self) -> None:
        """The connection was lost; the runtime may ask again on another."""
        if self in self._polls:
            self._polls.remove(self)

    def on_pause(self) -> None:
        """An event is written at once, whatever its size."""

    def on_resume(self) -> None:
        """See `on_pause`."""
