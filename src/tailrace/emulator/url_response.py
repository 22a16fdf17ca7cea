"""What the client of a Function URL gets: the function's result inferred, or streamed as it comes.

Source: Lambda Developer Guide "urls-invocation" and "config-rs-invoke-furls", read 2026-11, and
recordings of others, 2024 to 2026. What is inference is said where it is decided, and listed in
docs/reference/function-urls.md.

Concurrency law: everything is a callback of one event loop. A client that leaves does not stop the
function, as on Lambda: the rest is discarded, at the function's own pace.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from tailrace.config import UrlConfig
from tailrace.emulator.disagreement import Disagreement
from tailrace.emulator.function_urls import cors, response_head
from tailrace.emulator.functions import EmulatedFunction
from tailrace.emulator.gunzip import Gunzip
from tailrace.emulator.invocation import REFUSED, Attempt, Outcome
from tailrace.emulator.service_error import ServiceError, busy
from tailrace.errors import ResponseFormatError
from tailrace.net.json_text import response_from_json
from tailrace.net.server.listener import Connection, Headers
from tailrace.wire.integration import Head, PreludeParser, is_integration
from tailrace.wire.results import lost_names
from tailrace.wire.runtime_api import Invocation

_ERROR_TYPE: Final = (b"x-amzn-ErrorType", b"InternalServerErrorException")
_ERROR_BODY: Final = b"Internal Server Error"
_JSON: Final = (b"content-type", b"application/json")
_OCTETS: Final = "application/octet-stream"  # of a stream that says nothing, as of Lambda's clients


@dataclass(frozen=True, slots=True)
class UrlCall:
    """One request to a Function URL, as its answer needs it."""

    function: EmulatedFunction
    config: UrlConfig
    invocation: Invocation
    method: str
    headers: Headers
    """Of every answer: Lambda's own, and those of the URL's CORS."""
    has_cors: bool
    """Whether the URL has a policy of its own; the function's headers go beside it."""

    def note(self, text: str) -> None:
        """Write about this request into the function's log."""
        self.function.note(f"RequestId: {self.invocation.request_id} Function URL: {text}")

    def warn_of_unread(self, head: Head, several: object) -> None:
        """Warn if `multiValueHeaders` has what the head has not: it is not read here."""
        if lost_names(head, several):
            self.function.warn(Disagreement.MULTI_VALUE_HEADERS)


class UrlAnswer:
    """What both modes have in common; `run` begins."""

    __slots__ = ("_attempt", "call", "connection", "is_over")

    def __init__(self, connection: Connection, call: UrlCall) -> None:
        self.connection = connection
        self.call = call
        self.is_over = False  # the client has its answer, or has left
        self._attempt: Attempt | None = None

    def run(self) -> None:
        """Run the function."""
        attempt = self._attempt = self._invoke()
        if attempt is None:
            self.refuse(busy())
            return
        attempt.outcome.add_done_callback(self._on_outcome)

    def refuse(self, error: ServiceError) -> None:
        """Answer with an error of Lambda's."""
        self._close()
        fields = [*error.headers(), *self.call.headers]
        self.connection.respond(error.status, fields, error.body())

    # --- what the connection tells ------------------------------------------------------------

    def on_gone(self) -> None:
        """The client has left, or takes nothing."""
        if self.connection.has_stalled:
            self.call.note("its client reads nothing; it was cut off")
        self._close()

    def on_pause(self) -> None:
        """The client reads slowly: let the function wait."""
        if self._attempt is not None:
            self._attempt.pause("client")

    def on_resume(self) -> None:
        """The client has caught up."""
        if self._attempt is not None:
            self._attempt.resume("client")

    # --- for the two modes --------------------------------------------------------------------

    def _invoke(self) -> Attempt | None:
        raise NotImplementedError

    def _on_success(self, outcome: Outcome) -> None:
        """The function has succeeded. Raises ResponseFormatError when that is no response."""
        raise NotImplementedError

    def _on_failure(self, outcome: Outcome) -> None:
        """The function has failed, and the log says it: the client learns nothing but that."""
        self._answer_error(502)

    def _on_outcome(self, future: asyncio.Future[Outcome]) -> None:
        outcome = future.result()
        if self.is_over:
            return
        if outcome is REFUSED:
            self.refuse(busy())
        elif outcome.error_type is not None:
            self._on_failure(outcome)
        else:
            try:
                self._on_success(outcome)
            except ResponseFormatError as error:
                self._reject(error)

    def _reject(self, error: ResponseFormatError) -> None:
        """Answer for a response that is none; the reason goes to the log."""
        self.call.note(f"{error.status}: {error}")
        self._answer_error(error.status)

    def _answer_error(self, status: int) -> None:
        self._close()
        fields = [_JSON, _ERROR_TYPE, *self.call.headers]
        self.connection.respond(status, fields, _ERROR_BODY)

    def _is_gzip(self, head: Head) -> bool:
        """Whether the body is to be decompressed on its way."""
        coding = (head.get("content-encoding") or "").strip().lower()
        return self.call.config.decode_gzip and coding == "gzip"

    def _fields(self, head: Head) -> Headers:
        """The head's fields for the client. Raises HeadError."""
        dropped = frozenset({"content-encoding"} if self._is_gzip(head) else ())
        if self.call.has_cors and any(head.get(name) is not None for name in cors.NOT_TWICE):
            self.call.function.warn(Disagreement.CORS_TWICE)
        return response_head.response_fields(head, dropped=dropped) + self.call.headers

    def _close(self) -> None:
        """What comes from now on is discarded, as fast as it comes."""
        self.is_over = True
        if self._attempt is not None:
            self._attempt.let_go()


class BufferedAnswer(UrlAnswer):
    """`BUFFERED`: one result, from which the response is inferred."""

    __slots__ = ("_gunzip", "_is_paused", "_pieces")

    def __init__(self, connection: Connection, call: UrlCall) -> None:
        super().__init__(connection, call)
        self._gunzip: Gunzip | None = None
        self._pieces: deque[bytes] = deque()  # of a body that was decompressed
        self._is_paused = False

    def _invoke(self) -> Attempt | None:
        return self.call.function.invoke(self.call.invocation)

    def _on_success(self, outcome: Outcome) -> None:
        if outcome.is_streamed:
            self.call.function.warn(Disagreement.COLLECTED)
            head, body, unread = _response_from_stream(outcome)
        else:
            head, body, unread = response_from_json(outcome.payload)
        self.call.warn_of_unread(head, unread)
        fields = self._fields(head)
        if self._is_gzip(head):
            self._decompress(head.status, fields, body)
            return
        self._close()
        if outcome.is_streamed and self.call.method == "HEAD" and not body:
            self.connection.start(head.status, fields)  # the length that GET has is unknown
            self.connection.end()
            return
        self.connection.respond(head.status, fields, body)

    def _decompress(self, status: int, fields: Headers, body: bytes) -> None:
        gunzip = self._gunzip = Gunzip(
            send=lambda piece, _: self._pieces.append(piece),
            on_behind=lambda _: None,
            on_error=self._reject,
        )
        gunzip.feed(body, is_rest=False)
        gunzip.drain(lambda: self._respond_with_pieces(status, fields))

    def _respond_with_pieces(self, status: int, fields: Headers) -> None:
        """Answer with what was decompressed, which may be 200 MB: at the client's pace."""
        assert self._gunzip is not None
        try:
            self._gunzip.finish()
        except ResponseFormatError as error:
            self._reject(error)
            return
        self.connection.start(status, fields, sum(map(len, self._pieces)))
        self._send_pieces()

    def _send_pieces(self) -> None:
        while self._pieces and not self._is_paused:
            self.connection.write(self._pieces.popleft())
        if not self._pieces and not self.is_over:
            self._close()
            self.connection.end()

    def on_pause(self) -> None:
        """The client reads slowly."""
        super().on_pause()
        self._is_paused = True

    def on_resume(self) -> None:
        """The client has caught up."""
        super().on_resume()
        self._is_paused = False
        if self.connection.is_answered:
            self._send_pieces()

    def _close(self) -> None:
        super()._close()
        self._pieces.clear()
        if self._gunzip is not None:
            self._gunzip.close()


def typed_head(media_type: str) -> Head:
    """The head of a stream without a prelude."""
    return Head(200, {"content-type": media_type or _OCTETS})


def _response_from_stream(outcome: Outcome) -> tuple[Head, bytes, object]:
    """A streamed response that was collected: that its prelude counts is our inference."""
    if not is_integration(outcome.media_type):
        return typed_head(outcome.media_type), outcome.payload, None
    parser = PreludeParser(response_head.KEYS)
    head = parser.feed(outcome.payload)
    parser.finish()  # raises when there is no head yet
    assert head is not None
    return head, parser.rest, parser.unread.get("multiValueHeaders")
