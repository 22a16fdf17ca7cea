"""One server-side HTTP/1.1 connection: passes requests to an application, frames its responses.

Concurrency law: everything runs in protocol callbacks of one event loop. The parser only records;
the application gets what one read brought once, at the end of that read, so no application code
runs inside the parser. A connection answers one request at a time; `phases` has its table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from tailrace import limits
from tailrace.errors import HttpError
from tailrace.net.server import phases
from tailrace.net.server.deadlines import PeerDeadlines
from tailrace.net.server.framing import UNFRAMED, FramedWriter, Framing, set_reset_on_close
from tailrace.net.server.parser import ChunkTrackingParser, HttpLimits, RequestParser, bare_head
from tailrace.net.server.problem import encode_refusal
from tailrace.net.server.receiver import Receiver
from tailrace.net.server.turns import Turns
from tailrace.wire.http_head import Fields, RequestHead, check_request, encode_response_head

Application = Callable[[RequestHead, "Connection"], Receiver]
"""Called when a head is complete. On return the request is accepted, unless it was answered, or
`Connection.defer` was called; then `Connection.accept` accepts it later."""


class Server(Protocol):
    """The server of a connection (`HttpServer`, which imports this module)."""

    application: Application
    limits: HttpLimits
    deadlines: PeerDeadlines
    turns: Turns
    is_draining: bool

    def add(self, connection: Connection) -> None: ...
    def admit_upload(self, connection: Connection) -> None: ...
    def discard(self, connection: Connection) -> None: ...
    def date_line(self) -> bytes: ...


class Connection(FramedWriter, asyncio.Protocol):
    """One connection: parses requests and frames the responses to them."""

    __slots__ = (
        "_discarded_bytes",
        "_early",
        "_is_deferred",
        "_is_full",
        "_is_last",
        "_parser",
        "_server",
        "continue_fields",
        "has_stalled",
        "is_answered",
        "phase",
        "phase_since_s",
        "receiver",
        "seen",
        "since_s",
    )

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        bounds = server.limits
        self._parser = (ChunkTrackingParser if bounds.tracks_chunks else RequestParser)(bounds)
        self.phase = phases.CLOSED
        self.since_s = self.phase_since_s = 0.0
        self.seen = self._discarded_bytes = 0
        self._early = b""  # arrived too early: behind a request, before its turn or `accept`
        self._is_full = False  # unsent bytes are above the high water mark
        self.has_stalled = False  # reset, because the peer accepted no bytes for too long
        self._renew()

    def _renew(self) -> None:
        """Clear the state of the last request."""
        self.receiver: Receiver | None = None  # an application may replace it
        self._is_last = False
        self._is_deferred = False  # the application has not accepted the request yet
        self.is_answered = False
        self.continue_fields = b""  # the application's addition to `100 Continue`: whole lines

    # --- the application's side ---------------------------------------------------------------

    def respond(self, status: int, headers: Fields = (), body: bytes = b"") -> None:
        """Send a whole response."""
        # A 304 must not announce that the representation is empty (RFC 9110 §8.6).
        if head := self._open(status, headers, None if status == 304 else len(body)):
            self.receiver = None  # before the write, which may pass the high water mark
            self._send(head + body if self._left else head)
            self._left = 0
            self.end()

    def start(self, status: int, headers: Fields = (), length: int | None = None) -> None:
        """Start a response: write its head, unless it is corked.

        `headers` have no framing fields: a body of unknown length is chunked, or ends with the
        connection for an HTTP/1.0 client. A response to HEAD, a 204 and a 304 have no body;
        for HEAD and 304 `length`, if any, is sent (RFC 9110 §8.6).
        """
        if head := self._open(status, headers, length):
            if self.phase is phases.ANSWER or self._is_deferred:
                self._server.deadlines.watch(self)  # the stall deadline counts from now on
            self._send(head)

    def _open(self, status: int, headers: Fields, length: int | None) -> bytes:
        """Choose the framing of a response; return its head, or nothing if the peer has left."""
        assert not self.is_answered, "a response has been started already"
        self.is_answered = True
        if self.phase is phases.CLOSING or self.phase is phases.CLOSED:
            return b""
        parser, server = self._parser, self._server
        framing = self._frame(parser.head or bare_head("GET", "1.1"), status, length)
        if parser.is_last or not parser.is_complete or server.is_draining:
            self._is_last = True
        if self._is_last:
            framing += b"connection: close\r\n"
        return encode_response_head(status, headers, framing, server.date_line())

    def end(self) -> None:
        """End the response: it is complete. `missing_bytes` must be zero.

        Once a response was aborted, or its peer has left, this and `write` have no effect.
        """
        assert self.is_answered, "no response has been started"
        if self._framing is UNFRAMED:
            return
        assert not self.missing_bytes, "the body is shorter than its content-length"
        self.receiver = None  # before the last write, which may pass the high water mark
        self._finish()
        parser = self._parser
        if parser.is_complete and not self._is_last:
            self._renew()
            parser.renew()
            self._move(phases.ENDED_KEPT)
            self._read_on()
        elif parser.is_complete and not parser.is_behind and not self._early:
            self._move(phases.ENDED_LAST)
            self._transport.close()
        else:
            # To close with unread bytes would reset the connection, and lose the answer.
            self._move(phases.ENDED_UNREAD)
            self._early = b""
            self.resume_reading()
            self._transport.write_eof()

    def defer(self) -> None:
        """Accept the request later, with `accept`. An application calls this within its own call.

        Until then no `100 Continue` is sent, and neither body nor end of the request is delivered;
        bytes that arrive are buffered, up to a limit. The client has no deadline. If it leaves,
        the receiver gets `on_gone`. The application may respond instead of accepting.
        """
        self._is_deferred = True

    def accept(self) -> None:
        """Accept a deferred request. The receiver is called later, not from within this call.

        Has no effect once the request has been answered or its client has left.
        """
        self._is_deferred = False
        if self.phase is phases.PENDING and self.receiver is not None:
            self.resume_reading()
            asyncio.get_running_loop().call_soon(self._take_up)

    def abort(self) -> None:
        """End the connection so that the peer sees that its response is incomplete.

        What was written is still sent if the framing shows that more was to come. Otherwise, and
        before a response was started, the connection is reset.
        """
        self.receiver = None
        if self._framing in (Framing.CHUNKED, Framing.LENGTH):
            self.uncork()
            self._discard_rest()
            self.close()
        elif self.phase is not phases.CLOSING:
            self.reset()

    @property
    def request_bytes(self) -> int:
        """How much of the request has arrived, framing included."""
        return self._parser.raw_count

    @property
    def has_more_in_read(self) -> bool:
        """Whether `on_body` or `on_end` follows within this read."""
        return self._parser.is_complete or bool(self._parser.pieces)

    @property
    def is_inside_chunk(self) -> bool:
        """Whether this read started inside a chunk; see `HttpLimits.tracks_chunks`."""
        return self._parser.is_inside_chunk

    def pause_reading(self) -> None:
        """Stop reading the request. While paused, a peer that leaves is not noticed."""
        if self.phase is phases.BODY or self.phase is phases.PENDING:
            self._transport.pause_reading()

    # --- the transport's side -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._attach(cast(asyncio.Transport, transport))
        self._move(phases.MADE)
        self._server.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.phase = phases.PHASES[self.phase][phases.LOST]
        self._discard_rest()
        self._server.discard(self)
        self._parser.close()
        self._report_gone()

    def eof_received(self) -> None:
        """Called by the event loop. A peer that ends its side counts as one that left."""
        if self.phase is phases.LINGER:
            return  # it has received its answer
        framing = self._framing
        self._move(phases.PEER_ENDED)  # returning None closes once all is sent
        self._discard_rest()
        self._report_gone()
        if framing is Framing.CLOSE:
            self.reset()  # a clean end would look like the body's end to a peer that still reads

    def pause_writing(self) -> None:
        """Called by the event loop."""
        self._is_full = True
        if self.receiver is not None:
            self.receiver.on_pause()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self._is_full = False
        if self.receiver is not None:
            self.receiver.on_resume()
            return
        if self._resets_until_sent:
            self._allow_clean_close()
        self._read_on()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop: one read."""
        phase = self.phase
        if phase is phases.IDLE and not self._early and not self._is_full:
            if self._server.turns.must_wait(len(data), self._take_up):
                self._early = data
                self._transport.pause_reading()
                self._server.deadlines.unwatch(self)  # it is not idle
                return
            self.phase = phases.PHASES[phase][phases.REQUEST_BEGUN]
        elif phase is not phases.BODY and phase is not phases.HEAD:
            self._set_aside(data)
            return
        parser = self._parser
        try:
            parser.feed(data)
            if self.phase is phases.HEAD:
                if parser.head is None:
                    if phase is phases.IDLE:
                        self._server.deadlines.watch(self)  # the head's deadline counts from here
                    return
                self._call_application(parser.head)
            receiver = self.receiver
            if receiver is None or self._is_deferred:
                return
            if (parser.pieces or parser.overhead) and (body := parser.take_body()):
                receiver.on_body(body)
            if parser.is_complete and self.receiver is receiver:
                self.phase = phases.PHASES[self.phase][phases.REQUEST_READ]
                # Bytes of the previous response count: the application may wait until it is sent.
                deadlines, is_sending = self._server.deadlines, self.is_answered or self._is_full
                (deadlines.watch if is_sending else deadlines.unwatch)(self)
                if not self._transport.is_closing():
                    self._transport.resume_reading()  # paused, a leaving peer is not noticed
                receiver.on_end(parser.finish())
        except HttpError as error:
            self.refuse(error)
        except Exception:  # an error in the application; the event loop reports it
            self.fail()
            raise

    def _set_aside(self, data: bytes) -> None:
        """Keep bytes that arrive before they can be read, or discard them."""
        intake = phases.INTAKE[self.phase]
        if intake is phases.Intake.DISCARDED:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > limits.LINGER_BYTES_MAX:
                self.reset()
            return
        self._early += data
        if len(self._early) <= limits.PIPELINED_BYTES_MAX:
            return
        if intake is not phases.Intake.HELD:
            self._report_gone()
            self.reset()
        elif self._is_deferred:  # otherwise what is kept is taken up in this turn
            self._transport.pause_reading()

    def _read_on(self) -> None:
        """Read what arrived behind the last request, once its response has been taken.

        Otherwise responses to a client that reads nothing would be buffered without end.
        """
        if self._early and not self._is_full:
            asyncio.get_running_loop().call_soon(self._take_up)  # not within the caller's call

    def _take_up(self) -> None:
        early = self._early
        if self.phase is phases.PENDING and not self._is_deferred:
            try:
                self._start_body()
            except HttpError as error:
                self.refuse(error)
                return
            early = b"" if self._parser.is_complete else early  # it is of the next request
        elif self.phase is phases.IDLE and early and not self._is_full:
            self.resume_reading()  # paused, if it waited for its turn, or was behind a deferred one
        else:
            return
        self._early = self._early[len(early) :]
        self.data_received(early)

    def _call_application(self, head: RequestHead) -> None:
        """Check a complete head, and call the application."""
        check_request(head)
        self.phase = phases.PHASES[self.phase][phases.HEAD_READ]
        receiver = self._server.application(head, self)
        if self.phase is not phases.PENDING:
            return  # the application has responded
        self.receiver = receiver
        if self._is_full:
            receiver.on_pause()
        if self._is_deferred and not self.is_answered:
            self._server.deadlines.unwatch(self)
        elif not (self._is_deferred or self._parser.is_complete):
            self._start_body()

    def _start_body(self) -> None:
        """The request is accepted: read its body. Raises HttpError if there is no room for it."""
        parser, head = self._parser, self._parser.head
        assert head is not None
        if not parser.is_complete:
            self._server.admit_upload(self)
        self._move(phases.ACCEPTED)
        is_coming = parser.is_complete or parser.pieces or self._early
        if head.expects_continue and head.has_body and not self.is_answered and not is_coming:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n%b\r\n" % self.continue_fields)

    def refuse(self, error: HttpError) -> None:
        """Respond with an error to a request that cannot be served, and close."""
        self._report_gone()
        if self.is_answered or self.phase is phases.IDLE:
            if self.phase is not phases.LINGER:
                self.reset()
            return
        fields, body = encode_refusal(error, self._parser.head)
        self._parser.is_complete = False  # what follows cannot be read
        self.respond(error.status, fields, body)

    def _report_gone(self) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.on_gone()

    def close(self) -> None:
        """Close once all that was written is sent."""
        self._move(phases.CLOSE)
        self._transport.close()

    def reset(self) -> None:
        """Reset the connection; unsent bytes are lost."""
        if self.phase is phases.CLOSED:
            return
        self.phase = phases.PHASES[self.phase][phases.RESET]
        self.receiver = None
        self._discard_rest()
        set_reset_on_close(self._transport, True)
        self._transport.abort()

    def _move(self, event: phases.PhaseEvent) -> None:
        """Enter the phase that an event leads to; the phase's deadline counts from here."""
        self.phase = phases.PHASES[self.phase][event]
        self._server.deadlines.watch(self)

    def end_stalled(self) -> None:
        """Report a stall to the application (`has_stalled`), and reset the connection."""
        self.has_stalled = True
        self._report_gone()
        self.reset()

    def fail(self) -> None:
        """Report `on_gone` to the application, and abort the response, if any."""
        self._report_gone()
        self.abort()
