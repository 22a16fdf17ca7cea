"""What a runtime sends back: a response, an error or an init error, collected whole.

A streamed response is collected as well when nobody listens to it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

from tailrace import limits
from tailrace.emulator.invocation import Outcome
from tailrace.net.json_text import Members, find_text
from tailrace.net.server.listener import Connection, Headers, RequestHead
from tailrace.wire import runtime_api

_MAX: Final = limits.BUFFERED_RESPONSE_BYTES_MAX
_ERROR_TYPE: Final = runtime_api.FUNCTION_ERROR_TYPE.encode()
_ERROR_BODY: Final = runtime_api.FUNCTION_ERROR_BODY.encode()
_RESPONSE_MODE: Final = runtime_api.RESPONSE_MODE.encode()
_JSON: Final = (b"content-type", b"application/json")
_ERROR_CAUSE: Final = b"application/vnd.aws.lambda.error.cause+json"
_NAME_CHARS_MAX: Final = 128
_LINE_CHARS_MAX: Final = 1_000
_ERROR: Final = Members("errorType", "errorMessage", "stackTrace")
_EMPTY_LIST: Final = re.compile(rb"\[\s*\]").fullmatch

TOO_LARGE: Final = Outcome.failure(
    "Function.ResponseSizeTooLarge",
    f"Response payload size exceeded maximum allowed payload size ({_MAX} bytes).",
)
TRUNCATED: Final = Outcome.failure(
    "Runtime.TruncatedResponse", "The runtime broke its response off."
)
INVALID_MODE: Final = Outcome.failure(
    "Runtime.InvalidResponseModeHeader", "The only response mode is streaming."
)


class Answer(Enum):
    """The kinds of answer."""

    RESPONSE = "response"
    ERROR = "error"


class AnswerBody:
    """Receives the body of an answer.

    `on_outcome` is told what it means, at the latest when it is complete; then `on_end` that it
    has ended. A body that breaks off has no outcome, and `on_cut` is told.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_head",
        "_kind",
        "_on_cut",
        "_on_end",
        "_on_outcome",
        "_size",
    )

    def __init__(
        self,
        head: RequestHead,
        connection: Connection,
        kind: Answer,
        *,
        on_outcome: Callable[[Outcome], None],
        on_end: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> None:
        self._head = head
        self._connection = connection
        self._kind = kind
        self._on_outcome = on_outcome
        self._on_end = on_end
        self._on_cut = on_cut
        self._body = bytearray()  # pieces of a dribbled answer would take many times their bytes
        self._size = 0

    def on_body(self, data: bytes) -> None:
        """Collect; what is over the limit is read and thrown away.

        The caller learns of it at once, the runtime when it has sent everything: some clients
        do not read an answer before that.
        """
        self._size += len(data)
        if self._size <= _MAX:
            self._body += data
        elif self._body:
            self._body = bytearray()
            self._on_outcome(TOO_LARGE)

    def on_end(self, trailers: Headers) -> None:
        """The answer is complete."""
        if self._size > _MAX:
            self._on_outcome(TOO_LARGE)
            self._on_end()
            message = f"Exceeded maximum allowed payload size ({_MAX} bytes)."
            refuse(self._connection, 413, "RequestEntityTooLarge", message)
            return
        body, self._body = bytes(self._body), bytearray()
        self._on_outcome(_read(self._kind, self._head, body, trailers))
        self._on_end()
        accept(self._connection)

    def on_gone(self) -> None:
        """The runtime broke off in mid-body: nothing can be answered."""
        self._body = bytearray()
        self._on_cut()

    def on_pause(self) -> None:
        """Answers are small."""

    def on_resume(self) -> None:
        """See `on_pause`."""


def accept(connection: Connection) -> None:
    """Answer that a response or an error has been taken."""
    connection.respond(202, [_JSON], runtime_api.ACCEPTED_BODY)


def refuse(
    connection: Connection,
    status: int,
    error_type: str,
    message: str,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with an error of the Runtime API itself."""
    body = runtime_api.api_error_body(error_type, message)
    connection.respond(status, [_JSON, *headers], body)


def clean_name(name: str) -> str:
    """An error's name as the log takes it: one short line.

    Lambda's own records know two kinds of names, `Runtime.…` and `Function.…`, and turn all others
    into `Runtime.Unknown`; here a function's author reads them, and they stay.
    """
    beginning = name.lstrip()[:_NAME_CHARS_MAX]  # first: it may have millions of characters
    text = "".join(char if char.isprintable() else " " for char in beginning).strip()
    return text or "Runtime.Unknown"


def is_streamed(head: RequestHead) -> bool:
    """Whether a runtime streams its response."""
    return head.get(_RESPONSE_MODE) == b"streaming"


def media_type_of(head: RequestHead) -> str:
    """What a runtime says that its response is, empty when it says nothing."""
    return (head.get(b"content-type") or b"").decode("latin-1")


def find_failure(trailers: Headers) -> Outcome | None:
    """The error that the trailers of a streamed response report; None when it succeeded.

    An empty trailer is one that is not there, as in AWS's own server; one of the two is enough.
    Source: Lambda Developer Guide, "runtimes-custom", response streaming.
    """
    fields = dict(trailers)
    body = _decode(fields.get(_ERROR_BODY, b""))
    error_type = fields.get(_ERROR_TYPE, b"").decode("latin-1")
    if not error_type and not body:
        return None
    name = clean_name(error_type or _error_type(body))
    return Outcome(
        body or runtime_api.error_body(name, "the response failed", None),
        name,
        is_streamed=True,
        is_reported=True,
    )


def _read(kind: Answer, head: RequestHead, body: bytes, trailers: Headers) -> Outcome:
    if kind is Answer.ERROR:
        if head.get(b"content-type") == _ERROR_CAUSE:
            body = _without_cause(body)
        reported = head.get(_ERROR_TYPE) or b""
        name = reported.decode("latin-1") or _error_type(body)
        return Outcome(body, clean_name(name), is_reported=True)
    result = Outcome(body, media_type=media_type_of(head), is_streamed=is_streamed(head))
    return find_failure(trailers) or result


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def error_text(payload: bytes, key: str) -> str:
    """The text that an error's JSON has under a key; empty when there is none."""
    return find_text(_members(payload), key)


def error_line(outcome: Outcome, request_id: str) -> str:
    """The first line of an outcome's error, without what names its request; empty without one."""
    if outcome.error_type is None:
        return ""
    message = error_text(outcome.payload, "errorMessage").strip()
    message = message.removeprefix(f"RequestId: {request_id} Error: ")
    return message.partition("\n")[0][:_LINE_CHARS_MAX]


def _error_type(body: bytes) -> str:
    """The error's name for the log, out of its JSON."""
    return error_text(body, "errorType") or "Runtime.Unknown"


def _members(body: bytes) -> dict[str, bytes]:
    try:
        return _ERROR.find(body)
    except ValueError:
        return {}


def _without_cause(body: bytes) -> bytes:
    """The error out of a report that also says its cause, which is for X-Ray alone.

    Source: aws-lambda-runtime-interface-emulator, `handler/mime_type_error_cause_json.go`.
    """
    members = _members(body)
    trace = members.pop("stackTrace", b"[]")
    if trace == b"null":
        trace = b"[]"
    texts = [members.get(name, b'""') for name in ("errorMessage", "errorType")]
    if not members or trace[:1] != b"[" or any(text[:1] != b'"' for text in texts):
        return b'"Invalid error body"'
    stack = b"" if _EMPTY_LIST(trace) else b', "stackTrace": ' + trace
    return b'{"errorMessage": %b, "errorType": %b%b}' % (*texts, stack)
