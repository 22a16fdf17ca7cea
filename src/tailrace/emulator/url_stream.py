"""What the client of a Function URL gets in the mode RESPONSE_STREAM: the bytes as they come.

Concurrency law: as in `url_response`.
"""

from __future__ import annotations

from collections.abc import Callable

from tailrace.emulator.disagreement import Disagreement
from tailrace.emulator.function_urls import response_head
from tailrace.emulator.gunzip import Gunzip
from tailrace.emulator.invocation import Attempt, Outcome
from tailrace.emulator.outlet import Outlet, open_outlet
from tailrace.emulator.url_response import UrlAnswer, UrlCall, typed_head
from tailrace.errors import ResponseFormatError, ResultError
from tailrace.net.clock import Timer
from tailrace.net.server.listener import Connection
from tailrace.wire.http_head import has_body
from tailrace.wire.integration import Head, PreludeParser, is_integration


class StreamedAnswer(UrlAnswer):
    """`RESPONSE_STREAM`: listens to an attempt and passes on what it hears, read by read."""

    __slots__ = (
        "_began_s",
        "_gunzip",
        "_has_begun",
        "_has_body",
        "_is_waiting",
        "_media_type",
        "_outlet",
        "_prelude",
        "_timer",
    )

    def __init__(self, connection: Connection, call: UrlCall) -> None:
        super().__init__(connection, call)
        self._began_s = call.function.clock.now_s()
        self._timer: Timer | None = None  # of a response that hangs
        self._gunzip: Gunzip | None = None
        self._prelude: PreludeParser | None = None  # while its end has not come
        self._media_type = ""
        self._has_begun = False
        self._has_body = False
        self._is_waiting = False  # the head waits for the outlet
        self._outlet: Outlet | None = None
        rules = call.function.config.hold_back
        if rules is not None:
            self._outlet = open_outlet(
                rules,
                send=connection.write,
                on_full=self._on_full,
                on_open=self._uncork,
                clock=call.function.clock,
            )

    def _invoke(self) -> Attempt | None:
        return self.call.function.invoke(self.call.invocation, self)

    def on_pause(self) -> None:
        """The client reads slowly: let the function wait."""
        super().on_pause()
        if self._gunzip is not None:
            self._gunzip.pause("client")

    def on_resume(self) -> None:
        """The client has caught up."""
        super().on_resume()
        if self._gunzip is not None:
            self._gunzip.resume("client")

    def on_gone(self) -> None:
        """The client has left."""
        super().on_gone()
        if self._outlet is not None:
            self._outlet.close()

    # --- what the attempt tells ---------------------------------------------------------------

    def on_start(self, media_type: str) -> None:
        """The function has begun to stream; without a prelude the head waits for a byte.

        What fails before it has answered can still become a 502.
        """
        self._media_type = media_type
        if is_integration(media_type):
            self._prelude = PreludeParser(response_head.KEYS)

    def on_data(self, data: bytes) -> None:
        """Bytes of the response."""
        if self.is_over:
            return
        if self._has_begun:
            self._pass_on(data)
            return
        self.connection.cork()  # the head and its first bytes leave together
        try:
            self._pass_on(self._begin_with(data))
        except ResponseFormatError as error:
            self._reject(error)
        if not self._is_waiting:
            self.connection.uncork()

    def _begin_with(self, data: bytes) -> bytes:
        """Look for the head in the first bytes; begin when it is there, and return the others."""
        if self._prelude is None:
            self._begin(typed_head(self._media_type))
            return data
        head = self._prelude.feed(data)
        if head is None:
            return b""
        self.call.warn_of_unread(head, self._prelude.unread.get("multiValueHeaders"))
        data, self._prelude = self._prelude.rest, None
        self._begin(head, is_joined=bool(data))
        return data

    def _begin(self, head: Head, *, is_joined: bool = False) -> None:
        if self._is_gzip(head):
            self._gunzip = Gunzip(
                send=self._write,
                on_behind=self._on_behind,
                on_error=lambda error: self._break_off(str(error)),
            )
        fields = self._fields(head)
        self._has_begun = True
        if self._outlet is not None:
            self._is_waiting = True
            self.connection.cork()
        self.connection.start(head.status, fields)
        if self._outlet is not None:
            self._outlet.begin(is_joined=is_joined)
        if not has_body(self.call.method, head.status):
            self._end()  # whatever the function writes, and however it ends: this is all

    def _pass_on(self, data: bytes) -> None:
        """Everything of the body goes through here, on its way from the runtime to the client."""
        if not data or self.is_over:
            return
        self._has_body = True
        is_rest = self._attempt is not None and self._attempt.is_inside_write
        if self._gunzip is None:
            self._write(data, is_rest)
        else:
            self._gunzip.feed(data, is_rest=is_rest)

    def _write(self, data: bytes, is_rest: bool) -> None:
        if self._outlet is None:
            self.connection.write(data)
        else:
            self._outlet.write(data, is_rest=is_rest)

    def _on_success(self, outcome: Outcome) -> None:
        if not outcome.is_streamed:
            self._pass_whole(outcome.payload)
            return
        if self._prelude is not None:
            self._prelude.finish()  # raises
        if not self._has_begun:
            self._begin(typed_head(self._media_type))
        if self.is_over:
            return
        self._drain(self._finish)

    def _finish(self) -> None:
        """All of the body is on its way."""
        if self._gunzip is not None:
            try:
                self._gunzip.finish()
            except ResultError as error:
                self._break_off(str(error))
                return
        if self.call.config.empty_body_hang and not self._has_body:
            self._hang()
        else:
            self._end()

    def _pass_whole(self, payload: bytes) -> None:
        """The function has answered whole: nothing is inferred in this mode."""
        self.call.function.warn(Disagreement.RAW_ENVELOPE)
        self.connection.cork()
        self._begin(Head(200, {"content-type": "application/json"}))
        self._pass_on(payload)
        if not self.is_over:
            self._end()

    def _on_failure(self, outcome: Outcome) -> None:
        if not self._has_begun:
            super()._on_failure(outcome)
            return
        self._drain(lambda: self._fail(outcome))

    def _fail(self, outcome: Outcome) -> None:
        """The function has failed behind what is on its way."""
        what = f"the response failed after its first byte ({outcome.error_type})"
        if outcome.is_reported and not self.call.config.abort_on_error:
            self.call.note(
                f"{what}; as on Lambda, its client cannot tell: the short body was ended cleanly."
                " url.abort_on_error = true breaks it off instead"
            )
            self._end()
            return
        self._break_off(what)

    def _drain(self, then: Callable[[], None]) -> None:
        """Do this when all that the function has written has been decompressed."""
        if self._gunzip is None:
            then()
        else:
            self._gunzip.drain(then)

    def _hang(self) -> None:
        """Leave an empty response open, as was reported of Lambda in 2024 and 2026."""
        self.call.note(
            "the response has no byte of a body: url.empty_body_hang leaves it open until the"
            " function's time-out"
        )
        end_s = self._began_s + self.call.function.config.timeout_s
        self._timer = self.call.function.clock.call_at(
            end_s, self._break_off, "the response hung until the function's time-out"
        )

    def _break_off(self, what: str) -> None:
        self.call.note(f"{what}; it was broken off")
        self._conclude(self.connection.abort)

    def _end(self) -> None:
        self._conclude(self.connection.end)

    def _conclude(self, last: Callable[[], None]) -> None:
        """Do this when all that the function has written has left."""
        self._close()
        if self._outlet is None:
            last()
            return

        def leave() -> None:
            self._close()  # a client that fell behind meanwhile is the connection's concern now
            last()

        self._outlet.end(leave)

    def _on_behind(self, is_behind: bool) -> None:
        """What waits to be decompressed is enough for now, or is done."""
        if self._attempt is not None and not self.is_over:
            (self._attempt.pause if is_behind else self._attempt.resume)("gzip")

    # --- what the outlet tells ----------------------------------------------------------------

    def _uncork(self) -> None:
        """The head may leave, with what has been written behind it."""
        if self._is_waiting:
            self._is_waiting = False
            self.connection.uncork()

    def _on_full(self, is_full: bool) -> None:
        """What waits for the rate is enough, or so little that the function may go on."""
        if self._attempt is not None and not self.is_over:
            (self._attempt.pause if is_full else self._attempt.resume)("rate")
        if self._gunzip is not None:
            (self._gunzip.pause if is_full else self._gunzip.resume)("rate")

    def _close(self) -> None:
        super()._close()
        if self._gunzip is not None:
            self._gunzip.close()
        if self._timer is not None:
            self._timer.cancel()
