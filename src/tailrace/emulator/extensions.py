"""The Extensions API of one execution environment, version 2020-01-01.

An extension here is anything that the function's own processes run: a thread of the runtime, an
adapter, a program that the command starts. Programs in /opt/extensions are not started.
Source: Lambda Developer Guide, "runtimes-extensions-api", and what AWS's own server refuses
(aws-lambda-runtime-interface-emulator, `rapi/handler/agent*.go`), read 2026-11.

Concurrency law: that of the Runtime API, which shares its address and its connections.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from enum import Enum
from typing import Final

from tailrace import limits
from tailrace.emulator.names import ACCOUNT, VERSION
from tailrace.emulator.runtime_answer import accept, clean_name, error_text, refuse
from tailrace.emulator.runtime_poll import Poll
from tailrace.net.server.listener import (
    IGNORE,
    Connection,
    Phase,
    Receiver,
    RequestHead,
    WholeBody,
)
from tailrace.wire.runtime_api import Invocation

REGISTER_PATH: Final = "/2020-01-01/extension/register"
NEXT_PATH: Final = "/2020-01-01/extension/event/next"
INIT_ERROR_PATH: Final = "/2020-01-01/extension/init/error"
EXIT_ERROR_PATH: Final = "/2020-01-01/extension/exit/error"
PATHS: Final = {
    REGISTER_PATH: "POST",
    NEXT_PATH: "GET",
    INIT_ERROR_PATH: "POST",
    EXIT_ERROR_PATH: "POST",
}

_NAME: Final = b"lambda-extension-name"
_IDENTIFIER: Final = b"lambda-extension-identifier"
_FEATURES: Final = b"lambda-extension-accept-feature"
_ERROR_TYPE: Final = b"lambda-extension-function-error-type"
_EVENTS: Final = ("INVOKE", "SHUTDOWN")
_JSON: Final = (b"content-type", b"application/json")


class _State(Enum):
    """What an extension is doing; the values are the names that AWS's error messages use."""

    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    FAILED = "ExitError"


class _Extension:
    """One extension: what it wants to hear of, and what it is at."""

    __slots__ = ("connection", "event", "events", "identifier", "name", "polls", "state")

    def __init__(self, name: str, events: frozenset[str], connection: Connection) -> None:
        self.identifier = str(uuid.uuid4())
        self.name = name
        self.events = events
        self.state = _State.REGISTERED
        self.polls: list[Poll] = []
        self.event: bytes | None = None  # one that found it away: its next request gets it
        self.connection: Connection | None = connection
        """That of all its requests; None when it uses several: their ends tell nothing."""

    @property
    def is_gone(self) -> bool:
        """Whether the connection has ended that it used all the time."""
        return self.connection is not None and self.connection.phase is Phase.CLOSED

    @property
    def is_done(self) -> bool:
        """Whether it has finished with all that it was told, or cannot any more."""
        is_idle = self.state is _State.READY and self.event is None
        return is_idle or self.state is _State.FAILED or self.is_gone


class Extensions:
    """The extensions that the processes of an environment have registered.

    `on_ready()` is called when one has asked for its next event; `on_failure(error_type, text)`
    when one reports that it cannot go on.
    """

    def __init__(
        self,
        function: str,
        handler: str,
        *,
        on_ready: Callable[[], None],
        on_failure: Callable[[str, str], None],
    ) -> None:
        self._function = function
        self._handler = handler
        self._on_ready = on_ready
        self._on_failure = on_failure
        self._extensions: dict[str, _Extension] = {}
        self._is_closed = False

    @property
    def are_ready(self) -> bool:
        """Whether each has asked for its next event."""
        return all(
            extension.state is _State.READY and extension.event is None
            for extension in self._extensions.values()
        )

    def close_registration(self) -> None:
        """The init phase is over: nobody registers any more."""
        self._is_closed = True

    def deliver(self, invocation: Invocation) -> None:
        """Tell of an invocation."""
        event = {
            "eventType": "INVOKE",
            "deadlineMs": invocation.deadline_ms,
            "requestId": invocation.request_id,
            "invokedFunctionArn": invocation.function_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id or ""},
        }
        self._tell(event)

    def shut_down(self, reason: str, deadline_ms: int) -> bool:
        """Tell that the environment is to end; False when nobody wants to hear of it."""
        return self._tell(
            {"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms}
        )

    @property
    def are_done(self) -> bool:
        """Whether all that were told of the end have finished, as far as can be seen."""
        return all(
            extension.is_done
            for extension in self._extensions.values()
            if "SHUTDOWN" in extension.events
        )

    # --- requests -----------------------------------------------------------------------------

    def serve(self, head: RequestHead, connection: Connection) -> Receiver:
        """Take a request for one of `PATHS`, whose method is right."""
        if head.path == REGISTER_PATH:
            return self._register(head, connection)
        extension = self._find(head, connection)
        if extension is None:
            return IGNORE
        if head.path == NEXT_PATH:
            return self._next(extension, connection)
        return self._fail(extension, head, connection)

    def _register(self, head: RequestHead, connection: Connection) -> Receiver:
        name = (head.get(_NAME) or b"").decode("latin-1")
        if not name:
            return _refuse(connection, "Extension.InvalidExtensionName", "Empty extension name")
        features = (head.get(_FEATURES) or b"").decode("latin-1").split(",")
        has_account = "accountId" in (feature.strip() for feature in features)
        return WholeBody(
            head,
            limits.EXTENSION_BODY_BYTES_MAX,
            lambda body, trailers: self._add(name, body, connection, has_account=has_account),
            on_gone=lambda: None,
        )

    def _add(self, name: str, body: bytes, connection: Connection, *, has_account: bool) -> None:
        events = _read_events(body)
        if events is None:
            _refuse(connection, "InvalidRequestFormat", "the body has no list of events")
            return
        for event in events:
            if event not in _EVENTS:
                _refuse(connection, "Extension.InvalidEventType", f"{event[:100]}: no such event")
                return
        if self._is_closed:
            message = "Extension registration closed already"
            _refuse(connection, "Extension.RegistrationClosed", message)
            return
        if any(extension.name == name for extension in self._extensions.values()):
            message = "Extension with this name already registered"
            _refuse(connection, "Extension.InvalidExtensionState", message)
            return
        if len(self._extensions) >= limits.EXTENSIONS_MAX:
            message = f"Extension limit ({limits.EXTENSIONS_MAX}) reached"
            _refuse(connection, "Extension.TooManyExtensions", message)
            return
        extension = _Extension(name, frozenset(events), connection)
        self._extensions[extension.identifier] = extension
        answer = {
            "functionName": self._function,
            "functionVersion": VERSION,
            "handler": self._handler,
        }
        if has_account:
            answer["accountId"] = ACCOUNT
        fields = [_JSON, (_IDENTIFIER, extension.identifier.encode())]
        connection.respond(200, fields, json.dumps(answer).encode())

    def _next(self, extension: _Extension, connection: Connection) -> Receiver:
        if extension.state is _State.FAILED:
            return _refuse_state(connection, extension, _State.READY)
        extension.state = _State.READY
        if extension.connection is not connection:
            extension.connection = None
        if extension.event is not None:
            event, extension.event = extension.event, None
            _send(extension, connection, event)
            return IGNORE
        poll = Poll(connection, extension.polls)
        self._on_ready()
        return poll

    def _fail(self, extension: _Extension, head: RequestHead, connection: Connection) -> Receiver:
        is_init = head.path == INIT_ERROR_PATH
        reported = (head.get(_ERROR_TYPE) or b"").decode("latin-1")
        if not reported:
            message = "Lambda-Extension-Function-Error-Type not found"
            return _refuse(connection, "Extension.MissingHeader", message)
        if extension.state is _State.FAILED or (
            is_init and extension.state is not _State.REGISTERED
        ):
            return _refuse_state(connection, extension, _State.FAILED)
        error_type = "Extension.InitError" if is_init else "Extension.ExitError"

        def on_complete(body: bytes, trailers: object) -> None:
            extension.state = _State.FAILED
            accept(connection)
            text = f"extension {clean_name(extension.name)} failed: {clean_name(reported)}"
            message = error_text(body, "errorMessage")
            self._on_failure(error_type, f"{text}: {clean_name(message)}" if message else text)

        return WholeBody(head, limits.EXTENSION_BODY_BYTES_MAX, on_complete, on_gone=lambda: None)

    def _find(self, head: RequestHead, connection: Connection) -> _Extension | None:
        identifier = head.get(_IDENTIFIER)
        if identifier is None:
            message = "Missing Lambda-Extension-Identifier header"
            _refuse(connection, "Extension.MissingExtensionIdentifier", message)
            return None
        extension = self._extensions.get(identifier.decode("latin-1").lower())
        if extension is None:
            message = "Unknown Lambda-Extension-Identifier"
            _refuse(connection, "Extension.UnknownExtensionIdentifier", message)
        return extension

    # --- events -------------------------------------------------------------------------------

    def _tell(self, event: dict[str, object]) -> bool:
        """Send an event to all that subscribed to its type; whether there are any."""
        told = False
        body = json.dumps(event).encode()
        for extension in self._extensions.values():
            if event["eventType"] not in extension.events or extension.state is _State.FAILED:
                continue
            told = True
            if extension.state is _State.READY and extension.polls:
                _send(extension, extension.polls.pop().connection, body)
            else:
                extension.event = body
        return told


def _send(extension: _Extension, connection: Connection, event: bytes) -> None:
    extension.state = _State.RUNNING
    identifier = (b"lambda-extension-event-identifier", str(uuid.uuid4()).encode())
    connection.respond(200, [_JSON, identifier], event)


def _read_events(body: bytes) -> list[str] | None:
    """What an extension subscribes to; None when the body cannot be understood."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return None
    events = request.get("events") if isinstance(request, dict) else None
    if events is None and isinstance(request, dict):
        return []
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        return None
    return events


def _refuse(connection: Connection, error_type: str, message: str) -> Receiver:
    refuse(connection, 403, error_type, message)
    return IGNORE


def _refuse_state(connection: Connection, extension: _Extension, aim: _State) -> Receiver:
    message = (
        f"State transition from {extension.state.value} to {aim.value} failed for extension "
        f"{extension.identifier}. Error: State transition is not allowed"
    )
    return _refuse(connection, "Extension.InvalidExtensionState", message)
