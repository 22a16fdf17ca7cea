"""The Runtime API of one execution environment: an address of its own and a state machine.

Concurrency law: everything happens in callbacks of one event loop, between which the state is
consistent. A runtime may use any number of connections; the state decides what is allowed, as in
AWS's own Runtime API server (aws-lambda-runtime-interface-emulator, `core/states.go`).
"""

from __future__ import annotations

import json
import uuid
from enum import Enum
from typing import Final, Protocol

from tailrace import limits
from tailrace.emulator import extensions
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.runtime_answer import (
    INVALID_MODE,
    TRUNCATED,
    Answer,
    AnswerBody,
    is_streamed,
    refuse,
)
from tailrace.emulator.runtime_poll import Poll
from tailrace.emulator.runtime_stream import StreamBody
from tailrace.net.clock import LoopClock
from tailrace.net.server.listener import (
    IGNORE,
    Connection,
    HttpLimits,
    HttpServer,
    Receiver,
    RequestHead,
)
from tailrace.net.server.refusals import WebGuard
from tailrace.net.server.web_access import WebAccess
from tailrace.wire import runtime_api
from tailrace.wire.runtime_api import Invocation

_BOUNDS: Final = HttpLimits(
    head_bytes=limits.RUNTIME_HEAD_BYTES_MAX,
    framing_bytes=limits.RUNTIME_HEAD_BYTES_MAX,
    body_timeout_s=None,  # a function may be silent for as long as it may run
    keep_alive_timeout_s=limits.RUNTIME_KEEP_ALIVE_TIMEOUT_S,
    stall_timeout_s=limits.RUNTIME_KEEP_ALIVE_TIMEOUT_S,
    connections=limits.RUNTIME_CONNECTIONS_MAX,
    descriptors_left=limits.DESCRIPTORS_LEFT_LAST,
    uploads=None,  # a streamed response is one; its connections are bounded
    small_chunks=None,
    tracks_chunks=True,  # a chunk of a streamed response is a write
)
_METHODS: Final = {
    runtime_api.NEXT_PATH: "GET",
    runtime_api.PING_PATH: "GET",
    runtime_api.INIT_ERROR_PATH: "POST",
    **extensions.PATHS,
    "/2020-08-15/logs": "PUT",
    "/2022-07-01/telemetry": "PUT",
}
_INVOCATION_ID: Final = runtime_api.INVOCATION_ID.encode()
_RESPONSE_MODE: Final = runtime_api.RESPONSE_MODE.encode()
_JSON: Final = (b"content-type", b"application/json")


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


class Observer(Protocol):
    """Who runs the process, and is told what it does."""

    def on_ready(self) -> None:
        """The runtime, and each extension, asks for the next event.

        Called once after the init phase, and once after each event.
        """

    def on_init_error(self, outcome: Outcome) -> None:
        """The runtime reports that its init phase failed."""

    def on_cut(self, attempt: Attempt) -> None:
        """An answer to this attempt broke off."""

    def on_extension_failure(self, error_type: str, text: str) -> None:
        """An extension reports that it cannot go on."""


class RuntimeServer:
    """The Runtime API, and the Extensions API, for one process group.

    What a runtime answers goes to the attempt that was delivered.
    """

    def __init__(self, name: str, handler: str, observer: Observer) -> None:
        self.state = State.STARTED
        self.extensions = extensions.Extensions(
            name,
            handler,
            on_ready=self._settle,
            on_failure=observer.on_extension_failure,
        )
        self._observer = observer
        self._is_settled = False
        self._attempt: Attempt | None = None
        self._invocation: Invocation | None = None  # as the runtime is told of it
        self._polls: list[Poll] = []
        name = f"runtime API of {name}"
        self._guard = WebGuard(name, WebAccess(), LoopClock())  # only its own function calls it
        self._server = HttpServer(self._serve, name=name, bounds=_BOUNDS)

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
        self._invocation = attempt.invocation._replace(
            deadline_ms=deadline_ms, invocation_id=str(uuid.uuid4())
        )
        self._is_settled = False
        self._step(Event.DELIVER)
        self.extensions.deliver(self._invocation)
        if self._polls:  # the newest: older ones are more likely to have lost their peer
            self._send_event(self._polls.pop().connection)

    @property
    def connection_count(self) -> int:
        """Open connections."""
        return self._server.statistics()["connections"]

    async def wait_empty(self) -> None:
        """Wait until no connection is open: all that an ended process sent has been read then."""
        await self._server.wait_empty()

    async def stop(self) -> None:
        """Close the address and every connection."""
        await self._server.stop()

    # --- requests -----------------------------------------------------------------------------

    def _serve(self, head: RequestHead, connection: Connection) -> Receiver:
        refusal = self._guard.find_refusal(head)
        if refusal is not None:
            refuse(connection, 403, "Forbidden", refusal.reason)
            return IGNORE
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
            case method, path if extensions.PATHS.get(path) == method:
                return self.extensions.serve(head, connection)
            case "PUT", path if _METHODS.get(path) == "PUT":
                _decline(connection, "Logs" if path.endswith("logs") else "Telemetry")
            case _, path if path in _METHODS or answer is not None:
                allowed = [(b"allow", _METHODS.get(path, "POST").encode())]
                message = f"{head.method} is not for this path"
                refuse(connection, 405, "MethodNotAllowed", message, headers=allowed)
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
        poll = Poll(connection, self._polls)
        if before is State.ANSWERED:
            assert self._attempt is not None
            # Its answer broke off and nothing better came: the runtime works on, so it was not
            # the end of the process that cut it.
            self._attempt.answer(TRUNCATED)
        if before is not State.READY:
            self._settle()
        return poll

    def _settle(self) -> None:
        """A phase ends when the runtime and all extensions have asked for the next event."""
        if not self._is_settled and self.state is State.READY and self.extensions.are_ready:
            self._is_settled = True
            self.extensions.close_registration()
            self._observer.on_ready()

    def _init_error(self, head: RequestHead, connection: Connection) -> Receiver:
        if not self._try(Event.INIT_ERROR, connection):
            return IGNORE
        return AnswerBody(
            head,
            connection,
            Answer.ERROR,
            on_outcome=self._observer.on_init_error,
            on_end=lambda: None,
            on_cut=lambda: None,  # the process is about to end
        )

    def _answer(
        self, head: RequestHead, connection: Connection, request_id: str, kind: Answer
    ) -> Receiver:
        attempt = self._attempt
        if self._is_stale(head):
            refuse(connection, 410, "InvokeTimeout", "Invoke timeout")
            return IGNORE
        if attempt is None or request_id != attempt.invocation.request_id:
            refuse(connection, 400, "InvalidRequestID", "Invalid request ID")
            return IGNORE
        event = Event.RESPONSE if kind is Answer.RESPONSE else Event.ERROR
        if not self._try(event, connection):
            return IGNORE
        mode = head.get(_RESPONSE_MODE)
        if event is Event.RESPONSE and mode and mode != b"streaming":
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
                on_end=self._end_answer,
                on_cut=self._cut_answer,
            )
        return AnswerBody(
            head,
            connection,
            kind,
            on_outcome=attempt.answer,
            on_end=self._end_answer,
            on_cut=self._cut_answer,
        )

    def _is_stale(self, head: RequestHead) -> bool:
        """Whether an answer names an attempt that is not the one now; many runtimes name none."""
        named = head.get(_INVOCATION_ID)
        if named is None or self._invocation is None:
            return False
        return named.decode("latin-1") != self._invocation.invocation_id

    def _end_answer(self) -> None:
        self._step(Event.ANSWERED)

    def _cut_answer(self) -> None:
        assert self._attempt is not None
        self._step(Event.ANSWERED)
        self._observer.on_cut(self._attempt)

    def _send_event(self, connection: Connection) -> None:
        assert self._invocation is not None
        headers = [
            (name.encode(), value.encode("latin-1"))
            for name, value in runtime_api.next_headers(self._invocation)
        ]
        connection.respond(200, headers, self._invocation.event)

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


def _decline(connection: Connection, name: str) -> None:
    """Answer a subscription that there is none, as AWS's emulator does: functions bear it."""
    body = {"errorMessage": f"{name} API is not supported", "errorType": f"{name}.NotSupported"}
    connection.respond(202, [_JSON], json.dumps(body).encode())
