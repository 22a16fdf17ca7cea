"""One server-side HTTP/1.1 connection: hands requests to an application, frames its responses.

Concurrency law: everything happens in protocol callbacks of one event loop. The parser only
records; what one read brought is handed to the application once, at the end of that read, so no
application code runs inside the parser. A connection answers one request at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol, cast

from tailrace import limits
from tailrace.errors import HttpError
from tailrace.net.server.deadlines import PeerDeadlines, Phase
from tailrace.net.server.framing import FramedWriter, Framing, set_reset_on_close
from tailrace.net.server.parser import ChunkTellingParser, HttpLimits, RequestParser, bare_head
from tailrace.net.server.problem import encode_problem
from tailrace.net.server.receiver import Receiver
from tailrace.wire.http_head import RequestHead, check_request, encode_response_head

_UNREADABLE: Final = bare_head("GET", "1.1")

Application = Callable[[RequestHead, "Connection"], Receiver]
"""Called when a head is complete. A client that waits for a 100 gets it, unless this answers."""


class Server(Protocol):
    """What a connection needs of its server (`HttpServer`, below which this module stands)."""

    application: Application
    limits: HttpLimits
    deadlines: PeerDeadlines
    is_draining: bool

    def add(self, connection: Connection) -> None: ...
    def admit_upload(self, connection: Connection) -> None: ...
    def discard(self, connection: Connection) -> None: ...
    def date(self) -> bytes: ...


class Connection(FramedWriter, asyncio.Protocol):
    """One connection: parses requests and frames the responses to them."""

    __slots__ = (
        "_discarded_bytes",
        "_early",
        "_is_full",
        "_is_last",
        "_parser",
        "_receiver",
        "_server",
        "began_s",
        "continue_fields",
        "has_stalled",
        "is_answered",
        "phase",
        "seen",
        "since_s",
    )

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        bounds = server.limits
        self._parser = (ChunkTellingParser if bounds.tells_chunks else RequestParser)(bounds)
        self.phase = Phase.CLOSED
        self.since_s = self.began_s = 0.0
        self.seen = 0
        self._discarded_bytes = 0
        self._early = b""  # what came behind a request that is not answered yet
        self._is_full = False  # unsent bytes are above the high water mark
        self.has_stalled = False  # the peer is gone: it took nothing for the stall time-out
        self._reset()

    def _reset(self) -> None:
        """Forget the last request."""
        self._receiver: Receiver | None = None
        self._is_last = False
        self.is_answered = False
        self.continue_fields = b""  # the application's addition to `100 Continue`: whole lines

    # --- the application's side ---------------------------------------------------------------

    def respond(
        self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b""
    ) -> None:
        """Answer with a whole response."""
        self.cork()
        # A 304 must not say that what it stands for is empty (RFC 9110 §8.6).
        self.start(status, headers, None if status == 304 else len(body))
        if body:
            self.write(body)
        self.end()

    def start(
        self,
        status: int,
        headers: Iterable[tuple[bytes, bytes]] = (),
        length: int | None = None,
    ) -> None:
        """Begin a response; its head is on its way when this returns, unless it is corked.

        `headers` carry no framing: a body of unknown length is chunked, or ends with the
        connection for an HTTP/1.0 client. A response to HEAD, a 204 and a 304 have no body;
        their `length`, if any, is passed on for HEAD and 304 (RFC 9110 §8.6).
        """
        assert not self.is_answered, "a response has begun already"
        self.is_answered = True
        if self.phase is Phase.CLOSING or self.phase is Phase.CLOSED:
            return  # nobody is there any more
        head = self._parser.head or _UNREADABLE
        fields = [*headers, *self._frame(head, status, length)]
        self._is_last = (
            self._is_last
            or self._parser.is_last
            or not self._parser.is_complete
            or self._server.is_draining
        )
        if self.phase is Phase.ANSWER:
            self._server.deadlines.watch(self)  # from now on the peer may stall
        if self._is_last:
            fields.append((b"connection", b"close"))
        if not any(name == b"date" for name, _ in fields):
            fields.append((b"date", self._server.date()))
        self._send(encode_response_head(status, fields))

    def end(self) -> None:
        """Finish the response; `missing_bytes` must be zero.

        Once a response has broken off, or its peer has left, this and `write` have no effect.
        """
        assert self.is_answered, "no response has begun"
        if self._framing is Framing.NONE:
            return
        assert not self.missing_bytes, "the body is shorter than its content-length"
        self._receiver = None  # before the last write, which may pass the high water mark
        self._finish()
        parser = self._parser
        if parser.is_complete and not self._is_last:
            self._reset()
            parser.renew()
            self._enter(Phase.IDLE)
            self._read_on()
        elif parser.is_complete and not parser.is_behind and not self._early:
            self.close()
        else:
            self._linger()

    def abort(self) -> None:
        """Break the connection so that the peer sees that its response is incomplete.

        What was written still goes out where the framing tells that more was to come; where it
        cannot, and where nothing has begun, the connection is reset.
        """
        self._receiver = None
        if self._framing in (Framing.CHUNKED, Framing.LENGTH):
            self.uncork()
            self._fall_silent()
            self.close()
        elif self.phase is not Phase.CLOSING:
            self.cut()

    def hand_over(self, receiver: Receiver) -> None:
        """Let another receiver have what follows; for the one whose request is complete."""
        self._receiver = receiver

    @property
    def peer(self) -> str:
        """The address of the other end, empty when it is gone."""
        name = self._transport.get_extra_info("peername")
        return name[0] if isinstance(name, tuple) else ""

    @property
    def is_reading(self) -> bool:
        """Whether the request is read as it comes."""
        return self._transport.is_reading()

    @property
    def request_bytes(self) -> int:
        """What has come of the request, as it was sent."""
        return self._parser.raw_count

    @property
    def is_whole(self) -> bool:
        """Whether the request is complete: when `on_body` is called, whether `on_end` follows."""
        return self._parser.is_complete

    @property
    def is_inside_chunk(self) -> bool:
        """Whether the bytes of this read begin in the middle of a chunk, if that is told."""
        return self._parser.is_inside_chunk

    def pause_reading(self) -> None:
        """Stop reading the request; while paused the peer's leaving is not seen."""
        if self.phase is Phase.BODY:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # --- the transport's side -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(
            limits.WRITE_BUFFER_HIGH_BYTES, limits.WRITE_BUFFER_LOW_BYTES
        )
        self._enter(Phase.IDLE)
        self._server.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.phase = Phase.CLOSED
        self._fall_silent()
        self._server.discard(self)
        self._parser.close()
        self._tell_gone()

    def eof_received(self) -> None:
        """Called by the event loop. A peer that closes its side has left."""
        if self.phase is Phase.LINGER:
            return  # it has had its answer
        framing = self._framing
        self._enter(Phase.CLOSING)  # returning None closes behind what is on its way
        self._fall_silent()
        self._tell_gone()
        if framing is Framing.CLOSE:
            self.cut()  # a peer that still reads would take a clean end for the body's

    def pause_writing(self) -> None:
        """Called by the event loop."""
        self._is_full = True
        if self._receiver is not None:
            self._receiver.on_pause()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self._is_full = False
        if self._receiver is not None:
            self._receiver.on_resume()
            return
        if self._resets_until_sent:
            self._allow_clean_close()
        self._read_on()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop: one read."""
        phase = self.phase
        if phase is Phase.BODY:
            pass  # the data path
        elif phase is Phase.IDLE and not self._early and not self._is_full:
            self.phase = Phase.HEAD
        elif phase is Phase.IDLE or phase is Phase.ANSWER:
            self._keep_early(data)
            return
        elif phase is not Phase.HEAD:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > limits.LINGER_BYTES_MAX:
                self.cut()
            return
        try:
            self._read(data)
        except HttpError as error:
            self.refuse(error)
        except Exception:  # an error in the application; the event loop reports it
            self.give_up()
            raise
        if self.phase is Phase.HEAD and phase is Phase.IDLE:
            self._enter(Phase.HEAD)  # its deadline counts from here

    def _keep_early(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > limits.PIPELINED_BYTES_MAX:
            self._tell_gone()
            self.cut()

    def _read_on(self) -> None:
        """Take up what came behind the last request, once its response has been taken.

        Otherwise a client that reads nothing would have one response after the other buffered.
        """
        if self._early and not self._is_full:
            # Not from here: the application, or the transport, is still in its own call.
            asyncio.get_running_loop().call_soon(self._take_up)

    def _take_up(self) -> None:
        early = self._early
        if early and self.phase is Phase.IDLE and not self._is_full:
            self._early = b""
            self.data_received(early)

    def _read(self, data: bytes) -> None:
        parser = self._parser
        parser.feed(data)
        if self.phase is Phase.HEAD:
            if parser.head is None:
                return
            self._begin(parser.head)
        receiver = self._receiver
        if receiver is None:
            return
        if body := parser.take_body():
            receiver.on_body(body)
        if parser.is_complete and self._receiver is receiver:
            self._enter(Phase.ANSWER)
            self.resume_reading()  # paused, we would not see the peer leave
            trailers = parser.trailers
            parser.drop_fields()
            receiver.on_end(trailers)

    def _begin(self, head: RequestHead) -> None:
        """A head is complete: check it and call the application."""
        check_request(head)
        self.phase = Phase.BODY
        receiver = self._server.application(head, self)
        if self.phase is not Phase.BODY:
            return  # it has answered, and the response has ended
        self._receiver = receiver
        if self._is_full:
            receiver.on_pause()
        parser = self._parser
        if not parser.is_complete:
            self._server.admit_upload(self)
            self._enter(Phase.BODY)
        is_waiting = head.expects_continue and head.has_body and not parser.is_complete
        if is_waiting and not self.is_answered and not parser.has_pieces:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n%b\r\n" % self.continue_fields)

    def refuse(self, error: HttpError) -> None:
        """Answer what cannot be served, and close."""
        self._tell_gone()
        if self.is_answered or self.phase is Phase.IDLE:
            if self.phase is not Phase.LINGER:
                self.cut()
            return
        head = self._parser.head
        accept = head.get(b"accept") if head is not None else None
        fields, body = encode_problem(error.status, str(error), accept=accept)
        if error.retry_after_s is not None:
            fields.append((b"retry-after", b"%d" % error.retry_after_s))
        if error.status == 405:
            fields.append((b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
        self._parser.is_complete = False  # what follows is nothing that we understand
        self.respond(error.status, fields, body)

    def _tell_gone(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.on_gone()

    def _linger(self) -> None:
        """Let the peer read its last answer, and take in what it still sends.

        Closing at once with unread bytes would reset the connection under the answer.
        """
        self._enter(Phase.LINGER)
        self._early = b""
        self.resume_reading()
        self._transport.write_eof()

    def close(self) -> None:
        """Close behind what is on its way."""
        self._enter(Phase.CLOSING)
        self._transport.close()

    def cut(self) -> None:
        """Reset the connection: whatever was on its way is lost."""
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.CLOSED
        self._receiver = None
        self._fall_silent()
        set_reset_on_close(self._transport, True)
        self._transport.abort()

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        # Bytes of the response before count as well: the application may wait until they are taken.
        if phase is Phase.ANSWER and not self.is_answered and not self._is_full:
            self._server.deadlines.waiting.discard(self)
        else:
            self._server.deadlines.watch(self)

    def end_stalled(self) -> None:
        """Reset the connection, whose peer takes nothing, and report that to the application."""
        receiver = self._receiver
        self.has_stalled = True
        self.cut()
        if receiver is not None:
            receiver.on_gone()

    def give_up(self) -> None:
        """End the exchange, whatever its state, and tell the application."""
        self._tell_gone()
        self.abort()
